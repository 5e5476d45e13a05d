"""Bounds at 0 and 1 hold as often as they say, whatever the scores are distributed like."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest

from harness.metrics.bootstrap import graph_of
from harness.metrics.classification import auc
from harness.metrics.extremes import exact_bounds, spread, units_of, unsure
from harness.metrics.intervals import auc_interval


@pytest.mark.parametrize("units", [1, 3, 20, 500])
def test_a_share_of_all_or_none_has_the_bounds_of_clopper_and_pearson(units: int) -> None:
    for hits in (0, units):
        wanted = binomtest(hits, units).proportion_ci(0.95, "exact")
        assert exact_bounds(hits / units, units) == pytest.approx((wanted.low, wanted.high))


@pytest.mark.parametrize("kind", ["normal", "all or nothing", "one outlier in ten"])
def test_a_perfect_auc_is_rarely_seen_where_its_bound_excludes_the_truth(kind: str) -> None:
    """Experiments of few clips at true AUCs around the bound: at most 2.5 % are perfect and exclude it."""
    rng = np.random.default_rng(5)
    for reals, fakes in ((3, 3), (12, 5), (20, 20)):
        bound, _ = exact_bounds(1.0, min(reals, fakes))
        truth = bound * 0.999  # excluded by a perfect order
        perfect = np.mean([_one(kind, truth, reals, fakes, rng) == 1 for _ in range(3000)])
        assert perfect < 0.025 + 3 * np.sqrt(0.025 * 0.975 / 3000)


def _one(kind: str, truth: float, reals: int, fakes: int, rng: np.random.Generator) -> float:
    """The AUC of one experiment whose true AUC is about `truth`."""
    real, fake = rng.normal(size=reals), rng.normal(size=fakes)
    if kind == "normal":
        from scipy.stats import norm

        fake += np.sqrt(2) * norm.ppf(truth)
    elif kind == "all or nothing":  # a fake is above every real, or below: what the bound is sharp for
        fake = np.where(rng.random(fakes) < truth, 99, -99)
    else:  # a tenth of the reals lies above every fake; the others leave the rest to be lost
        real = np.where(rng.random(reals) < 0.1, 99, real)
        fake = np.where(rng.random(fakes) < min(1, truth / 0.9), 50, -99)
    return auc(np.repeat([0, 1], [reals, fakes]), np.concatenate([real, fake]))


def test_draws_of_what_does_not_vary_have_the_exact_bounds_and_their_own_order() -> None:
    drawn = spread(1.0, 7, 2000, "w", "auc")
    assert np.quantile(drawn, [0.025, 0.975]) == pytest.approx(exact_bounds(1.0, 7), abs=1e-4)
    assert np.array_equal(drawn, spread(1.0, 7, 2000, "w", "auc"))
    other = spread(1.0, 7, 2000, "v", "auc")
    assert abs(np.corrcoef(drawn, other)[0, 1]) < 0.1
    middle = spread(0.4, 1, 2000, "w", "auc")
    assert np.quantile(middle, [0.025, 0.975]) == pytest.approx((0.4 * 0.025, 1 - 0.6 * 0.025), abs=1e-4)


def test_what_is_counted_is_people_where_they_are_fewer_than_clips() -> None:
    label = np.array([0, 0, 0, 1, 1])
    graph = graph_of(label, ["a", "a", "b", "c", "c"], [None, None, None, "d", "e"])
    reals, fakes = label == 0, label == 1
    assert (units_of(graph, [reals]), units_of(graph, [fakes]), units_of(graph, [reals, fakes])) == (2, 2, 2)
    nobody = graph_of(label, [None] * 5, [None] * 5)
    assert units_of(nobody, [reals]) == 3
    assert (unsure(1.0, 9), unsure(0.7, 1), unsure(0.7, 2), unsure(None, 1)) == (True, True, False, False)


def test_an_interval_of_a_perfect_auc_is_that_of_its_smaller_class() -> None:
    labels, scores = [0] * 30 + [1] * 4, [0.1] * 30 + [0.9] * 4
    found = auc_interval(labels, scores, [None] * 34, [None] * 34)
    assert (found.low, found.high) == pytest.approx((0.025 ** (1 / 4), 1.0))
