"""Failed clips are shown with what they may hide."""

from __future__ import annotations

from pathlib import Path

from harness.report.leaderboard import markdown
from tests.report.made_boards import LAB, WILD, Making
from tests.report.page_sections import section


def test_failed_clips_come_with_the_band_in_which_the_auc_may_lie(tmp_path: Path) -> None:
    making = Making(tmp_path)
    making.entry("strong", LAB, {LAB: 3.0, WILD: 1.0}, failed=5)
    making.entry("other", LAB, {LAB: 3.0, WILD: 1.0}, failed=1)
    board = making.board()
    _, lines = section(markdown(board), "Failed clips")
    told = {(line[0], line[1]): line[2:] for line in lines[1:]}
    metrics = board.entries[0].rows[1].metrics
    assert told["strong", "wild/clean"][:3] == ["5 of 120", "2 of 40", "3 of 80"]
    assert told["strong", "wild/clean"][3].startswith(f"{metrics['auc']:.3f} [")
    assert told["strong", "wild/clean"][4:] == [
        f"{metrics['auc_failed_worst']:.3f} to {metrics['auc_failed_best']:.3f}",
    ]
    assert told["other", "wild/clean"][-1] == "-"
    assert (metrics["auc_failed_worst"] or 1) < (metrics["auc"] or 0) < (metrics["auc_failed_best"] or 0)
