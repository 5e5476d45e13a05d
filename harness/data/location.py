"""Where a dataset lies on this machine, whether it is here, and the line that would bring it."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from harness import registry
from harness.files import expanded, home, read_toml, write_whole
from harness.guard.regular import shown
from harness.types import HarnessError

DATA_FILE = "data.toml"
TRIED = 50
"""Folders of one depth below a root that are looked into for a dataset that does not lie in the root."""


def root_of(entry: registry.DatasetEntry, roots: Mapping[str, str] | None = None) -> Path:
    """The folder a dataset's files lie in, whether or not it exists; `HarnessError` when nobody named one.

    An embedded dataset lies in the home folder. Any other is named by the matrix (`[data]`), by the
    environment variable `GAPBENCH_DATA_<NAME>`, or by a line in `data.toml` (`data_file`), in this order.
    """
    if entry.embedded:
        return home() / "data" / f"{entry.name}-v{entry.version}"
    if entry.root is not None:
        return entry.root
    for name in filter(None, (entry.name, entry.shares)):
        named = (roots or {}).get(name) or os.environ.get(_variable(name)) or _data_file().get(name)
        if named:
            return expanded(named)
    raise HarnessError(how_to_bring(entry))


def how_to_bring(entry: registry.DatasetEntry) -> str:
    """The line that would make a dataset present."""
    return f"gapbench data set {entry.name} FOLDER (or set {_variable(entry.name)}=FOLDER)"


def set_root(name: str, root: Path) -> Path:
    """Write down in `data.toml` (`data_file`) where a dataset lies, beside what is there; returns the file.

    A name nobody registered, an embedded dataset or a path that does not exist is a `HarnessError`.
    """
    entry = registry.datasets.get(name)
    if entry.embedded:
        raise HarnessError(f"{name} is made by GapBench and needs no folder")
    if entry.root is not None:
        raise HarnessError(f"{name} are clips of your own: gapbench eval or train on their folder")
    place = expanded(root).absolute()
    if not os.path.exists(place):
        raise HarnessError(f"{shown(root)} does not exist")
    file = data_file()
    said = _stated(file) | {name: str(place)}
    lines = [f"{key} = {json.dumps(said[key], ensure_ascii=False)}" for key in sorted(said)]
    write_whole(file, "# Where datasets lie on this machine.\n" + "\n".join(lines) + "\n")
    return file


def data_file() -> Path:
    """The nearest `data.toml`: in the working directory or a folder above it, else the user's own.

    The user's own is in `gapbench` below `$XDG_CONFIG_HOME` or `~/.config`. Where there is none at all, it
    is the one that the working directory would have. Folders in it are as seen from the file.
    """
    here = Path.cwd()
    near = [folder / DATA_FILE for folder in (here, *here.parents, *_config())]
    return next((file for file in near if _is_there(file)), near[0])


def _config() -> list[Path]:
    """The user's own folder of settings, where there is one."""
    try:
        return [Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "gapbench"]
    except RuntimeError:  # nobody knows this user's home
        return []


def _is_there(file: Path) -> bool:
    """Whether it is a file that can be asked for: one in a folder that nobody may look into is not."""
    try:
        return file.is_file()
    except OSError:
        return False


def why_no_folder(entry: registry.DatasetEntry, roots: Mapping[str, str] | None = None) -> str | None:
    """Why a dataset is not on this machine and what would bring it; None when it is (or can be made)."""
    if entry.embedded:
        return None
    try:
        root = root_of(entry, roots)
    except HarnessError as error:
        return f"no folder is named for it: {error}"
    if not os.path.exists(root) and entry.root is not None:
        return f"its clips are not where they were ({root.name}): gapbench eval or train on their folder"
    if not os.path.exists(root):
        return f"{shown(root)} does not exist; {how_to_bring(entry)}"
    return None


def why_absent(entry: registry.DatasetEntry, roots: Mapping[str, str] | None = None) -> str | None:
    """Why a dataset is not on this machine, None if it is.

    Where only the folder it shares with another one is named, it need not be in there.
    """
    why = why_no_folder(entry, roots)
    if why is None and why_no_folder(replace(entry, shares=""), roots) is not None:
        try:
            next(entry.clips(root_of(entry, roots)), None)
        except (HarnessError, OSError) as error:
            return str(error)
    return why


def near_miss(entry: registry.DatasetEntry, root: Path) -> str:
    """A folder above or below the root that the dataset lies in, to end a sentence with; empty if none does.

    A dataset that is what lies in its folders says so itself.
    """
    if entry.embedded or entry.left_out is not None or not os.path.isdir(root):
        return ""
    for place in _around(root.absolute()):
        try:
            if next(iter(entry.clips(place)), None) is not None:
                return f"; --root {place} fits"
        except (HarnessError, OSError):
            continue
    return ""


def _around(root: Path) -> Iterator[Path]:
    """Some folders below a root, and the two above it, nearest first."""
    level = [root]
    for _ in range(2):
        with contextlib.suppress(OSError):
            below = (each for folder in level for each in sorted(folder.iterdir()))
            level = [each for each in below if each.is_dir() and each.name[0] != "."][:TRIED]
            yield from level
    yield from root.parents[:2]


def _variable(name: str) -> str:
    return f"GAPBENCH_DATA_{name.upper()}"


def _data_file() -> dict[str, str]:
    """Dataset -> folder, as the nearest `data.toml` says."""
    file = data_file()
    return {name: str(file.parent / expanded(said)) for name, said in _stated(file).items()}


def _stated(file: Path) -> dict[str, str]:
    """What a `data.toml` says, word for word; nothing where there is none."""
    if not os.path.lexists(file) or os.path.isdir(file):
        return {}
    named = read_toml(file)
    wrong = [name for name, folder in named.items() if not isinstance(folder, str)]
    if wrong:
        raise HarnessError(f'{file}: {wrong[0]} must be a folder in quotes, e.g. {wrong[0]} = "FOLDER"')
    return named
