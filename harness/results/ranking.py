"""Who stands where: the lines of a board in order, their ranks, and the short names tables call them by."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from harness.metrics.intervals import bounds
from harness.metrics.significance import Difference
from harness.records import Board, Entry, Row
from harness.results.comparison import compared, ranks
from harness.results.lines import Line, lines_of, one_of
from harness.results.rows import BASELINE, Reading, drawn_auc, gap_of, mean_of
from harness.tables import Bounds
from harness.types import parts_of


@dataclass(frozen=True, slots=True)
class LineOnTestSet:
    """One line of the leaderboard on one test set, over its training seeds: what a line of a table shows."""

    line: Line
    rows: tuple[Row, ...]
    """One a seed, or several severities of each seed, which are averaged."""

    def value(self, metric: str) -> float | None:
        """The mean over the rows; None as soon as it is undefined in one."""
        found: float | None = mean_of([row.metrics.get(metric) for row in self.rows])
        return found

    def interval(self, metric: str) -> Bounds | None:
        """Its 95 % interval; over several rows only of `auc` and `accuracy`, whose draws are kept."""
        if len(self.rows) == 1:
            return self.rows[0].intervals.get(metric)
        return _bounds(self.drawn(lambda row: row.draws.get(metric)))

    def gap(self, board: Board) -> tuple[float | None, Bounds | None]:
        """The generalization gap to these clips, and its 95 % interval."""
        value: float | None = mean_of([gap_of(row, board.rows)[0] for row in self.rows])
        return value, _bounds(self.drawn(lambda row: gap_of(row, board.rows, drawn_auc)[0]))

    def drawn(self, of: Reading = drawn_auc) -> np.ndarray | None:
        """A number under each draw, of a seed and then of identities; None where one has none."""
        seeds = dict.fromkeys(row.cell.seed for row in self.rows)
        found = [mean_of([of(row) for row in self.rows if row.cell.seed == seed]) for seed in seeds]
        if any(each is None or np.isnan(each).any() for each in found):
            return None
        return one_of(found, self.line.name)

    def reasons(self, metric: str) -> list[str]:
        """Why the metric is undefined, each reason once."""
        return list(dict.fromkeys(row.reasons[metric] for row in self.rows if metric in row.reasons))


@dataclass(frozen=True)
class Standings:
    """The lines of a board: those that can have a rank first, best first, and then the others."""

    board: Board
    lines: tuple[Line, ...]
    differences: tuple[Difference, ...]
    """Every two ranked lines against each other, in order."""

    @cached_property
    def ranks(self) -> dict[str, str]:
        """Name of a line -> its rank, a dash for one without; equals share one: 1, 1, 3."""
        found = ranks(self.lines, self.differences)
        return {line.name: rank for line, rank in zip(self.lines, found, strict=True)}

    @cached_property
    def trained_on(self) -> str | None:
        """The one dataset that all was trained on, so that names need not repeat it; None without one."""
        sets = {parts_of(line.entries[0].trained_on)[0] for line in self.lines if line.entries[0].trained_on}
        if any(unclaimed(line) for line in self.lines):
            return None
        shorts = {_short(line.entries[0]) for line in self.lines}
        return sets.pop() if len(sets) == 1 and len(shorts) == len(self.lines) else None

    def name(self, line: Line) -> str:
        """What tables call a line: `detector`, or `detector -left_out`, where all share one training set."""
        return _short(line.entries[0]) if self.trained_on else line.name

    def entry_name(self, entry: Entry) -> str:
        """What tables call an entry: its line's name, and the seed when that is not 0."""
        return _short(entry, entry.seed) if self.trained_on else entry.name

    @cached_property
    def tests(self) -> list[str]:
        """The test sets, in the order of the board."""
        return list(dict.fromkeys(row.cell.tested_on for row in self.board.rows))

    def tested(self, on: str, which: Callable[[Row], bool] | None = None) -> list[LineOnTestSet]:
        """The lines on a test set, in order; on clean clips unless `which` chooses other rows."""
        found = []
        for line in self.lines:
            rows = [row for entry in line.entries for row in entry.rows if row.cell.tested_on == on]
            chosen = tuple(row for row in rows if (which(row) if which else row.cell.severity == 0))
            if chosen:
                found.append(LineOnTestSet(line, chosen))
        return found

    @cached_property
    def unseen(self) -> str:
        """What tables call the mean over test sets; `tested` where nobody says what any was trained on."""
        known = [line for line in self.lines if line.entries[0].detector != BASELINE and not unclaimed(line)]
        return "unseen" if known else "tested"

    @property
    def tested_on(self) -> str:
        """What the mean is over, in words for a picture."""
        return "unseen forgeries" if self.unseen == "unseen" else "clips perhaps seen in training"

    @cached_property
    def prevalence(self) -> float:
        """Share of fakes that the positive predictive value is stated for."""
        return self.board.prevalence


def standings_of(board: Board) -> Standings:
    """The lines of a board, in order of their mean unseen AUC, and how far apart they are."""
    lines = sorted(lines_of(board), key=_place, reverse=True)
    return Standings(board, tuple(lines), tuple(compared(board, [line for line in lines if line.ranked])))


def unclaimed(line: Line) -> bool:
    """Whether nobody says what it was trained on, so that no test set is known to be unseen to it."""
    first = line.entries[0]
    return first.trained_on is None and first.detector != BASELINE


def mean_line(name: str, lines: Iterable[Line]) -> Line:
    """The mean over some lines, as a line: numbers, and what they are under each draw."""
    those = list(lines)
    numbers = {key: mean_of([line.numbers[key] for line in those]) for key in those[0].numbers}
    shared = [key for key in those[0].draws if all(key in line.draws for line in those)]
    draws = {key: mean_of([line.draws[key] for line in those]) for key in shared}
    entries = tuple(entry for line in those for entry in line.entries)
    return Line(name, entries, numbers, dict.fromkeys(numbers), draws)


def _place(line: Line) -> tuple[Any, ...]:
    """Unseen AUC, then the AUC on what was trained on; undefined is last, and then what is never ranked."""
    unseen, seen = line.numbers["auc_unseen_mean"], line.numbers["auc_in_dataset"]
    return line.counted, -1.0 if unseen is None else unseen, -1.0 if seen is None else seen


def _short(entry: Entry, seed: int = 0) -> str:
    trained = entry.trained_on or ""
    rest = trained.removeprefix(parts_of(trained)[0])
    return entry.detector + (f"#{seed}" if seed else "") + (f" {rest}" if rest else "")


def _bounds(drawn: np.ndarray | None) -> Bounds | None:
    return None if drawn is None else bounds(drawn)


def detector_means(standings: Standings) -> list[Line]:
    """The mean over the training sets of each detector, best first; empty where each has but one."""
    lines = [line for line in standings.lines if line.counted]
    names = dict.fromkeys(line.entries[0].detector for line in lines)
    if len(names) == len(lines):
        return []
    means = [mean_line(name, [x for x in lines if x.entries[0].detector == name]) for name in names]
    return sorted(means, key=lambda line: line.numbers["auc_unseen_mean"] or 0.0, reverse=True)
