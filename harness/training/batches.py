"""The frames of training clips as uint8, and the batches drawn from them."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from harness.process import in_order, usable_cores
from harness.training.augmentation import Augment, augmented
from harness.types import FAKE, REAL, SPLITS, Clip
from harness.video.views import View

BATCHES_AHEAD = 4
"""Batches that are drawn and augmented before they are asked for."""


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
    """uint8 `[rows, S, S, 3]`: each distinct frame of each clip once."""
    places: np.ndarray
    """int64 `[clips, frames]`: rows of the evenly spaced frames of a clip; a short one repeats its own."""
    labels: np.ndarray
    """int64 `[clips]`, REAL 0 or FAKE 1."""
    groups: np.ndarray
    """int64 `[clips]`: clips made of the same footage share a number."""
    failed: int
    """Clips that could not be read and are not among the pixels."""
    made: Mapping[str, Any] = field(default_factory=dict)
    """What they were decoded with; empty where that is not known."""
    faceless: Counter[str] = field(default_factory=Counter)
    """`real`, `fake` -> clips that were left out because no face was found."""

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def frames(self) -> int:
        """Evenly spaced frames of each clip."""
        return int(self.places.shape[1])

    def views(self, start: int, stop: int) -> list[View]:
        """What a detector is shown of the clips `start` to `stop`."""
        found = []
        for rows in self.places[start:stop].tolist():
            distinct = tuple(dict.fromkeys(rows))
            found.append(View(self.pixels[list(distinct)], distinct, tuple(rows), tuple(rows)))
        return found

    def batches(self, draw: Draw, rng: np.random.Generator) -> Generator[tuple[np.ndarray, np.ndarray]]:
        """One shuffled pass: pixels `[batch, frames, S, S, 3]` and labels `[batch]`; no short last batch.

        The frames of a clip are one at random from each of `frames` equal parts, in order. Threads draw and
        augment some batches ahead; what they draw depends on `rng` alone, never on which is faster.
        """
        batch = min(draw.batch, len(self))
        groups = self.groups if draw.together else np.arange(len(self))
        order, seeds = _shuffled(groups, rng)
        edges = np.arange(draw.frames + 1) * self.frames // draw.frames

        def drawn(start: int) -> tuple[np.ndarray, np.ndarray]:
            clips = order[start : start + batch]
            shown = []
            for clip in clips:
                own = np.random.default_rng(seeds[groups[clip]])
                picked = own.integers(edges[:-1], np.maximum(edges[1:], edges[:-1] + 1))
                shown.append(augmented(self.pixels[self.places[clip, picked]], draw.augments, own))
            return np.stack(shown), self.labels[clips]

        starts = range(0, len(order) - batch + 1, batch)
        yield from in_order(drawn, starts, max(1, usable_cores() // 2), BATCHES_AHEAD)


def _shuffled(groups: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """The clips in random order of their groups and within them, and a seed for each group."""
    number = int(groups.max()) + 1
    places = rng.permutation(number)
    within = rng.permutation(len(groups))
    return np.lexsort((within, places[groups])), rng.integers(2**63, size=number)


def split_of(clips: Sequence[Clip], split: str) -> list[Clip]:
    """The clips of one split."""
    return [clip for clip in clips if clip.split == split]


def chosen_clips(clips: Sequence[Clip], present: bool, limit: int | None) -> tuple[Clip, ...]:
    """The clips used of a list, in its order: those that have a file, if asked; `limit` of each split."""
    if limit is None and not present:
        return tuple(clips)
    there = [clip for clip in clips if not present or os.path.exists(clip.path)]
    kept = {clip.id for split in SPLITS for clip in limited(split_of(there, split), limit)}
    return tuple(clip for clip in there if clip.id in kept)


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
