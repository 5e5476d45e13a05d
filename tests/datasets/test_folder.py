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


def left_out(root: Path) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for path, reason in datasets.get("folder").left_out(root):
        found.setdefault(reason.replace(str(root), "ROOT"), []).append(path.relative_to(root).as_posix())
    return {reason: sorted(paths) for reason, paths in found.items()}


def test_class_and_split_are_said_in_any_usual_words_and_order(tmp_path: Path) -> None:
    put(tmp_path, "REAL/valid/a.mp4", "Fake/Testing/swap/b.mp4", "training_fake/gan/c.png", "1_fake/d.png")
    put(tmp_path, "fake/swap/train/e.mp4", "val/original/f.mp4")
    assert listed(tmp_path) == [
        ("folder/1_fake/d.png", FAKE, "test", "unnamed"),
        ("folder/Fake/Testing/swap/b.mp4", FAKE, "test", "swap"),
        ("folder/REAL/valid/a.mp4", REAL, "val", None),
        ("folder/fake/swap/train/e.mp4", FAKE, "train", "swap"),
        ("folder/training_fake/gan/c.png", FAKE, "train", "gan"),
        ("folder/val/original/f.mp4", REAL, "val", None),
    ]
    assert left_out(tmp_path) == {}


def test_every_file_is_a_clip_or_left_out_for_a_reason(tmp_path: Path) -> None:
    put(tmp_path, "real/a.jfif", "real/b.heic", "real/.c.png", "real/notes.txt", "Swaps/d.mp4", "e.mp4")
    put(
        tmp_path,
        "fake/sd/1.png",
        "fake/sd/1_mask.png",
        "fake/sd/masks/1.png",
        "fake/README",
        "mine/real/f.mp4",
    )
    put(tmp_path, "mine/fake/g.mp4", "test/h.mp4")
    assert [row[0] for row in listed(tmp_path)] == ["folder/fake/sd/1.png", "folder/real/a.jfif"]
    assert left_out(tmp_path) == {
        ".heic is not read": ["real/b.heic"],
        ".txt is not read": ["real/notes.txt"],
        "no ending": ["fake/README"],
        "hidden": ["real/.c.png"],
        "masks of other images": ["fake/sd/1_mask.png", "fake/sd/masks/1.png"],
        "in Swaps/, which says neither real nor fake": ["Swaps/d.mp4"],
        "in mine/, which says neither real nor fake (--root .../mine fits)": [
            "mine/fake/g.mp4",
            "mine/real/f.mp4",
        ],
        "in no folder of real or of fake": ["e.mp4", "test/h.mp4"],
    }


def test_folders_of_numbered_images_are_clips_of_frames_and_said(tmp_path: Path) -> None:
    for clip in ("real/vid_003", "real/vid_004", "fake/swap/vid_003"):
        put(tmp_path, *(f"{clip}/{number:03d}.png" for number in range(3)), f"{clip}/001_mask.png")
    put(tmp_path, "real/0.png", "real/1.png", "fake/gan/0.png", "fake/gan/1.png")
    clips = {clip.id: clip for clip in datasets.get("folder").clips(tmp_path)}
    frames = {
        name.removeprefix("folder/"): clip.attributes.get("listed_frames") for name, clip in clips.items()
    }
    images = dict.fromkeys(("fake/gan/0.png", "fake/gan/1.png", "real/0.png", "real/1.png"))
    assert frames == images | {"real/vid_003": 3, "real/vid_004": 3, "fake/swap/vid_003": 3}
    assert clips["folder/fake/swap/vid_003"].manipulation == "swap"
    assert clips["folder/real/vid_003"].path == tmp_path / "real" / "vid_003"
    (remark,) = datasets.get("folder").remarks(tmp_path)
    assert remark.startswith("9 numbered images are taken as the frames of 3 clips, one a folder")


def test_fakes_that_lie_in_folders_as_the_reals_do_are_clips_too(tmp_path: Path) -> None:
    for clip in ("real/v1", "real/v2", "fake/v1", "fake/v2"):
        put(tmp_path, *(f"{clip}/{number}.png" for number in range(4)))
    assert [row[0] + str(row[3]) for row in listed(tmp_path)] == [
        *("folder/fake/v1unnamed", "folder/fake/v2unnamed", "folder/real/v1None", "folder/real/v2None")
    ]


def test_numbered_pictures_that_are_kept_apart_are_said_to_be_that(tmp_path: Path) -> None:
    put(tmp_path, "real/holiday/1.png", "real/holiday/2.png", "fake/swap/1.png")
    (remark,) = datasets.get("folder").remarks(tmp_path)
    assert "2 numbered images in 1 folders (real/holiday) are taken as pictures of their own" in remark


@pytest.mark.parametrize(
    "names", [("vid_1_frame_01.png", "vid_1_frame_02.png"), ("frame_1.jpg", "frame_2.jpg")]
)
def test_frames_that_lie_in_no_folder_of_one_clip_are_refused(names: tuple[str, ...], tmp_path: Path) -> None:
    put(tmp_path, *(f"real/{name}" for name in names), "fake/swap/a.png")
    with pytest.raises(
        HarnessError, match=r"2 images in .*/real are named as frames of 1 clip.* in a folder"
    ):
        listed(tmp_path)


@pytest.mark.parametrize(("root", "fits"), [("d", "d/mine"), ("d/mine/real", "d/mine"), (".", "d/mine")])
def test_a_root_one_folder_off_is_told_the_one_that_fits(root: str, fits: str, tmp_path: Path) -> None:
    put(tmp_path, "d/mine/train/real/a.mp4", "d/mine/real/b.mp4", "d/mine/fake/sd/c.mp4")
    with pytest.raises(HarnessError) as error:
        listed(tmp_path / root)
    assert str(error.value).endswith(f"--root {tmp_path / fits} fits")


def test_folders_called_by_numbers_are_not_taken_for_classes(tmp_path: Path) -> None:
    put(tmp_path, "0/a.png", "1/b.png")
    with pytest.raises(HarnessError, match="in which are 0/, 1/; expected real"):
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
