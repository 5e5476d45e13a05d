"""What is caught and wrongly accused is shown where it is known, and else why not."""

from __future__ import annotations

from harness.records import Board
from harness.report.leaderboard import markdown
from tests.report.made_boards import KINDS
from tests.report.page_sections import section


def test_ppv_is_for_the_prevalence_of_the_matrix_and_what_is_undefined_says_why(
    cross: Board,
) -> None:
    board = cross
    note, lines = section(markdown(board), "Operating points and calibration")
    assert "where 5 % of clips are fake" in note
    assert "`TPR@1%` (40 scored reals; 1 % FPR needs 1000)" in note
    assert "TPR@1%" not in lines[0]
    assert {"TPR", "FPR", "PPV", "Brier [95 %]", "ECE"} < set(lines[0])
    constant = next(line for line in lines if line[0] == "constant")
    assert constant[lines[0].index("Brier [95 %]")] == "0.250 [.250, .250]"


def test_drift_shows_what_a_threshold_set_on_validation_gives_on_each_test_set(cross: Board) -> None:
    board = cross
    _, lines = section(markdown(board), "False-positive drift on wild")
    row = next(row for row in board.rows if str(row.cell) == "weak@lab/wild/clean")
    told = next(line for line in lines if line[0] == "weak")
    assert told[1].startswith(f"{row.metrics['fpr_at_val_5pct']:.3f} [.")
    assert told[-2:] == [f"{row.metrics[f'miss_at_val_5pct:{kind}']:.3f}" for kind in KINDS]
    assert lines[0] == ["detector", "5 % becomes", *KINDS]
    note, _ = section(markdown(board), "False-positive drift on lab")
    assert "`1 % becomes` (40 scored reals to set 1 % FPR by; it needs 100)" in note
    assert "Without such thresholds: constant." in note


def test_drift_that_is_not_known_is_said_and_not_shown(left_out: Board) -> None:
    text = markdown(left_out)
    note, _ = section(text, "Operating points and calibration")
    assert "False-positive drift is not known: no validation predictions." in note
    assert "False-positive drift on" not in text
