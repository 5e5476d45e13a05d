"""Digests, seeds, and files that are written whole or not at all."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from harness.types import Clip, HarnessError


def digest(thing: Any) -> str:
    """sha256 (hex) of anything JSON can say, records included; the order of mapping keys does not matter."""
    return hashlib.sha256(json.dumps(plain(thing), sort_keys=True).encode()).hexdigest()


def plain(thing: Any) -> Any:
    """The same thing in JSON's types: records become mappings, tuples lists, paths text."""
    if dataclasses.is_dataclass(thing) and not isinstance(thing, type):
        return {f.name: plain(getattr(thing, f.name)) for f in dataclasses.fields(thing)}
    if isinstance(thing, Mapping):
        return {str(key): plain(value) for key, value in thing.items()}
    if isinstance(thing, (list, tuple)):
        return [plain(value) for value in thing]
    return str(thing) if isinstance(thing, Path) else thing


def file_digest(path: Path) -> str:
    """sha256 (hex) of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def clips_digest(clips: Iterable[Clip], version: str) -> str:
    """sha256 (hex) of a clip list: ids, labels, splits and a version, never file bytes or paths."""
    listed = sorted((clip.id, clip.label, clip.split, clip.manipulation) for clip in clips)
    return digest([version, listed])


def seed_of(*parts: object) -> int:
    """A 64-bit seed from any printable parts: the same on every machine and in every process."""
    text = "\x1f".join(str(part) for part in parts)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


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


def write_whole(path: Path, data: str | bytes) -> None:
    """Write a file so that readers see the old content or the new, never a part."""
    with writing(path) as temporary:
        temporary.write_bytes(data.encode() if isinstance(data, str) else data)


def file_name(text: str) -> str:
    """The text as part of a file's name: what would be a folder, a drive or the folder above is no more."""
    return re.sub(r"[/\\:]", "+", text).replace("..", "++")


def shown_place(path: Path) -> str:
    """A path as it may be published: as seen from the working directory; outside it, its last name alone."""
    place, here = path.absolute(), Path.cwd()
    return str(place.relative_to(here)) if place.is_relative_to(here) else place.name


def read_json(path: Path) -> Any:
    """The content of a JSON file; a missing or damaged one is a `HarnessError` that names it."""
    try:
        return json.loads(path.read_text())
    except OSError as error:
        raise HarnessError(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise HarnessError(f"{path} is not valid JSON: {error}") from error


def home() -> Path:
    """The folder for everything derived: `$GAPBENCH_HOME`, else `.gapbench` in the working directory."""
    return Path(os.environ.get("GAPBENCH_HOME", ".gapbench")).absolute()


def digest_of(path: Path) -> str | None:
    """sha256 (hex) of a file's bytes; None where there is none that can be read."""
    try:
        return file_digest(path) if path.is_file() else None
    except OSError:
        return None
