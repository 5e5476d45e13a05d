"""Two detectors on the same clips: how far apart they are, how sure that is, and who shares a rank."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from statistics import NormalDist, median

import numpy as np
import pandas as pd

from harness.intervals import bounds
from harness.lines import Line, one_of
from harness.metrics import auc_draws
from harness.standing import BASELINE, drawn_auc, mean_of, unseen_rows
from harness.store import read_predictions
from harness.types import Board, HarnessError, Row, parts_of

LEVEL = 0.05
"""Share of matrices of equal detectors in which any two may be called different."""

POWER = 0.80
"""Chance that a true difference as large as the minimal detectable one is found."""


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


def compared(board: Board, lines: Sequence[Line]) -> list[Difference]:
    """Every two lines with a mean unseen AUC against each other, in the order of `lines`."""
    usable = [line for line in lines if "auc_unseen_mean" in line.draws]
    pairs = list(combinations(usable, 2))
    values = [_pair(board, one, other) for one, other in pairs]
    return _differences([(one.name, other.name) for one, other in pairs], values, pairs)


def differences(
    named: Sequence[tuple[str, str]], values: Sequence[tuple[Values, Values]]
) -> list[Difference]:
    """The differences of pairs of numbers with draws, p-values adjusted for all of them."""
    return _differences(named, values, None)


def _differences(
    named: Sequence[tuple[str, str]],
    values: Sequence[tuple[Values, Values]],
    pairs: Sequence[tuple[Line, Line]] | None,
) -> list[Difference]:
    gaps = [one[0] - other[0] for one, other in values]
    drawn = [one[1] - other[1] for one, other in values]
    errors = [float(np.std(each, ddof=1)) for each in drawn]
    raw = [two_sided(gap, error) for gap, error in zip(gaps, errors, strict=True)]
    adjusted = holm(raw)
    same = [pairs is None or bool(set(pairs[k][0].tests) & set(pairs[k][1].tests)) for k in range(len(gaps))]
    found = []
    for number, (one, other) in enumerate(named):
        low, high = bounds(drawn[number])
        facts = (gaps[number], low, high, errors[number], adjusted[number], same[number])
        found.append(Difference(one, other, *facts))
    return found


def two_sided(value: float, error: float) -> float:
    """p-value of a normal estimate under the hypothesis that it is zero."""
    if error <= 1e-12:
        return 1.0 if abs(value) <= 1e-12 else 0.0
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
    known = [error for error in errors if error > 1e-12]
    normal = NormalDist()
    reach = normal.inv_cdf(1 - LEVEL / 2) + normal.inv_cdf(POWER)
    return reach * median(known) if known else None


def detectable_on(rows: Sequence[Row]) -> float | None:
    """The minimal detectable difference among rows of one test set and condition."""
    drawn = [draws for draws in map(drawn_auc, rows) if draws is not None and np.ptp(draws) > 0]
    return detectable([float(np.std(one - other, ddof=1)) for one, other in combinations(drawn, 2)])


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


def _pair(board: Board, one: Line, other: Line) -> tuple[Values, Values]:
    """Mean unseen AUC of both on the test sets that are unseen to both, on the clips that both scored.

    Two that share no such test set are compared as they stand.
    """
    tests = [test for test in one.tests if test in other.tests]
    if not tests:
        return _whole(one), _whole(other)
    kept: dict[str, set[str]] | None = None
    rows = [row for line in (one, other) for row in _rows(line, tests)]
    if any(row.failed for row in rows):
        kept = {}
        for row in rows:
            scored = set(_scored(board, row)["clip_id"])
            kept[row.cell.tested_on] = kept.get(row.cell.tested_on, scored) & scored
        if not all(_of_both_classes(board, one, test, clips) for test, clips in kept.items()):
            kept = None
    return _on(board, one, tests, kept), _on(board, other, tests, kept)


def _rows(line: Line, tests: Sequence[str]) -> list[Row]:
    return [row for entry in line.entries for row in unseen_rows(entry) if row.cell.tested_on in tests]


def _of_both_classes(board: Board, line: Line, test: str, clips: set[str]) -> bool:
    row = next(row for row in unseen_rows(line.entries[0]) if row.cell.tested_on == test)
    scored = _scored(board, row)
    return scored.loc[scored["clip_id"].isin(clips), "label"].nunique() == 2


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
    scored = _scored(board, row)
    if clips is not None:
        scored = scored[scored["clip_id"].isin(clips)]
    return auc_draws(scored, parts_of(row.cell.tested_on)[0])


def _scored(board: Board, row: Row) -> pd.DataFrame:
    path: Path | None = board.predictions.get(str(row.cell))
    if path is None:
        raise HarnessError(f"the predictions of {row.cell} are not there to compare")
    predictions, _ = read_predictions(path)
    return predictions[predictions["score"].notna()]
