"""DFDC is split and labelled as its lists say, and a list that is missing or unclear is an error."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from harness.types import FAKE, REAL
from tests.datasets.listings import listed, refused
from tests.datasets.trees.planting import write


def test_dfdc_is_split_by_folder_and_a_fake_shows_its_original(built: Any) -> None:
    clips = listed("dfdc", built("dfdc"))
    assert {key: (clip.label, clip.split, clip.target) for key, clip in clips.items()} == {
        "dfdc_train_part_0/aaaaaaaaaa": (REAL, "train", "dfdc/aaaaaaaaaa"),
        "dfdc_train_part_0/bbbbbbbbbb": (FAKE, "train", "dfdc/aaaaaaaaaa"),
        "dfdc_train_part_0/cccccccccc": (FAKE, "train", "dfdc/dddddddddd"),  # of another part
        "dfdc_train_part_10/dddddddddd": (REAL, "train", "dfdc/dddddddddd"),
        "dfdc_train_part_10/eeeeeeeeee": (FAKE, "train", "dfdc/dddddddddd"),
        "test/ffffffffff": (REAL, "test", "dfdc/ffffffffff"),
        "test/gggggggggg": (FAKE, "test", None),
        "test/hhhhhhhhhh": (FAKE, "test", None),
    }
    assert all(clip.attributes.get("footage") == clip.target for clip in clips.values())


def test_the_official_sample_of_dfdc_has_323_fakes_and_77_reals(reference: Path, tmp_path: Path) -> None:
    shutil.copy(reference / "splits/dfdc/train_sample_videos_metadata.json", tmp_path / "metadata.json")
    clips = listed("dfdc", tmp_path)
    assert Counter((clip.split, clip.label) for clip in clips.values()) == {
        ("train", FAKE): 323,
        ("train", REAL): 77,
    }
    reals = {clip.target for clip in clips.values() if clip.label == REAL}
    assert sum(clip.target in reals for clip in clips.values() if clip.label == FAKE) == 58
    assert clips["train/aagfhgtpmv"].target == "dfdc/vudstovrck"


def test_one_is_fake_in_the_labels_of_dfdc_test(tmp_path: Path, built: Any) -> None:
    write(tmp_path / "test" / "labels.csv", "filename,label\na.mp4,1\nb.mp4,0\n")
    clips = listed("dfdc", tmp_path)
    assert (clips["test/a"].label, clips["test/b"].label) == (FAKE, REAL)
    assert clips["test/a"].path == tmp_path / "test" / "a.mp4"
    assert list(listed("dfdc", tmp_path / "test")) == list(clips)  # the folder alone: the same ids
    assert list(listed("dfdc", built("dfdc") / "test")) == [f"test/{letter * 10}" for letter in "fgh"]


def test_dfdc_validation_is_val_and_parts_may_lie_in_train(tmp_path: Path) -> None:
    write(tmp_path / "validation" / "labels.csv", "filename,label\na.mp4,1\n")
    outer = tmp_path / "train" / "dfdc_train_part_02"
    write(outer / "metadata.json", '{"b.mp4": {"label": "REAL"}}')
    for within in (outer, tmp_path / "dfdc_train_part_04"):  # archives unpack a folder into a folder
        number = 3 if within == outer else 4
        write(within / f"dfdc_train_part_{number}" / "metadata.json", '{"c.mp4": {"label": "REAL"}}')
    clips = listed("dfdc", tmp_path)
    assert {key: clip.split for key, clip in clips.items()} == {
        "dfdc_train_part_2/b": "train",
        "dfdc_train_part_3/c": "train",
        "dfdc_train_part_4/c": "train",
        "val/a": "val",
    }


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("metadata.json", '{"a.mp4": {"label": "fake"}}', "a.mp4: label is 'fake'"),
        ("metadata.json", '{"a.mp4": {"label": "fake"}}', "dfdc_preview"),
        ("metadata.json", '{"a.mp4": {"is_fake": 2}}', "a.mp4: is_fake is '2'"),
        ("metadata.json", '{"a.mp4": {"label": "REAL", "split": "trian"}}', "did you mean 'train'"),
        ("metadata.json", '{"a.mp4": {}}', "a.mp4 has neither label nor is_fake"),
        ("metadata.json", '{"a.mp4": 1}', "a.mp4"),
        ("metadata.json", "[]", "not a mapping"),
        ("labels.csv", "filename,label\na.mp4,FAKE\n", "a.mp4: label is 'FAKE'"),
        ("labels.csv", "filename,label\n,1\n", "line 2: no file name"),
        ("labels.csv", "file,label\na.mp4,1\n", "no columns filename and label"),
        ("labels.csv", f"filename,label\n{'a' * 200_000},1\n", "is not a CSV file: field larger"),
        ("metadata.json", '{"": {"label": "REAL"}}', "'' is not the name of a clip"),
        ("metadata.json", '{"../a.mp4": {"label": "REAL"}}', "'../a.mp4' is not the name of a clip"),
    ],
)
def test_a_label_of_dfdc_spelled_otherwise_is_an_error_that_names_file_and_clip(
    file: str, text: str, said: str, tmp_path: Path
) -> None:
    write(tmp_path / "test" / file, text)
    refused("dfdc", tmp_path, file, said)


@pytest.mark.parametrize("folder", ["dfdc_train_part_10", "test"])
def test_a_folder_of_dfdc_that_lost_its_list_is_an_error_not_left_out(
    folder: str, tmp_path: Path, built: Any
) -> None:
    root = shutil.copytree(built("dfdc"), tmp_path / "dfdc")
    (root / folder / "metadata.json").unlink()
    refused("dfdc", root, f"{folder} has videos but neither metadata.json nor labels.csv")
    shutil.rmtree(root / folder)  # some parts alone are welcome
    (root / folder).mkdir()
    assert 0 < len(listed("dfdc", root)) < len(listed("dfdc", built("dfdc")))


def test_the_preview_is_not_taken_for_dfdc_nor_dfdc_for_the_preview(built: Any) -> None:
    refused("dfdc", built("dfdc_preview"), "it is the preview, dfdc_preview")
    refused("dfdc_preview", built("dfdc"), "it looks like dfdc")
    refused("dfdc_preview", built("dfdc") / "test", "it looks like dfdc")
