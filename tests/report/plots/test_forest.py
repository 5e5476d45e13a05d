"""The forest shows each line with its rank, its interval and its gap."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from matplotlib.figure import Figure

from harness.records import Board
from harness.report.plots import forest
from tests.report.plots.figure_texts import words_of
from tests.report.plots.plotted_boards import LAB, WILD


def test_the_forest_shows_each_line_with_its_rank_interval_and_gap(
    full: Board, tmp_path: Path, figures: list[Figure]
) -> None:
    forest.forest(full, tmp_path / "drawn.png")
    texts = words_of(figures[-1])
    row = next(row for row in full.entries[3].rows if row.cell.tested_on == WILD and not row.cell.severity)
    seen = next(row for row in full.entries[3].rows if row.cell.tested_on == LAB and not row.cell.severity)
    low, high = row.intervals["auc"]
    told = f"{row.metrics['auc']:.3f} [{low:.3f}, {high:.3f}]"
    gap = f"{seen.metrics['auc'] - row.metrics['auc']:.3f}"  # type: ignore[operator]
    assert any(text.startswith(told) and text.endswith(gap) for text in texts)
    names = [text.split() for text in texts if text.split()[:1] in (["airl"], ["xception"], ["constant"])]
    assert ["constant", "4"] in names
    assert any(text.startswith("some-matrix: mean AUC on unseen forgeries") for text in texts)


def test_what_is_not_ranked_has_no_rank_in_the_forest(
    full: Board, tmp_path: Path, figures: list[Figure]
) -> None:
    unsaid = [
        dataclasses.replace(entry, rows=tuple(dataclasses.replace(row, provenance={}) for row in entry.rows))
        for entry in full.entries
    ]
    board = dataclasses.replace(full, entries=tuple(unsaid))
    forest.forest(board, tmp_path / "drawn.png")
    texts = words_of(figures[-1])
    assert any(text.split() == ["airl", "-"] for text in texts)
    assert any("grey: not ranked" in text for text in texts)
