"""The clips of DF40 are test, judged against reals of their own, and named as their footage is."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from harness.data import problems
from harness.data.clips import Subset, list_clips
from harness.registry import datasets
from harness.types import FAKE, REAL, Clip, HarnessError
from tests.datasets.listings import listed, people, refused
from tests.datasets.trees import df40
from tests.datasets.trees.planting import write

FORTY = {
    # Table 1 of Yan et al. 2024, as the authors' lists spell the methods
    "FSAll": "fsgan faceswap simswap inswap blendface uniface mobileswap e4s facedancer",
    "FRAll": (
        "fomm facevid2vid wav2lip MRAA one_shot_free pirender tpsm lia danet sadtalker mcnet hyperreenact"
    ),
    "EFSAll": "VQGAN StyleGAN2 StyleGAN3 StyleGANXL sd2.1 ddim pixart rddm DiT SiT",
}
PROTOCOL_3 = "deepfacelab heygen whichisreal MidJourney stargan starganv2 styleclip CollabDiff e4e_ff e4e_cdf"


def judged(root: Path, name: str) -> dict[str, list[str]]:
    """The fakes and the reals that a part is tested on, without the dataset's name."""
    clips = Subset.parse(name).for_testing(list_clips(datasets.get("df40"), root))
    return {
        word: [clip.id.removeprefix("df40/") for clip in clips if clip.label == label]
        for word, label in (("fakes", FAKE), ("reals", REAL))
    }


def test_every_nesting_of_the_release_is_read(built: Any) -> None:
    clips = listed("df40", built("df40"))
    fakes = {key: clip.manipulation for key, clip in clips.items() if clip.label == FAKE}
    assert fakes == {
        "simswap/ff/953_974": "simswap_ff",
        "simswap/cdf/id0_id1_0003": "simswap_cdf",
        "fomm/ff/953_974": "fomm_ff",
        "fomm/cdf/id0_id1_0003": "fomm_cdf",
        "uniface/974_953": "uniface_ff",
        "e4e/e4e/ff/953": "e4e_ff",
        "DiT/cdf/Fake_from_Youtube-real/00170": "DiT_cdf",
        "pixart/cdf/Fake_from_Celeb-real/id0_0000": "pixart_cdf",
        "sd2.1/ff/970/100_340.png": "sd2.1_ff",
        "sd2.1/ff/970/953_012.png": "sd2.1_ff",
        "StyleGAN3/ff/953": "StyleGAN3_ff",
        "heygen/heygen_new/fake/003": "heygen",
        "whichfaceisreal/whichfaceisreal/fake/0.png": "whichisreal",
        "whichfaceisreal/whichfaceisreal/fake/1.png": "whichisreal",
        "styleclip/styleclip/fake/0.png": "styleclip",
        "styleclip/styleclip/fake/1.png": "styleclip",
        "deepfacelab/fake/003": "deepfacelab",
    }
    assert clips["simswap/ff/953_974"].path == built("df40") / "DF40/simswap/ff/frames/953_974"
    assert {clip.split for clip in clips.values()} == {"test"}
    assert not [clip.path for clip in clips.values() if "masks" in clip.path.parts]


def test_a_fake_is_judged_against_the_reals_that_it_was_made_of(built: Any) -> None:
    root = built("df40")
    ff, cdf = ["real/ffpp/953", "real/ffpp/974"], ["real/celeb_df/id0_0003", "real/celeb_df/youtube_00170"]
    assert judged(root, "df40:simswap_ff") == {"fakes": ["simswap/ff/953_974"], "reals": ff}
    assert judged(root, "df40:simswap_cdf") == {"fakes": ["simswap/cdf/id0_id1_0003"], "reals": cdf}
    assert judged(root, "df40:heygen") == {
        "fakes": ["heygen/heygen_new/fake/003"],
        "reals": ["heygen/heygen_new/real/003"],
    }
    assert judged(root, "df40:FRAll_cdf") == {"fakes": ["fomm/cdf/id0_id1_0003"], "reals": cdf}
    assert judged(root, "df40:ff")["reals"] == ff
    assert len(judged(root, "df40:ff")["fakes"]) == 7


def test_the_families_and_the_unknown_methods_are_those_of_the_authors() -> None:
    parts = datasets.get("df40").parts
    for family, names in FORTY.items():
        for domain in ("ff", "cdf"):
            assert set(parts[f"{family}_{domain}"]) == {f"{name}_{domain}" for name in names.split()}
    assert set(PROTOCOL_3.split()) <= parts.keys()
    assert sum(len(names.split()) for names in FORTY.values()) + 9 == 40


def test_the_whole_is_tested_one_domain_at_a_time(built: Any) -> None:
    clips = list_clips(datasets.get("df40"), built("df40"))
    parts = Subset.parse("df40").by_domain(clips)
    assert parts == tuple(
        f"df40:{domain}" for domain in ("cdf", "deepfacelab", "ff", "heygen", "styleclip", "whichisreal")
    )
    with pytest.raises(HarnessError, match="mixes fakes that are made of different reals"):
        Subset.parse("df40-simswap_ff").by_domain(clips)
    assert Subset.parse("df40:simswap_ff").by_domain(clips) == ()


def test_fakes_whose_reals_are_not_here_are_absent_and_never_judged_against_others(
    built: Any, tmp_path: Path
) -> None:
    root = tmp_path / "half"
    shutil.copytree(built("df40"), root)
    shutil.rmtree(root / "Celeb-DF-v2")
    clips = list_clips(datasets.get("df40"), root)
    for name in ("df40:simswap_cdf", "df40:cdf", "df40:FSAll_cdf"):
        assert "none of those is here" in Subset.parse(name).why_absent(clips)
    assert Subset.parse("df40:simswap_ff").why_absent(clips) == ""
    assert "no clip of it is here" in Subset.parse("df40:MidJourney").why_absent(clips)
    said = list(datasets.get("df40").remarks(root))  # type: ignore[misc]
    assert len(said) == 1 and "List_of_testing_videos.txt" in said[0]


def test_a_part_that_nobody_knows_is_refused_with_the_nearest(built: Any) -> None:
    clips = list_clips(datasets.get("df40"), built("df40"))
    with pytest.raises(HarnessError, match="did you mean 'simswap_ff'"):
        Subset.parse("df40:simswap_f").for_testing(clips)


def test_clips_bear_the_names_of_the_footage_they_are_made_of(built: Any) -> None:
    clips = listed("df40", built("df40"))
    assert people(clips["simswap/ff/953_974"]) == ("ffpp/953", "ffpp/973", "ffpp/953")
    assert people(clips["simswap/cdf/id0_id1_0003"]) == ("celeb_df/id0", "celeb_df/id1", "celeb_df/id0_0003")
    assert people(clips["uniface/974_953"]) == ("ffpp/973", "ffpp/953", "ffpp/973")
    assert people(clips["e4e/e4e/ff/953"]) == ("ffpp/953", None, "ffpp/953")
    youtube = "celeb_df/youtube_00170"
    assert people(clips["DiT/cdf/Fake_from_Youtube-real/00170"]) == (youtube, None, youtube)
    assert people(clips["real/celeb_df/id0_0003"]) == ("celeb_df/id0", None, "celeb_df/id0_0003")
    assert people(clips["real/celeb_df/youtube_00170"])[2] == youtube


def test_two_sequences_of_one_video_of_ffpp_are_one_footage_and_two_clips(tmp_path: Path) -> None:
    for path in ("danet/ff/real/954/0.png", "danet/ff/real/955/0.png", "danet/ff/fake/955_954/0.png"):
        write(tmp_path / path, "")
    clips = listed("df40", tmp_path)
    assert {people(clip)[2] for clip in clips.values()} == {"ffpp/954"}
    assert {"real/ffpp/954", "real/ffpp/955"} < clips.keys()


def test_who_lends_only_a_motion_is_not_seen(built: Any) -> None:
    clips = listed("df40", built("df40"))
    assert people(clips["fomm/ff/953_974"]) == ("ffpp/953", None, "ffpp/953")
    assert people(clips["fomm/cdf/id0_id1_0003"]) == ("celeb_df/id0", None, "celeb_df/id0_0003")


def test_where_a_folder_mixes_people_the_names_of_its_frames_count(built: Any) -> None:
    clips = listed("df40", built("df40"))
    by_frame = people(clips["pixart/cdf/Fake_from_Celeb-real/id0_0000"])
    assert by_frame == ("celeb_df/id1", None, "celeb_df/id1_0004")
    assert people(clips["sd2.1/ff/970/100_340.png"]) == ("ffpp/100", None, "ffpp/100")
    assert people(clips["sd2.1/ff/970/953_012.png"]) == ("ffpp/953", None, "ffpp/953")


def test_a_face_made_of_a_seed_is_nobodys(built: Any) -> None:
    assert people(listed("df40", built("df40"))["StyleGAN3/ff/953"]) == (None, None, None)


def test_three_digits_are_a_video_of_ffpp_on_its_branch_alone(built: Any) -> None:
    clips = listed("df40", built("df40"))
    for key in ("heygen/heygen_new/real/003", "deepfacelab/real/003", "deepfacelab/fake/003"):
        assert people(clips[key]) == (None, None, None)
    assert clips["heygen/heygen_new/real/003"].path != clips["deepfacelab/real/003"].path


def test_reals_that_are_on_no_official_test_list_are_not_listed(built: Any) -> None:
    root = built("df40")
    assert (root / df40.FF_REALS / "000").is_dir()
    assert "real/ffpp/000" not in listed("df40", root)


def test_a_real_that_several_methods_bring_on_a_branch_is_one_clip(tmp_path: Path) -> None:
    for path in ("e4e/ff/real/953/0.png", "danet/ff/real/953/0.png", "danet/ff/fake/953_974/0.png"):
        write(tmp_path / path, "")
    clips = listed("df40", tmp_path)
    assert [key for key, clip in clips.items() if clip.label == REAL] == ["real/ffpp/953"]


def test_a_numbered_still_is_no_video_of_another_dataset(tmp_path: Path) -> None:
    for path in ("MidJourney/real/00170.png", "stargan/fake/953.png", "stargan/real/000.png"):
        write(tmp_path / path, "")
    assert {people(clip) for clip in listed("df40", tmp_path).values()} == {(None, None, None)}


def test_folders_of_five_digits_are_celeb_df_on_its_branch_alone(tmp_path: Path) -> None:
    for path in ("e4e/cdf/00170/0.png", "stargan/real/00171/0.png", "e4e/ff/real/00172/0.png"):
        write(tmp_path / path, "")
    clips = listed("df40", tmp_path)
    assert clips["e4e/cdf/00170"].target == "celeb_df/youtube_00170"
    assert clips["stargan/real/00171"].target is None
    assert clips["e4e/ff/real/00172"].label == REAL
    assert clips["e4e/ff/real/00172"].target is None


def test_folders_that_yield_no_clip_are_an_error_of_the_check_by_name(tmp_path: Path) -> None:
    write(tmp_path / "simswap/ff/953_974/0.png", "")
    write(tmp_path / "simswap/ff/real/953/0.png", "")
    write(tmp_path / "mobileswap/cdf/frames.zip", "")
    write(tmp_path / "simswap/cdf/frames/readme.txt", "")
    write(tmp_path / "lost/somewhere/0.png", "")
    found = [each for each in problems.dropped(datasets.get("df40"), tmp_path) if each.severity == "error"]
    assert [each.text for each in found] == [
        "no clip was found in lost/",
        "no clip was found in mobileswap/: unpack mobileswap/cdf/frames.zip",
        "no clip was found in simswap/cdf/",
    ]


def test_without_reals_it_says_where_they_come_from(tmp_path: Path) -> None:
    write(tmp_path / "simswap/ff/953_974/0.png", "")
    refused("df40", tmp_path, "fakes only", "test.json", "List_of_testing_videos.txt")
    (tmp_path / df40.FF_REALS).mkdir(parents=True)
    refused("df40", tmp_path, "FaceForensics++/test.json is missing")


def test_a_method_beyond_the_forty_is_known_by_its_branch_or_by_names_of_two_videos(tmp_path: Path) -> None:
    for path in ("new/frames/953_974/0.png", "new/frames/003/0.png", "newer/ff/003/0.png", "m/real/0/0.png"):
        write(tmp_path / path, "")
    clips = listed("df40", tmp_path)
    kinds = {key: clip.manipulation for key, clip in clips.items() if clip.label == FAKE}
    assert kinds == {"new/953_974": "new_ff", "newer/ff/003": "newer_ff"}


def test_other_folders_are_no_methods(tmp_path: Path) -> None:
    for path in ("original_sequences/youtube/c23/videos/000.mp4", "ff/frames/953_974/0.png"):
        write(tmp_path / path, "")
    refused("df40", tmp_path, "has no <method>/ff, cdf, fake or real")


def test_attributes_of_other_datasets_select_no_reals() -> None:
    """`domain` is a word that a table of one's own may use for anything."""
    shown = {"domain": "news"}
    fake = Clip("own/1", Path("1.mp4"), FAKE, "test", "swap", attributes=shown)
    real = Clip("own/2", Path("2.mp4"), REAL, "test", attributes={"domain": "sport"})
    assert Subset.parse("procedural_lab:swap").for_testing([fake, real]) == (fake, real)
