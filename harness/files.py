"""Digests, seeds, and files that are written whole or not at all."""

from __future__ import annotations

import dataclasses
import glob
import hashlib
import json
import os
import re
import tempfile
import time
import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from harness.guard import parsed
from harness.guard.names import file_part
from harness.guard.regular import can_be_named, regular, shown, why_not
from harness.types import Clip, HarnessError

TABLES = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".parquet")
"""Endings of tables that users bring: lists of clips, scores."""
DELIMITERS = (",", ";", "\t", "|")
MARKS = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
"""What a text begins with that says how it is encoded."""
LINE = re.compile(r"[^\r\n]*+(?:\r\n?|\n)|[^\r\n]++")
"""A line of a table with its end, as `csv.reader` wants it."""
MOST_BEFORE = 10_000
"""Lines before that of the column names, at most."""
SINGLE = frozenset({str, int, float, bool, type(None)})
"""Types that JSON says as they are: asked of every value of every clip."""
ABANDONED_SECONDS = 3600
"""Nobody who is alive leaves a file that is being written untouched for so long."""
NO_TEXT = {b"PK\x03\x04": "a spreadsheet or a zip archive", b"\xd0\xcf\x11\xe0": "an old spreadsheet"}


def digest(thing: Any) -> str:
    """sha256 (hex) of anything JSON can say, records included; the order of mapping keys does not matter."""
    return hashlib.sha256(json.dumps(plain(thing), sort_keys=True).encode()).hexdigest()


def plain(thing: Any) -> Any:
    """The same thing in JSON's types: records become mappings, tuples lists, paths text."""
    if type(thing) in SINGLE:
        return thing
    if dataclasses.is_dataclass(thing) and not isinstance(thing, type):
        return {f.name: plain(getattr(thing, f.name)) for f in dataclasses.fields(thing)}
    if isinstance(thing, Mapping):
        return {str(key): plain(value) for key, value in thing.items()}
    if isinstance(thing, (list, tuple)):
        return [value if type(value) in SINGLE else plain(value) for value in thing]
    return str(thing) if isinstance(thing, Path) else thing


def file_digest(path: Path) -> str:
    """sha256 (hex) of the bytes of a regular file."""
    with regular(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def clips_digest(clips: Iterable[Clip], version: str) -> str:
    """sha256 (hex) of a clip list: ids, labels, splits and a version, never file bytes or paths."""
    listed = sorted((clip.id, clip.label, clip.split, clip.manipulation) for clip in clips)
    return digest([version, listed])


def seed_of(*parts: object) -> int:
    """A 64-bit seed from any printable parts: the same on every machine and in every process."""
    text = "\x1f".join(str(part) for part in parts)
    return int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:8], "big")


@contextmanager
def writing(path: Path) -> Iterator[Path]:
    """A temporary file beside `path` that takes its name when the block ends without an error."""
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=path.suffix)
        temporary = Path(name)
        os.close(handle)
        yield temporary
        temporary.chmod(0o644)
        os.replace(temporary, path)
    except OSError as error:
        raise HarnessError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def swept(path: Path) -> None:
    """Remove what killed processes left of writing this file; what is young may be written at this moment."""
    with suppress(OSError):
        for left in path.parent.glob(f".{glob.escape(path.name)}.*"):
            if time.time() - left.stat().st_mtime > ABANDONED_SECONDS:
                left.unlink(missing_ok=True)


def write_whole(path: Path, data: str | bytes) -> None:
    """Write a file so that readers see the old content or the new, never a part."""
    with writing(path) as temporary:
        temporary.write_bytes(data.encode() if isinstance(data, str) else data)


def file_name(text: str) -> str:
    """The text as part of a file's name: what would be a folder, a drive or the folder above is no more."""
    return file_part(text)


def shown_place(path: Path) -> str:
    """A path as it may be published: as seen from the working directory; outside it, its last name alone."""
    place, here = path.absolute(), Path.cwd()
    return str(place.relative_to(here)) if place.is_relative_to(here) else place.name


def read_json(path: Path) -> Any:
    """The content of a JSON file; what is missing, damaged or too much is a `HarnessError`."""
    try:
        data = parsed.read(path)
        return parsed.json_of(data.decode("utf-8-sig"), shown(path))  # some editors write a mark before it
    except OSError as error:
        raise HarnessError(f"cannot read {shown(path)}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise HarnessError(f"{shown(path)} is not valid JSON: {error}") from error


def read_toml(path: Path, what: str = "file") -> dict[str, Any]:
    """The content of a TOML file; what is missing, damaged or too much is a `HarnessError`."""
    return parsed.toml_of(settings_of(path, what), shown(path))


def settings_of(path: Path, what: str = "file") -> str:
    """The text of a TOML file, unread; one that is missing or no text is a `HarnessError` that names it."""
    try:
        return parsed.read(path, "settings-bytes", what).decode()
    except (OSError, UnicodeDecodeError) as error:
        raise HarnessError(f"{shown(path)} cannot be read: {error}") from error


def text_of(path: Path) -> str:
    """The text in a file, compressed by gzip or not, in UTF-8 or UTF-16; any other is a `HarnessError`."""
    try:
        data = parsed.read(path, "table-bytes")
        data = parsed.unzipped(data, path) if data.startswith(b"\x1f\x8b") else data
    except (OSError, EOFError, zlib.error) as error:
        said = getattr(error, "strerror", None) or error
        raise HarnessError(f"{shown(path)} cannot be read: {said}") from error
    what = next((what for mark, what in NO_TEXT.items() if data.startswith(mark)), None)
    if what is not None:
        raise HarnessError(f"{path} cannot be read: it is {what}; export it as CSV")
    encoding = next((name for mark, name in MARKS.items() if data.startswith(mark)), "utf-8")
    if encoding == "utf-8" and b"\0" in data[:200]:
        encoding = "utf-16-le" if data[1:2] == b"\0" else "utf-16-be"
    try:
        return data.decode(encoding).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise HarnessError(
            f"{path} cannot be read: it is neither UTF-8 nor UTF-16 text ({error.reason}); save it as UTF-8"
        ) from error


@dataclasses.dataclass(frozen=True, slots=True)
class Sheet:
    """A table as text, from its line of column names on."""

    text: str
    delimiter: str
    skipped: int
    """Lines before that of the column names."""

    @property
    def decimal_comma(self) -> bool:
        """Whether a comma in a number is its decimal point: it parts no cells."""
        return self.delimiter != ","


def is_parquet(path: Path) -> bool:
    """Whether a table is a Parquet file, by its first bytes or else by its name."""
    named = path.suffix.lower() == ".parquet"
    try:
        with regular(path).open("rb") as file:
            return file.read(4) == b"PAR1" or named
    except (HarnessError, OSError):
        return named


def sheet_of(path: Path, columns: Collection[str] = ()) -> Sheet:
    """The table in a CSV or TSV file, whatever parts its cells: comma, semicolon, tab or bar.

    Blank lines, comments (`# ...`) and a spreadsheet's `sep=;` before the column names are skipped; a comment
    that holds all of these `columns` is itself the line of names, as NumPy writes it.
    """
    text = text_of(path)
    skipped, delimiter, first = 0, None, ""
    for said in LINE.finditer(text):
        line = said[0]
        bare = line.strip().lstrip("#").strip()
        if re.fullmatch("sep=.", bare, re.IGNORECASE):
            delimiter = bare[4:]
        elif line.strip() and not line.lstrip().startswith("#"):
            first, text = line, text[said.start() :]
            break
        elif columns and set(columns) <= {cell.strip() for cell in bare.split(_delimiter(bare, path))}:
            first = line.lstrip().lstrip("#").lstrip(" ")
            text = first + text[said.end() :]
            break
        skipped += 1
        if skipped > MOST_BEFORE:
            raise HarnessError(
                f"{shown(path)} has no line of column names in its first {MOST_BEFORE:,} lines"
            )
    text = text if first else ""
    parsed.within(shown(path), max(map(first.count, DELIMITERS)) + 1, "table-columns")
    lines = max(text.count("\n"), text.count("\r")) + (not text.endswith(("\n", "\r")))
    parsed.within(shown(path), lines - 1, "table-rows")
    return Sheet(text, delimiter or _delimiter(first, path), skipped)


def _delimiter(line: str, path: Path) -> str:
    """What parts the cells of a line: the sign that is in it most often."""
    usual = "\t" if ".tsv" in path.name.lower() else ","
    return max((usual, *DELIMITERS), key=line.count)


def home() -> Path:
    """The folder for everything derived: `$GAPBENCH_HOME`, else `.gapbench` in the working directory."""
    return expanded(os.environ.get("GAPBENCH_HOME", ".gapbench")).absolute()


def expanded(path: str | Path) -> Path:
    """A path in which `~` is the user's folder, as a shell has it; `HarnessError` for a user nobody knows.

    So it is for what no file can be called: a name with a NUL in it, or of thousands of letters.
    """
    try:
        found = Path(path).expanduser()
    except RuntimeError as error:
        raise HarnessError(f"{shown(path)}: there is no such user's folder") from error
    if not can_be_named(found):
        raise HarnessError(f"{shown(path)}: no file can have such a name")
    return found


def failed_download(path: Path) -> str | None:
    """What a file is that should hold weights and does not; None where whoever reads it will see."""
    try:
        with regular(path).open("rb") as file:
            start = file.read(64).lstrip().lower()
    except (HarnessError, OSError):
        return None
    if start.startswith(b"version https://git-lfs"):
        return "only points to the file that is meant (Git LFS): fetch it with git lfs pull"
    if start.startswith((b"<!doctype", b"<html", b"<?xml")):
        return "is a web page: the download went wrong"
    return None if start else "is empty: the download went wrong"


def digest_of(path: Path) -> str | None:
    """sha256 (hex) of a file's bytes; None where there is none that can be read."""
    try:
        return file_digest(path) if why_not(path) is None else None
    except OSError:
        return None


def scratch_folder() -> tempfile.TemporaryDirectory[str]:
    """A folder that is gone after the block: where the system keeps such, else below the home."""
    try:
        return tempfile.TemporaryDirectory(prefix="gapbench-")
    except OSError:
        home().mkdir(parents=True, exist_ok=True)
        return tempfile.TemporaryDirectory(prefix="gapbench-", dir=home())
