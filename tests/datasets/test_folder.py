"""The `folder` dataset lists what a user has, and says what it expects when there is nothing."""

import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from harness.registry import datasets
from harness.types import FAKE, REAL, HarnessError
from harness.video.frames import read_frames


def put(root: Path, *paths: str) -> None:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(b"not looked into")


def listed(root: Path) -> list[tuple[str, int, str, str | None]]:
    return [(c.id, c.label, c.split, c.manipulation) for c in datasets.get("folder").clips(root)]


def test_videos_and_images_are_listed_with_label_and_manipulation(tmp_path: Path) -> None:
    put(tmp_path, "real/a/one.mp4", "real/two.JPG", "fake/swap/one.mp4", "fake/gan/deep/er/three.webm")
    assert listed(tmp_path) == [
        ("folder/fake/gan/deep/er/three.webm", FAKE, "test", "gan"),
        ("folder/fake/swap/one.mp4", FAKE, "test", "swap"),
        ("folder/real/a/one.mp4", REAL, "test", None),
        ("folder/real/two.JPG", REAL, "test", None),
    ]


def test_a_split_folder_above_is_the_split(tmp_path: Path) -> None:
    put(tmp_path, "train/real/a.mp4", "val/fake/swap/a.mp4", "test/real/a.mp4")
    assert listed(tmp_path) == [
        ("folder/test/real/a.mp4", REAL, "test", None),
        ("folder/train/real/a.mp4", REAL, "train", None),
        ("folder/val/fake/swap/a.mp4", FAKE, "val", "swap"),
    ]


def test_equal_file_names_of_two_manipulations_stay_two_clips(tmp_path: Path) -> None:
    put(tmp_path, "fake/swap/000_003.mp4", "fake/gan/000_003.mp4", "real/000_003.mp4")
    ids = [row[0] for row in listed(tmp_path)]
    assert len(ids) == len(set(ids)) == 3


def test_a_fake_without_a_manipulation_folder_is_unnamed(tmp_path: Path) -> None:
    put(tmp_path, "fake/a.mp4")
    assert listed(tmp_path) == [("folder/fake/a.mp4", FAKE, "test", "unnamed")]


def test_hidden_files_notes_and_other_folders_are_no_clips(tmp_path: Path) -> None:
    put(tmp_path, "real/a.mp4", "real/.a.mp4", "real/.cache/b.mp4", "real/notes.txt", "other/c.mp4", "d.mp4")
    assert [row[0] for row in listed(tmp_path)] == ["folder/real/a.mp4"]


def test_a_file_that_cannot_be_read_is_listed_so_that_it_is_counted(tmp_path: Path) -> None:
    put(tmp_path, "real/damaged.mp4")
    (tmp_path / "real/empty.mp4").touch()
    assert len(listed(tmp_path)) == 2


def test_folders_that_are_links_are_entered_and_links_that_lead_back_up_are_not(tmp_path: Path) -> None:
    root = tmp_path / "mine"
    put(root, "fake/swap/a.mp4", "fake/a.mp4/frame.png")
    put(tmp_path, "elsewhere/b.mp4", "elsewhere/deeper/c.png")
    (root / "real").symlink_to("../elsewhere")
    (root / "fake" / "again").symlink_to("..")
    (root / "test").mkdir()
    (root / "test" / "real").symlink_to("../../elsewhere")  # the same clips twice, which a check shall see
    (tmp_path / "link").symlink_to("mine")
    names = ["fake/a.mp4/frame.png", "fake/swap/a.mp4"]
    names += [f"{above}real/{name}" for above in ("", "test/") for name in ("b.mp4", "deeper/c.png")]
    for each in (root, tmp_path / "link"):
        assert [row[0] for row in listed(each)] == [f"folder/{name}" for name in names]


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is forbidden to root")
def test_a_folder_that_may_not_be_opened_is_an_error_not_left_out(tmp_path: Path) -> None:
    put(tmp_path, "real/a.mp4", "real/locked/b.mp4")
    (tmp_path / "real" / "locked").chmod(0)
    with pytest.raises(HarnessError, match=r"cannot list .*locked: Permission denied"):
        listed(tmp_path)


def test_a_missing_root_and_an_empty_one_are_errors_that_name_the_layout(tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match="is not a folder"):
        listed(tmp_path / "nowhere")
    with pytest.raises(HarnessError, match=r"real/\*\* and fake/<manipulation>/\*\*"):
        listed(tmp_path)


def test_a_tiff_is_listed_and_read(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    still = np.full((40, 60, 3), (10, 120, 200), np.uint8)
    assert cv2.imwrite(str(tmp_path / "real" / "a.tiff"), still)
    (path,) = (tmp_path / "real").iterdir()
    (clip,) = [clip for clip in datasets.get("folder").clips(tmp_path) if clip.path == path]
    assert np.array_equal(read_frames(clip.path, [1]).pixels[0], still[..., ::-1])


def test_images_that_share_a_folder_stay_clips_of_one_frame(tmp_path: Path) -> None:
    put(tmp_path, "real/holiday/1.png", "real/holiday/2.png", "fake/swap/holiday/1.png")
    clips = list(datasets.get("folder").clips(tmp_path))
    assert [clip.path.name for clip in clips] == ["1.png", "1.png", "2.png"]


def test_what_is_judged_is_the_face() -> None:
    assert datasets.get("folder").crop == "face"
