"""Detectors are told apart as often as promised: by known answers, by boards whose truth is known."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pytest

from harness.metrics import classification
from harness.metrics.bootstrap import graph_of
from harness.metrics.intervals import resampled
from harness.metrics.significance import Difference, detectable, differences, holm, least_p, two_sided
from harness.metrics.weighted import auc_statistic


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ([0.01, 0.04, 0.03, 0.005], [0.03, 0.06, 0.06, 0.02]),
        ([0.01, 0.04, 0.03], [0.03, 0.06, 0.06]),
        ([0.02], [0.02]),
        ([0.5, 0.9, 0.4], [1.0, 1.0, 1.0]),
        ([0.01, 0.011, 0.9], [0.03, 0.03, 0.9]),
        ([0.0, 0.0], [0.0, 0.0]),
        ([], []),
    ],
)
def test_p_values_adjusted_by_holm_are_those_worked_out_by_hand(
    values: list[float], wanted: list[float]
) -> None:
    assert holm(values) == pytest.approx(wanted)


def test_a_p_value_is_normal_and_certain_where_nothing_varies() -> None:
    assert two_sided(1.959964, 1.0) == pytest.approx(0.05, abs=1e-6)
    assert two_sided(-0.0257583, 0.01) == pytest.approx(0.01, abs=1e-6)
    assert (two_sided(0.0, 0.0), two_sided(0.1, 0.0)) == (1.0, 0.0)


def test_a_difference_is_taken_draw_by_draw() -> None:
    rng = np.random.default_rng(0)
    shared, own = rng.normal(0, 0.05, (2, 4000))
    one, other = (0.80, 0.8 + shared), (0.75, 0.75 + shared + 0.2 * own)
    found = differences([("one", "other")], [(one, other)])[0]
    assert (found.one, found.other, found.paired) == ("one", "other", True)
    assert found.value == pytest.approx(0.05)
    assert found.error == pytest.approx(0.01, rel=0.05)  # what they share is gone
    assert (found.low, found.high) == pytest.approx((0.05 - 0.0196, 0.05 + 0.0196), abs=0.001)
    assert found.adjusted == pytest.approx(two_sided(0.05, found.error))
    assert found.separated


def test_more_comparisons_ask_for_more() -> None:
    rng = np.random.default_rng(0)
    values = [(0.8, 0.8 + rng.normal(0, 0.01, 4000)), (0.77, np.full(4000, 0.77))]
    alone = differences([("a", "b")], [(values[0], values[1])])
    equal = (0.7, np.full(4000, 0.7))
    among = differences(
        [("a", "b"), *[(f"c{k}", f"d{k}") for k in range(30)]],
        [(values[0], values[1])] + [(equal, equal)] * 30,
    )
    assert alone[0].separated
    assert not among[0].separated
    assert among[0].adjusted == pytest.approx(31 * alone[0].adjusted)


def test_the_detectable_difference_is_two_point_eight_standard_errors() -> None:
    assert detectable([0.01]) == pytest.approx(0.0280, abs=1e-4)
    assert detectable([0.01, 0.03, 0.02]) == pytest.approx(2 * 0.0280, abs=1e-4)  # the median
    assert detectable([0.0, 0.01]) == detectable([0.01])
    assert detectable([]) is detectable([0.0]) is None


def test_a_few_clips_in_perfect_order_prove_nothing() -> None:
    assert least_p(2) == 1.0
    assert least_p(6) == pytest.approx(0.1)
    assert least_p(240) < 1e-60
    assert least_p(None) == 0.0


def leaderboards(
    worlds: Any, aucs: Sequence[float], correlation: float, *, number: int = 200, draws: int = 400
) -> list[list[Difference]]:
    """Comparisons of detectors with these true AUCs: 1,000 clips of 100 people, drawn anew each time."""
    found = []
    for seed in range(number):
        rng = np.random.default_rng(seed)
        faces = worlds.swaps(rng, 100, 500, 500)
        scores = worlds.scores(rng, faces, aucs, 0.2, correlation)
        graph = graph_of(faces.label, *faces.names(), world=f"leaderboard {seed}")
        statistics = {str(k): auc_statistic(faces.label, each) for k, each in enumerate(scores)}
        drawn = resampled(graph, statistics, draws)
        values = [(classification.auc(faces.label, each), drawn[str(k)]) for k, each in enumerate(scores)]
        named = list(combinations(statistics, 2))
        found.append(differences(named, list(combinations(values, 2))))
    return found


@pytest.mark.parametrize(
    ("detectors", "correlation"), [(2, 0.0), (2, 0.8), (4, 0.0)], ids=["independent", "alike", "four"]
)
def test_equal_detectors_are_separated_in_at_most_five_of_a_hundred_leaderboards(
    worlds: Any, detectors: int, correlation: float
) -> None:
    found = leaderboards(worlds, [0.88] * detectors, correlation)
    assert sum(any(each.separated for each in board) for board in found) <= 10


def test_five_points_are_found_in_nine_of_ten_leaderboards(worlds: Any) -> None:
    found = leaderboards(worlds, [0.90, 0.85], 0.8)
    assert sum(board[0].separated and board[0].value > 0 for board in found) >= 180


def test_five_points_are_found_among_six_comparisons_too(worlds: Any) -> None:
    found = leaderboards(worlds, [0.90, 0.90, 0.85, 0.85], 0.8, number=100)
    unequal = [[each for each in board if (each.one in "01") != (each.other in "01")] for board in found]
    assert np.mean([each.separated for board in unequal for each in board]) >= 0.9
    equal = [[each for each in board if (each.one in "01") == (each.other in "01")] for board in found]
    assert sum(any(each.separated for each in board) for board in equal) <= 5


def test_a_difference_as_large_as_the_detectable_one_is_found_at_least_as_often_as_promised(
    worlds: Any,
) -> None:
    errors = [board[0].error for board in leaderboards(worlds, [0.88, 0.85], 0.8, number=40)]
    reach = detectable(errors)
    assert reach is not None
    found = leaderboards(worlds, [0.85 + reach, 0.85], 0.8)
    assert 0.8 <= np.mean([board[0].separated for board in found]) < 0.98
