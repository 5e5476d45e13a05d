"""The pure stages between a clip's file and a detector: read, perturb, crop, whoever schedules them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np

from harness import registry
from harness.files import seed_of
from harness.timing import spent
from harness.types import PROTOCOL, Clip, HarnessError
from harness.video.frames import NO_FACE, Box, boxes_of, crop_and_fit, read_frames


def perturb(frames: np.ndarray, clip_id: str, name: str, severity: int) -> np.ndarray:
    """The frames `[T, H, W, 3]` under a condition; the draw depends on the clip, never on the detector."""
    if severity == 0:
        return frames
    entry = registry.perturbations.get(name)
    rng = np.random.default_rng(seed_of(clip_id, name, severity, PROTOCOL))
    with named_failure(f"{name}-{severity} on {clip_id}"):
        changed = entry.apply(frames, entry.parameter(severity), rng)
    if changed.shape != frames.shape or changed.dtype != np.uint8:
        raise HarnessError(f"{name} changed the shape or type of the frames of {clip_id}")
    return changed


@contextmanager
def named_failure(what: str) -> Iterator[None]:
    """Turn whatever a plug-in raises into one line that names it."""
    try:
        yield
    except HarnessError:
        raise
    except Exception as error:
        reason = (str(error).splitlines() or [""])[0]
        raise HarnessError(f"{what} failed: {type(error).__name__}: {reason}") from error


Need = tuple[str, int, int, int]
"""(perturbation, severity, frames, size): one view of a clip."""


@dataclass(frozen=True)
class Shown:
    """What the detectors get to see of one clip."""

    tensors: Mapping[Need, np.ndarray]
    """uint8 `[T, S, S, 3]` each; empty when the clip failed."""
    indices: Mapping[int, tuple[int, ...]]
    """Frame count -> which frames of the file were taken."""
    error: str | None = None
    faceless: bool = False
    """Whether the error is that it was read, and no face was found in it."""

    def of(self, size: tuple[int, int]) -> Shown:
        """The same clip with the views of one size (frames, side) only."""
        tensors = {need: pixels for need, pixels in self.tensors.items() if need[2:] == size}
        return replace(self, tensors=tensors)


def show(clip: Clip, crop: str, needs: Sequence[Need]) -> Shown:
    """Read a clip once and prepare every view of it that is needed; a clip that cannot be read is said so."""
    counts = sorted({frames for _, _, frames, _ in needs})
    try:
        with spent("decode"):
            read = read_frames(clip.path, counts)
    except HarnessError as error:
        return Shown({}, {}, str(error))
    try:
        places = {count: boxes_of(clip.attributes, crop, read.take(count)[1]) for count in counts}
        _check_boxes(places.values(), read.pixels.shape[1:3])
    except HarnessError as error:
        return Shown({}, {}, f"{clip.path.name}: {error}", str(error) == NO_FACE)
    tensors: dict[Need, np.ndarray] = {}
    for name, severity in dict.fromkeys((need[0], need[1]) for need in needs):
        with spent("perturb"):
            pixels = perturb(read.pixels, clip.id, name, severity)
        with spent("crop"):
            for need in needs:
                if need[:2] == (name, severity):
                    taken, _ = read.take(need[2], pixels)
                    tensors[need] = crop_and_fit(taken, crop, places[need[2]], need[3])
    return Shown(tensors, {count: read.take(count)[1] for count in counts})


def _check_boxes(places: Iterable[Sequence[Box] | None], shape: tuple[int, ...]) -> None:
    """Refuse a box that lies wholly outside its frame: what is cut there is no face."""
    height, width = shape
    for x, y, w, h in (box for boxes in places if boxes for box in boxes):
        if x >= width or y >= height or x + w <= 0 or y + h <= 0:
            raise HarnessError(
                f"the face box [{x:g}, {y:g}, {w:g}, {h:g}] lies outside the {width}x{height} frame"
            )
