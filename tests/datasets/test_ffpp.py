"""FaceForensics++ is split by its official pairs, and the first number of a pair is the target."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from harness.data import overlap
from harness.data.clips import Subset, partial
from harness.registry import datasets
from harness.types import REAL, SPLITS, HarnessError
from tests.datasets.listings import counted, listed, refused, touch
from tests.datasets.trees import ffpp

METHODS = ("Deepfakes", "Face2Face", "FaceSwap", "NeuralTextures", "FaceShifter")


def official_pairs(root: Path, methods: Sequence[str] = METHODS) -> None:
    for kind in ("original_sequences/youtube", *(f"manipulated_sequences/{each}" for each in methods)):
        (root / kind / "c23" / "videos").mkdir(parents=True)


def test_the_shipped_pairs_of_ffpp_are_the_official_ones(reference: Path, root: Path) -> None:
    official_pairs(root)
    shipped = listed("ffpp_c23", root)
    shutil.copytree(reference / "splits" / "ffpp", root / "splits")
    assert listed("ffpp_c23", root) == shipped


def test_ffpp_has_720_140_140_originals_and_as_many_fakes_by_each_method(root: Path) -> None:
    official_pairs(root)
    clips = listed("ffpp_c23", root)
    wanted = {"train": 720, "val": 140, "test": 140}
    assert counted(clips) == {f"{s}/{k}": wanted[s] for s in SPLITS for k in ("real", *METHODS)}
    for name in ("ffpp_raw", "ffpp_c23", "ffpp_c40"):
        assert datasets.get(name).official == counted(clips)
    # colliding file names: by stem alone, 140 originals and 700 fakes of the test split would be 280 clips
    tested = [clip for clip in clips.values() if clip.split == "test"]
    assert (len(tested), len({clip.path.stem for clip in tested})) == (840, 280)


def test_sequences_of_one_video_are_one_footage_and_seven_videos_are_divided_by_the_official_split(
    root: Path,
) -> None:
    official_pairs(root, ["Deepfakes"])
    clips = listed("ffpp_c23", root)
    where: dict[str, set[tuple[str, str]]] = {}
    for key, clip in clips.items():
        if clip.label == REAL:
            where.setdefault(clip.attributes["footage"], set()).add((key[-3:], clip.split))
        assert clip.target == clip.attributes["footage"] and clip.source in (None, *where)
    # the authors' conversion_dict.json: 977 videos; 21 gave two sequences and one gave three
    assert len(where) == 977
    assert Counter(map(len, where.values())) == {1: 955, 2: 21, 3: 1}
    divided = [one for one in where.values() if len({split for _, split in one}) > 1]
    held_out = {split: {n for one in divided for n, s in one if s == split} for split in SPLITS}
    assert held_out["test"] == {"755", "955"}
    assert held_out["val"] == {"606", "640", "837", "875", "982"}


def test_what_the_official_split_divides_is_told_and_ranked_and_can_be_left_out(root: Path) -> None:
    official_pairs(root)
    clips = tuple(listed("ffpp_c23", root).values())
    train = [clip for clip in clips if clip.split != "test"]
    test = Subset("ffpp_c23").for_testing(clips)
    # 755 and 955, as real and as target of five methods
    assert len(overlap.sequences(train, test)) == 2 * (1 + 5)
    assert overlap.shared(train, test) == []
    assert "12 of them in another part of the same video" in overlap.people_met(train, test)
    # and as source of the three methods that show a face of it
    assert len(overlap.strangers(train, test)) == 840 - 2 * (1 + 5 + 3)


def test_both_orders_of_a_pair_are_fakes_whose_first_number_is_the_target(
    root: Path, dozen: Sequence[Path]
) -> None:
    ffpp.build(root, dozen)
    clips = listed("ffpp_c23", root)
    one, other = clips["Deepfakes/000_003"], clips["Deepfakes/003_000"]
    assert (one.target, one.source, one.attributes["footage"]) == ("ffpp/000", "ffpp/003", "ffpp/000")
    assert (other.target, other.source, other.attributes["footage"]) == ("ffpp/003", "ffpp/000", "ffpp/003")
    assert clips["youtube/000"].attributes["footage"] == "ffpp/000"


@pytest.mark.parametrize(
    ("named", "said"),
    [
        (["ffpp_c23"], "0 of 140 FaceShifter clips"),
        (["ffpp_c23-FaceShifter"], ""),
        (["ffpp_c23:Deepfakes"], ""),
        (["ffpp_c23:Deepfakes", "ffpp_c23:FaceShifter"], "0 of 140 FaceShifter clips"),
    ],
)
def test_a_method_that_was_asked_for_and_lies_not_here_is_missing(
    named: list[str], said: str, root: Path
) -> None:
    official_pairs(root, METHODS[:4])
    assert partial([*map(Subset.parse, named)], listed("ffpp_c23", root).values()) == said


def test_who_lends_motion_alone_is_nobody_who_is_seen_in_ffpp(root: Path) -> None:
    official_pairs(root)
    named = Counter(clip.manipulation for clip in listed("ffpp_c23", root).values() if clip.source)
    assert named == dict.fromkeys(("Deepfakes", "FaceSwap", "FaceShifter"), 1000)


def test_a_matrix_can_name_or_leave_out_a_method_of_ffpp(root: Path, dozen: Sequence[Path]) -> None:
    ffpp.build(root, dozen)
    clips = tuple(datasets.get("ffpp_c23").clips(root))
    only = Subset.parse("ffpp_c23:Deepfakes").for_testing(clips)
    without = Subset.parse("ffpp_c23-Deepfakes").for_training(clips)
    assert counted({clip.id: clip for clip in only}) == {"test/real": 2, "test/Deepfakes": 2}
    assert {clip.manipulation for clip in without} == {None, "FaceSwap"}


def test_masks_actors_other_compressions_and_unlisted_videos_are_no_clips_of_ffpp_c23(
    root: Path, dozen: Sequence[Path]
) -> None:
    ffpp.build(root, dozen)
    before = listed("ffpp_c23", root)
    touch(
        root,
        "original_sequences/actors/c23/videos/01__exit_phone_room.mp4",
        "manipulated_sequences/DeepFakeDetection/c23/videos/01_02__exit_phone_room__YVGY8LOK.mp4",
        "original_sequences/youtube/c40/videos/000.mp4",
        "original_sequences/youtube/c23/videos/999.mp4",
    )
    assert listed("ffpp_c23", root) == before
    assert not any("masks" in clip.path.parts for clip in before.values())


@pytest.mark.parametrize(
    ("folder", "compression"), [("FaceForensics++_C23", "c23"), ("ffpp-c40", "c40"), ("ff", "c23")]
)
def test_the_flat_copy_lists_the_same_clips(
    folder: str, compression: str, tmp_path: Path, dozen: Sequence[Path]
) -> None:
    ffpp.build(tmp_path / "official", dozen, compression)
    root = tmp_path / folder
    kinds = {method: f"manipulated_sequences/{method}" for method in ffpp.METHODS}
    for kind, place in {"original": "original_sequences/youtube", **kinds}.items():
        shutil.copytree(tmp_path / "official" / place / compression / "videos", root / kind)
    shutil.copytree(tmp_path / "official" / "splits", root / "splits")
    touch(root, "csv/FF++_Metadata.csv", "DeepFakeDetection/01_02__hugging_happy__YVGY8LOK.mp4")
    clips = listed(f"ffpp_{compression}", root)
    assert list(clips) == list(listed(f"ffpp_{compression}", tmp_path / "official"))
    assert all(clip.path.is_file() for clip in clips.values())
    with pytest.raises(HarnessError, match=f"ffpp_raw: .* is a flat copy of ffpp_{compression}"):
        listed("ffpp_raw", root)


@pytest.mark.parametrize(
    ("real", "method"),
    [("Original", "{}"), ("real", "{}"), ("original_sequences", "manipulated_sequences/{}")],
)
def test_the_flat_copy_may_be_called_otherwise(
    real: str, method: str, tmp_path: Path, dozen: Sequence[Path]
) -> None:
    ffpp.build(tmp_path / "official", dozen)
    root = tmp_path / "mine"
    places = {method.format(name.upper()): f"manipulated_sequences/{name}" for name in ffpp.METHODS}
    for kind, place in {real: "original_sequences/youtube", **places}.items():
        shutil.copytree(tmp_path / "official" / place / "c23/videos", root / kind)
    shutil.copytree(tmp_path / "official" / "splits", root / "splits")
    clips = listed("ffpp_c23", root)
    assert list(clips) == list(listed("ffpp_c23", tmp_path / "official"))
    assert all(clip.path.is_file() for clip in clips.values())


def test_another_compression_than_the_one_that_is_there_is_named(root: Path, dozen: Sequence[Path]) -> None:
    ffpp.build(root, dozen)
    refused("ffpp_c40", root, "has none of it, but ffpp_c23")


def test_a_listed_video_that_is_gone_is_listed_and_a_method_that_is_gone_is_not(
    root: Path, dozen: Sequence[Path]
) -> None:
    ffpp.build(root, dozen)
    before = listed("ffpp_c23", root)
    before["Deepfakes/000_003"].path.unlink()
    shutil.rmtree(root / "manipulated_sequences" / "FaceSwap")
    assert listed("ffpp_c23", root).keys() == {each for each in before if not each.startswith("FaceSwap/")}


@pytest.mark.parametrize(
    ("split", "content", "said"),
    [
        ("test", [["000", "003"]], "video 000 is in two pairs"),  # as in train: a leak
        ("test", [[953, 974]], "expected pairs of video numbers"),
        ("test", {"953": "974"}, "expected a list of pairs"),
        ("val", None, "no file"),
    ],
)
def test_pairs_that_leak_or_cannot_be_understood_are_refused(
    split: str, content: object, said: str, root: Path, dozen: Sequence[Path]
) -> None:
    ffpp.build(root, dozen)
    file = root / "splits" / f"{split}.json"
    file.unlink()
    if content is not None:
        file.write_text(json.dumps(content))
    with pytest.raises(HarnessError, match=said) as error:
        listed("ffpp_c23", root)
    assert str(file) in str(error.value)
