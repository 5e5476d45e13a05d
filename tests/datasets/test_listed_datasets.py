"""Datasets that come with lists of their own: DFDC, its preview, DF40, DeepfakeBench, and manifests."""

from __future__ import annotations

import json
import math
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pyarrow
import pyarrow.parquet
import pytest

from harness import registry
from harness.checks.conformance import check_dataset
from harness.contracts import DatasetEntry
from harness.registry import datasets
from harness.types import FAKE, REAL, Clip, HarnessError
from harness.video.frames import read_frames
from tests.datasets.trees import deepfakebench, df40, dfdc, dfdc_preview, manifest
from tests.datasets.trees.planting import write

TREES = dfdc.TREES | dfdc_preview.TREES | df40.TREES | deepfakebench.TREES | manifest.TREES


@pytest.fixture(scope="module")
def dozen(tiny_root: Path) -> Sequence[Path]:
    """Procedural clips."""
    return [clip.path for clip in datasets.get("procedural_tiny").clips(tiny_root)][:12]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, dozen: Sequence[Path]) -> Any:
    """The miniature tree of a dataset, made once; tests that change it copy it."""
    made: dict[str, Path] = {}

    def tree(name: str) -> Path:
        if name not in made:
            made[name] = tmp_path_factory.mktemp(name)
            TREES[name](made[name], dozen)
        return made[name]

    return tree


def listed(name: str, root: Path) -> dict[str, Clip]:
    """The clips by id without the dataset's name."""
    clips = list(datasets.get(name).clips(root))
    by_id = {clip.id.removeprefix(f"{name}/"): clip for clip in clips}
    assert len(by_id) == len(clips), "two clips have one id"
    return by_id


def people(clip: Clip) -> tuple[str | None, str | None, str | None]:
    return clip.target, clip.source, clip.attributes.get("footage")


def refused(name: str, root: Path, *said: str) -> None:
    with pytest.raises(HarnessError) as error:
        listed(name, root)
    assert "\n" not in str(error.value)
    for part in said:
        assert part in str(error.value), (part, str(error.value))


@pytest.mark.parametrize("name", TREES)
def test_a_miniature_tree_keeps_every_promise_of_a_dataset(name: str, built: Any) -> None:
    findings = check_dataset(datasets.get(name), built(name))
    assert len(findings) > 5
    assert [f"{each.check}: {each.detail}" for each in findings if not each.passed] == []
    assert all(clip.path.exists() for clip in datasets.get(name).clips(built(name)))


@pytest.mark.parametrize("name", TREES)
def test_an_empty_folder_is_an_error_that_names_the_dataset(name: str, tmp_path: Path) -> None:
    refused(name, tmp_path, name, str(tmp_path))


# DFDC


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
    write(tmp_path / "train" / "dfdc_train_part_02" / "metadata.json", '{"b.mp4": {"label": "REAL"}}')
    clips = listed("dfdc", tmp_path)
    assert {key: clip.split for key, clip in clips.items()} == {
        "dfdc_train_part_2/b": "train",
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


# DFDC preview


def test_the_preview_says_label_split_and_identities_in_its_list(built: Any) -> None:
    clips = listed("dfdc_preview", built("dfdc_preview"))
    assert {
        key: (clip.split, clip.manipulation, clip.target, clip.source) for key, clip in clips.items()
    } == {
        "original_videos/100/100_A_001": ("train", None, "dfdc_preview/100", None),
        "original_videos/200/200_A_001": ("test", None, "dfdc_preview/200", None),
        "method_A/100_200_A/100_200_A_001": ("train", "method_A", "dfdc_preview/100", "dfdc_preview/200"),
        "method_B/100_200_A/100_200_A_001": ("train", "method_B", "dfdc_preview/100", "dfdc_preview/200"),
        "method_A/200_300_A/200_300_A_001": ("test", "method_A", "dfdc_preview/200", "dfdc_preview/300"),
        "method_B/200_300_A/200_300_A_001": ("test", "method_B", "dfdc_preview/200", "dfdc_preview/300"),
    }
    assert all((clip.label == FAKE) == (clip.manipulation is not None) for clip in clips.values())


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"label": "FAKE", "set": "test"}, "upper-case labels are those of dfdc"),
        ({"label": "fake", "set": "validation"}, "set is 'validation'"),
        ({"label": "fake", "set": "test"}, "not in method_A or method_B"),
        ({"set": "test"}, "label is None"),
        ({"label": ["fake"], "set": "test"}, "label is ['fake']"),
        (None, "label is None"),
    ],
)
def test_a_clip_of_the_preview_that_cannot_be_placed_is_an_error(
    facts: Any, said: str, tmp_path: Path
) -> None:
    write(tmp_path / "dataset.json", json.dumps({"original_videos/1/1.mp4": facts}))
    refused("dfdc_preview", tmp_path, "dataset.json: original_videos/1/1.mp4", said)


@pytest.mark.parametrize("path", ["", "/method_A/1.mp4", "method_A/../../1.mp4"])
def test_a_path_of_the_preview_that_leaves_its_folder_is_refused(path: str, tmp_path: Path) -> None:
    write(tmp_path / "dataset.json", json.dumps({path: {"label": "fake", "set": "test"}}))
    refused("dfdc_preview", tmp_path, f"{path!r} is not a path below")


# DF40


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


# DeepfakeBench


def test_every_path_style_leads_to_the_same_folder_of_frames(tmp_path: Path) -> None:
    place = "UADFV/real/frames/0007"
    for number, style in enumerate(deepfakebench.STYLES):
        root = tmp_path / str(number)
        video = {"label": "UADFV_Real", "frames": [style(f"{place}/{frame}.png") for frame in (10, 2)]}
        write(root / "UADFV.json", json.dumps({"UADFV": {"UADFV_Real": {"test": {"0007": video}}}}))
        (clip,) = datasets.get("deepfakebench_uadfv").clips(root)
        assert clip.id == f"deepfakebench_uadfv/{place}"
        assert clip.path == root / place
        for base in ("datasets/rgb", "rgb"):
            write(root / base / place / "2.png", "")
            (clip,) = datasets.get("deepfakebench_uadfv").clips(root)
            assert clip.path == root / base / place


def test_videos_of_one_name_stay_apart_for_their_full_path(built: Any) -> None:
    clips = listed("deepfakebench_ffpp", built("deepfakebench"))
    same = [clip for clip in clips.values() if clip.path.name == "953_974"]
    assert len(same) == 4
    assert len({clip.path for clip in same}) == 4
    assert {clip.manipulation for clip in same} == {"Deepfakes", "Face2Face", "FaceSwap", "NeuralTextures"}


def test_frames_follow_each_other_by_number(tmp_path: Path) -> None:
    place = tmp_path / "UADFV/real/frames/0007"
    place.mkdir(parents=True)
    for number in (1, 2, 10):
        cv2.imwrite(str(place / f"{number}.png"), np.full((16, 16, 3), number, np.uint8))
    frames = [f"{place}/{number}.png" for number in (1, 10, 2)]
    content = {"UADFV": {"UADFV_Real": {"test": {"0007": {"label": "UADFV_Real", "frames": frames}}}}}
    write(tmp_path / "UADFV.json", json.dumps(content))
    (clip,) = datasets.get("deepfakebench_uadfv").clips(tmp_path)
    assert read_frames(clip.path, [3]).pixels[:, 0, 0, 0].tolist() == [1, 2, 10]
    assert clip.attributes["listed_frames"] == 3


@pytest.mark.parametrize(
    ("name", "place", "manipulation", "who"),
    [
        ("ffpp", "FaceForensics++/manipulated_sequences/FaceSwap/c23/frames/953_974", "FaceSwap",
         ("ffpp/953", "ffpp/974", "ffpp/953")),
        ("ffpp", "FaceForensics++/original_sequences/youtube/c23/frames/953", None,
         ("ffpp/953", None, "ffpp/953")),
        ("faceshifter", "FaceForensics++/manipulated_sequences/FaceShifter/c23/frames/953_974", "FaceShifter",
         ("ffpp/953", "ffpp/974", "ffpp/953")),
        ("celeb_df_v1", "Celeb-DF-v1/Celeb-real/frames/id0_0003", None,
         ("celeb_df/id0", None, "celeb_df/id0_0003")),
        ("celeb_df_v2", "Celeb-DF-v2/YouTube-real/frames/00170", None,
         ("celeb_df/youtube_00170", None, "celeb_df/youtube_00170")),
        ("celeb_df_v2", "Celeb-DF-v2/Celeb-synthesis/frames/id0_id1_0003", "Celeb-synthesis",
         ("celeb_df/id0", "celeb_df/id1", "celeb_df/id0_0003")),
        ("dfd", deepfakebench.ACTORS, None, ("dfd/01", None, "dfd/01__walking")),
        ("dfd", deepfakebench.SWAPPED, "DeepFakeDetection", ("dfd/01", "dfd/02", "dfd/01__walking")),
        ("dfdc", "DFDC/test/frames/ffffffffff", None, ("dfdc/ffffffffff", None, "dfdc/ffffffffff")),
        ("dfdc", "DFDC/test/frames/gggggggggg", "unnamed", (None, None, None)),
        ("dfdc_preview", "DFDCP/original_videos/frames/200_A_001", None, ("dfdc_preview/200", None, None)),
        ("dfdc_preview", "DFDCP/method_B/frames/200_300_A_001", "method_B",
         ("dfdc_preview/200", "dfdc_preview/300", None)),
        ("deeperforensics", "FaceForensics++/original_sequences/youtube/c23/frames/953", None,
         ("ffpp/953", None, "ffpp/953")),
        ("deeperforensics", "DeeperForensics-1.0/manipulated_videos/end_to_end/frames/953_W004", "end_to_end",
         ("ffpp/953", "deeperforensics/W004", "ffpp/953")),
        ("deeperforensics", "DeeperForensics-1.0/source_videos/W004/frames/W004_light_down", None,
         ("deeperforensics/W004", None, "deeperforensics/W004_light_down")),
        ("uadfv", "UADFV/fake/frames/0007_fake", "FakeApp", ("uadfv/0007", None, "uadfv/0007")),
    ],
)  # fmt: skip
def test_labels_and_names_of_deepfakebench_mean_what_they_mean_elsewhere(
    name: str, place: str, manipulation: str | None, who: tuple[str | None, ...], built: Any
) -> None:
    clip = listed(f"deepfakebench_{name}", built("deepfakebench"))[place]
    assert (clip.manipulation, clip.label) == (manipulation, FAKE if manipulation else REAL)
    assert people(clip) == who


def test_a_video_in_several_splits_is_test_if_it_is_in_test_and_never_trained_on(built: Any) -> None:
    root = built("deepfakebench")
    assert {clip.split for clip in listed("deepfakebench_uadfv", root).values()} == {"test"}
    celeb = listed("deepfakebench_celeb_df_v2", root)
    assert celeb["Celeb-DF-v2/Celeb-real/frames/id0_0003"].split == "test"
    assert celeb["Celeb-DF-v2/Celeb-real/frames/id0_0004"].split == "train"
    challenge = listed("deepfakebench_dfdc", root)
    assert challenge["DFDC/train/dfdc_train_part_0/frames/aaaaaaaaaa"].split == "train"  # and val


def test_all_files_together_list_every_video_once(built: Any) -> None:
    root = built("deepfakebench")
    together = listed("deepfakebench", root)
    apart = {key for name in deepfakebench.LISTED for key in listed(f"deepfakebench_{name}", root)}
    assert set(together) == apart


def test_the_datasets_of_deepfakebench_share_one_root_and_are_never_cropped_again() -> None:
    for name in deepfakebench.LISTED:
        entry = registry.datasets.get(f"deepfakebench_{name}")
        assert (entry.crop, entry.shares) == ("none", "deepfakebench")


def test_without_the_file_of_faceforensics_those_of_its_methods_are_taken(built: Any, tmp_path: Path) -> None:
    whole = json.loads((built("deepfakebench") / "dataset_json/FaceForensics++.json").read_text())
    for label in ("FF-DF", "FF-FS"):
        kept = {key: splits for key, splits in whole["FaceForensics++"].items() if key in ("FF-real", label)}
        write(tmp_path / f"{label}.json", json.dumps({label: kept}))
    clips = listed("deepfakebench_ffpp", tmp_path)
    assert {clip.manipulation for clip in clips.values()} == {None, "Deepfakes", "FaceSwap"}
    refused("deepfakebench_uadfv", tmp_path, "has no UADFV.json", "FF-DF, FF-FS")


def _one(label: str, frames: list[str], split: str = "test") -> str:
    return json.dumps({"UADFV": {label: {split: {"7": {"label": label, "frames": frames}}}}})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (_one("UADFV_fake", ["UADFV/fake/7/0.png"]), "did you mean 'UADFV_Fake'"),
        (_one("UADFV_Real", ["UADFV/real/7/0.png"], "tset"), "did you mean 'test'"),
        (_one("UADFV_Real", ["elsewhere/7/0.png"]), "elsewhere/7 is in none of the folders"),
        (_one("UADFV_Real", ["UADFV/../../7/0.png"]), "UADFV/../../7"),
        (_one("UADFV_Real", ["UADFV/7/0.png", "UADFV/8/0.png"]), "lie in UADFV/7 and UADFV/8"),
        ('{"UADFV": {"UADFV_Real": {"test": {"7": {"label": "UADFV_Real"}}}}}', "7 lists no frames"),
        ('{"UADFV": {"UADFV_Real": {"test": {"c40": {}}}}}', "has no c23 (found: c40)"),
        ('{"UADFV": {"UADFV_Real": []}}', "UADFV_Real is not a mapping"),
        ('{"UADFV": {"UADFV_Real": {"test": {"7": {"frames": ["a', "not a JSON file"),
        ('{"UADFV": {"UADFV_Real": {"test": {"7": {"frames": [1]}}}}}', "not a JSON file of DeepfakeBench"),
        ('{"UADFV":' * 100_000, "not a JSON file of DeepfakeBench"),
    ],
)  # fmt: skip
def test_what_a_file_of_deepfakebench_says_amiss_is_an_error_that_names_it(
    text: str, said: str, tmp_path: Path
) -> None:
    write(tmp_path / "UADFV.json", text)
    refused("deepfakebench_uadfv", tmp_path, "UADFV.json", said)
    refused("deepfakebench", tmp_path, "UADFV.json", said)


def test_frames_that_are_called_real_and_fake_at_once_are_an_error(tmp_path: Path) -> None:
    video = {"frames": ["UADFV/real/frames/0007/0.png"]}
    splits = {label: {"test": {"0007": video}} for label in ("UADFV_Real", "UADFV_Fake")}
    write(tmp_path / "UADFV.json", json.dumps({"UADFV": splits}))
    refused("deepfakebench_uadfv", tmp_path, "0007 (UADFV_Real) and 0007 (UADFV_Fake) are the same frames")


def test_a_video_without_frames_is_listed_so_that_it_is_counted(tmp_path: Path) -> None:
    write(tmp_path / "UADFV.json", _one("UADFV_Real", []))
    (clip,) = datasets.get("deepfakebench_uadfv").clips(tmp_path)
    assert clip.attributes["listed_frames"] == 0
    with pytest.raises(HarnessError):
        read_frames(clip.path, [1])


def test_a_split_that_is_itself_a_video_is_listed_as_one(tmp_path: Path) -> None:
    content: dict[str, Any] = {"DFDC_Real": {"test": {}}, "DFDC_Fake": {"test": {}}}
    for label, name in (("DFDC_Real", "abc"), ("DFDC_Fake", "xyz")):  # as the authors' script writes it
        content[label]["val"] = {"label": label, "frames": [f"DFDC/test/frames/{name}/0.png"]}
    content["DFDC_Real"]["test"]["abc"] = content["DFDC_Real"]["val"]
    write(tmp_path / "DFDC.json", json.dumps({"DFDC": content}))
    splits = {key: clip.split for key, clip in listed("deepfakebench_dfdc", tmp_path).items()}
    assert splits == {"DFDC/test/frames/abc": "test", "DFDC/test/frames/xyz": "val"}


def test_a_file_read_in_small_pieces_says_the_same(built: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    root = built("deepfakebench")
    whole = listed("deepfakebench", root)
    reader = datasets.get("deepfakebench").clips
    for size in (1, 100, 999):
        monkeypatch.setitem(reader.__globals__, "READ_AT_ONCE", size)
        assert listed("deepfakebench", root) == whole


# manifest


def test_a_manifest_says_everything_of_its_clips(built: Any) -> None:
    root = built("manifest")
    clips = listed("manifest", root)
    assert list(clips) == [f"clips/{letter}.mp4" for letter in "abcdef"]
    a, b, c, d, e, f = clips.values()
    assert [clip.label for clip in (a, b, c, d, e, f)] == [REAL, FAKE, REAL, FAKE, FAKE, REAL]
    assert [clip.split for clip in (a, b, c, d, e, f)] == ["test", "test", "test", "test", "train", "val"]
    assert (b.manipulation, b.target, b.source) == ("swap", "anna", "bert")
    assert (d.manipulation, d.target, d.source) == ("unnamed", None, None)
    assert a.attributes == {"camera": "phone"}
    assert b.attributes == {"box": [1, 2, 30, 40]}
    assert c.attributes == {"box": [1, 2, 30, 40], "camera": "phone"}
    assert c.path == root / "clips" / "c.mp4"


def test_a_manifest_may_be_a_file_of_any_name_csv_or_parquet(built: Any, tmp_path: Path) -> None:
    whole = listed("manifest", built("manifest"))
    shutil.copy(built("manifest") / "manifest.csv", tmp_path / "mine.csv")
    assert list(listed("manifest", tmp_path / "mine.csv")) == list(whole)
    table = pd.read_csv(tmp_path / "mine.csv")
    table.to_parquet(tmp_path / "mine.parquet")
    assert [
        (c.id, c.label, c.split, people(c)) for c in listed("manifest", tmp_path / "mine.parquet").values()
    ] == [(c.id, c.label, c.split, people(c)) for c in whole.values()]
    columns = {"path": ["a.mp4", "b.mp4", "c.mp4"], "label": [1.0, 0.0, 1.0], "noise": [1.5, math.nan, None]}
    pyarrow.parquet.write_table(pyarrow.table(columns), tmp_path / "numbers.parquet")
    clips = listed("manifest", tmp_path / "numbers.parquet")
    assert [clip.label for clip in clips.values()] == [FAKE, REAL, FAKE]
    assert [clip.attributes for clip in clips.values()] == [{"noise": 1.5}, {}, {}]


def test_a_relative_path_that_leaves_the_folder_is_refused_and_an_absolute_one_is_not(tmp_path: Path) -> None:
    file = tmp_path / "set" / "manifest.csv"
    write(file, "path,label\na.mp4,1\nb/../../c.mp4,0\n")
    refused("manifest", file, "line 3", "b/../../c.mp4 leaves the manifest's folder")
    write(file, f"path,label\n{tmp_path}/c.mp4,1\n{tmp_path}/set/d.mp4,0\n..e.mp4,0\n")
    clips = listed("manifest", file)
    assert list(clips) == [f"{tmp_path}/c.mp4", "d.mp4", "..e.mp4"]
    assert [clip.path for clip in clips.values()] == [
        tmp_path / "c.mp4",
        *(file.parent / n for n in ("d.mp4", "..e.mp4")),
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("path,split\na.mp4,test\n", "no column 'label' (found: path, split)"),
        ("path;label\na.mp4;1\n", "no column 'path' (found: path;label)"),
        ("", "no column 'path' (found: none)"),
        ("path,label,label\n", "two columns 'label'"),
        ("path,label\na.mp4,1\nb.mp4,false\n", "line 3: the label 'false' is not 0, 1, real or fake"),
        ("path,label\na.mp4,1\nb.mp4,\n", "line 3: it has no label"),
        ("path,label\n,1\n", "line 2: it has no path"),
        ("path,label\n\n\na.mp4,1\nx/../a.mp4,1\n", "line 5: x/../a.mp4 is listed twice, before on line 4"),
        ("path,label\na.mp4,1,2\n", "line 2: more cells than columns"),
        ("path,label,split\na.mp4,1,tset\n", "line 2: unknown split 'tset'; did you mean 'test'"),
        ("path,label,manipulation\na.mp4,0,swap\n", "line 2: a real clip names the manipulation 'swap'"),
        ("path,label,source\na.mp4,real,bert\n", "line 2: a real clip names the source 'bert'"),
        ("path,label,box\na.mp4,1,1;2;3\n", "line 2: the box '1;2;3'"),
        ("path,label,box\na.mp4,1,1;2;0;4\n", "line 2: the box '1;2;0;4'"),
        ("path,label,box\na.mp4,1,left\n", "line 2: the box 'left'"),
    ],
)
def test_a_line_that_cannot_be_understood_is_an_error_with_its_number(
    text: str, said: str, tmp_path: Path
) -> None:
    write(tmp_path / "manifest.csv", text)
    refused("manifest", tmp_path, "manifest.csv", said)


def test_a_manifest_that_is_no_table_is_an_error(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", "no parquet")
    refused("manifest", tmp_path / "a.parquet", "not a Parquet file")
    (tmp_path / "b.csv").write_bytes(b"path,label\n\xff\xfe,1\n")
    refused("manifest", tmp_path / "b.csv", "not a CSV file in UTF-8")
    write(tmp_path / "c.txt", "path,label\n")
    refused("manifest", tmp_path / "c.txt", "ends neither in .csv nor in .parquet")
    pd.DataFrame({"path": ["a.mp4", "b.mp4"], "label": [1, 7]}).to_parquet(tmp_path / "d.parquet")
    refused("manifest", tmp_path / "d.parquet", "row 2: the label 7")
    for name in ("manifest.csv", "manifest.parquet"):
        shutil.copy(tmp_path / "a.parquet", tmp_path / name)
    refused("manifest", tmp_path, "both")


def test_a_manifest_of_any_name_and_absolute_paths_keeps_every_promise_of_a_dataset(
    built: Any, tmp_path: Path
) -> None:
    root = shutil.copytree(built("manifest"), tmp_path / "mine")
    lines = (root / "manifest.csv").read_text().replace("clips/a.mp4", str(root / "clips" / "a.mp4"))
    (root / "clips" / "back").symlink_to("..")
    (root / "manifest.csv").unlink()
    write(root / "list.csv", lines)
    for place in (root / "list.csv", root):
        findings = check_dataset(datasets.get("manifest"), place)
        assert len(findings) > 5
        assert [f"{each.check}: {each.detail}" for each in findings if not each.passed] == []
        (root / "list.csv").rename(root / "manifest.csv")
        write(root / "list.csv", "not looked into")


def test_a_dataset_that_looks_into_its_frames_to_list_them_is_caught(built: Any) -> None:
    def nosy(root: Path) -> Iterator[Clip]:
        for clip in datasets.get("deepfakebench_uadfv").clips(root):
            if next(clip.path.iterdir()).stat().st_size:
                yield replace(clip, id=clip.id.replace("deepfakebench_uadfv", "nosy"))

    findings = check_dataset(DatasetEntry("nosy", nosy, "x"), built("deepfakebench_uadfv"))
    assert [each.check for each in findings if not each.passed] == ["listing_opens_no_clip"]
