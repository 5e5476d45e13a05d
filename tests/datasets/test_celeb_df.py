"""Celeb-DF is tested on its official list, in which 1 is real, and on nothing without it."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from harness.registry import datasets
from harness.types import FAKE, REAL, HarnessError
from tests.datasets.listings import counted, listed
from tests.datasets.trees import celeb_df


def test_the_official_list_of_celeb_df_v2_has_178_real_and_340_fake_test_clips(
    reference: Path, root: Path
) -> None:
    file = reference / "splits" / "celeb_df_v2" / celeb_df_list()
    for folder in celeb_df.TESTED:
        (root / folder).mkdir(parents=True)
    shutil.copy(file, root)
    with pytest.raises(HarnessError, match="is the list of celeb_df_v2"):
        listed("celeb_df_v1", root)
    clips = listed("celeb_df_v2", root)  # none is on disk, all are listed
    official = datasets.get("celeb_df_v2").official
    tests = {"test/real": 178, "test/Celeb-synthesis": 340}
    assert counted(clips) == tests == {key: official[key] for key in tests}
    assert sum(official.values()) == 590 + 300 + 5639
    assert len({clip.target for clip in clips.values() if clip.label == FAKE}) == 52


def celeb_df_list() -> str:
    return "List_of_testing_videos.txt"


def test_one_means_real_in_the_list_of_celeb_df(root: Path, dozen: Sequence[Path]) -> None:
    celeb_df.build(root, dozen)
    clips = listed("celeb_df_v2", root)
    assert "1 Celeb-real/id0_0001.mp4" in (root / celeb_df_list()).read_text()
    assert (clips["Celeb-real/id0_0001"].label, clips["Celeb-synthesis/id0_id1_0001"].label) == (REAL, FAKE)
    assert counted(clips) == {
        "test/real": 2,
        "test/Celeb-synthesis": 2,
        "train/real": 3,
        "train/Celeb-synthesis": 2,
    }


def test_a_line_that_contradicts_its_folder_is_named(root: Path, dozen: Sequence[Path]) -> None:
    celeb_df.build(root, dozen)
    file = root / celeb_df_list()
    lines = file.read_text().splitlines()
    for number, line in enumerate(lines):  # a list written the other way round, from one line on
        flipped = [*lines[:number], "10"[int(line[0])] + line[1:], *lines[number + 1 :]]
        file.write_text("\n".join(flipped))
        with pytest.raises(HarnessError, match=f"line {number + 1}: .*1 is real in this list"):
            listed("celeb_df_v2", root)


@pytest.mark.parametrize(
    "line",
    [
        "1 Celeb-real",
        "real Celeb-real/id0_0001.mp4",
        "1 Celeb-real/../Celeb-synthesis/id0_id1_0001.mp4",
        "1 Celeb-reel/id0_0001.mp4",
        "1 YouTube-real/id0_0001.mp4",
        "Celeb-real/id0_0001.mp4",
    ],
)
def test_a_line_that_cannot_be_understood_is_named(line: str, root: Path, dozen: Sequence[Path]) -> None:
    celeb_df.build(root, dozen)
    (root / celeb_df_list()).write_text(f"1 YouTube-real/00170.mp4\n{line}\n")
    with pytest.raises(HarnessError, match="line 2: "):
        listed("celeb_df_v2", root)


def test_windows_line_ends_and_a_missing_final_newline_change_nothing(
    root: Path, dozen: Sequence[Path]
) -> None:
    celeb_df.build(root, dozen)
    file = root / celeb_df_list()
    before, text = listed("celeb_df_v2", root), file.read_text()
    assert not text.endswith("\n")
    for variant in (text.replace("\n", "\r\n"), text + "\n", text + "\r\n\r\n"):
        file.write_bytes(variant.encode())
        assert listed("celeb_df_v2", root) == before


def test_without_its_list_celeb_df_is_an_error_not_all_training(root: Path, dozen: Sequence[Path]) -> None:
    celeb_df.build(root, dozen)
    (root / celeb_df_list()).unlink()
    with pytest.raises(HarnessError, match=f"has no {celeb_df_list()}, which says what is for testing"):
        listed("celeb_df_v2", root)


def test_a_listed_celeb_df_video_that_is_gone_is_listed(root: Path, dozen: Sequence[Path]) -> None:
    celeb_df.build(root, dozen)
    before = listed("celeb_df_v2", root)
    for name in ("Celeb-synthesis/id0_id1_0001", "Celeb-synthesis/id0_id1_0000"):
        before[name].path.unlink()
    after = listed("celeb_df_v2", root)
    assert before.keys() - after.keys() == {"Celeb-synthesis/id0_id1_0000"}  # train: known from disk alone


def test_a_celeb_df_fake_shows_the_target_and_names_the_recording_of_its_original(
    root: Path, dozen: Sequence[Path]
) -> None:
    celeb_df.build(root, dozen)
    clips = listed("celeb_df_v2", root)
    fake, tube = clips["Celeb-synthesis/id0_id1_0001"], clips["YouTube-real/00170"]
    assert (fake.target, fake.source) == ("celeb_df/id0", "celeb_df/id1")
    assert fake.attributes["footage"] == clips["Celeb-real/id0_0001"].attributes["footage"]
    assert fake.attributes["footage"] == "celeb_df/id0_0001"
    assert tube.target == tube.attributes["footage"] == "celeb_df/youtube_00170"
