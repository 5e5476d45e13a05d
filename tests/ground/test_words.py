"""Folders and files are read with one vocabulary, and frames are known by their names."""

from __future__ import annotations

import pytest

from harness.types import FAKE, REAL
from harness.words import folder_says, frame_folders, label_of, named_frame, split_of


@pytest.mark.parametrize(
    ("said", "label"),
    [
        *((word, REAL) for word in (0, 0.0, "0.0", "0.", False, "REAL", " original", "Genuine", "pristine")),
        *((word, FAKE) for word in (1, 1.0, "1.0", True, "Fake", "manipulated", "Deepfakes", "SYNTHETIC")),
        *((word, None) for word in (2, "0.5", "swap", "", None, "unknown", "-1")),
    ],
)
def test_labels_are_numbers_truths_or_words_in_any_case(said: object, label: int | None) -> None:
    assert label_of(said) == label


def test_splits_are_words_in_any_case() -> None:
    words = ("Train", "training", "VALID", "validation", "dev", "Testing", "holdout", None)
    assert [split_of(word) for word in words] == ["train", "train", "val", "val", "val", "test", None, None]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        *(("Fake", (FAKE, None)), ("0_real", (REAL, None)), ("1_fake", (FAKE, None))),
        *(("training_real", (REAL, "train")), ("valid", (None, "val")), ("TestFake", (FAKE, "test"))),
        *(("real_images", (REAL, None)), ("FakeVideos", (FAKE, None)), ("original", (REAL, None))),
        *(("manipulated_sequences", (FAKE, None)), ("live", (REAL, None)), ("spoof", (FAKE, None))),
        *((name, None) for name in ("0", "1", "true", "images", "real_vs_fake", "Celeb-real", "real_esrgan")),
    ],
)
def test_a_folder_says_class_and_split_or_nothing(name: str, says: object) -> None:
    assert folder_says(name) == says


@pytest.mark.parametrize(
    ("name", "frame"),
    [
        ("vid_0001_frame_003", ("vid_0001", 3)),
        ("000_003_frame12.png", ("000_003", 12)),
        ("vid.mp4_frame_7.jpg", ("vid.mp4", 7)),
        ("vid.mp4#12", ("vid.mp4", 12)),
        ("frame_0007.png", ("", 7)),
        ("a_frame_12_face_0.png", ("a", 12)),
        *((name, None) for name in ("000_003", "vid_003.mp4", "keyframes", "id0_id1_0003.png", "time_3.png")),
    ],
)
def test_a_name_says_that_it_is_a_frame(name: str, frame: object) -> None:
    assert named_frame(name) == frame


def numbered(count: int, first: int = 0) -> list[str]:
    return [f"{number:03d}.png" for number in range(first, first + count)]


def test_numbered_images_in_folders_that_are_numbered_items_are_frames() -> None:
    folders = {"real/vid_003": numbered(4), "real/7": numbered(2), "real/000_003/frames": numbered(9, 30)}
    assert frame_folders(folders) == set(folders)
    assert frame_folders({"real/clip7": numbered(4), "real/clip12": numbered(5)}) == {
        "real/clip7",
        "real/clip12",
    }
    words = {f"real/{word}": numbered(3 + k) for k, word in enumerate(("aaqa", "bbzx", "cuvw"))}
    assert frame_folders(words) == set(words)
    assert frame_folders({"real/one": ["frame_1.png", "frame_9.png"]}) == {"real/one"}
    assert frame_folders({"real/vid_003": [*numbered(9), "cover.png"]}) == {"real/vid_003"}
    assert frame_folders({"real/vid_003": ["1.png", "01.png"], "real/vid_004": numbered(2)})


def test_pictures_stay_pictures() -> None:
    row = {f"real/{k:05d}": numbered(10, 10 * k) for k in range(3)}
    sources = {f"real/{name}": numbered(200) for name in ("coco", "ffhq", "lsun")}
    for folders in (row, sources, {"real/holiday": numbered(9)}, {"real/vid_003": ["a.png", "b.png"]}):
        assert frame_folders(folders) == set()
    assert frame_folders({"real/vid_003": ["000.png"]}) == set()


def test_a_folder_of_fakes_may_be_a_method_unless_the_reals_are_folders_of_frames() -> None:
    methods = {f"fake/{name}": numbered(4) for name in ("sd15", "sd21", "dalle")}
    assert frame_folders(methods, set(methods)) == set()
    both = methods | {"fake/v1": numbered(4), "real/v1": numbered(4), "real/v2": numbered(4)}
    assert frame_folders(both, {name for name in both if name.startswith("fake/")}) == set(both)
