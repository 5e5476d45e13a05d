"""An audit is read back as it was written, and its verdict needs the interval."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from harness.contracts import DatasetEntry
from harness.data.audit.record import (
    Audit,
    AuditPart,
    Counterfactual,
    Estimate,
    audit_file,
    read_audit,
    write_audit,
)
from harness.data.clips import identity_of
from harness.types import Clip, HarnessError


@pytest.mark.parametrize(
    ("bounds", "verdict"),
    [
        ((0.61, 0.51, 0.7), "shortcut"),
        ((0.61, 0.5, 0.7), "uncertain"),
        ((0.636, 0.47, 0.79), "uncertain"),
        ((0.55, 0.5, 0.59), "clear"),
        ((0.55, 0.5, 0.6), "uncertain"),
        ((0.48, 0.4, 0.55), "clear"),
        ((0.3, 0.2, 0.4), "uncertain"),
        (None, "undefined"),
    ],
)
def test_a_verdict_needs_the_interval(bounds: tuple[float, float, float] | None, verdict: str) -> None:
    part = AuditPart("container", 9, 9, (0, 0), Estimate(*bounds) if bounds else None)
    assert part.verdict == verdict


@pytest.mark.parametrize(
    ("loose", "verdict"), [(0, "clear"), (2, "clear"), (3, "uncertain"), (10, "uncertain")]
)
def test_nothing_is_clear_where_nobody_says_what_fakes_were_made_from(loose: int, verdict: str) -> None:
    part = AuditPart("container", 10, 10, (0, 0), Estimate(0.5, 0.42, 0.58), loose=loose)
    assert part.verdict == verdict
    told = dataclasses.replace(part, auc=Estimate(0.8, 0.7, 0.9))
    assert told.verdict == "shortcut"


@pytest.mark.parametrize(
    ("value", "said", "verdict"),
    [
        (0.62, {"wobble": 0.02}, "uncertain"),  # other folds may give 0.56
        (0.67, {"wobble": 0.02}, "shortcut"),
        (0.75, {"unboxed": 5}, "uncertain"),  # of 18 clips: what was seen may be a face
        (0.75, {"unboxed": 3}, "shortcut"),
        (0.85, {"unboxed": 18}, "shortcut"),
    ],
)
def test_a_value_near_its_limit_is_no_shortcut(value: float, said: dict[str, float], verdict: str) -> None:
    part = AuditPart("background", 9, 9, (0, 0), Estimate(value, 0.56, 0.9), **said)  # type: ignore[arg-type]
    assert part.verdict == verdict


def test_an_audit_is_read_back_as_it_was_written(
    found: tuple[DatasetEntry, tuple[Clip, ...], Audit], home: Path
) -> None:
    judged = Counterfactual("meso4", "JPEG", "test split", 5, 6, 1, *[Estimate(0.5, 0.4, 0.6)] * 3)
    audit = dataclasses.replace(found[2], counterfactual=judged)
    assert read_audit(audit.dataset) is None
    file = write_audit(audit)
    assert file == audit_file(audit.dataset) == home / "audits" / "procedural_planted.json"
    assert read_audit(audit.dataset) == audit
    assert str(home) not in file.read_text() and ".mp4" not in file.read_text()
    assert audit.clips_sha256 == identity_of(found[1], found[0])
    assert audit.warning.startswith("AUC 1.00 by ")


def test_a_damaged_audit_is_told_and_an_older_one_is_none(home: Path) -> None:
    file = audit_file("folder")
    file.parent.mkdir(parents=True)
    file.write_text('{"format": 0}')
    assert read_audit("folder") is None
    file.write_text('{"format": 1, "dataset": "folder"}')
    assert read_audit("folder") is None  # its interval did not know the draw of folds
    file.write_text('{"format": 2, "dataset": "folder"}')
    with pytest.raises(HarnessError, match="gapbench data audit folder"):
        read_audit("folder")
