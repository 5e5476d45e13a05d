"""Folders of clips: what ends like a video or an image, and lists of files that open none of them."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any

from harness.files import text_of
from harness.guard.limits import limit, within
from harness.guard.regular import ordinary, shown
from harness.types import HarnessError

VIDEOS = frozenset(
    {".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".webm"}
    | {".3g2", ".3gp", ".asf", ".divx", ".f4v", ".flv", ".gif", ".m2ts", ".mpe", ".mts", ".ogv", ".qt"}
    | {".ts", ".vob", ".wmv"}
)
IMAGES = frozenset(
    {".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"}
    | {".avif", ".dib", ".jfif", ".jp2", ".jpe", ".pgm", ".ppm"}
)
"""Endings of what is read, in small letters; every other one is named where files are left out."""

MOST_WAYS = 1000
"""Paths to one and the same folder, by links, that are all looked into."""
WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
"""The words and numbers of a name: `faceMask_01` has three."""


def is_video(path: Path) -> bool:
    """Whether a file's ending says that it is a video."""
    return path.suffix.lower() in VIDEOS


def is_image(path: Path) -> bool:
    """Whether a file's ending says that it is an image."""
    return path.suffix.lower() in IMAGES


def files(folder: Path, suffixes: Collection[str] = VIDEOS, most: int | None = None) -> list[Path]:
    """The files with these endings that lie directly in a folder, sorted; none where there is no folder.

    A folder that holds more than `most` things is a `HarnessError`, raised without listing them all.
    """
    return [Path(entry.path) for entry in _listed(folder, most) if _wanted(entry, suffixes)]


def parts_of(clip: Path) -> list[Path]:
    """The files of a clip: the frames of a folder, or the file itself."""
    return frames_in(clip) if clip.is_dir() else [clip]


def frames_in(folder: Path) -> list[Path]:
    """The images of a folder of frames, sorted by name; masks that lie beside them are none."""
    found = files(folder, IMAGES, int(limit("clip-frames")))
    masks = masks_beside(path.name for path in found)
    return [path for path in found if path.name not in masks]


def is_mask(name: str) -> bool:
    """Whether the name of a file or folder says mask, at its beginning or end: `000_mask.png`, `masks`."""
    words = WORD.findall(os.path.splitext(name)[0])
    return any(word.lower() in ("mask", "masks") for word in (*words[:1], *words[-1:]))


def masks_beside(names: Iterable[str]) -> set[str]:
    """Of images in one folder those that are masks of others: called so, of the same name or number."""
    listed = [(name, os.path.splitext(name)[0]) for name in names]
    others = [stem.lower() for name, stem in listed if not is_mask(name)]
    known = {*others, *(numbers for stem in others if (numbers := _numbers_of(stem)))}

    def has_one(stem: str) -> bool:
        return without_mask(stem).lower() in known or _numbers_of(stem) in known

    return {name for name, stem in listed if is_mask(name) and has_one(stem)}


def without_mask(stem: str) -> str:
    """A name without its word for mask: what the mask is of."""
    return re.sub(r"masks?", "", stem, flags=re.IGNORECASE).strip("_-. ")


def _numbers_of(stem: str) -> tuple[str, ...]:
    return tuple(re.findall(r"\d+", stem))


def places(folder: Path) -> Iterator[tuple[Path, list[os.DirEntry[str]]]]:
    """A folder and then those below it, one after the other, each with what is in it, sorted by name.

    Hidden folders, and links to a folder above, are not entered. One to which links lead in a great many
    ways, as where each of some folders has links to all of the others, is a `HarnessError`.
    """
    ways: Counter[str] = Counter()
    waiting = [(folder, os.path.realpath(folder), frozenset[str]())]
    while waiting:
        place, real, above = waiting.pop()
        if real in above:
            continue
        ways[real] += 1
        if ways[real] > MOST_WAYS:
            raise HarnessError(f"{shown(folder)}: links lead to {shown(real)} in over {MOST_WAYS:,} ways")
        listed = _listed(place)
        yield place, listed
        below = [entry for entry in listed if entry.name[0] != "." and is_directory(entry)]
        waiting += [(Path(entry.path), _real(entry, real), above | {real}) for entry in reversed(below)]


def _real(entry: os.DirEntry[str], above: str) -> str:
    """The real path of what lies in a folder of the real path `above`."""
    return os.path.realpath(entry.path) if entry.is_symlink() else os.path.join(above, entry.name)


def walk(folder: Path, suffixes: Collection[str] = VIDEOS) -> Iterator[Path]:
    """The files with these endings in a folder and below it (`places`), folder by folder, sorted by name."""
    for _, listed in places(folder):
        yield from (Path(entry.path) for entry in listed if _wanted(entry, suffixes))


def files_below(folder: Path, known: Collection[str] = (), deep: bool = True) -> Iterator[Path]:
    """Every file in a folder and (`deep`) below it, sorted, except those `known` by their absolute path.

    Hidden files and folders, folders that are `known` (a clip of frames), that cannot be listed, or that were
    listed already by another name are not entered.
    """
    entered: set[str] = set()
    waiting = [(Path(os.path.abspath(folder)), os.path.realpath(folder))]
    while waiting:
        place, real = waiting.pop()
        if real in entered:
            continue
        entered.add(real)
        with suppress(HarnessError):
            found = [each for each in _listed(place) if each.name[0] != "." and each.path not in known]
            yield from (Path(each.path) for each in found if not is_directory(each))
            below = [each for each in reversed(found) if deep and is_directory(each)]
            waiting += [(Path(each.path), _real(each, real)) for each in below]


def _listed(folder: Path, most: int | None = None) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            found = sorted(islice(entries, most and most + 1), key=lambda entry: entry.name)
        if most is not None:
            within(f"{folder.name}: it", len(found), "clip-frames", " or more")
        return found
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:  # so deep that nothing in it can be named
            return []
        raise HarnessError(f"cannot list {shown(folder)}: {error.strerror}") from error


def _wanted(entry: os.DirEntry[str], suffixes: Collection[str]) -> bool:
    ending = os.path.splitext(entry.name)[1].lower()
    return ending in suffixes and not entry.name.startswith(".") and not is_directory(entry)


def is_directory(entry: os.DirEntry[str]) -> bool:
    """Whether it is a folder or a link to one; a link that leads in a circle is none."""
    try:
        return entry.is_dir()
    except OSError:
        return False


class Stored:
    """Listed files as they are spelled on disk: `a.mp4` may lie there as `a.MP4`, `\u00e9` as `e\u0301`.

    Each folder is read once; a file that is not there keeps the name it is listed by.
    """

    def __init__(self) -> None:
        self._folders: dict[Path, dict[str, str]] = {}
        self._meant: dict[Path, tuple[Path, dict[str, str]]] = {}

    def __call__(self, path: Path) -> Path:
        """The path of the file that is meant; the path itself where there is no other."""
        if path.parent not in self._meant:
            folder, names = path.parent, self._names(path.parent)
            if not names and folder.parent != folder and not folder.is_dir():
                folder = self(folder)
                names = self._names(folder)
            self._meant[path.parent] = folder, names
        folder, names = self._meant[path.parent]
        return folder / (names.get(path.name) or names.get(_spelled(path.name)) or path.name)

    def _names(self, folder: Path) -> dict[str, str]:
        """Spelling -> the name on disk, of what is in a folder; empty where it cannot be looked into."""
        if folder not in self._folders:
            try:
                names = [entry.name for entry in _listed(folder)]
            except (HarnessError, ValueError):  # it may not be opened, or cannot be a name
                names = []
            self._folders[folder] = {_spelled(name): name for name in names} | {name: name for name in names}
        return self._folders[folder]


def _spelled(name: str) -> str:
    """A name in one spelling: composed characters, the ending in small letters."""
    stem, ending = os.path.splitext(unicodedata.normalize("NFC", name))
    return f"{stem}{ending.lower()}"


def need(root: Path, dataset: str, folders: Sequence[str]) -> None:
    """Refuse a root that is no folder, or has none of the folders the dataset consists of."""
    if not root.is_dir():
        raise HarnessError(f"dataset {dataset}: {root} is not a folder")
    if not any((root / folder).exists() for folder in folders):
        raise HarnessError(f"dataset {dataset}: {root} has none of {', '.join(folders)}")


def read_lines(path: Path) -> list[str]:
    """The lines of a text file without their ends; a missing or undecodable one is a `HarnessError`."""
    return text_of(path).splitlines()


def clip_stamp(path: Path) -> list[Any] | None:
    """Place, number of files, size and time of change of a clip; None where it cannot be looked at."""
    found = file_stamp(path)
    return None if found is None else found[:4]


def file_stamp(path: Path) -> list[Any] | None:
    """`clip_stamp`, and what no copy can keep: where the files lie on the disk, and when that was written.

    By it is kept what was read from a file and can be read again; a key has to outlive a backup.
    """
    try:
        found = [part.stat() for part in parts_of(path)]
    except (OSError, ValueError, HarnessError):  # a folder of frames that may not be opened, for one
        return None
    changed = max((status.st_mtime_ns for status in found), default=0)
    replaced = max((status.st_ctime_ns for status in found), default=0)
    places, size = sum(status.st_ino for status in found), sum(status.st_size for status in found)
    return [str(path.absolute()), len(found), size, changed, places, replaced]


ENDS = 16_384
"""Bytes at each end of a file that are looked at to know its content again."""


def clip_content(path: Path) -> list[Any] | None:
    """Sizes of the files of a clip, and sha256 (hex) of the ends of the first and the last; None for no file.

    Unlike `clip_stamp` it stays when the clip is moved or copied.
    """
    try:
        known = [(str(part), part.stat()) for part in parts_of(path)]
        if not all(ordinary(status) for _, status in known):  # a pipe would be waited for
            return None
        found = [(part, status.st_size, status.st_mtime_ns) for part, status in known]
        ends = [_ends(*part) for part in (found[:1] + found[1:][-1:])]
    except (OSError, ValueError, HarnessError):
        return None
    return [[size for _, size, _ in found], ends]


@lru_cache(maxsize=200_000)
def _ends(path: str, size: int, _: int) -> str:
    """sha256 (hex) of both ends of a file; asked again only where its size or time of change is another."""
    with open(path, "rb") as file:
        first = file.read(ENDS)
        file.seek(max(0, size - ENDS))
        return hashlib.sha256(first + file.read(ENDS)).hexdigest()
