"""A folder of pictures as the frames of a clip: in the order of time, face by face, masks left out."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from harness.trees import frames_in

NUMBER = re.compile(r"(\d+)")


def frame_files(folder: Path) -> list[Path]:
    """The images of a folder that holds the frames of a clip: by the number of the frame, then of the face.

    Numbers that all names share say nothing of the order (`000_003_frame12.png`). Of those that vary the
    first is the frame's, one behind it the face's, as in `<frame>_<face>.png`. Masks are no frames.
    """
    return sorted(frames_in(folder), key=lambda path: (_moment(path), path.name))


def frame_tracks(folder: Path) -> list[list[Path]]:
    """The frames of a folder, face by face, the face that most frames show first.

    One list unless the names are `<frame>_<face>`: several pictures of one frame are several faces.
    """
    found = frame_files(folder)
    faces = _faces(found)
    if faces is None:
        return [found] if found else []
    shown = Counter(faces)
    order = sorted(shown, key=lambda face: (-shown[face], face))
    return [[path for path, of in zip(found, faces, strict=True) if of == face] for face in order]


def _moment(path: Path) -> tuple[tuple[str, int], ...]:
    """The words and numbers of a name, so that 2 comes before 10."""
    words = [*NUMBER.split(path.stem), "-1"]
    return tuple((word, int(number)) for word, number in zip(words[::2], words[1::2], strict=True))


def _faces(found: Sequence[Path]) -> list[int] | None:
    """The number of the face in each picture; None where the names tell of one face a frame.

    They tell of several where exactly two numbers vary, and the last counts from 0 or 1, which every frame
    has.
    """
    numbers = [tuple(int(number) for number in NUMBER.findall(path.stem)) for path in found]
    if len({len(each) for each in numbers}) != 1:
        return None
    varying = [place for place, column in enumerate(zip(*numbers, strict=True)) if len(set(column)) > 1]
    if len(varying) != 2:
        return None
    pairs = [(each[varying[0]], each[varying[1]]) for each in numbers]
    frames, faces = ({pair[place] for pair in pairs} for place in (0, 1))
    shown = Counter(face for _, face in pairs)
    first = min(faces)
    counted = first in (0, 1) and faces == set(range(first, first + len(faces)))
    always = len(set(pairs)) == len(pairs) and shown[first] == len(frames) >= len(faces)
    return [face for _, face in pairs] if counted and always else None
