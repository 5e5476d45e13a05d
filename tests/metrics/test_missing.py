"""Clips the detector did not judge: a class that loses more of them than chance has it makes no AUC."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from harness.metrics.measure import Terms, measure
from harness.metrics.missing import chance_of, lopsided, why_unjudged
from tests.metrics.six_clips import predictions

NOTE = "no face was found: as-chance"
FISHER = "Fisher's exact test"


def faceless(labels: list[int], scores: list[float], without: list[int], said: float = 0.5) -> Any:
    """Predictions of which some clips are scored by a policy."""
    told = [said if k in without else score for k, score in enumerate(scores)]
    notes = [NOTE if k in without else None for k in range(len(scores))]
    frames = [[] if k in without else [score] for k, score in enumerate(told)]
    return predictions(labels, told, note=notes, frame_scores=frames)


def test_a_clip_scored_as_chance_is_half_caught_and_half_accused() -> None:
    table = faceless([0, 0, 0, 1, 1, 1], [0.1, 0.2, 0.9, 0.8, 0.9, 0.9], without=[0, 4, 5])
    found = measure(table, 0.5, Terms(limits={"5pct": 0.5})).metrics
    assert (found["tpr"], found["fpr"]) == (pytest.approx(2 / 3), pytest.approx(1.5 / 3))
    assert found["accuracy"] == found["accuracy_at_half"] == pytest.approx((1 + 1.5 + 1 + 0) / 6)
    assert found["balanced_accuracy"] == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert found["fpr_at_val_5pct"] == pytest.approx(1.5 / 3)
    assert found["miss_at_val_5pct:swap"] == pytest.approx(1 / 3)


@pytest.mark.parametrize(("said", "caught"), [(0.0, 1 / 3), (1.0, 1.0)])
def test_a_clip_scored_as_real_or_as_fake_is_decided_so(said: float, caught: float) -> None:
    table = faceless([0, 0, 0, 1, 1, 1], [0.1, 0.2, 0.3, 0.9, 0.8, 0.8], [4, 5], said)
    assert measure(table, 0.5).metrics["tpr"] == pytest.approx(caught)


def test_the_auc_over_clips_with_a_face_stands_beside_the_one_that_missing_faces_make() -> None:
    """One score for everything, and no face in any fake: the AUC is 1 by what the policy says."""
    table = faceless([0] * 6 + [1] * 6, [0.12] * 12, without=list(range(6, 12)))
    found = measure(table, 0.5)
    assert found.metrics["auc"] == 1.0
    assert (found.metrics["auc_with_face"], found.reasons["auc_with_face"]) == (None, "no scored fake clip")
    assert found.metrics["tpr"] == 0.5
    assert found.counts["faceless"] == (0, 6) and found.counts["clips"] == (6, 6)
    some = measure(faceless([0, 0, 1, 1, 1], [0.1, 0.7, 0.4, 0.8, 0.9], without=[3, 4]), None)
    assert some.metrics["auc_with_face"] == 0.5
    assert measure(predictions(), None).reasons["auc_with_face"] == "no clip was scored without a face"


def test_failed_clips_are_counted_by_class_and_bounded_where_one_class_lost_more() -> None:
    labels = [0] * 1000 + [1] * 1000
    scores: list[float | None] = [0.2 + 0.6 * label for label in labels]
    one_sided = measure(predictions(labels, [*scores[:-15], *[None] * 15]), None, Terms(draws=5))
    assert one_sided.counts["failed"] == (0, 15)
    assert one_sided.metrics["auc_failed_worst"] == pytest.approx(0.985)
    even = measure(predictions(labels, [None] * 7 + scores[7:-7] + [None] * 7), None, Terms(draws=5))
    assert even.counts["failed"] == (7, 7) and even.metrics["auc_failed_worst"] is None


@pytest.mark.parametrize(
    ("clips", "failed", "without", "said"),
    [
        ((6, 6), (0, 0), (0, 6), f"no face in 0 of 6 real and 6 of 6 fake clips ({FISHER}: p = 0.002)"),
        ((6, 6), (0, 5), (0, 0), f"no score for 0 of 6 real and 5 of 6 fake clips ({FISHER}: p = 0.015)"),
        ((20, 20), (0, 0), (1, 2), ""),
        ((20, 20), (0, 0), (3, 3), "no face in 3 of 20 real and 3 of 20 fake clips: over 10 %"),
        (
            *((20, 20), (2, 1), (1, 1)),
            "no face in 1 of 20 real and 1 of 20 fake clips;"
            " no score for 2 of 20 real and 1 of 20 fake clips: over 10 %",
        ),
        ((3000, 3000), (0, 0), (0, 20), ""),
        ((5, 0), (0, 0), (2, 0), "no face in 2 of 5 real clips: over 10 %"),
        ((0, 0), (0, 0), (0, 0), ""),
    ],
)
def test_a_row_has_no_rank_where_a_class_lost_more_or_too_many_are_lost(
    clips: tuple[int, int], failed: tuple[int, int], without: tuple[int, int], said: str
) -> None:
    assert why_unjudged(clips, failed, without) == said


def test_classes_that_lose_clips_by_chance_are_rarely_called_lopsided() -> None:
    rng = np.random.default_rng(0)
    for rate in (0.03, 0.2):
        lost = rng.binomial([60, 40], rate, size=(1000, 2))
        called = np.mean([lopsided((int(a), int(b)), (60, 40)) for a, b in lost])
        assert called < 0.05
    assert chance_of((0, 6), (6, 6)) == pytest.approx(2 / 924)
    assert chance_of((3, 0), (3, 0)) == 1.0
