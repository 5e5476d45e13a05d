"""Miniature trees of datasets, and the clips they are built from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from harness.registry import datasets
from harness.types import FAKE, REAL
from tests.datasets.listings import TREES


@pytest.fixture(scope="session")
def dozen(tiny_root: Path) -> Sequence[Path]:
    """Procedural clips, real and forged in turn."""
    clips = list(datasets.get("procedural_tiny").clips(tiny_root))
    kinds = [[clip.path for clip in clips if clip.label == label] for label in (REAL, FAKE)]
    return [path for pair in zip(*kinds, strict=False) for path in pair][:12]


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory, dozen: Sequence[Path]) -> Any:
    """The miniature tree of a dataset, made once; tests that change it copy it."""
    made: dict[str, Path] = {}

    def tree(name: str) -> Path:
        if name not in made:
            made[name] = tmp_path_factory.mktemp(name)
            TREES[name](made[name], dozen)
        return made[name]

    return tree


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Where a test builds a tree; it does not exist."""
    return tmp_path / "data"
