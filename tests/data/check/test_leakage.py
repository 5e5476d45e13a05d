"""Clips that show the same recording are named, within a dataset and between two, as what they are."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np

from harness import registry
from harness.data.check.inspection import inspect, report
from harness.types import REAL, Clip
from tests.data.edited_copies import title
from tests.data.spoilt_dataset import Tree, finding, frames_of, tiny_clips, write_film


def test_a_forgery_that_begins_untouched_has_no_wrong_label(tree: Tree) -> None:
    real, fake = tree.names("val", "real")[0], tree.names("val", "autoencoder")[0]
    before, after = frames_of(tree.path(real)), frames_of(tree.path(tree.names("val", "graphics")[1]))
    after[0] = before[0]
    for name, frames in ((real, before), (fake, after)):
        write_film(tree.path(name), frames, crf="0")
    assert [each.what for each in tree.inspected().findings] == ["picture twice"]
    assert finding(tree.inspected(), "picture twice").severity == "note"


def test_a_title_before_clips_of_all_splits_is_told_and_is_no_error(tree: Tree) -> None:
    names = [name for split in ("train", "val", "test") for name in tree.names(split, "real")[:4]]
    for facts in tree.lines.values():
        facts.pop("footage")
    for name in names:
        frames = frames_of(tree.path(name))
        write_film(tree.path(name), np.concatenate([title(36, *frames.shape[1:3]), frames]), crf="0")
    inspection = tree.inspected()
    assert not [each for each in inspection.findings if each.severity == "error"]
    assert not {"near copy shared", "content shared", "content twice"} & {f.what for f in inspection.findings}
    shared = [each for each in inspection.findings if each.what == "picture shared"]
    assert len(shared) == 2 and {each.severity for each in shared} == {"warning"}
    assert sum(len(each.names) for each in shared) == 8  # four clips of test, four of val


def test_a_copy_in_another_split_is_still_an_error_and_an_edited_one_is_told(tree: Tree) -> None:
    train = tree.names("train", "real")
    for facts in tree.lines.values():
        facts.pop("footage")
    same, mirrored = tree.add("test/real/other"), tree.add("test/real/turned")
    shutil.copyfile(tree.path(train[0]), same)
    write_film(mirrored, np.ascontiguousarray(frames_of(tree.path(train[1]))[:, :, ::-1]), crf="30")
    inspection = tree.inspected()
    assert finding(inspection, "content in two splits").severity == "error"
    assert finding(inspection, "near copy shared").names == (
        f"spoilt/test/real/turned and spoilt/{train[1]}",
    )


def test_the_report_says_which_copies_are_looked_for(tree: Tree) -> None:
    said = " ".join(report(tree.inspected()).split())
    assert "mirrored" in said and "A copy is missed that was cut off-centre" in said
    assert max(map(len, report(tree.inspected()).splitlines())) <= 100


def test_another_dataset_that_shows_the_same_recordings_is_named(tree: Tree, tiny_root: Path) -> None:
    tiny = tiny_clips(tiny_root)
    for facts in tree.lines.values():
        facts.pop("footage")
    renamed = next(name for name in tree.names("test", "real"))
    same = next(clip for clip in tiny if clip.split == "test" and clip.label == REAL)
    around = [Clip("tiny/a", same.path, REAL, "train"), Clip("tiny/b", tiny[0].path, REAL, "test")]
    tree.write()
    inspection = inspect(registry.datasets.get("spoilt"), tree.root, {"tiny": around})
    shared = finding(inspection, "content shared")
    assert shared.severity == "error" and shared.names == (f"spoilt/{renamed} and tiny/a",)
    assert "training clips of tiny" in shared.text
