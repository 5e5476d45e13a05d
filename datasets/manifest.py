"""Clips of your own, listed line by line in one CSV or Parquet file."""

from __future__ import annotations

import csv
import json
import os.path
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.registry import dataset
from harness.types import FAKE, REAL, SPLITS, Clip, HarnessError, unknown

LABELS = {"0": REAL, "real": REAL, "1": FAKE, "fake": FAKE}
OWN = ("path", "label", "split", "manipulation", "target", "source")
"""Columns with a meaning; every other one becomes an attribute."""
UNNAMED = "unnamed"
"""Manipulation of a fake whose line names none."""

Line = tuple[str, Mapping[str, Any]]
"""Where it stands (`line 7`), and its cells by column; an empty cell is left out."""


@dataset(
    "manifest",
    about="a CSV or Parquet file of your own: path, label; split, manipulation, target and source if known",
    crop="face",
)
def manifest(
    root: Path, columns: Mapping[str, str] | None = None, labels: Sequence[str] = ()
) -> Iterator[Clip]:
    """The clips of a CSV or Parquet file, or of `manifest.csv` or `manifest.parquet` in a folder.

    `path` is a video, an image or a folder of frames: relative to the manifest's folder and inside it,
    or absolute. `label` is 0 or 1, real or fake, in any case. `split` is test unless it is said. Further
    columns become attributes; `box` is `[x, y, w, h]` or `x;y;w;h`, in pixels. A line that cannot be
    understood is a `HarnessError` with its number.

    `columns`: what the file calls a column that has another name; `labels`: what it calls real and fake.
    """
    file = _file(root)
    named = {theirs: ours for ours, theirs in (columns or {}).items()}
    lines = _parquet(file, named) if file.suffix.lower() == ".parquet" else _csv(file, named)
    words = dict(zip(labels, (REAL, FAKE), strict=True)) if labels else LABELS
    seen: dict[str, str] = {}
    for where, cells in lines:
        try:
            clip = _clip(file.parent, cells, words)
        except HarnessError as error:
            raise HarnessError(f"{file}: {where}: {error}") from error
        if clip.id in seen:
            raise HarnessError(f"{file}: {where}: {cells['path']} is listed twice, before on {seen[clip.id]}")
        seen[clip.id] = where
        yield clip


def _file(root: Path) -> Path:
    if root.is_file():
        if root.suffix.lower() not in (".csv", ".parquet"):
            raise HarnessError(f"dataset manifest: {root} ends neither in .csv nor in .parquet")
        return root
    found = [root / name for name in ("manifest.csv", "manifest.parquet") if (root / name).is_file()]
    if len(found) == 1:
        return found[0]
    if found:
        raise HarnessError(f"dataset manifest: {root} has both manifest.csv and manifest.parquet: name one")
    raise HarnessError(
        f"dataset manifest: {root} is neither a CSV or Parquet file nor a folder with manifest.csv"
    )


def _csv(file: Path, named: Mapping[str, str]) -> Iterator[Line]:
    try:
        with file.open(encoding="utf-8-sig", newline="") as text:
            rows = csv.reader(text)
            columns = _named(file, [name.strip() for name in next(rows, [])], named)
            for row in rows:
                if len(row) > len(columns):
                    raise HarnessError(f"{file}: line {rows.line_num}: more cells than columns")
                cells = {name: cell.strip() for name, cell in zip(columns, row, strict=False)}
                if any(cells.values()):
                    yield f"line {rows.line_num}", {name: cell for name, cell in cells.items() if cell}
    except OSError as error:
        raise HarnessError(f"cannot read {file}: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise HarnessError(f"{file} is not a CSV file in UTF-8: {error}") from error


def _parquet(file: Path, named: Mapping[str, str]) -> Iterator[Line]:
    import pyarrow
    import pyarrow.parquet

    row = 0
    try:
        with pyarrow.parquet.ParquetFile(file) as table:
            columns = _named(file, table.schema_arrow.names, named)
            for batch in table.iter_batches(batch_size=8192):
                for values in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                    row += 1
                    cells = dict(zip(columns, values, strict=True))
                    yield f"row {row}", {k: v for k, v in cells.items() if not _is_empty(v)}
    except (OSError, pyarrow.ArrowException) as error:
        raise HarnessError(f"{file} is not a Parquet file: {error}") from error


def _is_empty(cell: Any) -> bool:
    return cell is None or cell == "" or cell != cell  # NaN differs from itself


def _named(file: Path, theirs: Sequence[str], named: Mapping[str, str]) -> list[str]:
    """The columns under our names; `HarnessError` where one is missing or there twice."""
    gone = [name for name in named if name not in theirs]
    if gone:
        raise HarnessError(f"{file} has no column {gone[0]!r} (found: {', '.join(theirs) or 'none'})")
    columns = [named.get(name, name) for name in theirs]
    missing = [name for name in ("path", "label") if name not in columns]
    if missing:
        raise HarnessError(f"{file} has no column {missing[0]!r} (found: {', '.join(columns) or 'none'})")
    twice = sorted({name for name in columns if columns.count(name) > 1})
    if twice:
        raise HarnessError(f"{file} has two columns {twice[0]!r}")
    return columns


def _clip(folder: Path, cells: Mapping[str, Any], words: Mapping[str, int]) -> Clip:
    if "path" not in cells:
        raise HarnessError("it has no path")
    name = _relative(folder, str(cells["path"]))
    label, split = _label(cells.get("label"), words), str(cells.get("split", "test")).lower()
    if split not in SPLITS:
        raise unknown("split", split, SPLITS)
    named = [column for column in ("manipulation", "source") if column in cells]
    if label == REAL and named:
        raise HarnessError(f"a real clip names the {named[0]} {cells[named[0]]!r}")
    return Clip(
        id=f"manifest/{name}",
        path=folder / name,
        label=label,
        split=split,
        manipulation=str(cells.get("manipulation", UNNAMED)) if label == FAKE else None,
        target=str(cells["target"]) if "target" in cells else None,
        source=str(cells["source"]) if "source" in cells else None,
        attributes=_attributes(cells),
    )


def _relative(folder: Path, path: str) -> str:
    """The path below the manifest's folder, tidied; an absolute path outside it stays absolute."""
    tidy = os.path.normpath(path)
    if os.path.isabs(tidy):
        below = os.path.relpath(tidy, os.path.abspath(folder))
        return tidy if below.split(os.sep)[0] == os.pardir else below
    if tidy.split(os.sep)[0] == os.pardir:
        raise HarnessError(f"the relative path {path} leaves the manifest's folder: make it absolute")
    return tidy


def _label(cell: Any, words: Mapping[str, int]) -> int:
    """0 or 1, from a number, a truth value or a word."""
    whole = isinstance(cell, (bool, int)) or (isinstance(cell, float) and cell.is_integer())
    text = str(int(cell)) if whole else str(cell).strip().lower()
    if text not in words:
        raise HarnessError(f"the label {cell!r} is not {_listed(words)}" if cell else "it has no label")
    return words[text]


def _listed(words: Mapping[str, int]) -> str:
    return "0, 1, real or fake" if words is LABELS else " or ".join(words)


def _attributes(cells: Mapping[str, Any]) -> dict[str, Any]:
    further = {name: cell for name, cell in cells.items() if name not in OWN}
    if "box" in further:
        further["box"] = _box(further["box"])
    return further


def _box(cell: Any) -> list[float]:
    try:
        sides = cell if not isinstance(cell, str) else json.loads(cell) if "[" in cell else cell.split(";")
        box = [float(side) for side in sides]
    except (TypeError, ValueError) as error:
        raise HarnessError(f"the box {cell!r} is neither [x, y, w, h] nor x;y;w;h") from error
    if len(box) != 4 or not min(box[2:]) > 0:
        raise HarnessError(f"the box {cell!r} is not x, y, width and height in pixels")
    return box
