"""Every two lines on the same clips are told apart or not, and no others are compared."""

from __future__ import annotations

from pathlib import Path

from harness.records import Board
from harness.report.leaderboard import markdown
from tests.report.made_boards import LAB, WILD, Making
from tests.report.page_sections import column, section


def test_every_comparison_says_whether_two_are_apart(cross: Board) -> None:
    _, lines = section(markdown(cross), "Compared on the same clips")
    verdicts = {frozenset(line[:2]): line[-1] for line in lines[1:]}
    assert len(verdicts) == 6
    assert verdicts[frozenset(("strong", "other"))] == "not told apart"
    assert verdicts[frozenset(("strong", "weak"))] == "apart"
    assert verdicts[frozenset(("strong", "constant"))] == "apart"


def test_of_many_comparisons_those_of_neighbours_and_with_the_best_are_shown(tmp_path: Path) -> None:
    making = Making(tmp_path, drawn=50)
    for k in range(7):
        making.entry(f"d{k}", LAB, {LAB: 3.0, WILD: 3.0 - k / 3})
    note, lines = section(markdown(making.board()), "Compared on the same clips")
    assert "Of 21, those between neighbours and those with the best are shown." in note
    assert len(lines) - 1 == 6 + 5


def test_lines_that_met_different_test_sets_are_not_compared_but_their_detectors_are(left_out: Board) -> None:
    text = markdown(left_out)
    note, lines = section(text, "Compared on the same clips")
    assert [line[:2] for line in lines[1:]] == [["strong -gan", "weak -gan"], ["strong -swap", "weak -swap"]]
    assert "Pairs that met different test sets are not shown." in note
    _, lines = section(text, "Detectors compared")
    assert (lines[1][:2], lines[1][-1]) == (["strong", "weak"], "apart")
    _, lines = section(text, "By detector")
    assert column(lines, "lines") == ["2", "2"]
