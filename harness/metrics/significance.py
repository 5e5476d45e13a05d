"""Are two detectors apart? Differences on the same clips, p values corrected for how many there are."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import NormalDist, median

import numpy as np

from harness.metrics.intervals import bounds

LEVEL = 0.05
"""Share of matrices of equal detectors in which any two may be called different."""

POWER = 0.80
"""Chance that a true difference as large as the minimal detectable one is found."""


STILL = 1e-9
"""Differences below this are of the arithmetic, not of the clips."""


@dataclass(frozen=True, slots=True)
class Difference:
    """How much better one detector is than another, by draws that weigh the same clips alike."""

    one: str
    other: str
    value: float
    """AUC of the first minus AUC of the second."""
    low: float
    high: float
    """Bounds of its 95 % interval, alone among all."""
    error: float
    """Standard error, by the draws."""
    adjusted: float
    """p-value of no difference (two-sided, normal), adjusted by Holm for all comparisons of the board."""
    paired: bool
    """Whether they were compared on the same clips: test sets that are unseen to both."""

    @property
    def separated(self) -> bool:
        """Whether the two can be told apart."""
        return self.adjusted < LEVEL


Values = tuple[float, np.ndarray]
"""A number, and the number under each draw."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two numbers to be compared, each with its draws."""

    one: Values
    other: Values
    paired: bool = True
    """Whether both are over the same clips."""
    clips: int | None = None
    """Clips they are over; None where that is not known."""


def differences(
    named: Sequence[tuple[str, str]], values: Sequence[tuple[Values, Values]]
) -> list[Difference]:
    """The differences of pairs of numbers with draws, p-values adjusted for all of them."""
    return _differences(named, [Pair(*pair) for pair in values])


def _differences(named: Sequence[tuple[str, str]], pairs: Sequence[Pair]) -> list[Difference]:
    gaps = [pair.one[0] - pair.other[0] for pair in pairs]
    drawn = [pair.one[1] - pair.other[1] for pair in pairs]
    errors = [float(np.std(each, ddof=1)) for each in drawn]
    raw = [
        max(two_sided(gap, error), least_p(pair.clips))
        for gap, error, pair in zip(gaps, errors, pairs, strict=True)
    ]
    found = []
    for number, (adjusted, (one, other)) in enumerate(zip(holm(raw), named, strict=True)):
        low, high = bounds(drawn[number])
        facts = (gaps[number], low, high, errors[number], adjusted, pairs[number].paired)
        found.append(Difference(one, other, *facts))
    return found


def least_p(clips: int | None) -> float:
    """The lowest p-value that so many clips can give: that of a permutation test, two-sided.

    Where few clips are in perfect order their draws do not vary, and would claim certainty.
    """
    return 0.0 if clips is None else min(1.0, 2 / math.comb(clips, clips // 2))


def two_sided(value: float, error: float) -> float:
    """p-value of a normal estimate under the hypothesis that it is zero."""
    if error <= STILL:
        return 1.0 if abs(value) <= STILL else 0.0
    return math.erfc(abs(value) / error / math.sqrt(2))


def holm(values: Sequence[float]) -> list[float]:
    """p-values adjusted by Holm (1979): whatever is true, any false finding has at most the stated chance."""
    adjusted = [1.0] * len(values)
    highest = 0.0
    for place, number in enumerate(sorted(range(len(values)), key=lambda k: values[k])):
        highest = max(highest, min(1.0, (len(values) - place) * values[number]))
        adjusted[number] = highest
    return adjusted


def detectable(errors: Sequence[float]) -> float | None:
    """The smallest true difference of two detectors that is found with 80 % chance at the 5 % level.

    From the median standard error of the differences, for one comparison; None where there is none.
    """
    known = [error for error in errors if error > STILL]
    normal = NormalDist()
    reach = normal.inv_cdf(1 - LEVEL / 2) + normal.inv_cdf(POWER)
    return reach * median(known) if known else None


def errors_among(drawn: Iterable[np.ndarray | None]) -> list[float]:
    """Standard errors of the differences of every two numbers, each by its draws.

    One that does not depend on which clips were drawn, like that of a constant score, is left out.
    """
    known = [draws for draws in drawn if draws is not None and np.ptp(draws) > STILL]
    return [float(np.std(one - other, ddof=1)) for one, other in combinations(known, 2)]
