"""Rows on the same clips, compared draw by draw: how far apart two are, and who shares a rank."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
import pandas as pd

from harness.metrics.bootstrap import DRAWS, graph_of_clips
from harness.metrics.classification import auc
from harness.metrics.extremes import spread, units_of, unsure
from harness.metrics.intervals import resampled
from harness.metrics.significance import Difference, Pair, Values, _differences
from harness.metrics.weighted import auc_statistic
from harness.records import Board, Row
from harness.results.lines import Line, one_of
from harness.results.predictions import scored_of
from harness.results.rows import BASELINE, drawn_auc, mean_of, unseen_rows
from harness.types import FAKE, REAL, HarnessError, parts_of


def compared(board: Board, lines: Sequence[Line]) -> list[Difference]:
    """Every two lines with a mean unseen AUC against each other, in the order of `lines`.

    Two that met the same test sets but share no scored clips of both classes cannot be compared, and
    are left out.
    """
    usable = [line for line in lines if "auc_unseen_mean" in line.draws]
    found = {(one.name, other.name): _pair(board, one, other) for one, other in combinations(usable, 2)}
    pairs = {names: pair for names, pair in found.items() if pair is not None}
    return _differences(list(pairs), list(pairs.values()))


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


def auc_draws(predictions: pd.DataFrame, world: str, draws: int = DRAWS) -> tuple[float, np.ndarray]:
    """(AUC, AUC under each draw `[draws]`) of scored predictions of both classes, as `measure` finds them."""
    label = predictions["label"].to_numpy(dtype=np.int64)
    score = predictions["score"].to_numpy(dtype=np.float64)
    graph = graph_of_clips(predictions, world)
    value, units = auc(label, score), units_of(graph, [label == REAL, label == FAKE])
    if unsure(value, units) and np.ptp(score) > 0:
        return value, spread(value, units, draws, world, "auc")
    return value, resampled(graph, {"auc": auc_statistic(label, score)}, draws)["auc"]
