"""What a benchmark found: a figure with its interval and what was asked of it, as a table."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

LEVEL = 0.95
HEADER = ("name", "what", "figure", "95 % interval", "asked for", "ok")


@dataclass(frozen=True)
class Figure:
    """One number that a benchmark found, most often a ratio of two things measured in one run."""

    name: str
    what: str
    """What is divided by what, or counted, in one line."""
    value: float | None
    """None when it could not be measured here; `why` says why."""
    interval: tuple[float, float] | None = None
    """Bounds of the 95 % interval; None where there are too few repetitions for one."""
    unit: str = "x"
    """`x` for a ratio."""
    at_least: float | None = None
    at_most: float | None = None
    """What is asked of `value`; a figure without either is only told."""
    pairs: tuple[float, ...] = ()
    """The ratio of each interleaved pair; the gate judges the figures that have them."""
    precision: str = "fp32"
    workload: Mapping[str, Any] = field(default_factory=dict)
    """What was computed: figures of different workloads are not compared."""
    beside: Mapping[str, Any] = field(default_factory=dict)
    """Absolute numbers, which say nothing about another machine."""
    why: str = ""

    @property
    def ok(self) -> bool | None:
        """Whether it is what was asked for; None when nothing was, or nothing was measured."""
        if self.value is None or (self.at_least is None and self.at_most is None):
            return None
        low = -math.inf if self.at_least is None else self.at_least
        high = math.inf if self.at_most is None else self.at_most
        return low <= self.value <= high

    @property
    def asked(self) -> str:
        """What is asked of it, in words."""
        if self.at_least is not None and self.at_least == self.at_most:
            return f"{self.at_least:g}"
        bounds = (("at least", self.at_least), ("at most", self.at_most))
        return " and ".join(f"{word} {bound:g}" for word, bound in bounds if bound is not None)

    @property
    def told(self) -> str:
        """All there is to say of it, in one line."""
        known = ", ".join(f"{name} {value}" for name, value in self.beside.items())
        return f"{self.name}: {_number(self.value, self.unit)}" + (
            f" ({known or self.why})" if known or self.why else ""
        )


def median(values: Sequence[float]) -> float:
    """The middle value, or the mean of the two in the middle."""
    ordered = sorted(values)
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2


def median_interval(values: Sequence[float], level: float = LEVEL) -> tuple[float, float] | None:
    """Bounds that hold the true median with a chance of at least `level`, or None for fewer than 6 values.

    By order statistics: each value lies below the median with a chance of one half, whatever the
    distribution, so the k-th smallest and the k-th largest of n miss it with the chance
    2 P(Binomial(n, 1/2) < k). The largest such k is taken: of 7 values the least and the greatest (98.4 %),
    of 9 the second of each (96.1 %).
    """
    ordered, number = sorted(values), len(values)
    bounds, below = None, 0.0
    for k in range(1, number // 2 + 1):
        below += math.comb(number, k - 1) / 2**number
        if 1 - 2 * below < level:
            break
        bounds = (ordered[k - 1], ordered[-k])
    return bounds


def lines(figures: Iterable[Figure]) -> list[tuple[str, ...]]:
    """The cells of a table of figures, without its header."""
    said = {True: "yes", False: "NO", None: "-"}
    return [
        (
            *(each.name, each.what if each.value is not None else f"{each.what}: {each.why}"),
            *(_number(each.value, each.unit), _interval(each), each.asked or "-", said[each.ok]),
        )
        for each in figures
    ]


def as_text(figures: Iterable[Figure]) -> str:
    """The table for a terminal."""
    rows = [HEADER, *lines(figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADER))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def as_markdown(figures: Iterable[Figure]) -> str:
    """The table for a page."""
    rows = [HEADER, ("---",) * len(HEADER), *lines(figures)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _number(value: float | None, unit: str) -> str:
    if value is None:
        return "-"
    return f"{value:.2f}x" if unit == "x" else f"{value:.3g} {unit}"


def _interval(figure: Figure) -> str:
    return "-" if figure.interval is None else f"{figure.interval[0]:.2f} to {figure.interval[1]:.2f}"
