"""The clips of DF40 are all test, each once, under the names of the footage they are made of."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from harness.registry import datasets
from harness.types import REAL
from tests.datasets.listings import listed, people, refused
from tests.datasets.trees import df40
from tests.datasets.trees.planting import write


def test_a_real_that_several_methods_bring_is_one_clip(built: Any, tmp_path: Path) -> None:
    clips = listed("df40", built("df40"))
    reals = [key for key, clip in clips.items() if clip.label == REAL]
    assert reals == [
        "real/ffpp/953",
        "real/ffpp/974",
        "real/celeb_df/id0_0003",
        "real/celeb_df/youtube_00170",
        "MidJourney/real/0.png",
        "MidJourney/real/1.png",
        "heygen/real/talk",
    ]
    alone = tmp_path / "alone"
    shutil.copytree(built("df40") / "DF40", alone)
    brought = [
        clip for clip in listed("df40", alone).values() if clip.target == "ffpp/953" and clip.label == REAL
    ]
    assert [clip.path for clip in brought] == [alone / "blendface" / "real" / "953"]


def test_reals_of_df40_that_are_on_no_official_test_list_are_not_listed(built: Any) -> None:
    root = built("df40")
    assert (root / df40.FF_REALS / "000").is_dir()
    assert "real/ffpp/000" not in listed("df40", root)


def test_clips_of_df40_bear_the_names_of_the_footage_they_are_made_of(built: Any) -> None:
    clips = listed("df40", built("df40"))
    assert people(clips["simswap/ff/953_974"]) == ("ffpp/953", "ffpp/974", "ffpp/953")
    assert people(clips["simswap/cdf/id0_id1_0003"]) == ("celeb_df/id0", "celeb_df/id1", "celeb_df/id0_0003")
    assert people(clips["real/celeb_df/id0_0003"]) == ("celeb_df/id0", None, "celeb_df/id0_0003")
    assert people(clips["real/celeb_df/youtube_00170"])[2] == "celeb_df/youtube_00170"
    assert people(clips["heygen/fake/talk"]) == (None, None, None)
    assert clips["simswap/ff/953_974"].path == built("df40") / "DF40/simswap/ff/frames/953_974"
    assert {clip.manipulation for clip in clips.values()} == {
        None,
        "simswap",
        "blendface",
        "heygen",
        "MidJourney",
    }


def test_all_of_df40_is_test_and_masks_are_no_clips(built: Any) -> None:
    clips = listed("df40", built("df40"))
    assert {clip.split for clip in clips.values()} == {"test"}
    assert not [clip.path for clip in clips.values() if "masks" in clip.path.parts]
    assert "val = test" in (datasets.get("df40").clips.__doc__ or "")


def test_a_numbered_still_is_no_video_of_another_dataset(tmp_path: Path) -> None:
    for path in ("MidJourney/real/00170.png", "stargan/fake/953.png", "stargan/real/000.png"):
        write(tmp_path / path, "")
    assert {people(clip) for clip in listed("df40", tmp_path).values()} == {(None, None, None)}


def test_folders_of_five_digits_are_celeb_df_only_where_the_folder_says_so(tmp_path: Path) -> None:
    for path in ("e4e/cdf/00170/0.png", "stargan/real/00171/0.png", "e4e/ff/real/00172/0.png"):
        write(tmp_path / path, "")
    clips = listed("df40", tmp_path)
    assert clips["e4e/cdf/00170"].target == "celeb_df/youtube_00170"
    assert clips["stargan/real/00171"].target is None
    assert clips["e4e/ff/real/00172"].label == REAL


def test_df40_without_reals_says_where_they_come_from(built: Any, tmp_path: Path) -> None:
    write(tmp_path / "simswap/ff/953_974/0.png", "")
    refused("df40", tmp_path, "fakes only", "test.json", "List_of_testing_videos.txt")
    (tmp_path / df40.FF_REALS).mkdir(parents=True)
    refused("df40", tmp_path, "FaceForensics++/test.json is missing")
