"""The files of DeepfakeBench list the same frames, labels and people however they write a path."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from harness import registry
from harness.checks.conformance import check_dataset
from harness.contracts import DatasetEntry
from harness.registry import datasets
from harness.types import FAKE, REAL, Clip, HarnessError
from harness.video.frames import read_frames
from tests.datasets.listings import listed, people, refused
from tests.datasets.trees import deepfakebench
from tests.datasets.trees.planting import write


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
    assert {clip.manipulation for clip in same if clip.source} == {"Deepfakes", "FaceSwap"}


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
         ("ffpp/953", "ffpp/973", "ffpp/953")),
        ("ffpp", "FaceForensics++/original_sequences/youtube/c23/frames/953", None,
         ("ffpp/953", None, "ffpp/953")),
        ("faceshifter", "FaceForensics++/manipulated_sequences/FaceShifter/c23/frames/953_974", "FaceShifter",
         ("ffpp/953", "ffpp/973", "ffpp/953")),
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
        ("dfdc_preview", "DFDCP/original_videos/frames/200_A_001", None,
         ("dfdc_preview/200", None, "dfdc_preview/200_A_001")),
        ("dfdc_preview", "DFDCP/method_B/frames/300_200_A_001", "method_B",
         ("dfdc_preview/200", "dfdc_preview/300", "dfdc_preview/200_A_001")),
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
        ('{"UADFV":' * 100_000, "has 100,000 levels, more than 100"),
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


def test_a_dataset_that_looks_into_its_frames_to_list_them_is_caught(built: Any) -> None:
    def nosy(root: Path) -> Iterator[Clip]:
        for clip in datasets.get("deepfakebench_uadfv").clips(root):
            if next(clip.path.iterdir()).stat().st_size:
                yield replace(clip, id=clip.id.replace("deepfakebench_uadfv", "nosy"))

    findings = check_dataset(DatasetEntry("nosy", nosy, "x"), built("deepfakebench_uadfv"))
    assert [each.check for each in findings if not each.passed] == ["listing_opens_no_clip"]


def test_a_file_of_a_method_that_nobody_knows_is_passed_over_and_said(built: Any) -> None:
    root, entry = built("deepfakebench"), datasets.get("deepfakebench")
    before = listed("deepfakebench", root)
    assert entry.remarks is not None and [*entry.remarks(root)] == []
    write(root / "dataset_json" / "roop.json", _one("FF-SH", ["UADFV/fake/7/0.png"]))
    assert listed("deepfakebench", root) == before
    (remark,) = entry.remarks(root)
    assert "roop.json" in remark and "'FF-SH'" in remark
