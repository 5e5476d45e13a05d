"""FakeAVCeleb is what its table says, however the table is written, and a forged voice alone is real."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from harness.types import REAL, HarnessError
from tests.datasets.listings import listed
from tests.datasets.trees import fakeavceleb


def test_a_real_video_with_a_forged_voice_is_real(root: Path, dozen: Sequence[Path]) -> None:
    fakeavceleb.build(root, dozen)
    clips = listed("fakeavceleb", root)
    voice = clips["RealVideo-FakeAudio/African/men/id00076/00109_fake"]
    assert (voice.label, voice.manipulation) == (REAL, None)
    original = clips["RealVideo-RealAudio/African/men/id00076/00109"]
    assert voice.attributes["footage"] == original.attributes["footage"] == "fakeavceleb/id00076/00109"
    assert {clip.split for clip in clips.values()} == {"test"}


def test_target_and_source_of_fakeavceleb_come_from_its_table(root: Path, dozen: Sequence[Path]) -> None:
    fakeavceleb.build(root, dozen)
    swap = listed("fakeavceleb", root)["FakeVideo-RealAudio/African/men/id00076/00109_id00166_2hNQnKGz7oc"]
    assert (swap.target, swap.source) == ("fakeavceleb/id00076", "fakeavceleb/id00166")
    assert (swap.manipulation, swap.attributes["footage"]) == ("faceswap", "fakeavceleb/id00076/00109")


def test_a_file_named_under_two_methods_is_one_clip_of_the_first(root: Path, dozen: Sequence[Path]) -> None:
    fakeavceleb.build(root, dozen)
    clips = listed("fakeavceleb", root)
    assert len(clips) == len(fakeavceleb.ROWS) - 1
    twice = clips["FakeVideo-FakeAudio/African/men/id00166/00010_id00076_wavtolip"]
    assert twice.manipulation == "wav2lip"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("gender,path,\n", "gender,filename,path\n"),
        ("gender,path,\n", "gender,filename,path,\n"),
        (",FakeAVCeleb/", ",FakeAVCeleb_v1.2/FakeAVCeleb/"),
        (",FakeAVCeleb/", ","),
        (",FakeAVCeleb/", ",C:\\data\\"),
        ("id00076\n", "id00076/\n"),
        ("\n", "\r\n"),
        ("00109.mp4,FakeAVCeleb/RealVideo-RealAudio/African/men/id00076\n", None),
    ],
)
def test_every_way_the_table_is_written_gives_the_same_clips(
    old: str, new: str | None, root: Path, dozen: Sequence[Path]
) -> None:
    fakeavceleb.build(root, dozen)
    before, file = listed("fakeavceleb", root), root / "meta_data.csv"
    text = file.read_text()
    changed = text.replace(old, new if new is not None else f"{old.strip()}/00109.mp4\n")
    assert changed != text
    file.write_bytes(changed.encode())
    assert listed("fakeavceleb", root) == before


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("FakeAVCeleb/RealVideo-RealAudio/African", "RealVideo-RealAudio/../../..", "leaves the folder"),
        (",00109.mp4,", ",../../../../../etc/x.mp4,", "leaves the folder"),
        (",00109.mp4,", ",/etc/x.mp4,", "leaves the folder"),
        (
            "FakeAVCeleb/RealVideo-RealAudio/African",
            "FakeVideo-FakeAudio/African",
            "not in the folder of its type",
        ),
        (",00109.mp4,", ",,", "is not the name of a file"),
        ("real,A,", "real,D,", "category 'D' does not go with type 'RealVideo-RealAudio'"),
        ("A,RealVideo-RealAudio,", "A,RealVideo,", "unknown type 'RealVideo'"),
        ("faceswap,C", "real,C", "a FakeVideo-RealAudio clip with the method 'real'"),
        (",00109.mp4,FakeAVCeleb/RealVideo-RealAudio/African/men/id00076", "", "8 columns where 10"),
    ],
)
def test_a_line_that_contradicts_itself_or_leaves_the_folder_is_named(
    old: str, new: str, said: str, root: Path, dozen: Sequence[Path]
) -> None:
    fakeavceleb.build(root, dozen)
    file = root / "meta_data.csv"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))
    with pytest.raises(HarnessError, match=r"meta_data.csv, line \d+: .*" + said):
        listed("fakeavceleb", root)


def test_a_table_of_fakeavceleb_that_no_csv_reader_takes_is_an_error(
    root: Path, dozen: Sequence[Path]
) -> None:
    fakeavceleb.build(root, dozen)
    with (root / "meta_data.csv").open("a") as file:
        file.write("a" * 200_000)
    with pytest.raises(HarnessError, match=r"meta_data\.csv is not a CSV file: field larger"):
        listed("fakeavceleb", root)
