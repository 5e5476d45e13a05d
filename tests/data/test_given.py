"""What is given to be judged: files one by one, folders of clips clip by clip, a folder of frames as one."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.data.given import clips_given
from harness.types import HarnessError


def made(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")
    return folder


def test_files_are_taken_as_they_are(tmp_path: Path) -> None:
    paths = [tmp_path / "gone.mp4", made(tmp_path, "a.png") / "a.png"]
    assert clips_given(paths) == (paths, [])


def test_a_folder_of_numbered_images_alone_is_one_clip_and_that_is_said(tmp_path: Path) -> None:
    folder = made(tmp_path / "vid", "0_0.png", "10_0.png", "20_0.png", "20_0_mask.png", "notes.txt")
    found, (said,) = clips_given([folder])
    assert found == [folder] and "its 3 numbered images are taken as the frames of one clip" in said


def test_every_file_of_any_other_folder_is_a_clip(tmp_path: Path) -> None:
    pictures = made(tmp_path / "pictures", "ann.png", "bob.jpg", "carol.webp")
    assert [path.name for path in clips_given([pictures])[0]] == ["ann.png", "bob.jpg", "carol.webp"]
    mixed = made(tmp_path / "mixed", "1.mp4", "2.mp4", "3.png", "c/0.png", "c/1.png", "d.mov")
    assert {path.name for path in clips_given([mixed])[0]} >= {"1.mp4", "2.mp4", "3.png", "d.mov"}
    assert len(clips_given([pictures, mixed])[0]) >= 7


def test_folders_of_frames_below_a_folder_are_clips(tmp_path: Path) -> None:
    names = [f"vid_00{clip}/{frame:03}.png" for clip in (1, 2) for frame in range(4)]
    folder = made(tmp_path / "clips", *names, "whole.mp4")
    assert [path.name for path in clips_given([folder])[0]] == ["whole.mp4", "vid_001", "vid_002"]


def test_a_folder_without_a_clip_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match="neither a video nor an image"):
        clips_given([made(tmp_path / "empty", "notes.txt")])


def test_files_of_a_folder_that_are_no_clips_are_told(tmp_path: Path) -> None:
    folder = made(tmp_path / "some", "ann.png", "ann_mask.png", "bob.heic", "sub/carol.mp4", "sub/readme")
    found, (said,) = clips_given([folder])
    assert [path.name for path in found] == ["ann.png", "carol.mp4"]
    assert said.endswith(
        "some: 3 files are no clips: 1 .heic is not read (bob.heic);"
        " 1 masks of other images (ann_mask.png); 1 no ending is not read (readme)"
    )
