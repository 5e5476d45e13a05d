"""Celeb-DF v1 and v2: interviews of celebrities, and swaps among them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from harness.registry import dataset
from harness.trees import files, need, read_lines
from harness.types import FAKE, REAL, Clip, HarnessError, unknown

TEST_LIST = "List_of_testing_videos.txt"
FAKES = "Celeb-synthesis"
NAMES = {
    "Celeb-real": re.compile(r"(?P<target>id\d+)_(?P<take>\d{4})"),
    "YouTube-real": re.compile(r"(?P<take>\d{5})"),
    FAKES: re.compile(r"(?P<target>id\d+)_(?P<source>id\d+)_(?P<take>\d{4})"),
}
"""Folder -> how its files are named, without `.mp4`."""
TESTED_V2 = {"Celeb-real": 108, "YouTube-real": 70, FAKES: 340}
"""Videos of each folder in the list of v2."""
LISTED_AS = {"1": REAL, "0": FAKE}
"""What the official list says, the other way round than the field (and this project) does: 1 is real."""

ABOUT = "Celeb-DF {}: interviews of celebrities and face swaps among them"


@dataset(
    "celeb_df_v1",
    about=ABOUT.format("v1"),
    crop="face",
    official={"*/real": 408, f"*/{FAKES}": 795},
)
def celeb_df_v1(root: Path) -> Iterator[Clip]:
    """Celeb-DF v1: 158 + 250 real, 795 fake; layout and split as `_clips` says."""
    return _clips(root, "celeb_df_v1")


@dataset(
    "celeb_df_v2",
    about=ABOUT.format("v2"),
    crop="face",
    official={"train/real": 712, f"train/{FAKES}": 5299, "test/real": 178, f"test/{FAKES}": 340},
)
def celeb_df_v2(root: Path) -> Iterator[Clip]:
    """Celeb-DF v2: 590 + 300 real, 5,639 fake; layout and split as `_clips` says."""
    return _clips(root, "celeb_df_v2")


def _clips(root: Path, name: str) -> Iterator[Clip]:
    """The videos of the three folders; those in the authors' list are test, all others train.

    `Celeb-real/idA_NNNN.mp4` and `YouTube-real/NNNNN.mp4` are real, `Celeb-synthesis/idA_idB_NNNN.mp4`
    shows video idA_NNNN with the face of idB (Li et al., CVPR 2020). `List_of_testing_videos.txt` marks
    real with 1; the folder decides, and a line that says otherwise is an error. A listed video that is
    not on disk is listed all the same. There is no validation split, and almost everybody is in both
    others. Files that are named otherwise are not the dataset's and are not listed.
    """
    need(root, name, list(NAMES))
    if not (root / TEST_LIST).is_file():
        raise HarnessError(f"dataset {name}: {root} has no {TEST_LIST}, which says what is for testing")
    tested = _tested(root / TEST_LIST)
    if name != "celeb_df_v2" and {folder: len(stems) for folder, stems in tested.items()} == TESTED_V2:
        raise HarnessError(f"dataset {name}: {root / TEST_LIST} is the list of celeb_df_v2: v1 has its own")
    for folder, pattern in NAMES.items():
        if not (root / folder).is_dir():
            continue
        there = {path.stem: path for path in files(root / folder, {".mp4"})}
        for stem in sorted({*there, *tested[folder]}):
            if named := pattern.fullmatch(stem):
                split = "test" if stem in tested[folder] else "train"
                yield _clip(name, there.get(stem, root / folder / f"{stem}.mp4"), split, named)


def _tested(file: Path) -> dict[str, set[str]]:
    """Folder -> stems of its test videos, as the list says."""
    tested: dict[str, set[str]] = {folder: set() for folder in NAMES}
    for number, line in enumerate(read_lines(file), start=1):
        if not line.strip():
            continue
        said, _, path = line.strip().partition(" ")
        folder, _, video = path.strip().partition("/")
        where = f"{file}, line {number}"
        if folder not in NAMES:
            raise HarnessError(f"{where}: {unknown('folder', folder, NAMES)}")
        stem = re.sub(r"\.mp4$", "", video, flags=re.IGNORECASE)
        if said not in LISTED_AS or not NAMES[folder].fullmatch(stem):
            raise HarnessError(f"{where}: {line!r} is not `1 {folder}/NAME.mp4` or `0 {folder}/NAME.mp4`")
        if LISTED_AS[said] != _label(folder):
            words = ("real", "fake")
            raise HarnessError(
                f"{where}: {line!r} says {words[LISTED_AS[said]]} (1 is real in this list), "
                f"but videos of {folder} are {words[_label(folder)]}"
            )
        tested[folder].add(stem)
    return tested


def _label(folder: str) -> int:
    return FAKE if folder == FAKES else REAL


def _clip(name: str, path: Path, split: str, named: re.Match[str]) -> Clip:
    """The record of a video; people and recordings are named alike in both versions of the dataset."""
    folder, parts = path.parent.name, named.groupdict()
    person = parts.get("target")
    return Clip(
        id=f"{name}/{folder}/{path.stem}",
        path=path,
        label=_label(folder),
        split=split,
        manipulation=FAKES if folder == FAKES else None,
        target=f"celeb_df/{person}" if person else f"celeb_df/youtube_{parts['take']}",
        source=f"celeb_df/{parts['source']}" if "source" in parts else None,
        attributes={"footage": f"celeb_df/{person or 'youtube'}_{parts['take']}"},
    )
