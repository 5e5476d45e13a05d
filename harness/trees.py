"""Folders of clips: what ends like a video or an image, and lists of files that open none of them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from harness.types import HarnessError

VIDEOS = frozenset({".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".webm"})
IMAGES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})


def is_video(path: Path) -> bool:
    """Whether a file's ending says that it is a video."""
    return path.suffix.lower() in VIDEOS


def is_image(path: Path) -> bool:
    """Whether a file's ending says that it is an image."""
    return path.suffix.lower() in IMAGES


def files(folder: Path, suffixes: Collection[str] = VIDEOS) -> list[Path]:
    """The files with these endings that lie directly in a folder, sorted; none where there is no folder."""
    return [Path(entry.path) for entry in _listed(folder) if _wanted(entry, suffixes)]


def parts_of(clip: Path) -> list[Path]:
    """The files of a clip: the frames of a folder, or the file itself."""
    return files(clip, IMAGES) if clip.is_dir() else [clip]


def walk(folder: Path, suffixes: Collection[str] = VIDEOS) -> Iterator[Path]:
    """The files with these endings in a folder and below it, folder by folder, each sorted by name."""
    listed = _listed(folder)
    yield from (Path(entry.path) for entry in listed if _wanted(entry, suffixes))
    for entry in listed:
        if entry.is_dir() and not entry.name.startswith("."):
            yield from walk(Path(entry.path), suffixes)


def _listed(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise HarnessError(f"cannot list {folder}: {error.strerror}") from error


def _wanted(entry: os.DirEntry[str], suffixes: Collection[str]) -> bool:
    ending = os.path.splitext(entry.name)[1].lower()
    return ending in suffixes and not entry.name.startswith(".") and not entry.is_dir()


def need(root: Path, dataset: str, folders: Sequence[str]) -> None:
    """Refuse a root that is no folder, or has none of the folders the dataset consists of."""
    if not root.is_dir():
        raise HarnessError(f"dataset {dataset}: {root} is not a folder")
    if not any((root / folder).exists() for folder in folders):
        raise HarnessError(f"dataset {dataset}: {root} has none of {', '.join(folders)}")


def read_lines(path: Path) -> list[str]:
    """The lines of a text file without their ends; a missing or undecodable one is a `HarnessError`."""
    try:
        return path.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise HarnessError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise HarnessError(f"{path} is not a text file: {error.reason}") from error


def clip_stamp(path: Path) -> list[Any] | None:
    """Place, number of files, size and time of change of a clip; None where it cannot be looked at."""
    try:
        found = [part.stat() for part in parts_of(path)]
    except (OSError, HarnessError):  # a folder of frames that may not be opened, for one
        return None
    changed = max((status.st_mtime_ns for status in found), default=0)
    return [str(path.absolute()), len(found), sum(status.st_size for status in found), changed]


ENDS = 16_384
"""Bytes at each end of a file that are looked at to know its content again."""


def clip_content(path: Path) -> list[Any] | None:
    """Sizes of the files of a clip, and sha256 (hex) of the ends of the first and the last; None for no file.

    Unlike `clip_stamp` it stays when the clip is moved or copied.
    """
    try:
        found = [(str(part), part.stat().st_size, part.stat().st_mtime_ns) for part in parts_of(path)]
        ends = [_ends(*part) for part in (found[:1] + found[1:][-1:])]
    except (OSError, HarnessError):
        return None
    return [[size for _, size, _ in found], ends]


@lru_cache(maxsize=200_000)
def _ends(path: str, size: int, _: int) -> str:
    """sha256 (hex) of both ends of a file; asked again only where its size or time of change is another."""
    with open(path, "rb") as file:
        first = file.read(ENDS)
        file.seek(max(0, size - ENDS))
        return hashlib.sha256(first + file.read(ENDS)).hexdigest()
