"""The clips among the files and folders that somebody gives to be judged."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

from harness.trees import IMAGES, VIDEOS, files_below, frames_in, is_image, is_video, walk
from harness.types import HarnessError
from harness.words import frame_folders, is_numbered


def clips_given(paths: Iterable[Path]) -> tuple[list[Path], list[str]]:
    """Each file as it is, each folder as the clips in it; and what was assumed of folders, a line each.

    A folder that holds numbered images and nothing else is a clip of frames. Of any other folder every video,
    image and folder of frames below it is a clip; what else lies there is told. A folder without any is a
    `HarnessError`.
    """
    found: list[Path] = []
    said: list[str] = []
    for path in paths:
        if not os.path.isdir(path):
            found.append(path)
            continue
        clips = list(_clips_in(path))
        if not clips:
            raise HarnessError(f"{path}: the folder holds neither a video nor an image")
        if clips == [path]:
            said.append(
                f"{path}: its {len(frames_in(path)):,} numbered images are taken as the frames of one clip;"
                f" give {path}/* to judge each by itself"
            )
        elif rest := _left_out(path, clips):
            said.append(f"{path}: {rest}")
        found += clips
    return found, said


def _left_out(folder: Path, clips: Iterable[Path]) -> str:
    """How many files of a folder are no clips, and why, in a line; empty where each is one."""
    known = {os.path.abspath(clip) for clip in clips}
    reasons: dict[str, list[str]] = defaultdict(list)
    for file in files_below(folder, known):
        ending = file.suffix.lower()
        why = "masks of other images" if is_image(file) else f"{ending or 'no ending'} is not read"
        reasons[why].append(file.name)
    many = sum(map(len, reasons.values()))
    said = "; ".join(f"{len(names):,} {why} ({names[0]})" for why, names in sorted(reasons.items()))
    return f"{many:,} {'file is no clip' if many == 1 else 'files are no clips'}: {said}" if many else ""


def _clips_in(folder: Path) -> Iterator[Path]:
    files = list(walk(folder, VIDEOS | IMAGES))
    below = {place: [image.name for image in frames_in(place)] for place in {file.parent for file in files}}
    alone = set(below) == {folder} and not any(is_video(file) for file in files)
    if alone and is_numbered(below[folder]):
        yield folder
        return
    inner = {place.relative_to(folder).as_posix(): names for place, names in below.items() if place != folder}
    framed = {folder / name for name in frame_folders(inner)}
    masks = {file for file in files if is_image(file) and file.name not in below[file.parent]}
    yielded: set[Path] = set()
    for file in files:
        if file.parent in framed and file.parent not in yielded:
            yielded.add(file.parent)
            yield file.parent
        elif file.parent not in framed and file not in masks:
            yield file
