"""What is caught and wrongly accused is shown where it is known, and else why not."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from harness.metrics.measure import Terms
from harness.records import Board, Entry
from harness.report.leaderboard import markdown
from harness.results.rows import made_row
from tests.report.made_boards import KINDS, LAB, Making, scored
from tests.report.page_sections import section


def test_ppv_is_for_the_prevalence_of_the_matrix_and_what_is_undefined_says_why(
    cross: Board,
) -> None:
    board = cross
    note, lines = section(markdown(board), "Operating points")
    assert "where 5 % of clips are fake" in note
    assert "`TPR@1% [95 %]` (40 scored reals; 1 % FPR needs 1000)" in note
    assert lines[0] == ["detector", "TPR [95 %]", "FPR [95 %]", "PPV [95 %]"]
    assert lines[2] == ["clips", "80", "40", "40+80"]
    _, lines = section(markdown(board), "Calibration")
    assert lines[0] == ["detector", "Brier [95 %]", "ECE"]
    constant = next(line for line in lines if line[0] == "constant")
    assert constant[lines[0].index("Brier [95 %]")] == "0.250 [.250, .250]"


def test_a_test_set_of_one_class_has_the_rate_that_needs_no_other(tmp_path: Path) -> None:
    making = Making(tmp_path)
    making.entry("strong", LAB, {LAB: 2.0})
    row = making.entries[0].rows[0]
    reals = scored(LAB, 2.0, 1).query("label == 0")
    only = made_row(row.cell, reals, row.provenance, Terms(draws=50))
    board = dataclasses.replace(making.board(), entries=(Entry("strong", LAB, 0, (only,)),), predictions={})
    note, lines = section(markdown(board), "Operating points")
    assert lines[0] == ["detector", "FPR [95 %]"] and lines[1] == ["clips", "40"]
    assert "Undefined: `TPR [95 %]`, `PPV [95 %]`" in note and "(no scored fake clip)" in note
    note, lines = section(markdown(board), "Tested on lab")
    assert lines[0] == ["detector", "reals called fake [95 %]"]
    assert "(40 real, 0 fake)" in note and "Undefined: `AUC`, `EER` (no scored fake clip)" in note


def test_a_ppv_without_a_false_alarm_is_shown_by_its_bounds(tmp_path: Path) -> None:
    making = Making(tmp_path)
    making.entry("sure", LAB, {LAB: 20.0})
    _, lines = section(markdown(making.board()), "Operating points")
    told = next(line for line in lines if line[0] == "sure")
    assert told[1].endswith(", 1.000]") and told[2].startswith("0.000 [.000, .")
    assert told[3].startswith("- [.0") and told[3].endswith(", 1.000]")


def test_drift_shows_what_a_threshold_set_on_validation_gives_on_each_test_set(cross: Board) -> None:
    board = cross
    _, lines = section(markdown(board), "False-positive drift on wild")
    row = next(row for row in board.rows if str(row.cell) == "weak@lab/wild/clean")
    told = next(line for line in lines if line[0] == "weak")
    assert told[1].startswith(f"{row.metrics['fpr_at_val_5pct']:.3f} [.")
    assert [cell[:5] for cell in told[-2:]] == [
        f"{row.metrics[f'miss_at_val_5pct:{kind}']:.3f}" for kind in KINDS
    ]
    assert lines[:2] == [["detector", "5 % becomes", *KINDS], ["clips", "40", "40", "40"]]
    note, _ = section(markdown(board), "False-positive drift on lab")
    assert "`1 % becomes` (40 scored reals to set 1 % FPR by; it needs 100)" in note
    assert "Without such thresholds: constant." in note


def test_drift_that_is_not_known_is_said_and_not_shown(left_out: Board) -> None:
    text = markdown(left_out)
    note, _ = section(text, "Operating points")
    assert "False-positive drift is not known: no validation predictions." in note
    assert "False-positive drift on" not in text
