"""The lines of the leaderboard: what each detector with its training set is worth over its seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.files import seed_of
from harness.metrics.intervals import bounds
from harness.records import Board, Entry
from harness.results.rows import (
    Reading,
    clean_auc,
    drawn_auc,
    in_dataset_auc,
    lowest_of,
    mean_of,
    ranked_rows,
    unseen_rows,
)
from harness.types import RANKED, SELECTIONS


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the leaderboard: a detector and what it was trained on, over all training seeds."""

    name: str
    """`detector@trained_on`; a fixed detector by its name."""
    entries: tuple[Entry, ...]
    """One a seed."""
    numbers: Mapping[str, float | None]
    """`headline`, the mean over the seeds."""
    spreads: Mapping[str, float | None]
    """Largest minus smallest over the seeds, of each number; None with one seed."""
    draws: Mapping[str, np.ndarray]
    """Numbers under each draw `[draws]`: of a seed, then of identities."""

    @property
    def selection(self) -> str:
        """Where checkpoint and threshold came from; the least trustworthy of its rows."""
        said = [row.selection for entry in self.entries for row in entry.rows]
        return max(said, key=SELECTIONS.index)

    @property
    def unjudged(self) -> str:
        """Why missing faces or failed clips keep it from a rank, on the first such clean test set."""
        rows = [row for entry in self.entries for row in ranked_rows(entry.rows) if row.cell.severity == 0]
        found = [(row.cell.tested_on, row.unjudged) for row in rows if row.unjudged]
        if not found:
            return ""
        on, why = found[0]
        return why if len({row.cell.tested_on for row in rows}) == 1 else f"{on}: {why}"

    @property
    def counted(self) -> bool:
        """Whether it may have a rank: nothing was chosen on test clips or by nobody knows whom, and its
        detector itself judged the clips, as many of one class as of the other."""
        return self.selection in RANKED and not self.unjudged

    @property
    def ranked(self) -> bool:
        """Whether it has a rank: it may, and its mean unseen AUC is defined."""
        return self.counted and self.numbers["auc_unseen_mean"] is not None

    @property
    def tests(self) -> tuple[str, ...]:
        """The test sets its mean unseen AUC is over."""
        return tuple(row.cell.tested_on for row in unseen_rows(self.entries[0]))

    def interval(self, number: str) -> tuple[float, float] | None:
        """The 95 % interval of a number; None where it has no draws."""
        return bounds(self.draws[number]) if number in self.draws else None


def lines_of(board: Board) -> list[Line]:
    """The lines of a board, in the order of its entries.

    Seeds that were not measured in the same cells are lines of their own, named with their seeds: their
    mean would be over different tests.
    """
    grouped: dict[Any, list[Entry]] = {}
    for entry in board.entries:
        cells = frozenset((row.cell.tested_on, row.cell.condition) for row in entry.rows)
        grouped.setdefault((entry.detector, entry.trained_on, cells), []).append(entry)
    trained = [key[:2] for key in grouped]
    return [line_of(entries, trained.count(key[:2]) > 1) for key, entries in grouped.items()]


def line_of(entries: Sequence[Entry], named_by_seed: bool = False) -> Line:
    """The line of the entries of one detector and training set, one entry a seed, all with the same cells."""
    first = entries[0]
    name = first.detector + (f"@{first.trained_on}" if first.trained_on else "")
    if named_by_seed:
        name += "#" + ",".join(str(entry.seed) for entry in entries)
    said = [headline(entry) for entry in entries]
    numbers: dict[str, float | None] = {key: mean_of([one[key] for one in said]) for key in said[0]}
    spreads = {key: _spread([one[key] for one in said]) for key in said[0]}
    drawn = [judged_by(entry, drawn_auc) for entry in entries]
    draws = {}
    for key in drawn[0]:
        if all(one[key] is not None and not np.isnan(one[key]).any() for one in drawn):
            draws[key] = one_of([one[key] for one in drawn], name)
    return Line(name, tuple(entries), numbers, spreads, draws)


def one_of(drawn: Sequence[np.ndarray], name: str) -> np.ndarray:
    """Draws of one seed or another: each draw takes one of the seeds, by chance that `name` fixes."""
    if len(drawn) == 1:
        return drawn[0]
    table = np.stack(drawn)
    chosen = np.random.default_rng(seed_of("seed", name)).integers(len(table), size=table.shape[1])
    return np.asarray(table[chosen, np.arange(table.shape[1])])


def _spread(values: Sequence[Any]) -> float | None:
    defined = [value for value in values if value is not None]
    return max(defined) - min(defined) if len(values) == len(defined) > 1 else None


def judged_by(entry: Entry, of: Reading = clean_auc) -> dict[str, Any]:
    """The AUCs a leaderboard line is judged by, or the same under each draw; None where one is undefined.

    A mean is None as soon as one AUC under it is undefined, so that nobody gains by failing. A fixed
    detector was trained on none of the sets, so all its clean cells are unseen to it. The worst
    perturbation is the lowest mean over the cells of one perturbation, all severities and test sets.
    """
    unseen = [of(row) for row in unseen_rows(entry)]
    perturbed = [row for row in ranked_rows(entry.rows) if row.cell.severity > 0]
    kinds = dict.fromkeys(row.cell.perturbation for row in perturbed)
    by_kind = [mean_of([of(row) for row in perturbed if row.cell.perturbation == kind]) for kind in kinds]
    seen, mean = in_dataset_auc(entry.rows, of), mean_of(unseen)
    both = seen is not None and mean is not None
    return {
        "auc_unseen_mean": mean,
        "auc_unseen_worst": lowest_of(unseen),
        "auc_in_dataset": seen,
        "auc_gap": seen - mean if both else None,
        "auc_gap_relative": _share_lost(seen, mean) if both else None,
        "auc_robust_mean": mean_of([of(row) for row in perturbed]),
        "auc_robust_worst": lowest_of(by_kind),
    }


def _share_lost(seen: Any, unseen: Any) -> Any:
    """The gap as a share of what the in-dataset AUC has above guessing; None where it has nothing."""
    above = np.asarray(seen) - 0.5
    if np.median(above) <= 0:
        return None
    if above.ndim == 0:
        return (seen - unseen) / float(above)
    return (seen - unseen) / np.where(above > 0, above, np.nan)


def headline(entry: Entry) -> dict[str, float | None]:
    """The numbers of a leaderboard line, costs and counts too; None where not measured or not defined."""
    failed = sum(row.failed > 0 for row in entry.rows)
    cost = entry.cost
    return {
        **judged_by(entry),
        "fps": cost.frames_per_second if cost else None,
        "latency_p50_ms": cost.latency_ms_p50 if cost else None,
        "latency_p90_ms": cost.latency_ms_p90 if cost else None,
        "vram_peak_mib": cost.peak_vram_allocated_mib if cost else None,
        "cells_ok": float(len(entry.rows) - failed),
        "cells_failed": float(failed),
    }
