"""What MLflow shows before the numbers: the rank or why there is none, counts, and what is doubtful."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from harness.metrics.measure import Terms
from harness.records import Board, Cost, Entry, Known
from harness.results.ranking import standings_of
from harness.results.rows import made_row
from harness.tracking.mlflow_run import points_of
from harness.tracking.row_tags import LEADING, tags_of
from tests.report.made_boards import LAB, WILD, Making, scored


def told(board: Board, number: int = 0) -> dict[str, str]:
    return dict(tags_of(board.entries[number], standings_of(board)))


def faceless(entry: Entry, fakes: int) -> Entry:
    """The entry, with no face in the first fakes of its one test set."""
    (row,) = entry.rows
    table = scored(row.cell.tested_on, 1.0, 1).assign(note=None)
    lost = table.index[table["label"] == 1][:fakes]
    table.loc[lost, ["score", "note"]] = [0.5, "no face was found: as-chance"]
    return dataclasses.replace(entry, rows=(made_row(row.cell, table, row.provenance, Terms(draws=50)),))


def test_a_run_says_its_rank_and_what_it_is_over(tmp_path: Path) -> None:
    making = Making(tmp_path)
    making.entry("strong", LAB, {LAB: 3.0, WILD: 2.0})
    board = dataclasses.replace(
        making.board(),
        shortcuts={LAB: "", WILD: "AUC 0.97 by container"},
        partial={WILD: "40 of 60 gan"},
        known={LAB: Known(120, 120), WILD: Known(110, 120)},
    )
    tags = told(board)
    assert tuple(tags) == LEADING
    line = standings_of(board).lines[0]
    assert tags["rank"] == "1"
    assert tags["auc"].startswith(f"{line.numbers['auc_unseen_mean']:.3f} [.") and "unseen" in tags["auc"]
    assert tags["shortcut"] == "wild: [!] AUC 0.97 by container"
    assert tags["clips"] == "lab: 40+80; wild: 40+80"
    assert (tags["faceless"], tags["coverage"], tags["invalid"]) == (
        "none",
        "wild: 110 of 120 files, 40 of 60 gan",
        "no",
    )


def test_a_run_without_a_rank_says_why_and_sends_no_mean_to_be_sorted_by(tmp_path: Path) -> None:
    making = Making(tmp_path)
    making.entry("borrowed", None, {WILD: 1.0})
    made = faceless(making.entries[0], 30)
    cost = Cost("borrowed", "cpu", "fp32", 64, 4, 8, 9.0, 9.0, 9.0, None, 1000, None, None)
    made = dataclasses.replace(made, cost=dataclasses.replace(cost, throughput_invalid="others used 2 cores"))
    tags = told(dataclasses.replace(making.board(), entries=(made,)))
    assert tags["rank"].startswith("- no face in 0 of 40 real and 30 of 80 fake clips (Fisher's exact test")
    assert tags["faceless"] == "wild: 0 of 40 real, 30 of 80 fake"
    assert tags["invalid"] == "INVALID speed: others used 2 cores"
    names = {name for name, _, _ in points_of(made)}
    assert not any(name.startswith(("auc_unseen", "auc_robust")) for name in names)
    assert {f"auc/{WILD}", f"bal_acc/{WILD}", f"base_rate/{WILD}"} <= names


def test_means_over_test_sets_perhaps_seen_are_not_called_unseen(tmp_path: Path) -> None:
    making = Making(tmp_path)
    making.entry("borrowed", None, {WILD: 1.0})
    making.entry("constant", None, {WILD: 0.0})
    board = making.board()
    assert told(board)["auc"].endswith("tested")
    names = {name for name, _, _ in points_of(board.entries[0], standings_of(board).unseen)}
    assert {"auc_tested_mean", "auc_tested_mean_lo", "auc_tested_worst"} <= names
    assert not any("unseen" in name for name in names)
