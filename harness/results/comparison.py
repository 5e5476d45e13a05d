"""Two detectors on the same clips: how far apart they are, how sure that is, and who shares a rank."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import NormalDist, median

import numpy as np

from harness.metrics.intervals import bounds
from harness.metrics.measure import auc_draws
from harness.results.lines import Line, one_of
from harness.results.predictions import scored_of
from harness.results.standing import BASELINE, drawn_auc, mean_of, unseen_rows
from harness.types import Board, HarnessError, Row, parts_of

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


def compared(board: Board, lines: Sequence[Line]) -> list[Difference]:
    """Every two lines with a mean unseen AUC against each other, in the order of `lines`.

    Two that met the same test sets but share no scored clips of both classes cannot be compared, and
    are left out.
    """
    usable = [line for line in lines if "auc_unseen_mean" in line.draws]
    found = {(one.name, other.name): _pair(board, one, other) for one, other in combinations(usable, 2)}
    pairs = {names: pair for names, pair in found.items() if pair is not None}
    return _differences(list(pairs), list(pairs.values()))


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


def ranks(lines: Sequence[Line], found: Sequence[Difference]) -> list[str]:
    """The rank of each line; `lines` are sorted, best first, those without a rank anywhere.

    Going down, a line begins a new group when the best of the group above is shown to be better than it
    on the clips both met; else it shares that one's rank. A group's rank is the place of its best: 1, 1, 3.
    Where only the row to beat could have a rank, nobody has one.
    """
    beaten = {(e.one, e.other) if e.value > 0 else (e.other, e.one) for e in found if e.separated}
    said: list[str] = []
    place, rank, best = 0, 0, ""
    alone = all(line.entries[0].detector == BASELINE for line in lines if line.ranked)
    for line in lines:
        if alone or not line.ranked:
            said.append("-")
            continue
        place += 1
        if not best or (best, line.name) in beaten:
            best, rank = line.name, place
        said.append(str(rank))
    return said


def _pair(board: Board, one: Line, other: Line) -> Pair | None:
    """Mean unseen AUC of both on the test sets that are unseen to both, on the clips that both scored.

    Two that share no such test set are compared as they stand; None where they share one, but no clips.
    """
    tests = [test for test in one.tests if test in other.tests]
    if not tests:
        return Pair(_whole(one), _whole(other), paired=False)
    rows = {test: [row for line in (one, other) for row in _rows(line, test)] for test in tests}
    if all(_alike(these) for these in rows.values()):
        clips = sum(these[0].clips for these in rows.values())
        return Pair(_on(board, one, tests, None), _on(board, other, tests, None), clips=clips)
    kept = {test: _shared(board, these) for test, these in rows.items()}
    if any(part is None for part in kept.values()):
        return None
    known = {test: part for test, part in kept.items() if part is not None}
    clips = sum(len(part) for part in known.values())
    return Pair(_on(board, one, tests, known), _on(board, other, tests, known), clips=clips)


def _rows(line: Line, test: str) -> list[Row]:
    return [row for entry in line.entries for row in unseen_rows(entry) if row.cell.tested_on == test]


def _alike(rows: Sequence[Row]) -> bool:
    """Whether all rows of a test set are over the same clips, none of which failed."""
    lists = {row.provenance.get("clips_sha256") for row in rows}
    return len(lists) == 1 and not any(row.failed for row in rows)


def _shared(board: Board, rows: Sequence[Row]) -> set[str] | None:
    """The clips that all rows scored; None unless they are of both classes."""
    scored = [scored_of(board, row) for row in rows]
    shared = set.intersection(*(set(table["clip_id"]) for table in scored))
    first = scored[0]
    return shared if first.loc[first["clip_id"].isin(shared), "label"].nunique() == 2 else None


def _whole(line: Line) -> Values:
    value = line.numbers["auc_unseen_mean"]
    if value is None:
        raise HarnessError(f"{line.name} has no mean unseen AUC to compare")
    return value, line.draws["auc_unseen_mean"]


def _on(board: Board, line: Line, tests: Sequence[str], kept: Mapping[str, set[str]] | None) -> Values:
    """The mean AUC of a line on some test sets, and on some of their clips if not on all, over its seeds."""
    found = []
    for entry in line.entries:
        values = []
        for row in unseen_rows(entry):
            if row.cell.tested_on in tests:
                clips = None if kept is None else kept[row.cell.tested_on]
                values.append(_auc_of(board, row, clips))
        found.append((mean_of([auc for auc, _ in values]), mean_of([draws for _, draws in values])))
    return mean_of([auc for auc, _ in found]), one_of([draws for _, draws in found], line.name)


def _auc_of(board: Board, row: Row, clips: set[str] | None) -> Values:
    auc, draws = row.metrics.get("auc"), drawn_auc(row)
    if clips is None and auc is not None and draws is not None:
        return auc, draws
    scored = scored_of(board, row)
    if clips is not None:
        scored = scored[scored["clip_id"].isin(clips)]
    return auc_draws(scored, parts_of(row.cell.tested_on)[0])
