"""FakeAVCeleb: one video each of 500 celebrities, with the face, the voice or both forged."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.registry import dataset
from harness.trees import Stored, need, read_lines
from harness.types import FAKE, REAL, Clip, HarnessError, unknown

META = "meta_data.csv"
LABELS = {
    "RealVideo-RealAudio": REAL,
    "RealVideo-FakeAudio": REAL,
    "FakeVideo-RealAudio": FAKE,
    "FakeVideo-FakeAudio": FAKE,
}
"""Folder, and column `type` -> whether the video is forged; what was done to the sound is not seen."""
CATEGORIES = dict(zip("ABCD", LABELS, strict=True))
COLUMNS = ["source", "target1", "target2", "method", "category", "type", "race", "gender"]
"""The columns before the file's name and its folder, which the release calls `path` and nothing."""
PERSON = re.compile(r"id\d+")


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the table."""

    where: str
    """File and line, for errors."""
    path: str
    """Below the root, beginning with the folder of the type."""
    type: str
    method: str
    person: str
    """Whose video it is: the table's `source`, our target."""
    donor: str | None
    """Whose face or voice was put in: the table's `target1` or `target2`, our source."""


@dataset(
    "fakeavceleb",
    about="FakeAVCeleb: 500 celebrities with face, voice or both forged, labelled by what is seen; test only",
    crop="face",
    official={"test/real": 1000},
)
def fakeavceleb(root: Path) -> Iterator[Clip]:
    """The files of `meta_data.csv` in every type folder that exists, all test (Khalid et al., 2021).

    A real video with a forged voice (`RealVideo-FakeAudio`) is real: a clip is labelled by what is seen. It
    shows the same recording as its original, and they name the same footage, as do all forgeries of it.
    The table's `source` is our target (the person whose video it is), `target1` our source. The
    manipulation is the method. The official table names 22 files twice, under two methods: the first
    line counts. Leading folders of a path (`FakeAVCeleb/`) are left out, and a path that leaves the root
    is an error.
    """
    need(root, "fakeavceleb", list(LABELS))
    there = {kind for kind in LABELS if (root / kind).is_dir()}
    seen: set[str] = set()
    stored = Stored()
    for entry in _entries(root / META):
        if entry.type in there and entry.path not in seen:
            seen.add(entry.path)
            yield _clip(stored(root / entry.path), entry)


def _clip(path: Path, entry: Entry) -> Clip:
    label = LABELS[entry.type]
    if label == FAKE and entry.method in ("", "-", "real"):
        raise HarnessError(f"{entry.where}: a {entry.type} clip with the method {entry.method!r}")
    stem = entry.path.rpartition(".")[0]
    recording = stem.rpartition("/")[2].partition("_")[0]
    return Clip(
        id=f"fakeavceleb/{stem}",
        path=path,
        label=label,
        split="test",
        manipulation=entry.method if label == FAKE else None,
        target=f"fakeavceleb/{entry.person}",
        source=f"fakeavceleb/{entry.donor}" if label == FAKE and entry.donor else None,
        attributes={"footage": f"fakeavceleb/{entry.person}/{recording}"},
    )


def _entries(file: Path) -> Iterator[Entry]:
    """The lines of the table, in its order; one that contradicts itself is a `HarnessError`."""
    rows = _rows(file)
    _, header = next(rows, (1, []))
    if header[: len(COLUMNS)] != COLUMNS or len(header) < len(COLUMNS) + 1:
        raise HarnessError(f"{file}: expected the columns {', '.join(COLUMNS)}, file, folder; not {header}")
    for number, row in rows:
        if row:
            yield _entry(f"{file}, line {number}", row)


def _rows(file: Path) -> Iterator[tuple[int, list[str]]]:
    """(number of the line, its cells)."""
    rows = csv.reader(read_lines(file))
    try:
        for row in rows:
            yield rows.line_num, [cell.strip() for cell in row]
    except csv.Error as error:
        raise HarnessError(f"{file} is not a CSV file: {error}") from error


def _entry(where: str, row: list[str]) -> Entry:
    if len(row) < len(COLUMNS) + 2:
        raise HarnessError(f"{where}: {len(row)} columns where {len(COLUMNS) + 2} are expected")
    person, *others = row[:3]
    method, category, kind = row[3:6]
    if kind not in LABELS:
        raise HarnessError(f"{where}: {unknown('type', kind, LABELS)}")
    if CATEGORIES.get(category) != kind:
        raise HarnessError(f"{where}: category {category!r} does not go with type {kind!r}")
    if not PERSON.fullmatch(person):
        raise HarnessError(f"{where}: the source {person!r} is not a person such as id00076")
    donors = [other for other in others if PERSON.fullmatch(other)]
    path = _path(where, kind, row[len(COLUMNS)], row[len(COLUMNS) + 1])
    return Entry(where, path, kind, method, person, donors[0] if donors else None)


def _path(where: str, kind: str, name: str, folder: str) -> str:
    """Folder and name as one path that begins with the type's folder; the folder may end in the name."""
    parts = [part for part in folder.replace("\\", "/").split("/") if part not in ("", ".")]
    if parts[-1:] != [name]:
        parts.append(name)
    if ".." in parts or "/" in name or "\\" in name:
        raise HarnessError(f"{where}: the path '{folder}/{name}' leaves the folder of the dataset")
    if kind not in parts[:-1]:
        raise HarnessError(f"{where}: the path '{folder}/{name}' is not in the folder of its type, {kind}")
    if "." not in name:
        raise HarnessError(f"{where}: {name!r} is not the name of a file")
    return "/".join(parts[parts.index(kind) :])
