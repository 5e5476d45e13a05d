"""Any folder of your own clips: `real/**` and `fake/<manipulation>/**`, videos or images."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from harness.registry import dataset
from harness.trees import IMAGES, VIDEOS
from harness.types import FAKE, REAL, SPLITS, Clip, HarnessError

UNNAMED = "unnamed"
"""Manipulation of a file that lies directly in `fake/`."""


@dataset(
    "folder",
    about="a folder of your own: real/** and fake/<manipulation>/**, optionally under train, val or test",
    crop="face",
)
def folder(root: Path) -> Iterator[Clip]:
    """Every video or image under `root`, sorted by path; without a split folder above it, a clip is `test`.

    Links to folders are followed. Raises `HarnessError` when `root` is not a folder or has no clip in that
    layout, and for a folder that cannot be opened. A file's ending says that it is a clip; whether it
    can be read is found out later, and counted.
    """
    if not root.is_dir():
        raise HarnessError(f"dataset folder: {root} is not a folder")
    found = False
    for path in sorted(_files(root)):
        clip = _clip(root, path)
        if clip is not None:
            found = True
            yield clip
    if not found:
        raise HarnessError(
            f"dataset folder: no clips in {root}; expected real/** and fake/<manipulation>/**, "
            f"optionally under {', '.join(SPLITS)}"
        )


def _files(folder: Path, above: frozenset[str] = frozenset()) -> Iterator[Path]:
    """The videos and images in a folder and below it; a link that leads back up is not followed."""
    real = os.path.realpath(folder)
    if real in above:
        return
    try:
        with os.scandir(folder) as found:
            entries = [(Path(entry.path), entry.is_dir()) for entry in found if entry.name[0] != "."]
    except OSError as error:
        raise HarnessError(f"dataset folder: cannot list {folder}: {error.strerror}") from error
    for path, is_folder in entries:
        if is_folder:
            yield from _files(path, above | {real})
        elif path.suffix.lower() in VIDEOS | IMAGES:
            yield path


def _clip(root: Path, path: Path) -> Clip | None:
    """The clip at `path`, or None if it is in another folder than those of clips."""
    relative = PurePosixPath(path.relative_to(root).as_posix())
    parts = relative.parts[:-1]
    split = parts[0] if parts and parts[0] in SPLITS else "test"
    kind, *below = parts[1:] if parts and parts[0] in SPLITS else parts or ("",)
    if kind == "real":
        return Clip(f"folder/{relative}", path, REAL, split)
    if kind == "fake":
        return Clip(f"folder/{relative}", path, FAKE, split, manipulation=below[0] if below else UNNAMED)
    return None
