"""Who is seen, and what shows one recording, as folders and names of files say it."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.data.people import offer, with_people
from harness.types import FAKE, REAL, Clip


def named(*names: str) -> list[Clip]:
    """Clips under these names below `real/` or `fake/swap/`."""
    return [
        Clip(f"mine/{name}", Path(name), *((FAKE, "test", "swap") if name[0] == "f" else (REAL, "test")))
        for name in names
    ]


def told(*names: str, how: str = "names") -> dict[str, tuple[str | None, str | None, object]]:
    """Name of a file -> target, source and footage that are found."""
    clips = with_people(named(*names), how, "mine")
    return {clip.path.stem: (clip.target, clip.source, clip.attributes.get("footage")) for clip in clips}


def test_names_of_faceforensics_hold_target_and_source() -> None:
    found = told("real/000.mp4", "real/003.mp4", "fake/swap/000_003.mp4", "fake/swap/003_000.mp4")
    assert found["000"] == ("mine/000", None, "mine/000")
    assert found["000_003"] == ("mine/000", "mine/003", "mine/000")
    assert found["003_000"] == ("mine/003", "mine/000", "mine/003")


def test_a_source_is_known_where_its_real_clip_is_not_here() -> None:
    assert told("real/000.mp4", "fake/swap/000_003.mp4")["000_003"] == ("mine/000", "mine/003", "mine/000")
    hidf = told("real/c00004.mp4", "fake/swap/c00004_c11531.mp4")
    assert hidf["c00004_c11531"] == ("mine/c00004", "mine/c11531", "mine/c00004")


def test_names_of_celeb_df_hold_two_people_and_one_recording() -> None:
    found = told(
        *("real/id0_0000.mp4", "real/id0_0001.mp4", "real/id12_0000.mp4", "fake/swap/id0_id12_0001.mp4")
    )
    assert found["id0_id12_0001"] == ("mine/id0", "mine/id12", "mine/id0_0001")
    assert found["id0_0000"] == ("mine/id0", None, "mine/id0_0000")
    assert found["id12_0000"][0] == "mine/id12"


def test_a_word_behind_the_name_of_a_real_clip_is_no_person() -> None:
    found = told(
        "real/walk_01.mp4", "real/walk_02.mp4", "fake/swap/walk_01_fake.mp4", "fake/swap/Walk-02.mp4"
    )
    assert found["walk_01_fake"] == ("mine/walk_01", None, "mine/walk_01")
    assert found["Walk-02"] == ("mine/walk_02", None, "mine/walk_02")
    assert found["walk_01"] == ("mine/walk_01", None, "mine/walk_01")


def test_names_of_two_whole_recordings_link_both() -> None:
    found = told("real/video_0001.mp4", "real/video_0002.mp4", "fake/swap/video_0001_video_0002.mp4")
    assert found["video_0001_video_0002"] == ("mine/video_0001", "mine/video_0002", "mine/video_0001")


def test_a_fake_of_no_known_recording_stays_alone() -> None:
    assert told("real/000.mp4", "fake/swap/xyz.mp4")["xyz"] == (None, None, None)


def test_a_long_name_is_looked_up_too() -> None:
    long = "_".join(f"w{place}" for place in range(14))
    assert told(f"real/{long}.mp4", f"fake/swap/{long}_x.mp4")[f"{long}_x"][2] == f"mine/{long}"


def test_the_folder_above_names_the_person_unless_it_is_the_class_split_or_manipulation() -> None:
    found = told(
        *("real/anna/1.mp4", "fake/swap/anna/2.mp4", "fake/swap/3.mp4", "real/valid/4.mp4"), how="parent"
    )
    assert {name: target for name, (target, _, _) in found.items()} == {
        "1": "mine/anna",
        "2": "mine/anna",
        "3": None,
        "4": None,
    }


def test_what_the_list_says_stays() -> None:
    clip = Clip("mine/fake/000_003.mp4", Path("x"), FAKE, "test", "swap", "ann", None, {"footage": "tape"})
    (_, kept) = with_people([*named("real/000.mp4"), clip], "names", "mine")
    assert (kept.target, kept.source, kept.attributes["footage"]) == ("ann", "mine/003", "tape")


def test_names_that_hold_real_ones_are_pointed_out_once_they_are_many() -> None:
    pairs = named("real/000.mp4", "fake/swap/000_003.mp4", "fake/swap/x.mp4")
    assert offer(pairs) == (
        "the names of 1 of 2 fakes hold the name of a real clip (000_003 and 000): --people-from names counts"
        " them as one recording, in splits and in intervals"
    )
    assert offer([*pairs, *named("fake/swap/y.mp4")]) == ""
    assert offer(with_people(pairs, "names", "mine")) == ""
    assert offer(named("real/000.mp4")) == ""


@pytest.mark.parametrize("how", ["", "parent", "names"])
def test_nothing_but_people_and_footage_changes(how: str) -> None:
    clips = named("real/000.mp4", "fake/swap/000_003.mp4")
    facts = [(clip.id, clip.path, clip.label, clip.split) for clip in with_people(clips, how, "mine")]
    assert facts == [(clip.id, clip.path, clip.label, clip.split) for clip in clips]
