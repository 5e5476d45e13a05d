"""From a file to frames: reading, even sampling, cropping. Damaged files are errors, never guesses."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from harness.trees import frames_in, is_image
from harness.types import CROPS, FACE_CROPS, HarnessError
from harness.video.decoding import decode

BOX_MARGIN = 1.3
"""Side of the square cut around a face, in longer sides of its box."""
NUMBER = re.compile(r"\d+")
NO_FACE = "no face was found"

# What it would print on a damaged file is said by the HarnessError.
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


def sample_indices(total: int, frames: int) -> list[int]:
    """Evenly spaced frame indices over the whole clip: the centres of `frames` equal parts, ascending.

    A clip shorter than `frames` repeats its frames evenly (3 frames for 6: 0 0 1 1 2 2).
    """
    if total < 1 or frames < 1:
        raise HarnessError(f"cannot sample {frames} frames from a clip of {total}")
    return [(2 * part + 1) * total // (2 * frames) for part in range(frames)]


@dataclass(frozen=True, eq=False)
class Frames:
    """The decoded frames of one clip, each once."""

    pixels: np.ndarray
    """uint8 `[N, H, W, 3]` RGB, contiguous."""
    indices: tuple[int, ...]
    """Which frames of the file they are: distinct, ascending, 0-based."""
    total: int
    """Frames in the file."""

    def take(self, frames: int, pixels: np.ndarray | None = None) -> tuple[np.ndarray, tuple[int, ...]]:
        """The evenly spaced selection of `frames` frames, uint8 `[frames, H, W, 3]`, and their indices.

        `pixels` is a perturbed copy of `self.pixels` to take from instead.
        """
        source = self.pixels if pixels is None else pixels
        if len(source) != len(self.indices):
            raise HarnessError(f"{len(source)} frames where {len(self.indices)} were decoded")
        wanted = tuple(sample_indices(self.total, frames))
        place = {index: position for position, index in enumerate(self.indices)}
        missing = [index for index in wanted if index not in place]
        if missing:
            raise HarnessError(f"frame {missing[0]} was not decoded: {frames} was not among the counts")
        return source[[place[index] for index in wanted]], wanted


def read_frames(path: Path, counts: Iterable[int], reader: str | None = None) -> Frames:
    """Decode, once each, the frames that even samplings of `counts` frames need.

    The path is a video, an image (one frame), or a folder whose images are the frames, in the order of
    the last number in their names. `reader` is one of `decoding.READERS`; None stands for what
    $GAPBENCH_VIDEO_READER names, and that for `auto`. They give the same frames, to the bit.

    Whatever cannot be read in full is a `HarnessError` that names the file and what is wrong with it.
    Every call opens its own decoder, so several threads may read at once.
    """
    wanted = sorted(set(counts))
    if not wanted:
        raise HarnessError(f"{path.name}: no frame count was asked for")

    def choose(total: int) -> list[int]:
        return sorted({index for count in wanted for index in sample_indices(total, count)})

    try:
        size = path.stat().st_size
        if path.is_dir():
            return _read_folder(path, choose)
        if not path.is_file():
            raise HarnessError(f"{path.name}: not a file")
        if size == 0:
            raise HarnessError(f"{path.name}: the file is empty")
        if is_image(path):
            return Frames(_read_image(path)[None], (0,), 1)
    except OSError as error:
        raise HarnessError(f"{path.name}: {error.strerror}") from error
    pixels, indices, total = decode(path, choose, reader)
    return Frames(pixels, tuple(indices), total)


def frame_files(folder: Path) -> list[Path]:
    """The images of a folder that holds the frames of a clip, in the order of time."""

    def moment(path: Path) -> tuple[int, str]:
        numbers = NUMBER.findall(path.stem)
        return (int(numbers[-1]) if numbers else -1, path.name)

    return sorted(frames_in(folder), key=moment)


def _read_folder(path: Path, choose: Callable[[int], list[int]]) -> Frames:
    found = frame_files(path)
    if not found:
        raise HarnessError(f"{path.name}: the folder holds no image")
    indices = choose(len(found))
    frames = [_read_image(found[index]) for index in indices]
    shapes = sorted({f"{frame.shape[1]}x{frame.shape[0]}" for frame in frames})
    if len(shapes) > 1:
        raise HarnessError(f"{path.name}: its frames differ in size ({', '.join(shapes)})")
    return Frames(np.stack(frames), tuple(indices), len(found))


def _read_image(path: Path) -> np.ndarray:
    pixels = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_COLOR_RGB)
    if pixels is None:
        raise HarnessError(f"{path.name}: not a readable image")
    return np.ascontiguousarray(pixels)


Box = Sequence[float]
"""[x, y, w, h] in pixels."""


def boxes_of(facts: Mapping[str, Any], crop: str, indices: Sequence[int]) -> list[Box] | None:
    """The face box in each of these frames of a clip, from its attributes; None where the crop needs none.

    `boxes` takes the clip's `box` for all of them, `face` the place of its `track` in each.
    """
    if crop not in FACE_CROPS:
        return None
    if crop == "face":
        if "track" not in facts:
            raise HarnessError("its face could not be looked for, because the clip could not be read then")
        if facts["track"] is None:
            raise HarnessError(NO_FACE)
        return list(facts["track"].at(indices))
    box = facts.get("box")
    if box is None or len(box) != 4 or not box[2] > 0 or not box[3] > 0:
        raise HarnessError(f"the crop 'boxes' needs a face box [x, y, w, h] in pixels, not {box!r}")
    return [box] * len(indices)


def crop_and_fit(pixels: np.ndarray, crop: str, boxes: Sequence[Box] | None, size: int) -> np.ndarray:
    """Cut each frame uint8 `[T, H, W, 3]` and resize it to uint8 `[T, size, size, 3]`.

    `none` takes the whole frame, `center` the largest centred square, `boxes` and `face` a square of 1.3 x
    the longer side of the frame's box around its centre: shifted into the frame, or edge pixels
    repeated where the frame is too small. Shrinks by area, enlarges linearly.
    """
    height, width = pixels.shape[1:3]
    if crop == "center":
        side = min(height, width)
        top, left = (height - side) // 2, (width - side) // 2
        pixels = pixels[:, top : top + side, left : left + side]
    elif crop in FACE_CROPS:
        pairs = zip(pixels, boxes or (), strict=True)
        return np.concatenate([_fit(_cut_square(frame[None], box), size) for frame, box in pairs])
    elif crop != "none":
        raise HarnessError(f"unknown crop {crop!r} (known: {', '.join(CROPS)})")
    return _fit(pixels, size)


def _fit(pixels: np.ndarray, size: int) -> np.ndarray:
    if pixels.shape[1:3] == (size, size):
        return np.ascontiguousarray(pixels)
    shrinks = pixels.shape[1] * pixels.shape[2] > size * size
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.stack([cv2.resize(frame, (size, size), interpolation=how) for frame in pixels])


def _cut_square(pixels: np.ndarray, box: Box) -> np.ndarray:
    x, y, w, h = box
    side = max(1, round(BOX_MARGIN * max(w, h)))
    rows, before_rows = _span(round(y + h / 2 - side / 2), side, pixels.shape[1])
    columns, before_columns = _span(round(x + w / 2 - side / 2), side, pixels.shape[2])
    cut = pixels[:, rows, columns]
    missing_rows, missing_columns = side - cut.shape[1], side - cut.shape[2]
    padding = (
        (0, 0),
        (before_rows, missing_rows - before_rows),
        (before_columns, missing_columns - before_columns),
        (0, 0),
    )
    return np.pad(cut, padding, mode="edge") if missing_rows or missing_columns else cut


def _span(start: int, side: int, extent: int) -> tuple[slice, int]:
    """The part of `extent` a side covers after shifting it inside, and how much is missing before it."""
    if side <= extent:
        start = min(max(start, 0), extent - side)
        return slice(start, start + side), 0
    return slice(0, extent), min(max(-start, 0), side - extent)
