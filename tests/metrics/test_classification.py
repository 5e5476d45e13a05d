"""Metrics of labels and scores are those counted by hand, calibration errors those that were planted."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from harness.metrics import classification
from harness.metrics.classification import expected_calibration_error, reliability
from harness.types import HarnessError


def test_bins_hold_equally_many_clips_and_say_what_they_are_worth() -> None:
    scores = np.array([0.9, 0.1, 0.2, 0.8, 0.3, 0.7])
    labels = np.array([1, 0, 1, 1, 0, 0])
    table = reliability(labels, scores, bins=3)
    assert table["clips"].tolist() == [2, 2, 2]
    assert table["score"].tolist() == pytest.approx([0.15, 0.5, 0.85])
    assert table["fakes"].tolist() == pytest.approx([0.5, 0.0, 1.0])
    wanted = (2 * 0.35 + 2 * 0.5 + 2 * 0.15) / 6
    assert expected_calibration_error(labels, scores, bins=3) == pytest.approx(wanted)


def test_bins_follow_the_clips_however_crowded_the_scores_are() -> None:
    scores = np.random.default_rng(0).beta(0.2, 8, 1000)  # most of them below 0.01
    table = reliability(np.zeros(1000, dtype=int), scores)
    assert table["clips"].tolist() == [100] * 10
    assert (np.diff(table["score"]) > 0).all()


def test_equal_scores_are_never_split() -> None:
    scores = np.array([0.2] * 7 + [0.6] * 2 + [0.9])
    labels = np.array([0, 1] * 5)
    table = reliability(labels, scores, bins=4)
    assert table["score"].tolist() == pytest.approx([0.2, 0.7])
    assert table["clips"].tolist() == [7, 3]
    order = np.random.default_rng(0).permutation(10)  # nor does the order of the clips decide
    shuffled = reliability(labels[order], scores[order], bins=4)
    assert shuffled.to_numpy() == pytest.approx(table.to_numpy())


@pytest.mark.parametrize(
    ("score", "fakes", "wanted"),
    [(0.5, 5, 0.0), (0.9, 5, 0.4), (0.0, 9, 0.9), (1.0, 10, 0.0), (0.0, 1, 0.1)],
)
def test_a_constant_score_is_as_far_off_as_it_is_from_the_share_of_fakes(
    score: float, fakes: int, wanted: float
) -> None:
    labels = np.repeat([1, 0], [fakes, 10 - fakes])
    assert len(reliability(labels, np.full(10, score))) == 1
    assert expected_calibration_error(labels, np.full(10, score)) == pytest.approx(wanted)


def test_an_error_that_was_planted_is_found_and_honest_scores_have_almost_none() -> None:
    rng = np.random.default_rng(0)
    scores = rng.random(100_000)
    labels = (rng.random(100_000) < scores).astype(int)
    assert expected_calibration_error(labels, scores) < 0.01
    assert expected_calibration_error(labels, scores * 0.8) == pytest.approx(0.1, abs=0.01)
    assert expected_calibration_error(labels, 0.1 + 0.8 * scores) == pytest.approx(0.05, abs=0.01)


def test_errors_in_opposite_directions_do_not_cancel() -> None:
    labels = np.array([0, 1, 0, 1])
    scores = np.array([0.2, 0.2, 0.8, 0.8])
    assert scores.mean() == labels.mean()
    assert expected_calibration_error(labels, scores, bins=2) == pytest.approx(0.3)


def test_one_clip_is_one_bin() -> None:
    assert expected_calibration_error(np.array([1]), np.array([0.3])) == pytest.approx(0.7)


@pytest.mark.parametrize(
    ("labels", "scores", "wanted"),
    [
        ((0, 1), (0.2, 0.8), 0.0),
        ((0, 1), (0.8, 0.2), 1.0),
        ((0, 1), (0.5, 0.5), 0.5),
        # the ROC runs (0, 0) (0, 1/2) (1, 1): it meets fpr = 1 - tpr at fpr = 1/3
        ((0, 0, 1, 1), (0.5, 0.5, 0.5, 0.9), 1 / 3),
        # (0, 0) (1/3, 1/2) (1, 1): fpr = 1 - tpr between the last two, at fpr = 3/7
        ((0, 0, 0, 1, 1), (0.9, 0.1, 0.1, 0.9, 0.1), 3 / 7),
    ],
)
def test_the_equal_error_rate_is_interpolated(
    labels: tuple[int, ...], scores: tuple[float, ...], wanted: float
) -> None:
    assert classification.equal_error_rate(np.array(labels), np.array(scores)) == pytest.approx(wanted)


@pytest.mark.parametrize(
    ("labels", "scores"), [((1, 1), (0.1, 0.2)), ((0,), (0.1,)), ((), ()), ((0, 1), (float("nan"), 0.2))]
)
def test_an_auc_of_one_class_or_of_no_number_is_refused(
    labels: tuple[int, ...], scores: tuple[float, ...]
) -> None:
    with pytest.raises(HarnessError, match="AUC needs"):
        classification.auc(np.array(labels), np.array(scores))


@pytest.mark.parametrize("seed", range(5))
def test_the_auc_is_that_of_scikit_learn_ties_included(seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, 400)
    scores = np.round(rng.random(400) + 0.2 * labels, 1 + seed)
    assert classification.auc(labels, scores) == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)
