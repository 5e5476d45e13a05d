"""The numbers of a cell as they are found, with why some are not, and how sure each of them is."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from harness.metrics.bootstrap import IdentityGraph
from harness.metrics.extremes import exact_bounds, spread, units_of, unsure
from harness.metrics.intervals import bounds, resampled
from harness.metrics.weighted import Statistic, mean_statistic

Drawn = dict[str, np.ndarray]
"""A number under each draw `[draws]`, by its name."""
Bounds = tuple[float, float]

STILL = 1e-9
"""How near to 0 or 1 the arithmetic may leave a number that is there."""


class Numbers:
    """Metrics as they are found, why some are not, and how each is found under other weights."""

    def __init__(self) -> None:
        self.metrics: dict[str, float | None] = {}
        self.reasons: dict[str, str] = {}
        self.statistics: dict[str, Statistic] = {}
        self.parts: dict[str, tuple[np.ndarray, ...]] = {}
        """Parts of the clips a share or an AUC is over, bool `[N]` each."""
        self.derived: dict[str, Callable[[Drawn], np.ndarray]] = {}
        """How draws of a number follow from those of others."""

    def add(
        self,
        name: str,
        reason: str,
        value: Callable[[], float | None],
        statistic: Callable[[], Statistic] | None = None,
        parts: Sequence[np.ndarray] = (),
    ) -> None:
        """A number, or None and the reason; `parts` are those of a share or an AUC, which may be 0 or 1."""
        self.metrics[name] = None if reason else value()
        if reason:
            self.reasons[name] = reason
        elif statistic is not None:
            self.statistics[name] = statistic()
            if parts:
                self.parts[name] = tuple(parts)

    def share(self, name: str, reason: str, hits: np.ndarray, part: np.ndarray) -> None:
        """The share of the clips of `part` (bool `[N]`) that are `hits`, 0 to 1 `[N]`."""
        self.add(name, reason, lambda: float(hits[part].mean()), lambda: mean_statistic(hits, part), [part])

    def drawn(self, graph: IdentityGraph, draws: int, world: str) -> tuple[Drawn, dict[str, Bounds]]:
        """Each number under each draw, and its 95 % interval.

        A share or an AUC of 0 or 1 does not vary with the weights: it has the exact bounds of as many
        independent things as it rests on. Another number at an end, such as an EER of 0, has no interval.
        """
        drawn = resampled(graph, self.statistics, draws)
        exact: dict[str, Bounds] = {}
        for name, parts in self.parts.items():
            value, units = self.metrics[name], units_of(graph, parts)
            if value is not None and unsure(value, units):
                exact[name] = exact_bounds(value, units)
                drawn[name] = spread(value, units, draws, world, name)
        for name, follow in self.derived.items():
            drawn[name] = follow(drawn)
        moved = {name for name in drawn if name in self.derived or not self._at_an_end(name)}
        return drawn, {name: _interval(drawn[name]) for name in drawn if name in moved} | exact

    def _at_an_end(self, name: str) -> bool:
        value = self.metrics[name]
        return value is not None and min(abs(value), abs(1 - value)) < STILL


def _interval(values: np.ndarray) -> Bounds:
    low, high = bounds(values)
    return max(0.0, low), min(1.0, high)
