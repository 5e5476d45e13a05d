"""A dataset with nothing wrong, for tests to spoil."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from harness import registry
from harness.registry import dataset
from tests.data.spoilt_dataset import Tree


@pytest.fixture
def tree(home: Path, tmp_path: Path, tiny_root: Path) -> Tree:
    """A dataset `spoilt` with nothing wrong: half the clips of the tiny dataset under names of their own."""
    made = Tree(tmp_path / "spoilt", tiny_root)
    dataset("spoilt", about="what a test made of it", official=made.official)(lambda root: made.clips(root))
    return made


@pytest.fixture(scope="session")
def planted(tmp_path_factory: pytest.TempPathFactory, tiny_root: Path) -> Path:
    """The planted dataset, made once from the tiny one that is there."""
    entry = registry.datasets.get("procedural_planted")
    root = tmp_path_factory.mktemp("planted") / f"{entry.name}-v{entry.version}"
    shutil.copytree(tiny_root, root / "filmed")
    assert entry.prepare is not None
    entry.prepare(root)
    return root
