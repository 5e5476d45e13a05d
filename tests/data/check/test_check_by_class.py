"""`data check` says by class what a detector could live on without having seen a forgery."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from harness import registry
from harness.data.audit.findings import findings_of
from harness.data.check import composition
from harness.data.check.contact_sheet import Group, contact_sheet
from harness.data.check.inspection import Inspection, inspect, page
from harness.data.clips import content_of, identity_of, list_clips
from harness.registry import dataset
from harness.types import FAKE, REAL, Clip
from harness.video import face_tracks
from tests.data.spoilt_dataset import Tree, checked, finding, frames_of, write_film


@pytest.fixture
def faceless_here(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no face finder is, none is looked for."""
    monkeypatch.setenv("GAPBENCH_YUNET", str(home / "no-model.onnx"))
    face_tracks._finder.cache_clear()


def picture(path: Path, seed: int | None, quality: int = 90) -> Path:
    """A JPEG of noise, or of one colour."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    image = np.full_like(pixels, 40) if seed is None else cv2.GaussianBlur(pixels, (0, 0), 2)
    Image.fromarray(image).save(path, quality=quality)
    return path


def own(root: Path) -> Inspection:
    return inspect(registry.datasets.get("folder"), root)


def pictures(
    root: Path, reals: int, fakes: int, quality: tuple[int, int] = (90, 90), blank: bool = False
) -> Path:
    for number in range(reals):
        picture(root / f"real/{number}.jpg", number, quality[0])
    for number in range(fakes):
        picture(root / f"fake/sd/{number}.jpg", None if blank else 1000 + number, quality[1])
    return root


def test_the_quality_of_jpegs_and_the_size_of_files_give_the_class_away(
    faceless_here: None, tmp_path: Path
) -> None:
    inspection = own(pictures(tmp_path / "own", 20, 20, (75, 100)))
    found = finding(inspection, "headers tell the class")
    assert found.severity == "warning" and "nothing wrong" not in inspection.verdict
    told = " ".join(found.names)
    assert (
        "JPEG quality" in told
        and "real 75 (20 of 20), fake 100 (20 of 20)" in told
        and "size in bytes" in told
    )
    assert "AUC 1.000" in told and "p < 0.001" in told
    assert [each.what for each in own(pictures(tmp_path / "alike", 20, 20)).of("warning")] == []


def test_a_few_pictures_are_too_few_to_tell_and_that_is_said(faceless_here: None, tmp_path: Path) -> None:
    inspection = own(pictures(tmp_path / "own", 3, 3, (75, 100)))
    found = finding(inspection, "headers differ by class")
    assert found.severity == "note" and "3 real and 3 fake clips are too few" in found.text


def test_blank_pictures_of_one_class_are_an_error(faceless_here: None, tmp_path: Path) -> None:
    found = finding(own(pictures(tmp_path / "own", 12, 12, blank=True)), "blank clips of one class")
    assert found.severity == "error" and "0 of 12 real and 12 of 12 fake" in found.text
    assert len(found.names) == 12
    (tmp_path / "few").mkdir()
    few = pictures(tmp_path / "few", 12, 12)
    picture(few / "real/blank.jpg", None)
    assert finding(own(few), "blank clips").severity == "warning"


def test_what_unequal_classes_do_to_accuracy_is_said(faceless_here: None, tmp_path: Path) -> None:
    found = finding(own(pictures(tmp_path / "own", 2, 22)), "unequal classes")
    assert found.severity == "warning" and "2 real and 22 fake" in found.text
    assert "every clip fake is right in 91.7%" in found.text and "One real clip is 50.0%" in found.text


def test_unequal_classes_of_an_official_split_are_a_note() -> None:
    clips = [Clip(f"x/{k}", Path(f"{k}.mp4"), int(k > 0), "test", "swap" if k else None) for k in range(5)]
    (found,) = composition.skewed(clips, {"test/real": 1, "test/swap": 4})
    assert found.severity == "note"
    assert [each.severity for each in composition.skewed(clips, {"test/real": 9, "test/swap": 4})] == [
        "warning"
    ]
    assert list(composition.skewed(clips[:3], {})) == []


@pytest.fixture
def compressed(home: Path, tree: Tree, tmp_path: Path) -> Path:
    """Videos below a folder c23: two at 23, one at 40, one of another codec, one that says nothing."""
    frames = frames_of(tree.path(tree.names("train", "real")[0]))
    root = tmp_path / "ff" / "c23" / "videos"
    root.mkdir(parents=True)
    for name, crf in (("a", "23"), ("b", "23"), ("c", "40")):
        write_film(root / f"{name}.mp4", frames, crf=crf)
    write_film(root / "d.mp4", frames, "mpeg4")
    silent = (root / "a.mp4").read_bytes().replace(b"x264 - core", b"---- - core")
    (root / "e.mp4").write_bytes(silent)

    def listed(top: Path) -> Iterator[Clip]:
        for place, path in enumerate(sorted(top.rglob("*.mp4"))):
            yield Clip(f"compressed/{path.stem}", path, place % 2, "test", "swap" if place % 2 else None)

    dataset("compressed", about="what a test compressed")(listed)
    return tmp_path / "ff"


def test_a_clip_of_another_compression_than_its_folder_says_is_named(compressed: Path) -> None:
    inspection = inspect(registry.datasets.get("compressed"), compressed)
    found = finding(inspection, "other compression")
    assert found.severity == "error" and "2 of 4 videos that tell" in found.text
    assert len(found.names) == 2 and found.clips == ("compressed/c", "compressed/d")
    assert found.names[0].startswith("compressed/c: crf 40, x264 build ") and "c23 is H.264" in found.names[0]
    assert found.names[1] == "compressed/d: codec mpeg4; c23 is H.264 with crf 23"
    assert finding(inspection, "compression unknown").names == ("compressed/e",)


def test_a_folder_that_promises_nothing_is_not_held_to_it(compressed: Path, tmp_path: Path) -> None:
    (compressed / "c23").rename(compressed / "raw clips")
    entry = registry.datasets.get("compressed")
    assert not [each for each in inspect(entry, compressed).findings if "compression" in each.what]
    (compressed / "raw clips").rename(compressed / "raw")  # raw/videos, as in FaceForensics++
    assert finding(inspect(entry, compressed), "other compression").severity == "warning"


def test_the_page_shows_pictures_of_the_findings_and_some_of_each_class(
    faceless_here: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = pictures(tmp_path / "own", 12, 12, blank=True)
    (root / "real/1.jpg").write_bytes((root / "real/0.jpg").read_bytes())
    assert checked("folder", root=root, html=tmp_path / "page.html") == 1
    written, said = (tmp_path / "page.html").read_text(), capsys.readouterr().out
    assert (
        'src="data:image/png;base64,' in written
        and "error: blank clips of one class: folder/fake/sd/0.jpg" in written
    )
    sheet = Image.open(tmp_path / "page.png")
    assert sheet.width > 1000 and f"pictures: {tmp_path / 'page.png'}" in said
    titles = [each.title for each in own(root).pictures]
    assert titles == [
        "error: blank clips of one class",
        "warning: content twice",
        "real, as they are",
        "fake, as they are",
    ]


def test_a_sheet_has_room_for_some_and_shows_what_cannot_be_read_as_an_empty_box(tmp_path: Path) -> None:
    broken = [Clip(f"own/{'folder ' * 20}/{k}\n.mp4", tmp_path / f"{k}.mp4", REAL, "test") for k in range(30)]
    group = Group("<all>", tuple(broken))
    assert len(group.shown) == 12 and group.heading == "<all> (12 of 30)"
    assert contact_sheet([group]).startswith(b"\x89PNG")
    shown = Inspection("own", tmp_path, 30, (), pictures=(group,))
    assert "&lt;all&gt;" in page("own", [shown], {"own": b"png"})


def test_what_was_found_is_kept_for_these_files_and_what_was_not_asked_is_said_with_its_root(
    faceless_here: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = pictures(tmp_path / "own", 12, 12, blank=True)
    checked("folder", root=root)
    assert f"not asked yet: gapbench data audit folder --root {root}" in capsys.readouterr().err
    entry = registry.datasets.get("folder")
    clips = list_clips(entry, root)
    known = findings_of("folder", content_of(clips, entry), identity_of(clips, entry))
    assert known.checked is not None and known.checked.blank == (0, 12) and known.checked.coverage == 1
    assert known.checked.telling and known.columns["blank_fake"] == 12
    os.utime(root / "real/0.jpg", (1, 1))
    clips = list_clips(entry, root)
    assert findings_of("folder", content_of(clips, entry), identity_of(clips, entry)).checked is None


def test_clips_without_a_face_are_counted_by_class(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dataclasses import replace

    from harness.data.check import inspection

    def located(clips: list[Clip], crop: str, name: str) -> tuple[Clip, ...]:
        return tuple(
            replace(clip, attributes={"faces": {16: None if clip.label == FAKE else "somebody"}})
            for clip in clips
        )

    monkeypatch.setattr(inspection, "faces_missing", lambda: None)
    monkeypatch.setattr(inspection, "located", located)
    found = own(pictures(tmp_path / "own", 10, 10))
    told = finding(found, "clips without a face of one class")
    assert told.severity == "error" and "0 of 10 real and 10 of 10 fake" in told.text
    assert (found.tally.sought, found.tally.faceless) == ((10, 10), (0, 10))


def test_the_encoder_of_a_public_set_gives_every_fake_away(home: Path, reference: Path) -> None:
    def listed(root: Path) -> Iterator[Clip]:
        for label, folder in ((REAL, "Real-vid"), (FAKE, "Fake-vid")):
            for path in sorted((root / folder).glob("*.mp4"))[:12]:
                yield Clip(f"hidf/{path.stem}", path, label, "test", "swap" if label else None)

    dataset("hidf", about="real clips and fakes of 2025")(listed)
    inspection = inspect(registry.datasets.get("hidf"), reference / "hidf_sample")
    worst = finding(inspection, "headers tell the class").names[0]
    assert "AUC 1.000" in worst and "real 23 (12 of 12), fake 24 (12 of 12)" in worst
    assert all(fact in worst for fact in ("x264 crf", "x264 build", "x264 ref", "encoder tag"))
