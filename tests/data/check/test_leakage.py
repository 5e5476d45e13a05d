"""Clips that show the same recording are named, within a dataset and between two, as what they are."""

from __future__ import annotations

from pathlib import Path

from harness import registry
from harness.data.check.inspection import inspect
from harness.types import REAL, Clip
from tests.data.spoilt_dataset import Tree, finding, frames_of, tiny_clips, write_film


def test_a_forgery_that_begins_untouched_has_no_wrong_label(tree: Tree) -> None:
    real, fake = tree.names("val", "real")[0], tree.names("val", "autoencoder")[0]
    before, after = frames_of(tree.path(real)), frames_of(tree.path(tree.names("val", "graphics")[1]))
    after[0] = before[0]
    for name, frames in ((real, before), (fake, after)):
        write_film(tree.path(name), frames, crf="0")
    assert [each.what for each in tree.inspected().findings] == ["content twice"]


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
