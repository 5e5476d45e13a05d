"""Reals of one dataset against fakes of another: whether the scores of a detector shift between datasets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import permutations

import numpy as np
import pandas as pd

from harness.metrics.bootstrap import IdentityGraph, graph_of_clips
from harness.metrics.classification import auc
from harness.metrics.extremes import exact_bounds, units_of, unsure
from harness.metrics.intervals import bounds, resampled
from harness.metrics.missing import by_class
from harness.metrics.weighted import OUTSIDE, auc_statistic
from harness.records import Board, Entry, Row
from harness.results.predictions import scored_of
from harness.types import FAKE, REAL, parts_of

COLUMNS = ("entry", "reals_of", "fakes_of", "reals", "fakes", "auc", "auc_lo", "auc_hi")

Numbers = tuple[float | None, float | None, float | None]
"""An AUC and the bounds of its interval."""


def domains_of(board: Board) -> pd.DataFrame:
    """AUC of the reals of one clean test set against the fakes of another, for every two datasets.

    Each AUC of a leaderboard sets reals against fakes of the same dataset, so a detector that scores
    all clips of one dataset higher than all of another pays nothing for it there; a user who keeps one
    threshold does. One line an entry and ordered pair: `entry`, `reals_of`, `fakes_of`, `auc` in [0, 1],
    and the bounds of its 95 % interval `auc_lo`, `auc_hi` (node bootstrap; the identities of the two
    datasets are drawn independently); None where a class has no scored clip. `reals`, `fakes`: scored
    clips. The same dataset twice is the row's own AUC and interval. `dataset:manipulation` has the reals of
    its dataset, so only whole datasets take part, and of them only those with stored predictions; without
    two the table is empty. `HarnessError` when a file of predictions is missing or damaged.
    """
    lines = [line for entry in board.entries for line in _lines(entry, board)]
    return pd.DataFrame(lines, columns=list(COLUMNS), dtype=object)


def whole_datasets(entry: Entry, board: Board) -> list[Row]:
    """The clean rows of an entry on whole datasets, with stored predictions; empty when there are not two."""
    rows = {row.cell.tested_on: row for row in entry.rows if row.cell.severity == 0}
    whole = [row for tested, row in rows.items() if parts_of(tested)[1:] == (None, None)]
    kept = [row for row in whole if str(row.cell) in board.predictions]
    return kept if len(kept) > 1 else []


def _lines(entry: Entry, board: Board) -> list[tuple[object, ...]]:
    rows = whole_datasets(entry, board)
    scored = {row.cell.tested_on: scored_of(board, row) for row in rows}
    across = _across(scored)
    clips = {name: by_class(one["label"].to_numpy()) for name, one in scored.items()}
    found: list[tuple[object, ...]] = []
    for row in rows:
        for other in rows:
            pair = row.cell.tested_on, other.cell.tested_on
            numbers = _own(row) if row is other else across.get(pair, (None, None, None))
            found.append((entry.name, *pair, clips[pair[0]][0], clips[pair[1]][1], *numbers))
    return found


def _own(row: Row) -> Numbers:
    low, high = row.intervals.get("auc", (None, None))
    return row.metrics.get("auc"), low, high


def _across(sets: Mapping[str, pd.DataFrame]) -> dict[tuple[str, str], Numbers]:
    """AUC and bounds of each ordered pair of different sets that has a real and a fake clip."""
    owner = np.repeat(np.array(list(sets), dtype=object), [len(one) for one in sets.values()])
    if not len(owner):
        return {}
    clips = pd.concat(sets.values(), ignore_index=True)
    label, score = clips["label"].to_numpy(dtype=np.int64), clips["score"].to_numpy(dtype=np.float64)
    parts = {}
    for one, other in permutations(sets, 2):
        reals, fakes = (owner == one) & (label == REAL), (owner == other) & (label == FAKE)
        if reals.any() and fakes.any():
            parts[one, other] = reals | fakes
    graph = _together([graph_of_clips(one, name) for name, one in sets.items()])
    only = {pair: np.where(part, label, OUTSIDE) for pair, part in parts.items()}
    drawn = resampled(graph, {"\n".join(pair): auc_statistic(of, score) for pair, of in only.items()})
    found: dict[tuple[str, str], Numbers] = {}
    for pair, part in parts.items():
        value, units = (
            auc(label[part], score[part]),
            units_of(graph, [only[pair] == REAL, only[pair] == FAKE]),
        )
        sure = unsure(value, units)
        low, high = exact_bounds(value, units) if sure else bounds(drawn["\n".join(pair)])
        found[pair] = value, max(0.0, low), min(1.0, high)
    return found


def _together(graphs: Sequence[IdentityGraph]) -> IdentityGraph:
    """One graph of the clips of all, in order; nobody of one dataset is anybody of another."""
    starts = np.cumsum([0, *(graph.identities for graph in graphs[:-1])])
    each = list(zip(graphs, starts, strict=True))
    return IdentityGraph(
        np.concatenate([graph.keys for graph in graphs]),
        np.concatenate([graph.first + start for graph, start in each]),
        np.concatenate([np.where(graph.second < 0, -1, graph.second + start) for graph, start in each]),
        "mixed" if len({graph.method for graph in graphs}) > 1 else graphs[0].method,
    )
