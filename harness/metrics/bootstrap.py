"""Which clips share a face, and how much each of them weighs in one imagined repetition of the experiment."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from harness.types import FAKE, REAL, HarnessError

DRAWS = 2000
"""Repetitions drawn for an interval."""

CHUNK = 300_000
"""Clip weights in memory at once (2.4 MB, what a core keeps near); only the speed depends on it."""

METHODS = ("node", "cluster", "mixed", "clip")
"""From most to least that is known of the clips' identities."""

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
MIX = ((np.uint64(30), np.uint64(0xBF58476D1CE4E5B9)), (np.uint64(27), np.uint64(0x94D049BB133111EB)))
LAST = np.uint64(31)


@dataclass(frozen=True, slots=True)
class IdentityGraph:
    """The identities of some clips: what is weighted independently, and which of it each clip shows."""

    keys: np.ndarray
    """uint64 `[K]`: one for each identity, the same wherever the identity appears in the same world."""
    first: np.ndarray
    """int `[N]`: number of the clip's identity."""
    second: np.ndarray
    """int `[N]`: number of the other identity of a fake; -1 where there is none."""
    method: str
    """`node` (both identities of every fake known), `cluster` (one a clip), `clip` (none), or `mixed`."""

    @property
    def identities(self) -> int:
        """Things weighted independently: identities, and clips that name none."""
        return len(self.keys)

    def weights(self, draws: int = DRAWS) -> Iterator[np.ndarray]:
        """Weights `[d, N]` of the clips, some draws at a time; how they are cut does not change them.

        Each draw gives every identity an Exp(1) weight, and a clip the product of the weights of the
        identities it shows (product-reweighted bootstrap; Owen and Eckles 2012, with the weights of
        Rubin's Bayesian bootstrap 1981, which are never zero, so a draw never loses a class).
        """
        step = max(1, CHUNK // max(len(self.first), self.identities))
        paired = np.flatnonzero(self.second >= 0)
        for start in range(0, draws, step):
            drawn = exponentials(self.keys, start, min(start + step, draws))
            weights = drawn[:, self.first]
            weights[:, paired] *= drawn[:, self.second[paired]]
            yield weights


def graph_of(
    label: np.ndarray,
    target: Sequence[Any] | np.ndarray,
    source: Sequence[Any] | np.ndarray,
    clip_ids: Sequence[Any] | np.ndarray | None = None,
    world: str = "",
) -> IdentityGraph:
    """The identities of clips from what is known of each: `label` 0 or 1, `target`, `source` and id `[N]`.

    Target and source count for a fake, the first that is known for a real clip; None is unknown. A clip
    that names nobody is weighted alone, under its id. `world` is where names mean people (a dataset):
    the same name in the same world has the same weights in every call, so that two detectors, or two
    parts of a dataset, are always weighed by the same draws, and two datasets by independent ones.
    """
    count = len(label)
    if len(target) != count or len(source) != count or (clip_ids is not None and len(clip_ids) != count):
        raise HarnessError("an interval needs one label, score, target and source for each clip")
    names = np.array([target, source], dtype=object).reshape(2, count)
    known: np.ndarray = ~np.asarray(pd.isna(names))
    known[1] &= ~(known[0] & (label == REAL))  # a real clip shows one face
    numbers = np.full(names.shape, -1, dtype=np.int64)
    numbers[known], found = pd.factorize(np.array([_name(name) for name in names[known]], dtype=object))
    method = _method(label, known)
    first = np.where(known[0], numbers[0], numbers[1])
    # A fake made from its own identity has one identity, whose weight must not count twice.
    second = np.where(known.all(axis=0) & (numbers[0] != numbers[1]), numbers[1], -1)
    alone = np.flatnonzero(first < 0)
    first[alone] = len(found) + np.arange(len(alone))
    ids = np.arange(count) if clip_ids is None else np.asarray(clip_ids, dtype=object)
    keys = [_key(world, "person", name) for name in found] + [_key(world, "clip", ids[k]) for k in alone]
    return IdentityGraph(np.array(keys, dtype=np.uint64), first, second, method)


def graph_of_clips(clips: pd.DataFrame, world: str) -> IdentityGraph:
    """The identities of a table of predictions, one line a clip: see `graph_of`."""
    label = clips["label"].to_numpy(dtype=np.int64)
    target, source, ids = (clips[name].to_numpy(dtype=object) for name in ("target", "source", "clip_id"))
    return graph_of(label, target, source, ids, world)


def exponentials(keys: np.ndarray, start: int, stop: int) -> np.ndarray:
    """Exp(1) values `[stop - start, K]`: of each key's stream of draws, those numbered start to stop.

    SplitMix64 (Steele, Lea and Flood 2014) seeded with the key: a value depends on key and number
    alone, so streams need not be kept, and a stream cut anywhere is the same stream.
    """
    steps = np.arange(start + 1, stop + 1, dtype=np.uint64)
    with np.errstate(over="ignore"):
        bits = keys[None, :] + (steps * GOLDEN)[:, None]
        for shift, factor in MIX:
            bits ^= bits >> shift
            bits *= factor
    bits ^= bits >> LAST
    uniform = ((bits >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53  # never 0, never 1
    return -np.log(uniform)


def _name(identity: object) -> str:
    # A column of numbers with gaps is read as floats, one without as integers: 7.0 and 7 are one person.
    whole = isinstance(identity, float | np.floating) and float(identity).is_integer()
    return str(int(identity)) if whole else str(identity)  # type: ignore[call-overload]


def _key(*parts: object) -> int:
    text = "\x1f".join(str(part) for part in parts)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


def _method(label: np.ndarray, known: np.ndarray) -> str:
    named, both = known[0] | known[1], known[0] & known[1]
    if not named.any():
        return "clip"
    if named.all() and both[label == FAKE].all():
        return "node"
    return "cluster" if named.all() and not both.any() else "mixed"
