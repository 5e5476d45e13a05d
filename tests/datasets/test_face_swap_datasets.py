"""Adapters of face-swap datasets: official splits and every trap, on miniature trees and real lists."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from harness.checks.conformance import check_dataset
from harness.data.clips import Subset
from harness.registry import datasets
from harness.types import FAKE, REAL, SPLITS, Clip, HarnessError
from tests.datasets.trees import celeb_df, deeperforensics, dfd, fakeavceleb, ffpp, uadfv
from tests.datasets.trees.planting import write

TREES = ffpp.TREES | dfd.TREES | celeb_df.TREES | deeperforensics.TREES | uadfv.TREES | fakeavceleb.TREES
METHODS = ("Deepfakes", "Face2Face", "FaceSwap", "NeuralTextures", "FaceShifter")


@pytest.fixture(scope="session")
def dozen(tiny_root: Path) -> Sequence[Path]:
    """Procedural clips, real and forged in turn."""
    clips = list(datasets.get("procedural_tiny").clips(tiny_root))
    kinds = [[clip.path for clip in clips if clip.label == label] for label in (REAL, FAKE)]
    return [path for pair in zip(*kinds, strict=False) for path in pair][:12]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "data"


def listed(name: str, root: Path) -> dict[str, Clip]:
    clips = list(datasets.get(name).clips(root))
    by_id = {clip.id.removeprefix(f"{name}/"): clip for clip in clips}
    assert len(by_id) == len(clips)
    return by_id


def touch(root: Path, *names: str) -> None:
    for name in names:
        write(root / name, "")


def counted(clips: dict[str, Clip]) -> dict[str, int]:
    """As `official` counts: split and `real` or the manipulation."""
    return dict(Counter(f"{clip.split}/{clip.manipulation or 'real'}" for clip in clips.values()))


@pytest.mark.parametrize("name", TREES)
def test_a_miniature_tree_keeps_every_promise_of_a_dataset(
    name: str, root: Path, dozen: Sequence[Path]
) -> None:
    TREES[name](root, dozen)
    findings = check_dataset(datasets.get(name), root)
    assert len(findings) > 5
    assert [f"{each.check}: {each.detail}" for each in findings if not each.passed] == []
    assert all(clip.path.is_file() for clip in datasets.get(name).clips(root))


@pytest.mark.parametrize("name", TREES)
def test_a_folder_without_the_dataset_is_an_error_that_names_what_is_expected(name: str, root: Path) -> None:
    with pytest.raises(HarnessError, match="is not a folder"):
        listed(name, root)
    root.mkdir()
    with pytest.raises(HarnessError, match=r"has none of \S+"):
        listed(name, root)


@pytest.mark.parametrize("name", TREES)
def test_a_real_clip_has_no_source_and_a_fake_shares_the_footage_of_its_original(
    name: str, root: Path, dozen: Sequence[Path]
) -> None:
    TREES[name](root, dozen)
    clips = listed(name, root).values()
    originals = {clip.attributes["footage"]: clip.target for clip in clips if clip.label == REAL}
    for clip in clips:
        assert clip.target
        assert clip.label == FAKE or clip.source is None
        assert clip.label == REAL or name == "uadfv" or clip.source not in (None, clip.target)
        assert originals.get(clip.attributes["footage"], clip.target) == clip.target
    assert any(clip.attributes["footage"] in originals for clip in clips if clip.label == FAKE)


# FaceForensics++


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


def test_no_ffpp_video_is_target_or_source_in_two_splits(root: Path) -> None:
    official_pairs(root, ["Deepfakes"])
    where: dict[str | None, set[str]] = {}
    for clip in listed("ffpp_c23", root).values():
        where.setdefault(clip.target, set()).add(clip.split)
        where.setdefault(clip.source or clip.target, set()).add(clip.split)
    assert len(where) == 1000 and all(len(splits) == 1 for splits in where.values())


def test_both_orders_of_a_pair_are_fakes_whose_first_number_is_the_target(
    root: Path, dozen: Sequence[Path]
) -> None:
    ffpp.build(root, dozen)
    clips = listed("ffpp_c23", root)
    one, other = clips["Deepfakes/000_003"], clips["Deepfakes/003_000"]
    assert (one.target, one.source, one.attributes["footage"]) == ("ffpp/000", "ffpp/003", "ffpp/000")
    assert (other.target, other.source, other.attributes["footage"]) == ("ffpp/003", "ffpp/000", "ffpp/003")
    assert clips["youtube/000"].attributes["footage"] == "ffpp/000"


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
        ("val", None, "cannot read"),
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


# DeepFakeDetection


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


# Celeb-DF


def test_the_official_list_of_celeb_df_v2_has_178_real_and_340_fake_test_clips(
    reference: Path, root: Path
) -> None:
    file = reference / "splits" / "celeb_df_v2" / celeb_df_list()
    for folder in celeb_df.TESTED:
        (root / folder).mkdir(parents=True)
    shutil.copy(file, root)
    clips = listed("celeb_df_v2", root)  # none is on disk, all are listed
    official = datasets.get("celeb_df_v2").official
    tests = {"test/real": 178, "test/Celeb-synthesis": 340}
    assert counted(clips) == tests == {key: official[key] for key in tests}
    assert sum(official.values()) == 590 + 300 + 5639
    assert len({clip.target for clip in clips.values() if clip.label == FAKE}) == 52


def celeb_df_list() -> str:
    return "List_of_testing_videos.txt"


def test_one_means_real_in_the_list_of_celeb_df(root: Path, dozen: Sequence[Path]) -> None:
    celeb_df.build(root, dozen)
    clips = listed("celeb_df_v2", root)
    assert "1 Celeb-real/id0_0001.mp4" in (root / celeb_df_list()).read_text()
    assert (clips["Celeb-real/id0_0001"].label, clips["Celeb-synthesis/id0_id1_0001"].label) == (REAL, FAKE)
    assert counted(clips) == {
        "test/real": 2,
        "test/Celeb-synthesis": 2,
        "train/real": 3,
        "train/Celeb-synthesis": 2,
    }


def test_a_line_that_contradicts_its_folder_is_named(root: Path, dozen: Sequence[Path]) -> None:
    celeb_df.build(root, dozen)
    file = root / celeb_df_list()
    lines = file.read_text().splitlines()
    for number, line in enumerate(lines):  # a list written the other way round, from one line on
        flipped = [*lines[:number], "10"[int(line[0])] + line[1:], *lines[number + 1 :]]
        file.write_text("\n".join(flipped))
        with pytest.raises(HarnessError, match=f"line {number + 1}: .*1 is real in this list"):
            listed("celeb_df_v2", root)


@pytest.mark.parametrize(
    "line",
    [
        "1 Celeb-real",
        "real Celeb-real/id0_0001.mp4",
        "1 Celeb-real/../Celeb-synthesis/id0_id1_0001.mp4",
        "1 Celeb-reel/id0_0001.mp4",
        "1 YouTube-real/id0_0001.mp4",
        "Celeb-real/id0_0001.mp4",
    ],
)
def test_a_line_that_cannot_be_understood_is_named(line: str, root: Path, dozen: Sequence[Path]) -> None:
    celeb_df.build(root, dozen)
    (root / celeb_df_list()).write_text(f"1 YouTube-real/00170.mp4\n{line}\n")
    with pytest.raises(HarnessError, match="line 2: "):
        listed("celeb_df_v2", root)


def test_windows_line_ends_and_a_missing_final_newline_change_nothing(
    root: Path, dozen: Sequence[Path]
) -> None:
    celeb_df.build(root, dozen)
    file = root / celeb_df_list()
    before, text = listed("celeb_df_v2", root), file.read_text()
    assert not text.endswith("\n")
    for variant in (text.replace("\n", "\r\n"), text + "\n", text + "\r\n\r\n"):
        file.write_bytes(variant.encode())
        assert listed("celeb_df_v2", root) == before


def test_without_its_list_celeb_df_is_an_error_not_all_training(root: Path, dozen: Sequence[Path]) -> None:
    celeb_df.build(root, dozen)
    (root / celeb_df_list()).unlink()
    with pytest.raises(HarnessError, match=f"has no {celeb_df_list()}, which says what is for testing"):
        listed("celeb_df_v2", root)


def test_a_listed_celeb_df_video_that_is_gone_is_listed(root: Path, dozen: Sequence[Path]) -> None:
    celeb_df.build(root, dozen)
    before = listed("celeb_df_v2", root)
    for name in ("Celeb-synthesis/id0_id1_0001", "Celeb-synthesis/id0_id1_0000"):
        before[name].path.unlink()
    after = listed("celeb_df_v2", root)
    assert before.keys() - after.keys() == {"Celeb-synthesis/id0_id1_0000"}  # train: known from disk alone


def test_a_celeb_df_fake_shows_the_target_and_names_the_recording_of_its_original(
    root: Path, dozen: Sequence[Path]
) -> None:
    celeb_df.build(root, dozen)
    clips = listed("celeb_df_v2", root)
    fake, tube = clips["Celeb-synthesis/id0_id1_0001"], clips["YouTube-real/00170"]
    assert (fake.target, fake.source) == ("celeb_df/id0", "celeb_df/id1")
    assert fake.attributes["footage"] == clips["Celeb-real/id0_0001"].attributes["footage"]
    assert fake.attributes["footage"] == "celeb_df/id0_0001"
    assert tube.target == tube.attributes["footage"] == "celeb_df/youtube_00170"


# DeeperForensics


def test_the_real_class_of_deeperforensics_is_ffpp_and_never_the_actors(
    root: Path, dozen: Sequence[Path]
) -> None:
    deeperforensics.build(root, dozen)
    clips = listed("deeperforensics", root)
    assert all((root / actor).is_file() for actor in deeperforensics.ACTORS)
    assert not any("source_videos" in clip.path.parts for clip in clips.values())
    reals = {each: clip.split for each, clip in clips.items() if clip.label == REAL}
    assert reals == {"youtube/000": "train", "youtube/011": "val", "youtube/953": "test"}
    assert clips["youtube/000"].path.parts[-5:] == (
        "original_sequences",
        "youtube",
        "c23",
        "videos",
        "000.mp4",
    )


def test_deeperforensics_without_ffpp_is_an_error_with_the_line_that_mends_it(
    root: Path, dozen: Sequence[Path]
) -> None:
    deeperforensics.build(root, dozen)
    (root / "original_sequences").unlink()
    with pytest.raises(HarnessError, match=f"ln -s .*/original_sequences {root}/original_sequences$"):
        listed("deeperforensics", root)


def test_every_variant_of_deeperforensics_is_a_manipulation(root: Path, dozen: Sequence[Path]) -> None:
    deeperforensics.build(root, dozen)
    clips = tuple(datasets.get("deeperforensics").clips(root))
    assert {clip.manipulation for clip in clips} == {None, *deeperforensics.VARIANTS}
    only = Subset.parse("deeperforensics:end_to_end").for_testing(clips)
    assert [clip.id for clip in only] == [
        "deeperforensics/youtube/953",
        "deeperforensics/end_to_end/953_W136",
    ]
    fake = only[1]
    assert (fake.target, fake.source) == ("ffpp/953", "deeperforensics/W136")
    assert fake.attributes["footage"] == only[0].attributes["footage"] == "ffpp/953"


def test_deeperforensics_has_eleven_variants_of_703_96_201(root: Path, dozen: Sequence[Path]) -> None:
    official = datasets.get("deeperforensics").official
    assert sum(count for key, count in official.items() if not key.endswith("/real")) == 11_000
    assert [official[f"{split}/real"] for split in SPLITS] == [703, 96, 201]


@pytest.mark.parametrize(
    ("content", "said"),
    [("000_W004.mp4\n", "is in the list train.txt too"), ("953.mp4\n", "is not <target>")],
)
def test_lists_of_deeperforensics_that_leak_or_cannot_be_understood_are_refused(
    content: str, said: str, root: Path, dozen: Sequence[Path]
) -> None:
    deeperforensics.build(root, dozen)
    write(root / "lists" / "splits" / "test.txt", content)
    with pytest.raises(HarnessError, match=said):
        listed("deeperforensics", root)


# UADFV


def test_uadfv_is_all_test_and_a_fake_has_the_number_of_its_original(
    root: Path, dozen: Sequence[Path]
) -> None:
    uadfv.build(root, dozen)
    touch(root, "fake/notes.mp4", "real/frames.txt")
    clips = listed("uadfv", root)
    assert counted(clips) == {"test/real": 3, "test/FakeApp": 3}
    assert clips["fake/0048_fake"].target == clips["real/0048"].target == "uadfv/0048"


# FakeAVCeleb


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
