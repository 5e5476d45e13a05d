"""How sure a number is: intervals that know which clips share a face, and DeLong's, which does not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.metrics.bootstrap import DRAWS, IdentityGraph, graph_of
from harness.metrics.classification import auc
from harness.metrics.extremes import exact_bounds, units_of, unsure
from harness.metrics.weighted import Statistic, auc_statistic
from harness.types import FAKE, REAL, HarnessError

LEVEL = 0.95
"""Share of repetitions of the whole experiment in which an interval should hold the true value."""

Z = 1.959963984540054
"""97.5 percent point of the normal distribution."""


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
    draws: int = DRAWS,
    world: str = "",
) -> Interval:
    """The 95 % interval of the AUC when identities, not clips, are what was sampled (the node bootstrap).

    Fakes share identities and footage, so clips are not independent and weighting them one by one
    gives intervals that are too narrow. Each draw weighs the identities (`bootstrap.IdentityGraph.weights`);
    the bounds are the 2.5 and 97.5 percentiles of the weighted AUCs.

    `labels` [N] 0 or 1, `scores` [N] finite, `target` and `source` [N] names, None where unknown. A
    clip that names no identity is weighted alone. The same `world` gives the same bounds. An AUC of
    exactly 0 or 1, which no weighting moves, has `extremes.exact_bounds`.
    `HarnessError` when lengths differ, a score is not finite, or a class is missing.
    """
    label, score = np.asarray(labels), np.asarray(scores, dtype=np.float64)
    if len(label) != len(score):
        raise HarnessError("an interval needs one label, score, target and source for each clip")
    if not np.isfinite(score).all():
        raise HarnessError("an interval needs finite scores")
    if draws < 1 or not (label == REAL).any() or not (label == FAKE).any():
        raise HarnessError("an interval of the AUC needs real clips, fake clips and at least one draw")
    graph = graph_of(label, target, source, world=world)
    units = units_of(graph, [label == REAL, label == FAKE])
    if unsure(value := auc(label, score), units):
        low, high = exact_bounds(value, units)
    else:
        low, high = bounds(resampled(graph, {"auc": auc_statistic(label, score)}, draws)["auc"])
    return Interval(max(0.0, low), min(1.0, high), graph.method, graph.identities)


def resampled(
    graph: IdentityGraph, statistics: Mapping[str, Statistic], draws: int = DRAWS
) -> dict[str, np.ndarray]:
    """Each number under every draw `[draws]`, all of them by the same weights."""
    found: dict[str, list[np.ndarray]] = {name: [] for name in statistics}
    for weights in graph.weights(draws):
        for name, statistic in statistics.items():
            found[name].append(statistic(weights))
    return {name: np.concatenate(parts) for name, parts in found.items()}


def bounds(drawn: np.ndarray, level: float = LEVEL) -> tuple[float, float]:
    """The bounds between which the middle `level` of the draws lies."""
    tail = (1 - level) / 2
    low, high = np.quantile(drawn, [tail, 1 - tail])
    return float(low), float(high)


@dataclass(frozen=True, slots=True)
class Delong:
    """AUCs of some detectors on the same clips, and how they vary together if clips were independent."""

    aucs: np.ndarray
    """`[M]`."""
    covariance: np.ndarray
    """`[M, M]`, of the AUCs."""

    def interval(self, number: int = 0) -> tuple[float, float]:
        """The normal 95 % interval of one AUC, within [0, 1]."""
        middle, half = self.aucs[number], Z * float(np.sqrt(self.covariance[number, number]))
        return max(0.0, float(middle - half)), min(1.0, float(middle + half))


def delong(labels: np.ndarray, scores: np.ndarray) -> Delong:
    """AUCs and their covariance by DeLong et al. (1988), in O(n log n) by ranks (Sun and Xu 2014).

    `labels` [N] 0 or 1; `scores` [N] or [M, N], one line a detector, on the same clips. It takes clips
    as independent, so where they share people it is too sure: it stands beside the node bootstrap, not
    in its place. `HarnessError` with fewer than two clips of a class.
    """
    table = np.atleast_2d(np.asarray(scores, dtype=np.float64))
    real, fake = table[:, labels == REAL], table[:, labels == FAKE]
    reals, fakes = real.shape[1], fake.shape[1]
    if reals < 2 or fakes < 2:
        raise HarnessError("DeLong's variance needs at least two real and two fake clips")
    # For each fake, the share of reals below it; for each real, the share of fakes above it.
    of_fakes = np.stack([_share_below(r, f) for r, f in zip(real, fake, strict=True)])
    of_reals = 1 - np.stack([_share_below(f, r) for r, f in zip(real, fake, strict=True)])
    spread = np.atleast_2d(np.cov(of_fakes)) / fakes + np.atleast_2d(np.cov(of_reals)) / reals
    return Delong(of_fakes.mean(axis=1), spread)


def _share_below(those: np.ndarray, these: np.ndarray) -> np.ndarray:
    """For each of `these`, the share of `those` that is lower, ties counting half."""
    ordered = np.sort(those)
    lower = np.searchsorted(ordered, these, side="left") + np.searchsorted(ordered, these, side="right")
    return lower / (2 * len(those))
