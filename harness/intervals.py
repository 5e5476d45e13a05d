"""How sure a number is: intervals that know which clips share a face."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from harness.types import FAKE, REAL, HarnessError

LEVEL = 0.95
"""Share of repetitions of the whole experiment in which an interval should hold the true value."""

CHUNK = 4_000_000
"""Clip weights in memory at once (32 MB); only the speed depends on it, never the draws."""


@dataclass(frozen=True, slots=True)
class Interval:
    """The bounds of a 95 % interval, and how they were found."""

    low: float
    high: float
    method: str
    """`node` (both identities of every fake known), `cluster` (one a clip), `clip` (none), or `mixed`."""
    identities: int
    """Things weighted independently: identities, and clips that name none."""


def auc_interval(
    labels: Sequence[int] | np.ndarray,
    scores: Sequence[float] | np.ndarray,
    target: Sequence[Any] | np.ndarray,
    source: Sequence[Any] | np.ndarray,
    draws: int = 1000,
    seed: int = 0,
) -> Interval:
    """The 95 % interval of the AUC when identities, not clips, are what was sampled.

    Fakes share identities and footage, so clips are not independent and weighting them one by one
    gives intervals that are too narrow. Each draw gives every identity an Exp(1) weight, and a clip
    the product of the weights of the identities it shows: target and source of a fake, the one
    identity of a real clip (product-reweighted bootstrap; Owen and Eckles 2012, with the weights of
    Rubin's Bayesian bootstrap 1981, which are never zero, so a draw never loses a class). The bounds
    are the 2.5 and 97.5 percentiles of the weighted AUCs.

    `labels` [N] 0 or 1, `scores` [N] finite, `target` and `source` [N] names, None where unknown. A
    clip that names no identity is weighted alone. The same seed gives the same bounds. An AUC of
    exactly 0 or 1 has an interval of no width: no weighting can show what was never observed.
    `HarnessError` when lengths differ, a score is not finite, or a class is missing.
    """
    label, score = np.asarray(labels), np.asarray(scores, dtype=np.float64)
    if not len(label) == len(score) == len(target) == len(source):
        raise HarnessError("an interval needs one label, score, target and source for each clip")
    if not np.isfinite(score).all():
        raise HarnessError("an interval needs finite scores")
    if draws < 1 or not (label == REAL).any() or not (label == FAKE).any():
        raise HarnessError("an interval of the AUC needs real clips, fake clips and at least one draw")
    first, second, identities, method = _identities(label, target, source)
    rng = np.random.default_rng(seed)
    found = [
        weighted_auc(label, score, weights)
        for weights in _clip_weights(rng, first, second, identities, draws)
    ]
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(np.concatenate(found), [tail, 1 - tail])
    return Interval(max(0.0, float(low)), min(1.0, float(high)), method, identities)


def weighted_auc(labels: np.ndarray, scores: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """AUC of each of D weightings: the weighted share of real-fake pairs in order, ties counting half.

    `labels` [N] 0 or 1, `scores` [N], `weights` [D, N] at or above 0 -> [D]; NaN where a class has no weight.
    """
    real = np.flatnonzero(labels == REAL)
    real = real[np.argsort(scores[real], kind="stable")]
    fake = np.flatnonzero(labels == FAKE)
    below = np.searchsorted(scores[real], scores[fake], side="left")
    not_above = np.searchsorted(scores[real], scores[fake], side="right")
    # total[:, k]: the weight of the k lowest real clips, so that two look-ups replace all pairs
    total = np.zeros((len(weights), len(real) + 1))
    np.cumsum(weights[:, real], axis=1, out=total[:, 1:])
    won = (total[:, below] + total[:, not_above]) / 2
    fakes = weights[:, fake]
    pairs = fakes.sum(axis=1) * total[:, -1]
    with np.errstate(invalid="ignore"):
        return np.einsum("df,df->d", fakes, won) / np.where(pairs > 0, pairs, np.nan)


def _identities(
    label: np.ndarray, target: Sequence[Any] | np.ndarray, source: Sequence[Any] | np.ndarray
) -> tuple[np.ndarray, np.ndarray, int, str]:
    """For each clip the numbers of its first and second identity (-1: no second), their count, the method."""
    names = np.array([target, source], dtype=object)
    known: np.ndarray = ~np.asarray(pd.isna(names))
    known[1] &= ~(known[0] & (label == REAL))  # a real clip shows one face
    numbers = np.full(names.shape, -1, dtype=np.int64)
    numbers[known], found = pd.factorize(names[known].astype(str))
    method = _method(label, known)
    first = np.where(known[0], numbers[0], numbers[1])
    # A fake made from its own identity has one identity, whose weight must not count twice.
    second = np.where(known.all(axis=0) & (numbers[0] != numbers[1]), numbers[1], -1)
    alone = first < 0
    first[alone] = len(found) + np.arange(alone.sum())
    return first, second, len(found) + int(alone.sum()), method


def _method(label: np.ndarray, known: np.ndarray) -> str:
    named, both = known[0] | known[1], known[0] & known[1]
    if named.all() and both[label == FAKE].all():
        return "node"
    if not named.any():
        return "clip"
    return "cluster" if named.all() and not both.any() else "mixed"


def _clip_weights(
    rng: np.random.Generator, first: np.ndarray, second: np.ndarray, identities: int, draws: int
) -> Iterator[np.ndarray]:
    """Weights [d, N] of the clips, some draws at a time; how they are cut does not change them."""
    step = max(1, CHUNK // max(len(first), identities))
    paired = np.flatnonzero(second >= 0)
    for start in range(0, draws, step):
        drawn = rng.standard_exponential((min(step, draws - start), identities))
        weights = drawn[:, first]
        weights[:, paired] *= drawn[:, second[paired]]
        yield weights
