"""Clips of which nobody states the split: the groups that stay together, and what each split gets."""

from __future__ import annotations

import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from harness.data.splits import counted, look_alike, split_up
from harness.types import FAKE, REAL, Clip, HarnessError


def clips(number: int, split: str = "test", people: int = 0) -> list[Clip]:
    """So many real clips and a fake of each; of so many people, if any is said."""
    made = []
    for place in range(number):
        who = f"mine/{place % people}" if people else None
        made.append(Clip(f"mine/real/{place}.mp4", Path("x"), REAL, split, None, who))
        made.append(Clip(f"mine/fake/swap/{place}.mp4", Path("x"), FAKE, split, "swap", who))
    return made


def splits(made: list[Clip]) -> dict[str, str]:
    return {clip.id: clip.split for clip in split_up(made, "mine").clips}


def test_each_split_gets_its_share_of_both_classes() -> None:
    assert counted(split_up(clips(100), "mine").clips) == (
        "140 train (70 real, 70 fake), 30 val (15 real, 15 fake), 30 test (15 real, 15 fake)"
    )


def test_three_of_each_class_are_enough() -> None:
    made = split_up(clips(3), "mine").clips
    assert Counter((clip.split, clip.label) for clip in made) == Counter(
        {(split, label): 1 for split in ("train", "val", "test") for label in (REAL, FAKE)}
    )


def test_who_is_seen_stays_in_one_split() -> None:
    made = split_up(clips(60, people=12), "mine")
    assert "people and footage (12 groups)" in made.said
    assert all(len({c.split for c in made.clips if c.target == f"mine/{who}"}) == 1 for who in range(12))


def test_a_fake_stays_with_both_people_in_it() -> None:
    made = clips(12, people=12)
    linked = replace(made[1], source="mine/7")
    found = splits([linked, *made[:1], *made[2:]])
    assert found[linked.id] == found["mine/real/0.mp4"] == found["mine/real/7.mp4"]


def test_where_sources_link_everybody_only_targets_count_and_it_is_said() -> None:
    ring = [
        replace(clip, source=f"mine/{(int(str(clip.target)[5:]) + 1) % 10}") if clip.label else clip
        for clip in clips(40, people=10)
    ]
    made = split_up(ring, "mine")
    assert "the same face may be in two splits" in made.said
    assert all(len({c.split for c in made.clips if c.target == f"mine/{who}"}) == 1 for who in range(10))


def test_clips_that_look_like_copies_stay_together() -> None:
    made = clips(20)
    looks = {f"{kind}/{k}.mp4": f"real/{k}.mp4" for k in range(20) for kind in ("real", "fake/swap")}
    split = split_up(made, "mine", looks)
    assert "looks (20 groups)" in split.said
    found = {clip.id: clip.split for clip in split.clips}
    assert all(found[f"mine/real/{k}.mp4"] == found[f"mine/fake/swap/{k}.mp4"] for k in range(20))


def test_where_most_clips_look_alike_looks_do_not_count() -> None:
    made = clips(20, people=10)
    split = split_up(made, "mine", {clip.id.partition("/")[2]: "one" for clip in made})
    assert "people and footage (10 groups; most clips look alike)" in split.said


def test_copies_are_found_by_what_they_show(home: Path, tmp_path: Path, tiny_root: Path) -> None:
    films = sorted((tiny_root / "real").glob("*.mp4"))[:3]
    for name, film in (("a", films[0]), ("b", films[0]), ("c", films[2])):
        shutil.copyfile(film, tmp_path / f"{name}.mp4")
    made = [Clip(f"mine/{k}.mp4", tmp_path / f"{k}.mp4", REAL, "test") for k in "abcd"]
    assert look_alike(made, "mine") == {"a.mp4": "a.mp4", "b.mp4": "a.mp4"}


def test_the_split_is_the_same_in_another_order_and_under_another_name() -> None:
    made = clips(30, people=10)
    moved = [replace(clip, id=clip.id.replace("mine/", "yours/")) for clip in reversed(made)]
    found = splits(moved)
    assert {name.replace("yours/", "mine/"): split for name, split in found.items()} == splits(made)


def test_stated_splits_stay_as_they_are() -> None:
    stated = [*clips(4, "train"), *(replace(c, id=f"{c.id}v", split="val") for c in clips(2))]
    assert split_up(stated, "mine").clips == tuple(stated) and not split_up(stated, "mine").said


def test_validation_clips_are_taken_from_the_training_clips_where_none_are_stated() -> None:
    tests = [replace(clip, id=f"{clip.id}t") for clip in clips(5)]
    made = split_up([*clips(20, "train"), *tests], "mine")
    assert made.said.startswith("the validation clips are taken from the training clips")
    assert counted(made.clips).endswith("10 test (5 real, 5 fake)")
    assert {clip.split for clip in made.clips if clip.id.endswith("t")} == {"test"}


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (clips(2), "test would have no"),
        (clips(30, people=2), "its 60 clips are 2 groups that must stay whole: test would have no"),
        (clips(30)[::2], "train would have no fake clip"),
        (clips(5, "val"), "states clips of the split val and none of train"),
    ],
)
def test_what_cannot_be_split_is_said_with_the_way_out(made: list[Clip], said: str) -> None:
    with pytest.raises(HarnessError, match=r"mine .*") as refused:
        split_up(made, "mine")
    assert said in str(refused.value)
