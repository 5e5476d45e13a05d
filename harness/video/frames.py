"""From a file to frames: reading, even sampling, cropping. Damaged files are errors, never guesses."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from math import isfinite
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from harness.guard.clip_bounds import check_clock, check_file, clip_clock, named_failure
from harness.guard.limits import within
from harness.guard.media_headers import image_bytes
from harness.progress import say
from harness.trees import is_image
from harness.types import CROPS, FACE_CROPS, HarnessError
from harness.video import decoding
from harness.video.decoding import Choose, decode, room_for
from harness.video.frame_folder import frame_tracks

BOX_MARGIN = 1.3
"""Side of the square cut around a face, in longer sides of its box."""

MOST_BESIDE = 4
"""Side of such a square, in longer sides of the frame, at most."""

# What it would print on a damaged file is said by the HarnessError.
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


def sample_indices(total: int, frames: int) -> list[int]:
    """Evenly spaced frame indices over the whole clip: the centres of `frames` equal parts, ascending.

    A clip shorter than `frames` repeats its frames evenly (3 frames for 6: 0 0 1 1 2 2).
    """
    if total < 1 or frames < 1:
        raise HarnessError(f"cannot sample {frames} frames from a clip of {total}")
    return [(2 * part + 1) * total // (2 * frames) for part in range(frames)]


Pictures = np.ndarray | Sequence[np.ndarray]
"""Frames in one array, or one by one where they may differ in size."""


@dataclass(frozen=True, eq=False)
class Frames:
    """The decoded frames of one clip, each once."""

    pictures: Pictures
    """uint8 `[H, W, 3]` RGB each, contiguous; empty where they were handed on (`use`)."""
    indices: tuple[int, ...]
    """Which frames of the file they are: distinct, ascending, 0-based."""
    total: int
    """Frames in the file."""
    tracks: int = 1
    """Faces that a folder holds pictures of; the frames are those of the face that most frames show."""

    @property
    def pixels(self) -> np.ndarray:
        """All in one array uint8 `[N, H, W, 3]`; pictures that differ in size are a `HarnessError`."""
        if isinstance(self.pictures, np.ndarray):
            return self.pictures
        shapes = sorted({f"{picture.shape[1]}x{picture.shape[0]}" for picture in self.pictures})
        if len(shapes) > 1:
            raise HarnessError(f"its frames differ in size ({', '.join(shapes)})")
        return np.stack(self.pictures)


Use = Callable[[int, np.ndarray, int], None]
"""(frame of the file, its pixels uint8 `[H, W, 3]` RGB, frames in the file): called for each wanted frame as
it is decoded."""


def read_frames(
    path: Path, counts: Iterable[int], reader: str | None = None, use: Use | None = None, track: int = 0
) -> Frames:
    """Decode, once each, the frames that even samplings of `counts` frames need.

    The path is a video, an image (one frame), or a folder whose images are the frames, in the order that
    their names tell (`frame_folder`); of a folder with several faces, those of the face number `track`.
    `reader` is one of `decoding.READERS`; None stands for what $GAPBENCH_VIDEO_READER names, and that for
    `auto`. They give the same frames, to the bit. With `use` each frame is handed on as it is decoded and
    none is kept: a long clip of large frames then needs the memory of a few.

    Whatever cannot be read in full is a `HarnessError` that names the file and what is wrong with it.
    Every call opens its own decoder, so several threads may read at once.
    """
    with clip_clock(path.name), named_failure(f"{path.name}: reading it"):
        return _read(path, counts, reader, use, track)


def _read(path: Path, counts: Iterable[int], reader: str | None, use: Use | None, track: int) -> Frames:
    wanted = sorted(set(counts))
    if not wanted:
        raise HarnessError(f"{path.name}: no frame count was asked for")

    total = 0

    def choose(found: int) -> list[int]:
        nonlocal total
        total = found
        return sorted({index for count in wanted for index in sample_indices(found, count)})

    hand = None if use is None else lambda index, frame: use(index, frame, total)
    try:
        if path.is_dir():
            return _read_folder(path, choose, hand, track)
        if is_image(path):
            return _read_images(path, [path], choose(1), hand)
        check_file(path)
    except OSError as error:
        raise HarnessError(f"{path.name}: {error.strerror or error}") from error
    pixels, indices, total = decode(path, choose, reader, hand)
    return Frames(pixels, tuple(indices), total)


def _read_folder(path: Path, choose: Choose, use: decoding.Use | None, track: int) -> Frames:
    found = frame_tracks(path)
    if not found:
        raise HarnessError(f"{path.name}: the folder holds no image")
    frames = found[track]
    return replace(_read_images(path, frames, choose(len(frames)), use), tracks=len(found))


def _read_images(
    path: Path, files: Sequence[Path], indices: Sequence[int], use: decoding.Use | None
) -> Frames:
    pictures: list[np.ndarray] = []
    held = 0
    for index in indices:
        check_clock()
        with _image(files[index]) as picture:
            if use is not None:
                use(index, picture)
                continue
            pictures.append(picture)
            held += picture.nbytes
            within(f"{path.name}: it", held, "clip-memory", f" in {len(pictures)} of its frames")
    return Frames(pictures, tuple(indices), len(files))


@contextmanager
def _image(path: Path) -> Iterator[np.ndarray]:
    """The pixels of an image, with the room they need while they are used."""
    size = check_file(path)
    with room_for(size // 3):
        data, said = image_bytes(path, size)
        if said.pictures > 1:
            _say_once(f"{path.name} holds several pictures, of which only the first is shown")
        with room_for(said.width * said.height):
            pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)
            if pixels is None:
                raise HarnessError(f"{path.name}: not a readable image")
            yield np.ascontiguousarray(pixels)


_said: set[str] = set()


def _say_once(line: str) -> None:
    if not _said:  # the first of a kind; a data set of them would flood the terminal
        _said.add(line)
        say(f"warning: {line}; so it is with all such files")


Box = Sequence[float]
"""[x, y, w, h] in pixels."""


def box_of(facts: Mapping[str, Any], shape: Sequence[int]) -> Box:
    """The clip's own `box`, for the crop `boxes`.

    One that is none, or lies outside the frame `[H, W, ...]`, is a `HarnessError`: there is no face.
    """
    box = facts.get("box")
    if box is None or len(box) != 4 or not all(map(isfinite, box)) or not box[2] > 0 or not box[3] > 0:
        raise HarnessError(f"the crop 'boxes' needs a face box [x, y, w, h] in pixels, not {box!r}")
    (x, y, w, h), (height, width) = box, shape[:2]
    if x >= width or y >= height or x + w <= 0 or y + h <= 0:
        raise HarnessError(
            f"the face box [{x:g}, {y:g}, {w:g}, {h:g}] lies outside the {width}x{height} frame"
        )
    return list(box)


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
        return np.concatenate([_fit(cut_square(frame[None], box), size) for frame, box in pairs])
    elif crop != "none":
        raise HarnessError(f"unknown crop {crop!r} (known: {', '.join(CROPS)})")
    return _fit(pixels, size)


def _fit(pixels: np.ndarray, size: int) -> np.ndarray:
    if pixels.shape[1:3] == (size, size):
        return np.ascontiguousarray(pixels)
    shrinks = pixels.shape[1] * pixels.shape[2] > size * size
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.stack([cv2.resize(frame, (size, size), interpolation=how) for frame in pixels])


def cut_square(pixels: np.ndarray, box: Box) -> np.ndarray:
    """The square around a box in frames `[T, H, W, 3]`, `BOX_MARGIN` x the longer side of the box.

    One that is far larger than the frame is a `HarnessError`.
    """
    x, y, w, h = box
    longest = max(pixels.shape[1:3])
    if not all(map(isfinite, box)) or BOX_MARGIN * max(w, h) > MOST_BESIDE * longest:
        frame = f"{pixels.shape[2]}x{pixels.shape[1]}"
        raise HarnessError(f"the face box [{x:g}, {y:g}, {w:g}, {h:g}] is far larger than the {frame} frame")
    side = max(1, round(BOX_MARGIN * max(w, h)))
    if side > min(pixels.shape[1:3]):
        within(f"half of a square of {side} pixels around the face", side * side / 2, "clip-pixels")
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
