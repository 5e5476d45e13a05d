"""The inspection of a dataset names what is wrong with it, and is silent about one with nothing wrong."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from harness.data.check.inspection import Inspection, page, report
from harness.data.problems import Problem
from harness.tables import WIDTH
from tests.data.spoilt_dataset import Tree, checked, finding, frames_of, write_film


def test_a_clean_tree_has_nothing_wrong(tree: Tree, capsys: pytest.CaptureFixture[str]) -> None:
    assert tree.inspected().findings == ()
    assert checked("spoilt", root=tree.root) == 0
    assert "nothing wrong (52 clips" in capsys.readouterr().out


def missing(tree: Tree) -> list[str]:
    name = tree.names("test", "real")[3]
    tree.path(name).unlink()
    return ["missing files", f"{name}.mp4"]


def surplus(tree: Tree) -> list[str]:
    shutil.copyfile(tree.path(tree.names("val", "real")[0]), tree.root / "val" / "graphics" / "stray.mp4")
    return ["extra files", "val/graphics", "stray.mp4"]


def truncated(tree: Tree) -> list[str]:
    name = tree.names("train", "autoencoder")[2]
    os.truncate(tree.path(name), int(0.7 * tree.path(name).stat().st_size))
    return ["unreadable clips", name]


def empty(tree: Tree) -> list[str]:
    name = tree.names("train", "autoencoder")[3]
    tree.path(name).write_bytes(b"")
    return ["empty files", name]


def one_frame(tree: Tree) -> list[str]:
    name = tree.names("train", "graphics")[1]
    write_film(tree.path(name), frames_of(tree.path(name))[:1])
    return ["one-frame clips", name]


def copied_across(tree: Tree) -> list[str]:
    train, test = tree.names("train", "real")[5], tree.names("test", "real")[5]
    shutil.copyfile(tree.path(train), tree.path(test))
    return ["content in two splits", train, test]


def near_copy(tree: Tree) -> list[str]:
    train, test = tree.names("train", "real")[6], tree.names("test", "real")[6]
    small = [cv2.resize(f, (160, 120), interpolation=cv2.INTER_AREA) for f in frames_of(tree.path(train))]
    write_film(tree.path(test), np.stack(small))
    return ["near copy shared", train, test]


def both_labels(tree: Tree) -> list[str]:
    real, fake = tree.names("val", "real")[1], tree.names("val", "reenactment")[1]
    shutil.copyfile(tree.path(real), tree.path(fake))
    return ["content with both labels", f"{real} (real)", f"{fake} (fake)"]


def person_in_two_splits(tree: Tree) -> list[str]:
    train, test = tree.names("train", "real")[8], tree.names("test", "graphics")[0]
    tree.lines[test]["source"] = tree.lines[train]["target"]
    return ["people shared", test, "as its authors split it"]


def recording_in_two_splits(tree: Tree) -> list[str]:
    train, val = tree.names("train", "graphics")[2], tree.names("val", "graphics")[1]
    tree.lines[val]["footage"] = tree.lines[train]["footage"]
    return ["footage shared", val]


def wrong_count(tree: Tree) -> list[str]:
    name = tree.names("test", "autoencoder")[-1]
    tree.lines.pop(name)
    tree.path(name).unlink()
    count = tree.official["test/autoencoder"]
    return ["counts", f"test/autoencoder: {count - 1} listed, {count} official"]


def own_codec(tree: Tree) -> list[str]:
    for name in tree.names("train", "reenactment"):
        write_film(tree.path(name), frames_of(tree.path(name)), "mpeg4")
    return ["codec of one class alone", "mp4 mpeg4 yuv420p: 4 of"]


def list_against_folder(tree: Tree) -> list[str]:
    tree.add("test/graphics/zz-last", label="real")  # whatever comes before it is listed
    return ["list", "test/graphics/zz-last is listed as real"]


def no_video(tree: Tree) -> list[str]:
    name = tree.names("test", "reenactment")[0]
    tree.path(name).write_text("<html>404 not found</html>" * 20)
    return ["unreadable clips", f"{name}: not a readable video"]


PLANTED: tuple[tuple[Callable[[Tree], list[str]], str], ...] = (
    (missing, "error"),
    (surplus, "warning"),
    (truncated, "error"),
    (empty, "error"),
    (one_frame, "warning"),
    (copied_across, "error"),
    (near_copy, "warning"),
    (both_labels, "error"),
    (person_in_two_splits, "warning"),
    (recording_in_two_splits, "warning"),
    (wrong_count, "error"),
    (own_codec, "warning"),
    (no_video, "error"),
    (list_against_folder, "error"),
)


def test_fourteen_planted_faults_are_all_named(tree: Tree, capsys: pytest.CaptureFixture[str]) -> None:
    said = [(plant(tree), severity) for plant, severity in PLANTED]
    inspection = tree.inspected()
    for (what, *names), severity in said:
        found = finding(inspection, what)
        told = " ".join((found.text, *found.names))
        assert found.severity == severity
        assert all(name in told for name in names), (what, names, told)
    assert {each.what for each in inspection.findings} == {what for (what, *_), _ in said}
    assert checked("spoilt", root=tree.root) == 1
    shown = capsys.readouterr().out
    written = (Path(os.environ["GAPBENCH_HOME"]) / "reports" / "spoilt.html").read_text()
    for (what, *_), _ in said:
        assert what in shown and what in written
    assert max(len(line.replace(os.environ["GAPBENCH_HOME"], "")) for line in shown.splitlines()) <= WIDTH


@pytest.mark.parametrize("plant", [one_frame, own_codec, person_in_two_splits])
def test_a_warning_is_no_error(tree: Tree, plant: Callable[[Tree], list[str]]) -> None:
    (what, *_) = plant(tree)
    tree.write()
    assert [each.what for each in tree.inspected().findings] == [what]
    assert checked("spoilt", root=tree.root) == 0


def test_names_from_disk_cannot_become_part_of_the_page() -> None:
    name = 'x/<script>alert("1")</script>\n\x1b[31m\udcff.mp4'
    inspection = Inspection("own", Path(name), 1, (Problem("error", "missing files", name, (name,)),))
    written = page("<b>own", [inspection])
    assert "<script>" not in written and "<b>own" not in written and "&lt;script&gt;" in written
    assert "http" not in written and "src=" not in written
    written.encode()
    shown = report(inspection)
    assert "\x1b" not in shown
    shown.encode()
