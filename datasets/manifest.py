"""Clips of your own, listed line by line in one CSV or Parquet file."""

from __future__ import annotations

import csv
import os.path
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.files import LINE, TABLES, is_parquet, sheet_of
from harness.guard import parsed
from harness.guard.regular import can_be_named, regular, shown
from harness.registry import dataset
from harness.trees import Stored, file_stamp, is_image
from harness.types import FAKE, REAL, SPLITS, Clip, HarnessError, unknown
from harness.words import MISSING, frame_told, frames_in_folders, label_of, split_of

OWN = ("path", "label", "split", "manipulation", "target", "source")
"""Columns with a meaning; every other one becomes an attribute."""
DEPTH = 8
"""Levels of lists in lists that an attribute may have."""
UNNAMED = "unnamed"
"""Manipulation of a fake whose line names none."""

_doubtful: dict[Path, tuple[Any, dict[str, str]]] = {}
"""File -> its stamp when it was last listed, and the images in it that may be frames of a clip: to list a
million lines takes most of a minute."""

Line = tuple[str, Mapping[str, Any]]
"""Where it stands (`line 7`), and its cells by column; an empty cell is left out."""


def remarks(root: Path) -> Iterator[str]:
    """Which lines may list frames and were taken as pictures."""
    file = _file(root)
    if _doubtful.get(file, (None, {}))[0] != file_stamp(file):
        for _ in manifest(root):
            pass
    _, doubtful = _doubtful[file]
    if doubtful:
        path, clip = next(iter(doubtful.items()))
        yield (
            f"{len(doubtful):,} images may be frames of {len(set(doubtful.values())):,} clips ({path}, of"
            f" {clip or 'one'}) and are taken as pictures of their own; frames are listed by their folder"
        )


@dataset(
    "manifest",
    about="a CSV or Parquet file of your own: path, label; split, manipulation, target and source if known",
    crop="face",
    remarks=remarks,
)
def manifest(
    root: Path, columns: Mapping[str, str] | None = None, labels: Sequence[str] = ()
) -> Iterator[Clip]:
    """The clips of a table (`files.TABLES`), or of one called `manifest` in a folder.

    `path` is a video, an image or a folder of frames: relative to the manifest's folder and inside it,
    or absolute; backslashes part folders where no file is called so. `label` and `split` are said in any
    usual words (`harness/words.py`), as in a file of scores; `split` is test unless it is said. Further
    columns become attributes, but for `faces`, which GapBench itself finds; `box` is `[x, y, w, h]` or
    `x;y;w;h`, in pixels. A line that cannot be understood is a `HarnessError` with its number.

    `columns`: what the file calls a column that has another name; `labels`: what it calls real and fake.
    """
    file = _file(root)
    named = {theirs: ours for ours, theirs in (columns or {}).items()}
    lines = _parquet(file, named) if is_parquet(file) else _csv(file, named)
    seen: dict[str, str] = {}
    stored = Stored()
    found: list[Clip] = []
    many = 0
    for where, cells in lines:
        many += len(cells)
        parsed.within(str(file), many, "manifest-cells")
        try:
            clip = _clip(file.parent, cells, stored, labels)
        except HarnessError as error:
            raise HarnessError(f"{file}: {where}: {error}") from error
        if clip.id in seen:
            path = shown(str(cells["path"]))
            raise HarnessError(f"{file}: {where}: {path} is listed twice, before on {seen[clip.id]}")
        parsed.within(str(file), len(seen) + 1, "clips")
        seen[clip.id] = where
        found.append(clip)
    _refuse_frames(file, found)
    yield from found


def _frames(clips: Sequence[Clip]) -> tuple[dict[str, str], dict[str, str]]:
    """Paths that are frames of a clip -> that clip: surely, and perhaps."""
    paths = [(clip.id.removeprefix("manifest/"), clip.label) for clip in clips if is_image(clip.path)]
    told = {path: clip for path, _ in paths if (clip := frame_told(path))}
    several = Counter(told.values())
    told = {path: clip for path, clip in told.items() if several[clip] > 1}
    in_folders, doubtful = frames_in_folders(each for each in paths if each[0] not in told)
    return told | in_folders, doubtful


def _refuse_frames(file: Path, clips: Sequence[Clip]) -> None:
    frames, doubtful = _frames(clips)
    _doubtful[file] = file_stamp(file), doubtful
    if frames:
        path, clip = next(iter(frames.items()))
        raise HarnessError(
            f"{file}: {len(frames):,} lines list frames of {len(set(frames.values())):,} clips ({path}, of"
            f" {clip}), which are no clips of their own: list the folder of a clip's frames as its path, once"
        )


def _file(root: Path) -> Path:
    if os.path.lexists(root) and not os.path.isdir(root):
        if not root.name.lower().endswith(TABLES):
            raise HarnessError(f"dataset manifest: {root} ends in none of {', '.join(TABLES)}")
        return regular(root, "manifest")
    found = [root / f"manifest{end}" for end in TABLES if os.path.lexists(root / f"manifest{end}")]
    if len(found) == 1:
        return regular(found[0], "manifest")
    if found:
        names = " and ".join(file.name for file in found)
        raise HarnessError(f"dataset manifest: {root} has both {names}: name one")
    raise HarnessError(f"dataset manifest: {root} is neither a table nor a folder with manifest.csv")


def _csv(file: Path, named: Mapping[str, str]) -> Iterator[Line]:
    theirs = {ours: name for name, ours in named.items()}
    sheet = sheet_of(file, [theirs.get(name, name) for name in ("path", "label")])
    try:
        rows = csv.reader((line[0] for line in LINE.finditer(sheet.text)), delimiter=sheet.delimiter)
        columns = _named(file, [name.strip() for name in next(rows, [])], named)
        for row in rows:
            where = f"line {rows.line_num + sheet.skipped}"
            if len(row) > len(columns) and any(cell.strip() for cell in row[len(columns) :]):
                raise HarnessError(f"{file}: {where}: more cells than columns")
            cells = {name: cell.strip() for name, cell in zip(columns, row, strict=False)}
            if any(cells.values()):
                yield where, {name: cell for name, cell in cells.items() if cell}
    except csv.Error as error:
        raise HarnessError(f"{file} is not a CSV file: {error}") from error


def _parquet(file: Path, named: Mapping[str, str]) -> Iterator[Line]:
    import pyarrow

    row = 0
    try:
        with parsed.parquet(file, "manifest") as table:
            columns = _named(file, table.schema_arrow.names, named)
            parsed.within(str(file), table.metadata.num_rows, "clips")
            for batch in table.iter_batches(batch_size=max(1, min(8192, 2**20 // len(columns)))):
                said = [
                    _plain_cells(file, name, cells)
                    for name, cells in zip(columns, batch.columns, strict=True)
                ]
                for values in zip(*said, strict=True):
                    row += 1
                    cells = dict(zip(columns, values, strict=True))
                    yield f"row {row}", {k: v for k, v in cells.items() if not _is_empty(v)}
    except (OSError, pyarrow.ArrowException, ValueError, OverflowError) as error:
        raise HarnessError(f"{file} is not a Parquet file: {' '.join(str(error).split())[:200]}") from error


def _plain_cells(file: Path, name: str, column: Any) -> list[Any]:
    """The cells of a column as JSON has them: texts, numbers, truth values, lists and mappings of those.

    A time, a decimal or bytes that are UTF-8 become text, as Arrow writes it; a column that can become none
    is a `HarnessError` that names it.
    """
    import pyarrow as pa

    kind = column.type
    try:
        if pa.types.is_float16(kind):
            column = column.cast(pa.float32())
        elif not _is_plain(kind):
            column = column.cast(pa.string())
        return [*column.to_pylist()]
    except (pa.ArrowException, ValueError, OverflowError) as error:
        raise HarnessError(
            f"{file}: the column {name!r} holds {str(kind)[:80]}, not text or numbers: turn it into text,"
            " or leave it out"
        ) from error


def _is_plain(kind: Any, depth: int = 0) -> bool:
    """Whether JSON has what a type of Arrow holds, at every depth."""
    import pyarrow.types as types

    if types.is_dictionary(kind):
        return _is_plain(kind.value_type, depth)
    if types.is_nested(kind):
        inner = (kind.field(number).type for number in range(kind.num_fields))
        union = types.is_union(kind)
        return depth < DEPTH and not union and all(_is_plain(each, depth + 1) for each in inner)
    text = types.is_string(kind) or types.is_large_string(kind)
    number = types.is_integer(kind) or types.is_float32(kind) or types.is_float64(kind)
    return bool(text or number or types.is_boolean(kind) or types.is_null(kind))


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
        name, found = missing[0], ", ".join(columns) or "none"
        found = found if found.isprintable() else ascii(found)
        near = next((column for column in columns if column.lower() == name), "COLUMN")
        raise HarnessError(
            f"{file} has no column {name!r} (found: {found}); its first line names the columns, and eval and"
            f" train take another name: --map {name}={near}"
        )
    twice = sorted({name for name in columns if columns.count(name) > 1})
    if twice:
        raise HarnessError(f"{file} has two columns {twice[0]!r}")
    return columns


def _clip(folder: Path, cells: Mapping[str, Any], stored: Stored, labels: Sequence[str]) -> Clip:
    if "path" not in cells:
        raise HarnessError("it has no path")
    if not can_be_named(folder / str(cells["path"])):
        raise HarnessError(f"the path {shown(str(cells['path']))} is one that no file can have")
    name = _relative(folder, _with_slashes(folder, str(cells["path"])))
    cells = {key: cell for key, cell in cells.items() if key not in OWN[1:] or not _says_nothing(cell)}
    label, split = _label(cells.get("label"), labels), split_of(cells.get("split", "test"))
    if split is None:
        raise unknown("split", str(cells["split"]), SPLITS)
    named = [column for column in ("manipulation", "source") if column in cells]
    if label == REAL and label_of(cells.get("manipulation")) == REAL:  # `original`, as FF++ calls it
        named.remove("manipulation")
    if label == REAL and named:
        raise HarnessError(f"a real clip names the {named[0]} {parsed.shortened(cells[named[0]])}")
    return Clip(
        id=f"manifest/{name}",
        path=stored(folder / name),
        label=label,
        split=split,
        manipulation=str(cells.get("manipulation", UNNAMED)) if label == FAKE else None,
        target=str(cells["target"]) if "target" in cells else None,
        source=str(cells["source"]) if "source" in cells else None,
        attributes=_attributes(cells),
    )


def _says_nothing(cell: Any) -> bool:
    return isinstance(cell, str) and cell.strip().lower() in MISSING


def _with_slashes(folder: Path, path: str) -> str:
    """A path as Windows writes it, with slashes; a file that is called so keeps its name."""
    if "\\" not in path or os.path.lexists(folder / path):
        return path
    if re.match(r"[A-Za-z]:|\\\\", path):
        raise HarnessError(
            f"the path {path} is one of Windows, with a drive: make it relative to the manifest"
        )
    return path.replace("\\", "/")


def _relative(folder: Path, path: str) -> str:
    """The path below the manifest's folder, tidied; an absolute path outside it stays absolute."""
    tidy = os.path.normpath(path)
    if os.path.isabs(tidy):
        below = os.path.relpath(tidy, os.path.abspath(folder))
        return tidy if below.split(os.sep)[0] == os.pardir else below
    if tidy.split(os.sep)[0] == os.pardir:
        raise HarnessError(f"the relative path {path} leaves the manifest's folder: make it absolute")
    return tidy


def _label(cell: Any, labels: Sequence[str]) -> int:
    """0 or 1, in the words that are stated for real and fake, else in any usual ones."""
    if cell is None:
        raise HarnessError("it has no label")
    label = _stated(cell, labels) if labels else label_of(cell)
    if label is None:
        hint = "as --labels says or once said" if labels else "--labels REAL,FAKE says what is which"
        known = " or ".join(labels or ("0, 1, real", "fake"))
        raise HarnessError(f"the label {parsed.shortened(cell)} is not {known}; {hint}")
    return label


def _stated(cell: Any, labels: Sequence[str]) -> int | None:
    whole = isinstance(cell, (bool, int)) or (isinstance(cell, float) and cell.is_integer())
    text = str(int(cell)) if whole else str(cell).strip().lower()
    return dict(zip(labels, (REAL, FAKE), strict=True)).get(text)


def _attributes(cells: Mapping[str, Any]) -> dict[str, Any]:
    further = {name: cell for name, cell in cells.items() if name not in (*OWN, "faces")}
    if isinstance(further.get("footage"), (list, dict)):
        raise HarnessError(f"the footage {parsed.shortened(further['footage'])} is no name")
    if "box" in further:
        further["box"] = _box(further["box"])
    return further


def _box(cell: Any) -> list[float]:
    try:
        text = cell if isinstance(cell, str) else ""
        sides = parsed.json_of(text, "the box") if "[" in text else text.split(";") if text else cell
        box = [float(side) for side in sides]
    except (TypeError, ValueError) as error:
        raise HarnessError(f"the box {parsed.shortened(cell)} is neither [x, y, w, h] nor x;y;w;h") from error
    if len(box) != 4 or not min(box[2:]) > 0:
        raise HarnessError(f"the box {parsed.shortened(cell)} is not x, y, width and height in pixels")
    return box
