"""Where a dataset lies on this machine, and which of its clips a cell uses."""

from __future__ import annotations

import json
import os
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness import registry, trees
from harness.files import clips_digest, digest, home, plain, write_whole
from harness.types import REAL, Clip, HarnessError, parts_of

DATA_FILE = Path("data.toml")


@dataclass(frozen=True, slots=True)
class Subset:
    """A dataset, or a part of it: `name`, `name-manipulation` (without it), `name:manipulation` (only it)."""

    dataset: str
    left_out: str | None = None
    only: str | None = None

    @classmethod
    def parse(cls, text: str) -> Subset:
        """The subset a matrix or a command names; `HarnessError` on a malformed name."""
        name, left_out, only = parts_of(text)
        if "" in (left_out, only):
            raise HarnessError(f"{text!r} names no manipulation")
        return cls(name, left_out, only)

    def for_training(self, clips: tuple[Clip, ...]) -> tuple[Clip, ...]:
        """The clips of the training and validation splits."""
        return self._of(clips, ("train", "val"))

    def for_testing(self, clips: tuple[Clip, ...]) -> tuple[Clip, ...]:
        """The clips of the test split."""
        return self._of(clips, ("test",))

    def _left_out_already(self) -> bool:
        """Whether the manipulation left out is one that the dataset has, but not this copy of it."""
        if self.left_out is None or self.dataset not in registry.datasets.names():
            return False
        official = registry.datasets.get(self.dataset).official
        return self.left_out in {key.partition("/")[2] for key in official}

    def _of(self, clips: tuple[Clip, ...], splits: tuple[str, ...]) -> tuple[Clip, ...]:
        named = self.left_out or self.only
        known = {clip.manipulation for clip in clips if clip.manipulation}
        if named and named not in known and not self._left_out_already():
            raise HarnessError(
                f"{self.dataset} has no manipulation {named!r} (known: {', '.join(sorted(known)) or 'none'})"
            )
        return tuple(
            clip
            for clip in clips
            if clip.split in splits
            and (self.only is None or clip.label == REAL or clip.manipulation == self.only)
            and (self.left_out is None or clip.manipulation != self.left_out)
        )


def root_of(entry: registry.DatasetEntry, roots: Mapping[str, str] | None = None) -> Path:
    """The folder a dataset's files lie in, whether or not it exists; `HarnessError` when nobody named one.

    An embedded dataset lies in the home folder. Any other is named by the matrix (`[data]`), by the
    environment variable `GAPBENCH_DATA_<NAME>`, or by a line in `data.toml`, in this order.
    """
    if entry.embedded:
        return home() / "data" / f"{entry.name}-v{entry.version}"
    for name in filter(None, (entry.name, entry.shares)):
        named = (roots or {}).get(name) or os.environ.get(_variable(name)) or _data_file().get(name)
        if named:
            return Path(named).expanduser()
    raise HarnessError(how_to_bring(entry))


def how_to_bring(entry: registry.DatasetEntry) -> str:
    """The line that would make a dataset present."""
    return f"gapbench data set {entry.name} FOLDER (or set {_variable(entry.name)}=FOLDER)"


def set_root(name: str, root: Path) -> Path:
    """Write down in `data.toml` where a dataset lies, beside what is there; returns the file.

    A name nobody registered, an embedded dataset or a path that does not exist is a `HarnessError`.
    """
    entry = registry.datasets.get(name)
    if entry.embedded:
        raise HarnessError(f"{name} is made by GapBench and needs no folder")
    place = root.expanduser().absolute()
    if not place.exists():
        raise HarnessError(f"{root} does not exist")
    said = _data_file() | {name: str(place)}
    lines = [f"{key} = {json.dumps(said[key], ensure_ascii=False)}" for key in sorted(said)]
    write_whole(DATA_FILE, "# Where datasets lie on this machine.\n" + "\n".join(lines) + "\n")
    return DATA_FILE


def missing(entry: registry.DatasetEntry, roots: Mapping[str, str] | None = None) -> str | None:
    """Why a dataset is not on this machine and what would bring it; None when it is (or can be made)."""
    if entry.embedded:
        return None
    try:
        root = root_of(entry, roots)
    except HarnessError as error:
        return f"no folder is named for it: {error}"
    if not root.exists():
        return f"{root} does not exist; {how_to_bring(entry)}"
    return None


def absent(entry: registry.DatasetEntry, roots: Mapping[str, str] | None = None) -> str | None:
    """Why a dataset is not on this machine, None if it is.

    Where only the folder it shares with another one is named, it need not be in there.
    """
    why = missing(entry, roots)
    if why is None and missing(replace(entry, shares=""), roots) is not None:
        try:
            next(entry.clips(root_of(entry, roots)), None)
        except (HarnessError, OSError) as error:
            return str(error)
    return why


def list_clips(entry: registry.DatasetEntry, root: Path) -> tuple[Clip, ...]:
    """All clips of a dataset; an embedded one is made first. No clip at all is a `HarnessError`."""
    if entry.prepare is not None:
        entry.prepare(root)
    try:
        clips = tuple(entry.clips(root))
    except OSError as error:
        raise HarnessError(f"{entry.name}: cannot list {error.filename or root}: {error.strerror}") from error
    if not clips:
        raise HarnessError(f"{entry.name}: no clip under {root}")
    counted: set[str] = set()
    for clip in clips:
        if not _printable(clip):
            raise HarnessError(f"{entry.name}: the name of {clip.path!a} is not UTF-8; rename it")
        if clip.id in counted:
            raise HarnessError(f"{entry.name}: two clips have the id {clip.id!r}")
        counted.add(clip.id)
    return clips


def partial(entry: registry.DatasetEntry, clips: Iterable[Clip]) -> str:
    """How many of the official test clips are listed, of each kind of which some are missing; else empty."""
    counted = Counter(clip.manipulation or "real" for clip in clips if clip.split == "test")
    wanted = {key.partition("/")[2]: n for key, n in entry.official.items() if key.startswith("test/")}
    said = [f"{counted[kind]} of {n} {kind}" for kind, n in wanted.items() if 0 < counted[kind] < n]
    return ", ".join(said)


def absent_files(clips: Iterable[Clip]) -> int:
    """How many listed clips have no file."""
    return sum(not clip.path.exists() for clip in clips)


def _printable(clip: Clip) -> bool:
    try:
        f"{clip.id}{clip.path}".encode()
    except UnicodeEncodeError:
        return False
    return True


def identity_of(clips: tuple[Clip, ...], entry: registry.DatasetEntry) -> str:
    """sha256 (hex) of what is compared: ids, labels, splits and the dataset's version."""
    return clips_digest(clips, f"{entry.name} {entry.version}")


def content_of(clips: tuple[Clip, ...], entry: registry.DatasetEntry) -> str:
    """sha256 (hex) that also changes with the user's files and with all that is said of the clips."""
    if entry.embedded:
        return identity_of(clips, entry)
    said = [[clip.target, clip.source, {**clip.attributes, "track": None}] for clip in clips]
    return digest([identity_of(clips, entry), plain(said), [stamp_of(clip.path) for clip in clips]])


def stamp_of(path: Path) -> list[Any] | None:
    """Place, number of files, size and time of change of a clip; None where it cannot be looked at."""
    try:
        found = [part.stat() for part in trees.parts_of(path)]
    except (OSError, HarnessError):  # a folder of frames that may not be opened, for one
        return None
    changed = max((status.st_mtime_ns for status in found), default=0)
    return [str(path.absolute()), len(found), sum(status.st_size for status in found), changed]


def _variable(name: str) -> str:
    return f"GAPBENCH_DATA_{name.upper()}"


def _data_file() -> dict[str, str]:
    if not DATA_FILE.is_file():
        return {}
    try:
        named = tomllib.loads(DATA_FILE.read_text())
    except (OSError, ValueError) as error:
        raise HarnessError(f"{DATA_FILE} cannot be read: {error}") from error
    wrong = [name for name, folder in named.items() if not isinstance(folder, str)]
    if wrong:
        raise HarnessError(f'{DATA_FILE}: {wrong[0]} must be a folder in quotes, e.g. {wrong[0]} = "FOLDER"')
    return named
