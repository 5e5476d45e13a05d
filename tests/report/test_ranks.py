"""Ranks, means over seeds and what is not ranked are as a reader sees them, on pages of modest width."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.records import Board, Cost
from harness.report.leaderboard import markdown, terminal
from harness.results import ranking
from tests.report.made_boards import KINDS, LAB, WILD, Making, cross_dataset, leave_one_out, of_seeds
from tests.report.page_sections import column, section


def test_detectors_that_cannot_be_told_apart_share_a_rank_and_the_next_is_counted_on(cross: Board) -> None:
    _, lines = section(markdown(cross), "Leaderboard")
    assert column(lines, "#") == ["1", "1", "3", "4"]
    assert set(column(lines, "detector")[:2]) == {"strong", "other"}
    assert column(lines, "detector")[2:] == ["weak", "constant (to beat)"]


def test_the_leaderboard_shows_intervals_and_the_least_difference_that_can_be_seen(cross: Board) -> None:
    board = cross
    note, lines = section(markdown(board), "Leaderboard")
    best = ranking.standings_of(board).lines[0]
    low, high = best.interval("auc_unseen_mean") or (0, 0)
    shown = f"{best.numbers['auc_unseen_mean']:.3f} [{low:.3f}, {high:.3f}]".replace("[0.", "[.")
    assert column(lines, "unseen [95 %]")[0] == shown.replace(", 0.", ", .")
    assert "All that is trained was trained on lab." in note
    assert "80 % chance on these clips (one comparison, 5 % level)" in note
    note, _ = section(markdown(board), "Tested on wild")
    assert "120 clean clips (40 real, 80 fake) of 20 identities" in note
    assert "node bootstrap" in note
    assert "A difference must be about" in note


def test_names_say_the_training_set_where_there_are_several(tmp_path: Path) -> None:
    making = Making(tmp_path)
    for trained in (LAB, WILD):
        making.entry("strong", trained, {LAB: 2.0, WILD: 2.0})
    note, lines = section(markdown(making.board()), "Leaderboard")
    assert sorted(column(lines, "detector")) == ["strong@lab", "strong@wild"]
    assert "trained was trained on" not in note


def test_a_line_of_several_seeds_shows_their_mean_their_spread_and_an_interval_that_holds_both(
    seeded: Board,
) -> None:
    board = seeded
    aucs = [row.metrics["auc"] or 0.0 for row in board.rows if row.cell.tested_on == WILD][:3]
    _, lines = section(markdown(board), "Seeds")
    (told,) = lines[1:]
    assert told[:2] == ["unsteady", "3"]
    assert told[2].startswith(f"{np.mean(aucs):.3f} [")
    assert told[3] == f"{max(aucs) - min(aucs):.3f}"
    low, high = (float(bound) for bound in told[2].split("[")[1].rstrip("]").split(","))
    assert low < min(aucs)
    assert high > max(aucs)
    _, lines = section(markdown(board), "Tested on wild")
    assert column(lines, "detector") == ["steady", "unsteady"]


def test_one_seed_needs_no_table_of_seeds(cross: Board) -> None:
    assert "Seeds" not in markdown(cross)


def test_what_nobody_vouches_for_stands_below_the_line_without_threshold_metrics(tmp_path: Path) -> None:
    making = Making(tmp_path)
    making.entry("strong", LAB, {LAB: 3.0, WILD: 1.0})
    making.entry("borrowed", None, {LAB: 3.0, WILD: 3.0}, checkpoint_source="unknown")
    making.entry("tuned", LAB, {LAB: 3.0, WILD: 3.0}, threshold_source="oracle")
    text = markdown(making.board())
    _, lines = section(text, "Leaderboard")
    assert column(lines, "detector") == ["strong@lab"]  # nobody says what `borrowed` was trained on
    _, lines = section(text, "Not ranked")
    assert dict(zip(column(lines, "detector"), column(lines, "why"), strict=True)) == {
        "borrowed": "checkpoint unknown",
        "tuned@lab": "threshold oracle",
    }
    assert all(value[:2] == "0." for value in column(lines, "unseen [95 %]"))
    _, lines = section(text, "Tested on wild")
    parts = [k for k, line in enumerate(lines) if line[0] == "detector"]  # too wide for one
    told = dict(lines[parts[-1] + 1 :])
    assert lines[parts[-1]] == ["detector", "bal acc [95 %]"]
    assert told["tuned@lab (not ranked)"] == told["borrowed (not ranked)"] == "-"
    assert next(iter(told)) == "strong@lab"
    assert told["strong@lab"] != "-"


def test_a_board_of_nothing_but_unknowns_is_still_a_page(tmp_path: Path) -> None:
    making = Making(tmp_path)
    making.entry("borrowed", None, {WILD: 1.0}, checkpoint_source="unknown")
    text = markdown(making.board())
    assert "## Leaderboard" not in text
    assert "## Not ranked" in text
    assert "## Tested on wild" in text


@pytest.mark.parametrize("make", [cross_dataset, leave_one_out, of_seeds])
@pytest.mark.parametrize("render", [markdown, terminal])
def test_every_page_is_at_most_a_hundred_columns_wide(make: Any, render: Any, tmp_path: Path) -> None:
    text = render(make(tmp_path), oracle=True)
    assert max(len(line) for line in text.splitlines()) <= 100


def test_the_leaderboard_stays_one_table_by_leaving_speed_to_the_table_of_costs(tmp_path: Path) -> None:
    making = Making(tmp_path, drawn=50)
    for kind in ("reenactment", "autoencoder"):
        name = "efficientnet_bilstm_b"
        entry = making.entry(name, f"{LAB}-{kind}", {f"{LAB}:{only}": 2.0 for only in (kind, *KINDS)})
        cost = Cost(name, "cpu", "fp32", 64, 4, 8, 1111.0, 9.0, 9.0, None, 1000, None, None)
        making.entries[-1] = dataclasses.replace(entry, cost=cost)
    text = markdown(making.board())
    note, lines = section(text, "Leaderboard")
    assert lines[0] == ["#", "detector", "unseen [95 %]", "seen", "gap [95 %]"]
    assert "Over 40+40 real and fake clips." in note
    assert "fps" not in note
    assert "1111" in text.split("## Cost")[1]


def test_a_board_of_seen_forgeries_alone_says_over_how_many_clips(tmp_path: Path) -> None:
    making = Making(tmp_path)
    making.entry("own", LAB, {LAB: 1.0})
    _, lines = section(markdown(making.board()), "Leaderboard")
    assert column(lines, "clips") == ["40+80"]


def test_a_line_without_a_rank_because_footage_is_shared_is_told_so_where_it_stands(tmp_path: Path) -> None:
    making = Making(tmp_path)
    making.entry("own", LAB, {WILD: 1.0}, shared_footage="3 of 120 test clips share footage")
    page = markdown(making.board())
    note, lines = section(page, "Leaderboard")
    assert column(lines, "#") == ["-"] and column(lines, "clips") == ["40+80"]
    assert "No rank where all that is unseen shares footage with the training." in note
    note, _ = section(page, "Tested on wild")
    assert "`shared`: test clips share footage with the training" in note
