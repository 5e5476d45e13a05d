"""Operating points: thresholds, what they catch, and what they cost, against answers found the long way."""

from __future__ import annotations

import numpy as np
import pytest

from harness.metrics.thresholds import (
    DRIFT_RATES,
    RATES,
    limits_of,
    positive_predictive_value,
    threshold_at,
    tpr_at_fpr,
    why_no_tpr,
)
from harness.metrics.weighted import Curve


@pytest.mark.parametrize(
    ("fpr", "allowed"),
    [(0.0, 0), (0.09, 0), (0.1, 1), (0.19, 1), (0.3, 3), (0.7, 7), (0.95, 9)],
)
def test_the_threshold_calls_as_many_reals_fake_as_allowed_and_no_more(fpr: float, allowed: int) -> None:
    reals = np.array([0.5, 0.1, 0.9, 0.3, 0.2, 0.8, 0.4, 0.7, 0.6, 0.05])
    threshold = threshold_at(reals, fpr)
    assert (reals >= threshold).sum() == allowed
    assert (reals >= np.nextafter(threshold, 0)).sum() == allowed + 1  # the lowest such threshold


def test_a_rate_that_binary_fractions_cannot_hold_allows_what_it_says() -> None:
    reals = np.arange(100) / 100
    assert 0.29 * 100 < 29  # in floating point
    assert (reals >= threshold_at(reals, 0.29)).sum() == 29


@pytest.mark.parametrize("allowed", range(0, 100, 7))
def test_under_equal_weights_the_roc_gives_the_same_tpr_at_rates_that_are_just_met(allowed: int) -> None:
    rng = np.random.default_rng(allowed)
    labels, scores = np.repeat([0, 1], [100, 60]), rng.random(160)
    weighted = Curve(labels, scores).tpr_at(allowed / 100)(np.full((1, 160), 0.3))
    assert weighted == pytest.approx([tpr_at_fpr(labels, scores, allowed / 100)], abs=1e-12)


def test_of_tied_reals_none_is_called_fake_where_all_would_be_too_many() -> None:
    reals = np.array([0.1, 0.5, 0.5, 0.5])
    assert (reals >= threshold_at(reals, 0.5)).sum() == 0
    assert (reals >= threshold_at(reals, 0.75)).sum() == 3


def test_a_rate_of_one_calls_everything_fake() -> None:
    assert threshold_at(np.array([0.0, 0.3]), 1.0) == 0.0


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("fpr", [0.0, 0.01, 0.05, 0.1, 0.5, 1.0])
def test_the_tpr_is_the_best_of_all_thresholds_whose_fpr_is_low_enough(seed: int, fpr: float) -> None:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, 80)
    scores = np.clip(rng.integers(0, 9 if seed % 2 else 900, 80) + labels, 0, 900) / 900
    best = 0.0
    for threshold in np.append(scores, 1.1):
        if (scores[labels == 0] >= threshold).mean() <= fpr:
            best = max(best, float((scores[labels == 1] >= threshold).mean()))
    assert tpr_at_fpr(labels, scores, fpr) == best


def test_the_tpr_of_ten_reals_at_a_tenth_is_counted_by_hand() -> None:
    reals = [0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.6, 0.9]
    fakes = [0.3, 0.6, 0.61, 0.95]  # one real may be at or above the threshold: it is just above 0.6
    labels = np.repeat([0, 1], [10, 4])
    assert tpr_at_fpr(labels, np.array(reals + fakes), 0.1) == 2 / 4


@pytest.mark.parametrize(
    ("reals", "fpr", "said"),
    [
        (1000, 0.01, ""),
        (999, 0.01, "999 scored reals; 1 % FPR needs 1000"),
        (10_000, 0.001, ""),
        (1000, 0.001, "1000 scored reals; 0.1 % FPR needs 10000"),
        (0, 0.01, "0 scored reals; 1 % FPR needs 1000"),
    ],
)
def test_a_rate_on_too_few_reals_is_refused_with_the_number_it_needs(
    reals: int, fpr: float, said: str
) -> None:
    assert why_no_tpr(reals, fpr) == said


def test_the_rates_are_one_percent_and_a_tenth_of_it_and_for_drift_one_and_five() -> None:
    assert RATES == {"1pct": 0.01, "0.1pct": 0.001}
    assert DRIFT_RATES == {"1pct": 0.01, "5pct": 0.05}


def test_limits_are_set_on_the_reals_of_the_validation_split_alone() -> None:
    rng = np.random.default_rng(0)
    reals, fakes = rng.random(200), rng.random(50)
    labels = np.repeat([0, 1], [200, 50])
    found, why = limits_of(labels, np.concatenate([reals, fakes]))
    assert why == {}
    assert [(reals >= found[name]).sum() for name in ("1pct", "5pct")] == [2, 10]
    assert found == limits_of(labels, np.concatenate([reals, fakes / 2]))[0]


@pytest.mark.parametrize(("reals", "set_for"), [(100, {"1pct", "5pct"}), (99, {"5pct"}), (19, set())])
def test_a_limit_that_would_allow_not_one_real_is_missing_with_a_reason(
    reals: int, set_for: set[str]
) -> None:
    found, why = limits_of(np.zeros(reals, dtype=int), np.linspace(0, 1, reals))
    assert set(found) == set_for
    assert set(found) | set(why) == set(DRIFT_RATES)
    if "1pct" in why:
        assert why["1pct"] == f"{reals} scored reals to set 1 % FPR by; it needs 100"


@pytest.mark.parametrize(
    ("tpr", "fpr", "prevalence", "wanted"),
    [
        (0.9, 0.1, 0.5, 0.9),
        (0.9, 0.05, 0.01, 0.009 / (0.009 + 0.0495)),  # of 10,000 clips 90 fakes and 495 reals are called
        (1.0, 0.0, 0.001, 1.0),
        (0.0, 0.2, 0.3, 0.0),
        (0.5, 0.5, 0.07, 0.07),  # guessing tells nothing
        (0.0, 0.0, 0.5, None),
        (0.8, 0.0, 0.0, None),
    ],
)
def test_how_many_of_those_called_fake_are_fake_depends_on_how_many_fakes_there_are(
    tpr: float, fpr: float, prevalence: float, wanted: float | None
) -> None:
    assert positive_predictive_value(tpr, fpr, prevalence) == (
        None if wanted is None else pytest.approx(wanted)
    )
