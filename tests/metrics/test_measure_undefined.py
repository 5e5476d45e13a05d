"""What failed is counted, what is not defined is None with a reason, what is no score is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from harness.metrics.measure import Terms, measure
from harness.types import HarnessError
from tests.metrics.six_clips import LABELS, SCORES, predictions


def test_a_failed_clip_is_counted_and_in_no_number() -> None:
    found = measure(predictions((*LABELS, 0), (*SCORES, None)), 0.35)
    assert (found.clips, found.failed) == (7, 1)
    whole = measure(predictions(), 0.35).metrics
    outside = ("auc_failed_worst", "auc_failed_best")
    assert {name: value for name, value in found.metrics.items() if name not in outside} == {
        name: value for name, value in whole.items() if name not in outside
    }
    # all nine pairs of the scored clips, and three of the failed real with a fake: lost, or won
    assert (found.metrics["auc_failed_worst"], found.metrics["auc_failed_best"]) == (6 / 12, 9 / 12)


def test_failed_clips_of_both_classes_widen_the_band_both_ways() -> None:
    found = measure(predictions((0, 0, 1, 1), (0.2, None, 0.8, None)), None).metrics
    # at worst the failed real scores 1 and the failed fake 0: only 0.8 beats 0.2
    assert (found["auc_failed_worst"], found["auc"], found["auc_failed_best"]) == (0.25, 1.0, 1.0)


@pytest.mark.parametrize(("clips", "defined"), [(100, False), (99, True)])
def test_the_band_is_given_once_more_than_one_percent_failed(clips: int, defined: bool) -> None:
    labels = [k % 2 for k in range(clips)]
    scores: list[float | None] = [0.2 + 0.6 * label for label in labels]
    found = measure(predictions(labels, [None, *scores[1:]]), None)
    assert (found.metrics["auc_failed_worst"] is not None) == defined
    assert ("auc_failed_best" in found.reasons) != defined


def test_a_class_whose_clips_all_failed_still_has_the_band_of_what_they_hide() -> None:
    found = measure(predictions((0, 0, 1), (0.2, 0.3, None)), None).metrics
    assert found["auc"] is None
    assert (found["auc_failed_worst"], found["auc_failed_best"]) == (0, 1)


def test_a_manipulation_whose_clips_all_failed_is_none_with_a_reason() -> None:
    table = predictions((0, 1, 1), (0.2, 0.9, None), manipulation=[None, "good", "broken"])
    found = measure(table, 0.5)
    assert found.metrics["auc:broken"] is None
    assert found.reasons["auc:broken"] == "no scored fake clip"
    assert "auc:broken" not in found.intervals


def test_without_a_threshold_the_accuracies_are_none_with_a_reason() -> None:
    found = measure(predictions(), None)
    for name in ("accuracy", "balanced_accuracy", "tpr", "fpr", "ppv"):
        assert found.metrics[name] is None
        assert found.reasons[name] == "no decision threshold"
        assert name not in found.intervals
    assert found.metrics["accuracy_at_half"] is not None
    said = measure(predictions(), None, Terms(no_decisions="threshold: unknown")).reasons
    assert said["accuracy"] == said["ppv"] == "threshold: unknown"


def test_where_nothing_is_called_fake_nobody_can_say_how_much_of_it_is_fake() -> None:
    found = measure(predictions(), 0.95)
    assert (found.metrics["tpr"], found.metrics["fpr"], found.metrics["ppv"]) == (0, 0, None)
    assert found.reasons["ppv"] == "nothing is called fake"
    assert "ppv" not in found.intervals


@pytest.mark.parametrize(("prevalence", "threshold"), [(0.0, 0.85), (1.0, 0.95)])
def test_no_fakes_to_be_met_or_none_called_leave_the_ppv_none_with_a_reason(
    prevalence: float, threshold: float
) -> None:
    found = measure(predictions(), threshold, Terms(prevalence=prevalence))
    assert found.metrics["ppv"] is None
    assert "ppv" in found.reasons


def test_without_validation_predictions_drift_is_none_with_a_reason() -> None:
    found = measure(predictions(), 0.5, Terms({"5pct": 0.7}, {"1pct": "60 scored reals"}))
    assert found.metrics["fpr_at_val_5pct"] == pytest.approx(1 / 3)
    for name in ("fpr_at_val_1pct", "miss_at_val_1pct:swap"):
        assert (found.metrics[name], found.reasons[name]) == (None, "60 scored reals")
    assert measure(predictions(), 0.5).reasons["fpr_at_val_5pct"] == "no validation predictions"


@pytest.mark.parametrize(
    ("label", "missing", "known", "unknown"), [(0, "fake", "fpr", "tpr"), (1, "real", "tpr", "fpr")]
)
def test_with_one_class_only_what_needs_both_is_none(
    label: int, missing: str, known: str, unknown: str
) -> None:
    found = measure(predictions([label] * 3, [0.2, 0.4, 0.9]), 0.5)
    for name in ("auc", "ap", "eer", "balanced_accuracy", unknown, "ppv", "frame_auc"):
        assert found.metrics[name] is None
        assert found.reasons[name] == f"no scored {missing} clip"
    for name in ("tpr_at_fpr_1pct", "auc_failed_worst"):
        assert (found.metrics[name], found.reasons[name]) == (None, f"no scored {missing} clip")
    assert found.metrics["accuracy"] == pytest.approx(1 / 3 if label else 2 / 3)
    assert (found.metrics[known], found.metrics["base_rate"]) == (pytest.approx(1 / 3), 1.0)
    wrong = [0.8, 0.6, 0.1] if label else [0.2, 0.4, 0.9]
    assert found.metrics["brier"] == pytest.approx(np.mean(np.square(wrong)))
    assert set(found.intervals) == {"accuracy", "brier", known}


@pytest.mark.parametrize("count", [0, 3])
def test_with_no_scored_clip_every_number_is_none_with_a_reason(count: int) -> None:
    found = measure(predictions([0, 1, 1][:count], [None] * count), 0.5)
    assert (found.clips, found.failed) == (count, count)
    undefined = {name for name, value in found.metrics.items() if value is None}
    # clips that all failed could hide anything, and the band says so
    assert set(found.metrics) - undefined == ({"auc_failed_worst", "auc_failed_best"} if count else set())
    assert set(found.reasons) == undefined
    drift = {name for name in undefined if "_at_val_" in name}
    assert {found.reasons[name] for name in undefined - drift} == {"no scored clip"}
    assert (found.intervals, found.method, found.draws) == ({}, None, {})


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ({"score": [0.1, 0.4, 0.8, 0.3, 0.7, 1.1]}, "clip/5.*outside"),
        ({"score": [-0.1, 0.4, 0.8, 0.3, 0.7, 0.9]}, "clip/0.*outside"),
        ({"score": [0.1, float("nan"), 0.8, 0.3, 0.7, 0.9]}, "clip/1.*neither"),
        ({"score": [0.1, float("inf"), 0.8, 0.3, 0.7, 0.9]}, "clip/1.*outside"),
        ({"frame_scores": [[0.1, 0.1]] * 5 + [[0.9, float("nan")]]}, "clip/5.*frame score"),
        ({"frame_scores": [[0.1, 2.0]] * 6}, "clip/0.*frame score"),
        ({"label": [0, 0, 0, 1, 1, 2]}, "clip/5.*label"),
        ({"clip_id": ["same"] * 6}, "same.*twice"),
        ({"error": ["unreadable"] + [None] * 5}, "clip/0.*a score and an error"),
    ],
)
def test_what_no_number_may_be_made_from_is_refused(broken: dict[str, Any], said: str) -> None:
    with pytest.raises(HarnessError, match=said):
        measure(predictions(**broken), 0.5)


def test_a_missing_column_is_named() -> None:
    with pytest.raises(HarnessError, match="'target'"):
        measure(predictions().drop(columns="target"), 0.5)


def test_where_nobody_knows_how_it_was_chosen_nothing_is_decided_at_any_threshold() -> None:
    found = measure(predictions(), 0.35, Terms(limits={"5pct": 0.6}, no_decisions="nobody knows"))
    for name in ("accuracy", "accuracy_at_half", "tpr", "fpr", "ppv", "fpr_at_val_5pct"):
        assert found.metrics[name] is None
        assert found.reasons[name] == "nobody knows"
    assert found.reasons["miss_at_val_5pct:swap"] == "nobody knows"
    assert found.metrics["auc"] is not None
