"""Bounds that hold where resampling shows no doubt: a share or an AUC of 0 or 1, or one thing observed.

No weighting of clips that were all judged right can give anything but 1, so a resampled interval would
claim certainty of three clips. What is observed there are `units` independent things: clips, or the
identities they show where those are fewer.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from harness.files import seed_of
from harness.metrics.bootstrap import IdentityGraph

TAIL = 0.025
"""Chance of an observation beyond one bound that the bound allows, so that both make a 95 % interval."""


def units_of(graph: IdentityGraph, parts: Sequence[np.ndarray]) -> int:
    """Independent things behind a number over some parts of the clips (bool `[N]` each): of the smallest.

    A part counts as many as it has clips, or as these show identities where that is less.
    """
    return min(_units(graph, part) for part in parts)


def _units(graph: IdentityGraph, part: np.ndarray) -> int:
    second = graph.second[part]
    shown = np.concatenate([graph.first[part], second[second >= 0]])
    return min(int(part.sum()), len(np.unique(shown)))


def unsure(value: float | None, units: int) -> bool:
    """Whether draws of a number say too little: it is 0 or 1, or rests on one thing."""
    return value is not None and (value in (0.0, 1.0) or units == 1)


def exact_bounds(value: float, units: int, tail: float = TAIL) -> tuple[float, float]:
    """Bounds of a share or an AUC that is 0 or 1 over `units` things, or anything over one; 95 % by default.

    A share of 1 over n independent clips has the lower bound `tail ** (1 / n)` (Clopper and Pearson
    1934; for large n the rule of three, Hanley and Lippman-Hand 1983). The same bound holds for an AUC
    of 1, whatever the scores are distributed like, with n of the smaller class (their case "the
    estimated area is 1", for which Obuchowski and Lieber 2002 give simulated bounds): n disjoint pairs
    of a real and a fake are independent, each is in order with a chance of at most the true AUC, and all
    were. Of a single observation x in [0, 1] a mean of m makes one so high likely by m / x at most
    (Markov), and one so low by (1 - m) / (1 - x).
    """
    reach = tail ** (1 / units)
    return value * reach, 1 - (1 - value) * reach


def spread(value: float, units: int, draws: int, *name: object) -> np.ndarray:
    """Draws `[draws]` whose quantiles are the exact bounds: they stand in for draws that do not vary.

    Half of them lie below the value and half above, so that means and differences with other numbers
    carry the doubt on. `name` is what is measured on which clips: the same name gives the same draws, so
    two detectors that got all of the same clips right do not differ.
    """
    levels = np.arange(draws) / max(draws - 1, 1)
    levels[0] = levels[-1] = 0.5 / draws  # a bound that is never reached
    levels[-1] = 1 - levels[0]
    below = value * levels ** (1 / units)
    above = 1 - (1 - value) * (1 - levels) ** (1 / units)
    mixed = np.random.default_rng(seed_of(*name)).permutation(draws)
    return np.asarray(np.where(levels < 0.5, below, above)[mixed])
