"""What choosing on the test clips would have claimed is the best there is, and shown only when asked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from harness.records import Board
from harness.report.leaderboard import markdown
from harness.report.oracle import best_accuracy, oracle_tables
from harness.types import HarnessError
from tests.report.made_boards import WILD, cross_dataset
from tests.report.page_sections import section


def test_the_best_accuracy_is_the_best_of_all_thresholds() -> None:
    rng = np.random.default_rng(3)
    for _ in range(20):
        label, score = rng.integers(0, 2, 30), rng.integers(0, 6, 30) / 5
        best, threshold = best_accuracy(label, score)
        literal = max(((score >= cut) == label).mean() for cut in (*np.unique(score), 1.1))
        assert best == pytest.approx(literal)
        assert ((score >= threshold) == label).mean() == pytest.approx(best)


def test_what_calls_nothing_fake_may_be_best() -> None:
    assert best_accuracy(np.array([0, 0, 0, 1]), np.array([1.0, 1.0, 1.0, 1.0]))[0] == 0.75


def test_the_oracle_claims_more_than_the_honest_threshold_and_only_when_asked(cross: Board) -> None:
    board = cross
    assert "Oracle" not in markdown(board)
    _, lines = section(
        markdown(board, oracle=True), "Oracle: the threshold chosen on the test clips, never ranked"
    )
    claims = [float(line[lines[0].index("claimed")]) for line in lines[1:] if line[1]]
    assert min(claims) >= 0
    assert max(claims) > 0.02


def test_the_oracle_of_seeds_takes_the_best_on_the_test_clips(cross: Board, seeded: Board) -> None:
    board = seeded
    aucs = [row.metrics["auc"] or 0.0 for row in board.rows if row.cell.tested_on == WILD][:3]
    table = oracle_tables(board)[1]
    assert table.title == "Oracle: the seed chosen on the test clips, never ranked"
    told = table.lines[-1]
    assert told == (
        *("unsteady", f"{np.mean(aucs):.3f}", f"{max(aucs):.3f}"),
        *(f"{max(aucs) - np.mean(aucs):.3f}", str(int(np.argmax(aucs)))),
    )
    assert len(oracle_tables(cross)) == 1


def test_the_oracle_needs_predictions(tmp_path: Path) -> None:
    board = cross_dataset(tmp_path)
    next(iter(board.predictions.values())).unlink()
    with pytest.raises(HarnessError, match="no stored predictions"):
        oracle_tables(board)
