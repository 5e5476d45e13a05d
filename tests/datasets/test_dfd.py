"""DeepFakeDetection is all test, names actors and scenes, and has one compression for both classes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tests.datasets.listings import counted, listed, touch
from tests.datasets.trees import dfd, ffpp


def test_dfd_is_all_test_and_names_actors_and_scenes(root: Path, dozen: Sequence[Path]) -> None:
    dfd.build(root, dozen)
    clips = listed("dfd", root)
    assert counted(clips) == {"test/real": 3, "test/DeepFakeDetection": 2}
    fake = clips["c23/DeepFakeDetection/01_02__exit_phone_room__YVGY8LOK"]
    assert (fake.target, fake.source) == ("dfd/01", "dfd/02")
    assert fake.attributes["footage"] == "dfd/01__exit_phone_room"
    assert clips["c23/actors/01__exit_phone_room"].attributes["footage"] == "dfd/01__exit_phone_room"


def test_dfd_never_mixes_compressions_between_the_classes(root: Path) -> None:
    touch(
        root,
        "original_sequences/actors/c23/videos/01__walk.mp4",
        "original_sequences/actors/c40/videos/01__walk.mp4",
        "manipulated_sequences/DeepFakeDetection/c40/videos/01_02__walk__YVGY8LOK.mp4",
    )
    assert list(listed("dfd", root)) == ["c40/actors/01__walk", "c40/DeepFakeDetection/01_02__walk__YVGY8LOK"]


def test_the_videos_of_ffpp_beside_it_are_no_clips_of_dfd(root: Path, dozen: Sequence[Path]) -> None:
    dfd.build(root, dozen)
    ffpp.build(root, dozen)
    assert len(listed("dfd", root)) == 5
