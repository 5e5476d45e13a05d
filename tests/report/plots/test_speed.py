"""A point of the speed plot has the interval of its mean, where there is one."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from harness.report.plots import speed
from tests.report.plots.plotted_boards import LAB, WILD, Maker


def test_points_of_the_speed_plot_have_the_interval_of_their_mean(make: Maker) -> None:
    make.add("airl", LAB, {LAB: 3, WILD: 1}, 100).add("airl", WILD, {LAB: 1.5, WILD: 3}, 300)
    board = make.board()
    table = speed.speeds(board)
    assert table["fps"].tolist() == [200]
    unseen = [board.entries[0].rows[1], board.entries[1].rows[0]]
    both = (unseen[0].draws["auc"] + unseen[1].draws["auc"]) / 2
    assert table["auc"].item() == pytest.approx(np.mean([row.metrics["auc"] for row in unseen]))
    assert [table["low"].item(), table["high"].item()] == pytest.approx(np.quantile(both, [0.025, 0.975]))


def test_points_without_draws_have_no_whisker(make: Maker) -> None:
    board = make.add("airl", LAB, {LAB: 3, WILD: 1}, 100).board()
    entry = board.entries[0]
    plain = dataclasses.replace(entry, rows=tuple(dataclasses.replace(row, draws={}) for row in entry.rows))
    table = speed.speeds(dataclasses.replace(board, entries=(plain,)))
    assert table["low"].item() == table["auc"].item() == table["high"].item()
