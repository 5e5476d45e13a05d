"""The frames of training clips, decoded once and kept as uint8, and the batches drawn from them."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness.augmentation import Augment, augmented
from harness.progress import Progress, say
from harness.types import FAKE, REAL, Clip, HarnessError, Recipe
from harness.video import boxes_of, crop_and_fit, read_frames

POOL = 16
"""Evenly spaced frames kept of each training clip, at least; every epoch draws from them."""
LARGEST_IN_MEMORY = 2**30
"""Bytes of pixels above which they live in a temporary file instead of in memory."""
MOST_FAILED = 0.05
"""Share of unreadable clips above which a training refuses to start."""


@dataclass(frozen=True)
class Draw:
    """How batches are drawn."""

    batch: int
    """Clips in a batch, at most."""
    frames: int
    """Frames of each clip."""
    augments: Sequence[Augment] = ()
    together: bool = False
    """Clips made of the same footage share a batch, the frames drawn and their augmentation: a real clip
    and its forgery then differ in nothing but the forgery."""


@dataclass(frozen=True, eq=False)
class Footage:
    """Clips as pixels."""

    pixels: np.ndarray
    """uint8 `[clips, frames, S, S, 3]`."""
    labels: np.ndarray
    """int64 `[clips]`, REAL 0 or FAKE 1."""
    groups: np.ndarray
    """int64 `[clips]`: clips made of the same footage share a number."""
    failed: int
    """Clips that could not be read and are not among the pixels."""

    def __len__(self) -> int:
        return len(self.labels)

    def batches(self, draw: Draw, rng: np.random.Generator) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """One shuffled pass: pixels `[batch, frames, S, S, 3]` and labels `[batch]`; no short last batch.

        The frames of a clip are one at random from each of `frames` equal parts, in order.
        """
        batch = min(draw.batch, len(self))
        groups = self.groups if draw.together else np.arange(len(self))
        order, seeds = _shuffled(groups, rng)
        edges = np.arange(draw.frames + 1) * self.pixels.shape[1] // draw.frames
        for start in range(0, len(order) - batch + 1, batch):
            clips = order[start : start + batch]
            drawn = []
            for clip in clips:
                own = np.random.default_rng(seeds[groups[clip]])
                picked = own.integers(edges[:-1], np.maximum(edges[1:], edges[:-1] + 1))
                drawn.append(augmented(self.pixels[clip, picked], draw.augments, own))
            yield np.stack(drawn), self.labels[clips]


def _shuffled(groups: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """The clips in random order of their groups and within them, and a seed for each group."""
    number = int(groups.max()) + 1
    places = rng.permutation(number)
    within = rng.permutation(len(groups))
    return np.lexsort((within, places[groups])), rng.integers(2**63, size=number)


def read_footage(
    clips: Sequence[Clip], recipe: Recipe, crop: str, folder: Path, frames: int | None = None
) -> Footage:
    """Decode and cut `frames` evenly spaced frames of each clip (None: a pool to draw from).

    Unreadable clips are counted and said; more than 5 % of them, or a class without a clip, is a
    `HarnessError`.
    """
    split = clips[0].split if clips else "empty"
    kept = frames or max(POOL, recipe.frames, recipe.train_frames)
    shape = (len(clips), kept, recipe.size, recipe.size, 3)
    pixels = _room(shape, folder)
    labels: list[int] = []
    made_of: list[str] = []
    reasons: list[str] = []
    with Progress(f"reading {split} clips", len(clips)) as progress:
        for clip in clips:
            try:
                pixels[len(labels)] = _cut(clip, kept, recipe.size, crop)
                labels.append(clip.label)
                made_of.append(str(clip.attributes.get("footage", clip.id)))
            except HarnessError as error:
                reasons.append(str(error))
            progress.advance()
    if reasons:
        say(f"{len(reasons)} of {len(clips)} {split} clips cannot be read, e.g. {reasons[0]}")
    if len(reasons) > MOST_FAILED * len(clips):
        raise HarnessError(f"{len(reasons)} of {len(clips)} {split} clips cannot be read: {reasons[0]}")
    for label, word in ((REAL, "real"), (FAKE, "fake")):
        if label not in labels:
            raise HarnessError(f"there is no {word} clip among the {len(labels)} {split} clips to train with")
    groups = np.unique(made_of, return_inverse=True)[1]
    return Footage(pixels[: len(labels)], np.array(labels), groups, len(reasons))


def _cut(clip: Clip, frames: int, size: int, crop: str) -> np.ndarray:
    taken, indices = read_frames(clip.path, (frames,)).take(frames)
    try:
        return crop_and_fit(taken, crop, boxes_of(clip.attributes, crop, indices), size)
    except HarnessError as error:
        raise HarnessError(f"{clip.path.name}: {error}") from error


def _room(shape: tuple[int, ...], folder: Path) -> np.ndarray:
    if np.prod(shape) <= LARGEST_IN_MEMORY:
        return np.empty(shape, np.uint8)
    needed = int(np.prod(shape))
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder) as file:  # nameless: gone with the process, however that ends
        try:
            if hasattr(os, "posix_fallocate"):  # else a disk that fills up later kills the process
                os.posix_fallocate(file.fileno(), 0, needed)
            else:
                file.truncate(needed)
        except OSError as error:
            free = shutil.disk_usage(folder).free
            raise HarnessError(
                f"the frames of {shape[0]} clips need {needed / 1e9:.1f} GB in {folder}, where"
                f" {free / 1e9:.1f} GB are free; set GAPBENCH_HOME to a larger disk"
            ) from error
        return np.memmap(file, np.uint8, "r+", shape=shape)


def split_of(clips: Sequence[Clip], split: str) -> list[Clip]:
    """The clips of one split."""
    return [clip for clip in clips if clip.split == split]


def limited(clips: Sequence[Clip], most: int | None) -> list[Clip]:
    """At most that many clips, as many of one class as of the other where they last, evenly spread.

    Clips are listed manipulation by manipulation; spread evenly, each keeps its share.
    """
    if most is None or len(clips) <= most:
        return list(clips)
    real = [clip for clip in clips if clip.label == REAL]
    fake = [clip for clip in clips if clip.label == FAKE]
    fakes = min(len(fake), max(most // 2, most - len(real)))
    return _spread(real, most - fakes) + _spread(fake, fakes)


def _spread(clips: Sequence[Clip], number: int) -> list[Clip]:
    return [clips[place * len(clips) // number] for place in range(min(number, len(clips)))]
