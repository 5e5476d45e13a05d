"""A dataset in which a shortcut is planted, and its audit."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness import registry
from harness.contracts import DatasetEntry
from harness.data.audit.record import Audit
from harness.data.audit.shortcuts import audit_dataset, chosen_clips
from harness.data.clips import list_clips
from harness.types import Clip


@pytest.fixture(scope="session")
def found(planted: Path) -> tuple[DatasetEntry, tuple[Clip, ...], Audit]:
    """The audit of the planted dataset."""
    entry = registry.datasets.get("procedural_planted")
    clips = list_clips(entry, planted)
    audit, failures = audit_dataset(entry, clips, chosen_clips(clips, 1000))
    assert failures == ()
    return entry, clips, audit
