"""Each test set is told with its perturbations, its domains and its shortcuts."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from harness.records import Board
from harness.report.leaderboard import markdown
from tests.report.made_boards import LAB, WILD, Making
from tests.report.page_sections import column, section


def test_perturbed_tables_name_the_worst_of_several_perturbations(cross: Board) -> None:
    board = cross
    _, lines = section(markdown(board), "Perturbed")
    row = next(row for row in board.rows if str(row.cell) == "weak@lab/wild/blur-3")
    told = next(line for line in lines if line[0] == "weak")
    assert told[-1] == f"{row.metrics['auc']:.3f}"
    _, lines = section(markdown(board), "Leaderboard")
    robust = dict(zip(column(lines, "detector"), column(lines, "robust"), strict=True))
    assert robust["weak"].endswith(f"/{row.metrics['auc']:.3f}".replace("/0.", "/."))


def test_reals_of_one_set_are_shown_against_fakes_of_another(cross: Board, left_out: Board) -> None:
    _, lines = section(markdown(cross), "Reals of one dataset, fakes of another")
    assert lines[0] == ["detector", "reals of", "fakes of lab", "fakes of wild"]
    assert lines[1] == ["clips", "", "80", "80"]
    assert [line[1] for line in lines[2:4]] == [f"{LAB} (40)", f"{WILD} (40)"]
    assert "constant" not in [line[0] for line in lines]
    assert "Reals of one dataset" not in markdown(left_out)


def test_a_test_set_with_a_shortcut_has_a_badge_wherever_it_is_named(tmp_path: Path) -> None:
    making = Making(tmp_path)
    making.entry("one", "lab", {"lab": 2, "wild": 1, "far": 1, "wild/blur-3": 1, "far/blur-3": 1})
    board = dataclasses.replace(
        making.board(), shortcuts={"lab": "", "wild": "AUC 0.97 by container alone", "far": None}
    )
    page = markdown(board)
    said = " ".join(page.split())
    assert "## Tested on wild [!]" in page and "on wild [!]" in page.partition("## Perturbed")[2]
    assert "Told apart without a look at the face: wild; see below" in said
    assert "(AUC 0.97 by container alone): a high AUC proves little" in said
    assert "Not audited for shortcuts." in said
    assert "## Tested on lab\n" in page and "## Tested on far\n" in page
    assert "[!]" not in markdown(dataclasses.replace(board, shortcuts={"lab": "", "wild": "", "far": ""}))


def test_a_page_says_who_of_several_people_was_judged_unless_it_is_the_largest(tmp_path: Path) -> None:
    making = Making(tmp_path)
    making.entry("strong", LAB, {WILD: 1.0}, faces="max")
    note, _ = section(markdown(making.board()), "Tested on wild")
    assert "Of several people in a clip each was judged, and the score is the highest (`max`)." in note
