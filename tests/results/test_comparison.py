"""Lines are compared on the clips that both scored, and who cannot be told apart shares a rank."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from harness.metrics import classification
from harness.metrics.significance import Difference, detectable, errors_among
from harness.records import Board, Entry, Row
from harness.results.comparison import compared, ranks
from harness.results.lines import Line, line_of, lines_of
from harness.results.predictions import write_predictions
from harness.results.rows import drawn_auc, made_row, terms_from
from harness.types import Cell

LAB, WILD, FAR = "procedural_lab", "procedural_wild", "far_away"
TRUSTED = {"threshold": 0.5, "threshold_source": "source-val", "checkpoint_source": "source-val"}
Scored = Mapping[Cell, pd.DataFrame]


def board_of(scored: Scored, folder: Path) -> Board:
    """The board of those predictions, which are kept in the folder."""
    files, grouped = {}, {}
    for number, (cell, predictions) in enumerate(scored.items()):
        files[str(cell)] = folder / f"{number}.parquet"
        write_predictions(files[str(cell)], predictions, {})
        row = made_row(cell, predictions, TRUSTED, terms_from(None, 0.01))
        grouped.setdefault((cell.detector, cell.trained_on, cell.seed), []).append(row)
    entries = tuple(Entry(*of, tuple(rows)) for of, rows in grouped.items())
    return Board("m", "", "", "", entries, predictions=files)


def line(name: str, auc: float | None, source: str = "fixed") -> Line:
    """A line with that mean unseen AUC and no draws."""
    provenance = {"checkpoint_source": source, "threshold_source": source}
    return line_of(
        [Entry(name, None, 0, (Row(Cell(name, None, WILD), 9, 0, {"auc": auc}, {}, {}, provenance),))]
    )


def told_apart(*pairs: str) -> list[Difference]:
    """Differences of the lines a, b, c, d, of which only the `pairs` are separated."""
    return [
        Difference(one, other, 0.1, 0, 0, 0, 0.01 if one + other in pairs else 0.9, True)
        for one, other in combinations("abcd", 2)
    ]


def without(predictions: pd.DataFrame, failed: Sequence[int]) -> pd.DataFrame:
    """Predictions in which some clips could not be scored."""
    gone = predictions.index.isin(failed)
    return predictions.assign(
        score=predictions["score"].mask(gone),
        error=np.where(gone, "unreadable", None),
        frame_scores=[
            [] if is_gone else values
            for is_gone, values in zip(gone, predictions["frame_scores"], strict=True)
        ],
    )


def test_the_detectable_difference_of_a_test_set_leaves_out_what_does_not_vary() -> None:
    rng = np.random.default_rng(0)
    drawn = rng.normal(0.8, 0.01, (2, 4000))
    rows = [Row(Cell(str(k), LAB, WILD), 9, 0, {}, draws={"auc": one}) for k, one in enumerate(drawn)]
    constant = Row(Cell("constant", None, WILD), 9, 0, {}, draws={"auc": np.full(4000, 0.5)})
    undefined = Row(Cell("absent", LAB, WILD), 9, 0, {"auc": None})
    wanted = detectable([0.01 * np.sqrt(2)])
    assert detectable(errors_among(map(drawn_auc, [*rows, constant, undefined]))) == pytest.approx(
        wanted, rel=0.05
    )
    assert detectable(errors_among(map(drawn_auc, [rows[0], constant]))) is None


@pytest.mark.parametrize(
    ("separated", "wanted"),
    [
        ((), ["1", "1", "1", "1"]),
        (("ac", "ad", "bc", "bd", "cd"), ["1", "1", "3", "4"]),
        (("ac", "ad"), ["1", "1", "3", "3"]),
        (("ab", "ac", "ad", "bd"), ["1", "2", "2", "4"]),
        (("ab", "ac", "ad", "bc", "bd", "cd"), ["1", "2", "3", "4"]),
        (("bd", "bc", "cd"), ["1", "1", "1", "1"]),  # all of them tie with the best
    ],
)
def test_a_line_that_cannot_be_told_apart_from_the_best_of_a_group_shares_its_rank(
    separated: tuple[str, ...], wanted: list[str]
) -> None:
    lines = [line(name, auc) for name, auc in zip("abcd", (0.9, 0.88, 0.85, 0.8), strict=True)]
    assert ranks(lines, told_apart(*separated)) == wanted


def test_a_line_without_a_rank_takes_no_place() -> None:
    lines = [line("a", 0.9), line("x", 0.99, "oracle"), line("b", 0.88), line("c", 0.8), line("y", None)]
    assert ranks(lines, told_apart("ac", "bc")) == ["1", "-", "1", "3", "-"]
    assert ranks([line("x", 0.9, "unknown"), line("a", 0.8)], []) == ["-", "1"]
    assert ranks([], []) == []


def test_two_detectors_are_compared_on_the_clips_that_both_scored(worlds: Any, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    faces = worlds.swaps(rng, 30, 80, 80)
    scores = worlds.scores(rng, faces, [0.8, 0.8], 0.2, 0.5)
    # One cannot read the reals it would have got most wrong: that must not make it better.
    reals = np.flatnonzero(faces.label == 0)
    hard = reals[np.argsort(-scores[0][reals])][:20]
    tables = [without(faces.predictions(scores[0]), hard), faces.predictions(scores[1])]
    cells = [Cell(name, LAB, WILD) for name in ("one", "other")]
    board = board_of(dict(zip(cells, tables, strict=True)), tmp_path)
    lines = lines_of(board)
    found = compared(board, lines)[0]
    kept = ~np.isin(np.arange(160), hard)
    both = [classification.auc(faces.label[kept], each[kept]) for each in scores]
    assert found.value == pytest.approx(both[0] - both[1])
    assert found.paired
    alone = [each.numbers["auc_unseen_mean"] for each in lines]
    assert alone[0] - alone[1] > found.value + 0.02  # type: ignore[operator]


def test_what_failed_in_one_seed_or_one_test_set_is_left_out_there_for_both(
    worlds: Any, tmp_path: Path
) -> None:
    rng = np.random.default_rng(1)
    scored: dict[Cell, pd.DataFrame] = {}
    kept: dict[Cell, np.ndarray] = {}
    wanted: dict[str, list[float]] = {"one": [], "other": []}
    for test, gone in ((WILD, [3, 90]), (FAR, [])):
        faces = worlds.swaps(rng, 30, 60, 60)
        for detector, seed in (("one", 0), ("one", 1), ("other", 0)):
            scores = worlds.scores(rng, faces, [0.8], 0.2)[0]
            cell = Cell(detector, LAB, test, seed=seed)
            failed = gone if (detector, seed) == ("one", 1) else []
            scored[cell] = without(faces.predictions(scores), failed)
            kept[cell] = ~np.isin(np.arange(120), gone)
            wanted[detector].append(classification.auc(faces.label[kept[cell]], scores[kept[cell]]))
    board = board_of(scored, tmp_path)
    found = compared(board, lines_of(board))[0]
    assert found.value == pytest.approx(np.mean(wanted["one"]) - np.mean(wanted["other"]))


def test_detectors_that_share_no_clips_of_both_classes_are_not_compared(worlds: Any, tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    faces = worlds.swaps(rng, 10, 4, 20)
    scores = worlds.scores(rng, faces, [0.8, 0.8], 0.2)
    gone = ([0, 1], [2, 3])  # each reads two of the four reals, and no real is read by both
    cells = [Cell(name, LAB, WILD) for name in ("one", "other")]
    tables = [without(faces.predictions(s), which) for s, which in zip(scores, gone, strict=True)]
    board = board_of(dict(zip(cells, tables, strict=True)), tmp_path)
    lines = lines_of(board)
    assert compared(board, lines) == []
    assert ranks(lines, []) == ["-", "-"]  # and half of the reals is too much to lose, and no fake


def test_clips_that_a_file_leaves_out_count_like_failed_ones(worlds: Any, tmp_path: Path) -> None:
    """Else leaving out the hard clips would win the ranking."""
    rng = np.random.default_rng(3)
    faces = worlds.swaps(rng, 30, 60, 60)
    scores = worlds.scores(rng, faces, [0.7], 0.2)[0]
    whole = faces.predictions(scores)
    hard = ((scores > np.median(scores)) != (faces.label == 1)).nonzero()[0]
    easy = whole.drop(index=whole.index[hard])
    board = board_of({Cell("honest", LAB, WILD): whole, Cell("choosy", LAB, WILD): easy}, tmp_path)
    rows = [replace(row, provenance=dict(row.provenance, clips_sha256=str(row.clips))) for row in board.rows]
    entries = tuple(replace(e, rows=(row,)) for e, row in zip(board.entries, rows, strict=True))
    lines = lines_of(replace(board, entries=entries))
    assert abs(lines[0].numbers["auc_unseen_mean"] - lines[1].numbers["auc_unseen_mean"]) > 0.1  # type: ignore[operator]
    assert compared(board, lines)[0].value == pytest.approx(0)


def test_detectors_are_compared_on_the_test_sets_that_are_unseen_to_both(worlds: Any, tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    faces = {test: worlds.swaps(rng, 30, 60, 60) for test in (LAB, WILD, FAR)}
    cells = [
        *(Cell("one", LAB, WILD), Cell("one", LAB, FAR)),
        *(Cell("two", WILD, LAB), Cell("two", WILD, FAR)),
        Cell("three", FAR, LAB),
        *(Cell("rule", None, LAB), Cell("rule", None, WILD), Cell("rule", None, FAR)),
    ]
    scored = {
        cell: faces[cell.tested_on].predictions(worlds.scores(rng, faces[cell.tested_on], [0.8], 0.2)[0])
        for cell in cells
    }
    board = board_of(scored, tmp_path)
    lines = lines_of(board)
    aucs = {(row.cell.detector, row.cell.tested_on): row.metrics["auc"] for row in board.rows}
    found = {(each.one[:3], each.other[:3]): each for each in compared(board, lines)}
    for one, other, tests in (("one", "two", (FAR,)), ("two", "rule", (LAB, FAR)), ("three", "rule", (LAB,))):
        each = found[one[:3], other[:3]]
        values = [np.mean([aucs[name, test] for test in tests]) for name in (one, other)]
        assert each.value == pytest.approx(values[0] - values[1])
        assert each.paired
    # No set is unseen to both: each stands as it is, and nobody is told that they met the same clips.
    apart, means = found["one", "thr"], [lines[k].numbers["auc_unseen_mean"] for k in (0, 2)]
    assert not apart.paired
    assert apart.value == pytest.approx(means[0] - means[1])  # type: ignore[operator]


def test_a_detector_compared_with_itself_is_the_same(worlds: Any, tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    faces = worlds.swaps(rng, 30, 60, 60)
    table = faces.predictions(worlds.scores(rng, faces, [0.8], 0.2)[0])
    board = board_of({Cell("one", LAB, WILD): table, Cell("twin", LAB, WILD): table}, tmp_path)
    lines = lines_of(board)
    found = compared(board, lines)
    assert (found[0].value, found[0].error, found[0].adjusted) == (0, 0, 1)
    assert ranks(lines, found) == ["1", "1"]


def test_whole_leaderboards_rank_a_better_detector_first_and_its_equals_together(
    worlds: Any, tmp_path: Path
) -> None:
    shared, apart = 0, 0
    for seed in range(3):
        rng = np.random.default_rng(seed)
        faces = worlds.swaps(rng, 100, 500, 500)
        scores = worlds.scores(rng, faces, [0.90, 0.90, 0.82], 0.2, 0.8)
        cells = [Cell(name, LAB, WILD) for name in ("one", "twin", "lesser")]
        tables = [faces.predictions(each) for each in scores]
        board = board_of(dict(zip(cells, tables, strict=True)), tmp_path)
        lines = sorted(lines_of(board), key=lambda each: -(each.numbers["auc_unseen_mean"] or 0))
        found = ranks(lines, compared(board, lines))
        assert lines[2].name == f"lesser@{LAB}"
        shared += found[:2] == ["1", "1"]
        apart += found[2] == "3"
    assert (shared, apart) == (3, 3)


def test_a_line_that_beats_the_best_on_common_clips_is_not_ranked_below_it() -> None:
    """The one above may have the higher mean only because it was tested on another, easier set."""
    said = {"checkpoint_source": "fixed", "threshold_source": "fixed"}

    def line(name: str, auc: float) -> Line:
        row = Row(Cell(name, None, "wild"), 9, 0, {"auc": auc}, provenance=said)
        return line_of([Entry(name, None, 0, (row,))])

    lines = [line("a", 0.80), line("b", 0.78)]
    better, worse = (Difference("a", "b", v, v - 0.04, v + 0.04, 0.02, 0.001, True) for v in (-0.08, 0.08))
    assert ranks(lines, [better]) == ["1", "1"]
    assert ranks(lines, [worse]) == ["1", "2"]


def test_the_row_to_beat_is_not_the_first_of_nobody() -> None:
    said = {"checkpoint_source": "fixed", "threshold_source": "fixed"}
    row = Row(Cell("constant", None, "wild"), 9, 0, {"auc": 0.5}, provenance=said)
    assert ranks([line_of([Entry("constant", None, 0, (row,))])], []) == ["-"]
