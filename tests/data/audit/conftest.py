"""A dataset in which a shortcut is planted, and its audit."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from harness import registry
from harness.contracts import DatasetEntry
from harness.data.audit.record import Audit
from harness.data.audit.shortcuts import audit_dataset, chosen_clips
from harness.data.clips import list_clips
from harness.types import Clip


@pytest.fixture(scope="session")
def planted(tmp_path_factory: pytest.TempPathFactory, tiny_root: Path) -> Path:
    """The planted dataset, made once from the tiny one that is there."""
    entry = registry.datasets.get("procedural_planted")
    root = tmp_path_factory.mktemp("planted") / f"{entry.name}-v{entry.version}"
    shutil.copytree(tiny_root, root / "filmed")
    assert entry.prepare is not None
    entry.prepare(root)
    return root


@pytest.fixture(scope="session")
def found(planted: Path) -> tuple[DatasetEntry, tuple[Clip, ...], Audit]:
    """The audit of the planted dataset."""
    entry = registry.datasets.get("procedural_planted")
    clips = list_clips(entry, planted)
    audit, failures = audit_dataset(entry, clips, chosen_clips(clips, 1000))
    assert failures == ()
    return entry, clips, audit
