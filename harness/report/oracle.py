"""What choosing on the test clips would have claimed: shown when asked for, never ranked, never kept."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from harness.metrics.missing import faceless
from harness.records import Board, Row
from harness.report.notes import by_test_set, why_undefined
from harness.results.lines import headline
from harness.results.predictions import scored_of
from harness.results.ranking import LineOnTestSet, Standings, standings_of
from harness.tables import Table, number
from harness.types import FAKE, NO_FACE_POLICIES

TITLE = "Oracle: {} chosen on the test clips, never ranked"


def oracle_tables(board: Board) -> list[Table]:
    """Accuracy at the best threshold on the test clips, and the best seed on them, beside the honest numbers.

    Neither is a result: whoever has the labels of the test clips needs no detector. The difference to
    the honest number is what a paper gains by choosing so. `HarnessError` when predictions cannot be read.
    """
    standings = standings_of(board)
    return [*_thresholds(standings), *_seeds(standings)]


def best_accuracy(labels: np.ndarray, scores: np.ndarray) -> tuple[float, float]:
    """(the highest accuracy that any threshold gives on these very clips, the lowest such threshold).

    `labels` [N] 0 or 1, `scores` [N] in [0, 1], N at least 1; a threshold above 1 calls nothing fake.
    """
    candidates = np.append(np.unique(scores), np.nextafter(1.0, 2.0))
    reals, fakes = np.sort(scores[labels != FAKE]), np.sort(scores[labels == FAKE])
    right = np.searchsorted(reals, candidates, side="left")
    right = right + len(fakes) - np.searchsorted(fakes, candidates, side="left")
    best = int(np.argmax(right))
    return float(right[best] / len(labels)), float(candidates[best])


def _thresholds(standings: Standings) -> Iterator[Table]:
    bodies = {on: [_threshold(standings, t) for t in standings.tested(on)] for on in standings.tests}
    body = by_test_set({on: lines for on, lines in bodies.items() if lines}, standings.board)
    if body:
        shown = [tested for on in standings.tests for tested in standings.tested(on)]
        note = (
            "`acc`: accuracy on clean clips at the threshold set before the test, as in the tables above;"
            " `base`: of always saying the commoner class; `oracle`: at the threshold that is best for these"
            " very clips; `claimed`: the difference. Of the"
            " weights only those of the epoch that was best on validation clips are kept, so what choosing"
            " the epoch on test clips would add is not in it." + why_undefined({"acc": "accuracy"}, shown)
        )
        header = ("detector", "acc", "base", "oracle", "claimed", "threshold", "oracle's")
        yield Table(TITLE.format("the threshold"), header, tuple(body), note)


def _threshold(standings: Standings, tested: LineOnTestSet) -> tuple[str, ...]:
    """Means over the seeds; the thresholds only where there is one."""
    honest = tested.value("accuracy")
    found = [_best_on(standings.board, row) for row in tested.rows]
    best = None if None in found else sum(each[0] for each in found if each) / len(found)
    own = found[0][1] if len(found) == 1 and found[0] else None
    used = tested.rows[0].provenance.get("threshold") if len(found) == 1 and honest is not None else None
    claimed = None if honest is None or best is None else best - honest
    return (
        *(standings.name(tested.line), number(honest), number(tested.value("base_rate"))),
        *(number(best), number(claimed)),
        *(number(used), number(own)),
    )


def _best_on(board: Board, row: Row) -> tuple[float, float] | None:
    """None where the cell has no stored predictions, or none with a score."""
    if str(row.cell) not in board.predictions:
        return None
    scored = scored_of(board, row)
    if scored.empty:
        return None
    label, score = scored["label"].to_numpy(), scored["score"].to_numpy(dtype=np.float64)
    own = ~(faceless(scored) & (score == NO_FACE_POLICIES["as-chance"]))
    if not own.any():
        return None
    best, threshold = best_accuracy(label[own], score[own])
    return best * own.mean() + 0.5 * (1 - own.mean()), threshold  # of the others half is right at any


def _seeds(standings: Standings) -> Iterator[Table]:
    lines = [line for line in standings.lines if len(line.entries) > 1]
    bodies = {}
    for on in standings.tests:
        shown = [tested for tested in standings.tested(on) if len(tested.line.entries) > 1]
        bodies[on] = [
            (standings.name(t.line), *_best_seed({row.cell.seed: row.metrics.get("auc") for row in t.rows}))
            for t in shown
        ]
    judged = {line.name: {e.seed: headline(e)["auc_unseen_mean"] for e in line.entries} for line in lines}
    bodies["all that is unseen"] = [
        (standings.name(line), *_best_seed(judged[line.name]))
        for line in lines
        if any(value is not None for value in judged[line.name].values())
    ]
    body = by_test_set({on: those for on, those in bodies.items() if those}, standings.board)
    if body:
        note = (
            "Clean AUC: the mean over the training seeds, and that of the seed that is best on these very"
            " clips (the mean over the unseen test sets in the last part)."
        )
        yield Table(
            TITLE.format("the seed"), ("detector", "mean", "oracle", "claimed", "seed"), tuple(body), note
        )


def _best_seed(aucs: dict[int, float | None]) -> tuple[str, ...]:
    defined = {seed: value for seed, value in aucs.items() if value is not None}
    if len(defined) < len(aucs):
        return ("-", "-", "-", "-")
    best = max(defined, key=lambda seed: defined[seed])
    mean = sum(defined.values()) / len(defined)
    return number(mean), number(defined[best]), number(defined[best] - mean), str(best)
