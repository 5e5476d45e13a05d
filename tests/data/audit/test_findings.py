"""What check and audit found is said of the very files that were looked at, and of no others."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import pytest

from harness import registry
from harness.contracts import DatasetEntry
from harness.data.audit.findings import Checked, Findings, check_file, findings_of, read_check, write_check
from harness.data.audit.record import Audit, write_audit
from harness.data.clips import content_of, identity_of, list_clips
from harness.types import Clip, HarnessError

CLEAN = Checked("folder", "c" * 64, (50, 60), (50, 60), (0, 0), (0, 0), (50, 60), (0, 0))


def test_a_check_is_read_back_as_it_was_written(home: Path) -> None:
    found = dataclasses.replace(CLEAN, blank=(0, 60), errors=("blank: all",), telling=("size: AUC 1.000",))
    assert read_check("folder", "c" * 64) is None
    assert write_check(found) == home / "checks" / "folder-cccccccc.json"
    assert read_check("folder", "c" * 64) == found
    assert read_check("folder", "c" * 8 + "d" * 56) is None


def test_a_damaged_check_is_told_and_an_older_one_is_none(home: Path) -> None:
    file = check_file("folder", "c" * 64)
    file.parent.mkdir(parents=True)
    file.write_text('{"format": 0}')
    assert read_check("folder", "c" * 64) is None
    file.write_text(f'{{"format": 1, "content_sha256": "{"c" * 64}"}}')
    with pytest.raises(HarnessError, match="gapbench data check folder"):
        read_check("folder", "c" * 64)


def test_nothing_wrong_is_nothing_said_and_nothing_recommended(
    found: tuple[DatasetEntry, tuple[Clip, ...], Audit],
) -> None:
    clear = dataclasses.replace(
        found[2].container, auc=dataclasses.replace(found[2].container.auc, value=0.5)
    )  # type: ignore[type-var]
    audit = dataclasses.replace(found[2], container=clear, background=clear)
    known = Findings("folder", CLEAN, audit)
    assert known.lines == () and known.recommended("x") == ()
    assert known.columns["coverage"] == 1 and "shortcut" not in known.columns


def test_each_thing_found_is_a_sentence_and_a_column(
    found: tuple[DatasetEntry, tuple[Clip, ...], Audit],
) -> None:
    bad = dataclasses.replace(
        CLEAN,
        present=(50, 40),
        blank=(0, 40),
        faceless=(1, 40),
        sought=(50, 40),
        errors=("missing files: 20 of 110",),
        telling=("x264 crf: AUC 1.000", "size: AUC 0.9"),
    )
    known = Findings("folder", bad, found[2])
    assert [line.split(":")[0].split(" (")[0] for line in known.lines] == [
        "Told apart without a look at the face",
        "Headers alone tell fakes from reals",
        "Blank",
        "Without a face",
        "Files present",
        "The check found 1 error, first",
    ]
    said = " ".join(known.lines)
    assert "0 of 50 real and 40 of 40 fake" in said and "90 of 110 listed (81.8%)" in said
    assert "and 1 more" in said
    assert known.columns["blank_fake"] == 40 and known.columns["telling"] == "x264 crf: AUC 1.000"
    assert str(known.columns["shortcut"]).startswith("AUC 1.00 by")


def test_what_was_not_asked_is_recommended_with_its_root() -> None:
    assert Findings("folder").recommended("my clips") == (
        "gapbench data check folder --root 'my clips'",
        "gapbench data audit folder --root 'my clips'",
    )
    assert Findings("ffpp_c23", checked=CLEAN).recommended() == ("gapbench data audit ffpp_c23",)


def test_findings_of_files_that_changed_are_not_shown(
    found: tuple[DatasetEntry, tuple[Clip, ...], Audit], home: Path, tmp_path: Path
) -> None:
    entry, root = registry.datasets.get("folder"), tmp_path / "own"
    for name in ("real/a.mp4", "fake/b.mp4"):
        (root / name).parent.mkdir(parents=True)
        (root / name).write_bytes(b"x")

    def known() -> Findings:
        clips = list_clips(entry, root)
        return findings_of("folder", content_of(clips, entry), identity_of(clips, entry))

    clips = list_clips(entry, root)
    digests = {"content_sha256": content_of(clips, entry), "clips_sha256": identity_of(clips, entry)}
    write_check(dataclasses.replace(CLEAN, content_sha256=digests["content_sha256"]))
    write_audit(dataclasses.replace(found[2], dataset="folder", **digests))
    assert known().checked is not None and known().audited is not None
    os.utime(root / "real/a.mp4", (1, 1))
    assert known() == Findings("folder")
