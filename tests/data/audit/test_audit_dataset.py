"""The audit catches the planted shortcut, keeps people together, and counts the clips it cannot read."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import cv2
import pytest

from harness import registry
from harness.checks.conformance import check_dataset
from harness.contracts import DatasetEntry
from harness.data.audit.record import Audit
from harness.data.audit.shortcuts import audit_dataset, chosen_clips, look_at
from harness.types import FAKE, REAL, Clip, HarnessError
from tests.data.audit.pictures import a_clip, noise, swap


def test_the_planted_shortcut_is_caught_in_the_file_and_in_the_background(
    found: tuple[DatasetEntry, tuple[Clip, ...], Audit],
) -> None:
    audit = found[2]
    assert audit.shortcut
    for part in audit.parts:
        assert part.auc is not None and part.auc.value > 0.95 and part.auc.low > 0.85
        assert part.verdict == "shortcut"
    named = {lead.fact: lead for lead in audit.container.leads}
    assert {"bit rate", "size in bytes"} <= set(named)
    fake, real = (
        float(text.replace(",", "")) for text in (named["size in bytes"].fake, named["size in bytes"].real)
    )
    assert fake < real / 4


def test_the_planted_set_is_the_tiny_one_but_for_its_fakes_files(planted: Path, tiny_root: Path) -> None:
    mine = list(registry.datasets.get("procedural_planted").clips(planted))
    tiny = list(registry.datasets.get("procedural_tiny").clips(tiny_root))
    assert len(mine) == len(tiny) > 100
    for one, other in zip(mine, tiny, strict=True):
        same = dataclasses.replace(one, id=other.id, path=other.path)
        assert same == other
        alike = one.path.read_bytes() == other.path.read_bytes()
        assert alike == (one.label == REAL)


def test_the_planted_set_keeps_the_promises_of_a_dataset(planted: Path) -> None:
    findings = check_dataset(registry.datasets.get("procedural_planted"), planted)
    assert [finding for finding in findings if not finding.passed] == []


def test_a_missing_class_is_told(tiny_root: Path) -> None:
    clips = [clip for clip in registry.datasets.get("procedural_tiny").clips(tiny_root) if clip.label == FAKE]
    with pytest.raises(HarnessError, match="no real clip"):
        chosen_clips(clips, 10)


def test_the_clips_looked_at_are_spread_over_the_listing() -> None:
    clips = [swap(f"{k:03d}", int(k >= 40), None) for k in range(140)]
    chosen = chosen_clips(clips, 10)
    assert [clip.id for clip in chosen[:10]] == [f"{k:03d}" for k in range(2, 40, 4)]
    assert [clip.id for clip in chosen[10:]] == [f"{k:03d}" for k in range(45, 140, 10)]


def test_an_unreadable_clip_is_counted_and_never_guessed(
    found: tuple[DatasetEntry, tuple[Clip, ...], Audit], tmp_path: Path
) -> None:
    entry, clips, _ = found
    lost = tmp_path / "lost.mp4"
    lost.write_bytes(b"no video")
    few = chosen_clips(clips, 12)
    few[0] = dataclasses.replace(few[0], path=lost)
    audit, failures = audit_dataset(entry, clips, few)
    for part in audit.parts:
        assert (part.reals, part.fakes, part.failed) == (11, 12, (1, 0))
    assert len(failures) == 2 and all("1 clips" in line and "lost.mp4" in line for line in failures)


def test_a_face_that_fills_the_picture_leaves_nothing_to_look_at(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "portrait.png"), noise(0, 10))
    look = look_at(a_clip(tmp_path / "portrait.png", attributes={"box": [10, 10, 130, 130]}))
    assert look.background == "portrait.png: the face leaves no background to look at"
    assert not isinstance(look.container, str)
