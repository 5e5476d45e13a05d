"""A dataset with nothing wrong, for tests to spoil."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.registry import dataset
from tests.data.spoilt_dataset import Tree


@pytest.fixture
def tree(home: Path, tmp_path: Path, tiny_root: Path) -> Tree:
    """A dataset `spoilt` with nothing wrong: half the clips of the tiny dataset under names of their own."""
    made = Tree(tmp_path / "spoilt", tiny_root)
    dataset("spoilt", about="what a test made of it", official=made.official)(lambda root: made.clips(root))
    return made
