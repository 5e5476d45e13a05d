"""How sure the AUC of forests is that were trained and judged on the same clips, out of fold.

Leaving each person out of the clips that are judged (the jackknife) shows half of how the AUC varies where
nothing is to be learned: with K[i, j] what clip j teaches about clip i, the score of i is the sum of
K[i, j] y[j], and the AUC rests on the sum of y[i] K[i, j] y[j]. Over labels y its variance is twice the
sum of K squared, once for a clip as one that is judged and once for it as one that is learned from. So the
jackknife's variance counts twice. Where much is to be learned forests hardly vary, and the interval is
rather too wide than too narrow. What is left of the draw of folds and forests is added.

Weights drawn at random (`IdentityGraph.weights`) would not do: a product of two of them varies three times
as much as one, and where a fake and its real clip are judged by the same forest the AUC is made of such
products. Measured on such sets they gave twice the variance.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
from scipy.stats import t as student

from harness.data.audit.record import Estimate
from harness.metrics.bootstrap import CHUNK, IdentityGraph
from harness.metrics.extremes import TAIL, exact_bounds, units_of, unsure
from harness.metrics.weighted import Statistic
from harness.types import FAKE, REAL

ROLES = 2
"""A clip is learned from and judged."""
HARDLY = 1e-9
"""Weight of what is left out: with none at all, the AUC of a fold could be undefined."""


def estimate_of(graph: IdentityGraph, statistics: Sequence[Statistic], label: np.ndarray) -> Estimate:
    """The mean of one number over several draws of folds and forests, with its 95 % interval.

    `statistics` is that number of each draw; `label` [N] is 0, 1, or `weighted.OUTSIDE`. The quantile is
    Student's, of as many people as the class with fewer shows. A mean of exactly 0 or 1, or of one
    person, has `extremes.exact_bounds`.
    """
    each = each_of(statistics, label)
    value = float(each.mean())
    units = units_of(graph, [label == REAL, label == FAKE])
    if unsure(value, units):
        low, high = exact_bounds(value, units)
        return Estimate(value, float(low), float(high))
    parts = [np.mean([one(weights) for one in statistics], axis=0) for weights in _left_out(graph)]
    without = np.concatenate(parts)
    count = graph.identities
    of_people = (count - 1) / count * float(((without - without.mean()) ** 2).sum())
    half = float(student.ppf(1 - TAIL, units - 1)) * math.sqrt(ROLES * of_people + wobble_of(each) ** 2)
    return Estimate(value, max(0.0, value - half), min(1.0, value + half))


def each_of(statistics: Sequence[Statistic], label: np.ndarray) -> np.ndarray:
    """The number of each draw, `[draws]`."""
    alike = np.ones((1, len(label)))
    return np.array([float(statistic(alike)[0]) for statistic in statistics])


def wobble_of(each: np.ndarray) -> float:
    """The standard deviation that the mean of draws `[draws]` has where only they are others."""
    return float(each.std(ddof=1)) / math.sqrt(len(each)) if len(each) > 1 else 0.0


def _left_out(graph: IdentityGraph) -> Iterator[np.ndarray]:
    """Weights `[k, N]` of the clips, some identities at a time, each of which is left out once."""
    step = max(1, CHUNK // len(graph.first))
    for start in range(0, graph.identities, step):
        these = np.arange(start, min(start + step, graph.identities))[:, None]
        shown = (graph.first[None] == these) | (graph.second[None] == these)
        yield np.where(shown, HARDLY, 1.0)
