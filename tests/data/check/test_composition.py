"""A class or manipulation that is missing is told, and what one class lacks by chance is not."""

from __future__ import annotations

from pathlib import Path

from harness.data.check import composition
from harness.types import Clip
from tests.data.spoilt_dataset import Tree, finding, frames_of, write_film


def test_a_test_split_of_one_class_is_an_error(tree: Tree) -> None:
    for name in [name for name in tree.lines if name.startswith("test/") and "/real/" not in name]:
        tree.lines.pop(name)
    found = finding(tree.inspected(), "a class is missing")
    assert (found.severity, found.text) == ("error", "there is no fake clip in the test split")


def test_a_value_that_one_class_lacks_by_chance_is_no_shortcut(tree: Tree) -> None:
    name = tree.names("train", "real")[0]
    write_film(tree.path(name), frames_of(tree.path(name)), "mpeg4")
    assert tree.inspected().findings == ()


def test_a_manipulation_that_is_not_there_at_all_is_a_warning() -> None:
    clips = [Clip(f"x/{k}", Path(f"{k}.mp4"), k % 2, "test", "swap" if k % 2 else None) for k in range(8)]
    (found,) = composition.counts(clips, {"test/real": 4, "*/swap": 4, "test/other": 4})
    assert (found.severity, found.names) == ("warning", ("test/other: 0 listed, 4 official",))
    (found,) = composition.counts(clips, {"test/real": 3})
    assert found.severity == "error"
