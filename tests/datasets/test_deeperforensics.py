"""The reals of DeeperForensics are those of FaceForensics++, and each of its variants is a manipulation."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from harness.data.clips import Subset
from harness.registry import datasets
from harness.types import REAL, SPLITS, HarnessError
from tests.datasets.listings import listed
from tests.datasets.trees import deeperforensics
from tests.datasets.trees.planting import write


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
