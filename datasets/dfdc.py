"""DFDC, the Deepfake Detection Challenge: fifty training parts, a validation and a test folder."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from harness.files import read_json
from harness.registry import dataset
from harness.trees import Stored, files, read_lines
from harness.types import FAKE, REAL, Clip, HarnessError, unknown

LISTS = ("metadata.json", "labels.csv")
"""What says which clips of a folder are fake; the first that is there is believed."""
FOLDERS = {"validation": "val", "test": "test"}
"""Folder beside the parts -> split."""
SPLITS = {"train": "train", "val": "val", "validation": "val", "test": "test"}
PART = re.compile(r"dfdc_train_part_0*(\d+)")
UNNAMED = "unnamed"
"""Manipulation of every fake: its authors used eight methods and do not say which made which."""
OFFICIAL = {"train/real": 19_154, f"train/{UNNAMED}": 100_000, "test/real": 2_500, f"test/{UNNAMED}": 2_500}


@dataset(
    "dfdc",
    about="DFDC: dfdc_train_part_*/metadata.json, validation and test, or a single folder of it",
    crop="face",
    official=OFFICIAL,
)
def dfdc(root: Path) -> Iterator[Clip]:
    """Clips by the lists that came with them: `dfdc_train_part_N` (or `train/dfdc_train_part_N`) is train,
    `validation` is val, `test` is test; a root that holds a list itself (Kaggle's 400 clips, or the
    test folder alone) is what its list says.

    Labels are `FAKE` and `REAL`, `is_fake`, or `label` of `labels.csv` with 1 = fake; any other spelling is a
    `HarnessError`, and so is a part with videos but without its list. Target and footage of a fake are its
    original, where the list names it. The preview is another dataset, `dfdc_preview`. (Dolhansky et al.,
    2020, arXiv 2006.07397)
    """
    if (root / "dataset.json").is_file():
        raise HarnessError(f"dataset dfdc: {root} has a dataset.json: it is the preview, dfdc_preview")
    folders = list(_folders(root))
    if not folders:
        raise HarnessError(
            f"dataset dfdc: {root} has none of dfdc_train_part_*/metadata.json, test/metadata.json, "
            "test/labels.csv, metadata.json, labels.csv"
        )
    for folder, name, split in folders:
        yield from _listed(folder, name, split)


def _folders(root: Path) -> Iterator[tuple[Path, str, str]]:
    """(folder with a list, its name in ids, split where the list names none), parts by their number."""
    for above in (root, root / "train"):
        for number, part in _parts(above):
            yield part, f"dfdc_train_part_{number}", "train"
    for name, split in FOLDERS.items():
        if _has_list(root / name):
            yield root / name, split, split
    if _list_of(root):
        yield root, "", "test"


def _parts(above: Path, deep: bool = True) -> Iterator[tuple[int, Path]]:
    """The parts in a folder that have a list, by number; one may lie in another, as archives unpack."""
    found = {part: PART.fullmatch(part.name) for part in above.glob("dfdc_train_part_*")}
    for number, part in sorted((int(named[1]), part) for part, named in found.items() if named):
        if _has_list(part):
            yield number, part
        if deep:
            yield from _parts(part, deep=False)


def _has_list(folder: Path) -> bool:
    """Whether a folder has a list; one with videos must, or they would be left out unsaid."""
    if _list_of(folder) is None and files(folder):
        raise HarnessError(
            f"dataset dfdc: {folder} has videos but neither {' nor '.join(LISTS)}, which says what is fake"
        )
    return _list_of(folder) is not None


def _list_of(folder: Path) -> Path | None:
    return next((folder / name for name in LISTS if (folder / name).is_file()), None)


def _listed(folder: Path, name: str, split: str) -> Iterator[Clip]:
    listing = _list_of(folder)
    assert listing is not None
    stored = Stored()
    for video, facts in _rows(listing):
        if not PurePosixPath(video).stem or {"/", ".."} & set(PurePosixPath(video).parts):
            raise HarnessError(f"{listing}: {video!r} is not the name of a clip in its folder")
        stem = PurePosixPath(video).stem
        label, named = _label(listing, video, facts), str(facts.get("split") or split)
        if named not in SPLITS:
            raise HarnessError(f"{listing}: {video}: {unknown('split', named, SPLITS)}")
        original = PurePosixPath(str(facts["original"])).stem if facts.get("original") else None
        footage = f"dfdc/{original or stem}" if original or label == REAL else None
        yield Clip(
            id=f"dfdc/{name or SPLITS[named]}/{stem}",
            path=stored(folder / video),
            label=label,
            split=SPLITS[named],
            manipulation=UNNAMED if label == FAKE else None,
            target=footage,
            attributes={"footage": footage} if footage else {},
        )


def _rows(listing: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """(file name, what the list says of it), in the list's order."""
    if listing.suffix == ".csv":
        yield from _csv_rows(listing)
        return
    content = read_json(listing)
    if not isinstance(content, dict):
        raise HarnessError(f"{listing} is not a mapping of file names to labels")
    for video, facts in content.items():
        if not isinstance(facts, dict):
            raise HarnessError(f"{listing}: {video}: {facts!r} says neither label nor is_fake")
        yield video, facts


def _csv_rows(listing: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    rows = csv.DictReader(read_lines(listing))
    try:
        if not {"filename", "label"} <= set(rows.fieldnames or ()):
            raise HarnessError(f"{listing} has no columns filename and label (found: {rows.fieldnames})")
        for row in rows:
            if not row["filename"]:
                raise HarnessError(f"{listing}, line {rows.line_num}: no file name")
            yield row["filename"], {"csv": row["label"]}
    except csv.Error as error:
        raise HarnessError(f"{listing} is not a CSV file: {error}") from error


def _label(listing: Path, video: str, facts: Mapping[str, Any]) -> int:
    """The label in any of its three spellings, each of them exact."""
    for key, spelled in (
        ("label", {"REAL": REAL, "FAKE": FAKE}),
        ("is_fake", {"0": REAL, "1": FAKE, "False": REAL, "True": FAKE}),
        ("csv", {"0": REAL, "1": FAKE}),
    ):
        if key in facts:
            text = str(facts[key])
            if text in spelled:
                return spelled[text]
            shown = "label" if key == "csv" else key
            hint = "; lower-case labels are those of dfdc_preview" if text in ("real", "fake") else ""
            raise HarnessError(f"{listing}: {video}: {shown} is {text!r}, not {' or '.join(spelled)}{hint}")
    raise HarnessError(f"{listing}: {video} has neither label nor is_fake")
