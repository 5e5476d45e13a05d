"""Puts clips where a dataset keeps them, under the names the dataset gives them."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Sequence
from pathlib import Path


def plant(root: Path, names: Iterable[str], clips: Sequence[Path]) -> None:
    """One of `clips` at each path below `root`, in turn; a hard link, so that it costs no room."""
    for name, clip in zip(names, itertools.cycle(clips), strict=False):
        place = root / name
        place.parent.mkdir(parents=True, exist_ok=True)
        os.link(clip, place)


def write(file: Path, text: str) -> None:
    """A small file of a dataset, such as a list, with its line ends as given."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(text.encode())
