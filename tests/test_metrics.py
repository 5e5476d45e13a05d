"""Every metric against answers known by hand, and every reason for None."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest

from harness import metrics
from harness.metrics import measure
from harness.types import HarnessError

LABELS = (0, 0, 0, 1, 1, 1)
SCORES = (0.1, 0.4, 0.8, 0.3, 0.7, 0.9)


def predictions(
    labels: Sequence[int] = LABELS, scores: Sequence[float | None] = SCORES, **columns: Any
) -> pd.DataFrame:
    """Predictions as stored: two equal frame scores a clip, one manipulation, no identities."""
    table = {
        "clip_id": [f"clip/{k}" for k in range(len(labels))],
        "label": list(labels),
        "manipulation": ["swap" if label else None for label in labels],
        "target": [None] * len(labels),
        "source": [None] * len(labels),
        "score": list(scores),
        "frame_scores": [[] if score is None else [score, score] for score in scores],
        "frame_indices": [[0, 5]] * len(labels),
        "error": ["unreadable" if score is None else None for score in scores],
    }
    return pd.DataFrame(table | columns)


def test_every_number_of_six_clips_is_the_one_counted_by_hand() -> None:
    found = measure(predictions(), threshold=0.35)
    assert found.metrics == pytest.approx(
        {
            "auc": 6 / 9,  # pairs in order: 0.3 beats one real, 0.7 two, 0.9 three
            "ap": (1 + 2 / 3 + 3 / 5) / 3,  # precision each time a fake is met from the top
            "eer": 1 / 3,  # at 0.7: one real of three above, one fake of three below
            "accuracy": 3 / 6,
            "balanced_accuracy": 0.5,
            "accuracy_at_half": 4 / 6,
            "brier": (0.01 + 0.16 + 0.64 + 0.49 + 0.09 + 0.01) / 6,
            "frame_auc": 6 / 9,
            "auc:swap": 6 / 9,
        }
    )
    assert (found.clips, found.failed, found.reasons) == (6, 0, {})
    assert set(found.intervals) == {"auc", "auc:swap"}
    assert found.interval_methods["auc"] == "clip"


def test_balanced_accuracy_is_the_mean_over_classes_not_over_clips() -> None:
    found = measure(predictions((0, 1, 1, 1), (0.9, 0.9, 0.9, 0.1)), threshold=0.5)
    assert found.metrics["accuracy"] == pytest.approx(0.5)
    assert found.metrics["balanced_accuracy"] == pytest.approx((0 + 2 / 3) / 2)


def test_a_score_at_the_threshold_says_fake() -> None:
    found = measure(predictions((0, 1), (0.5, 0.5)), threshold=0.5)
    assert found.metrics["accuracy"] == 0.5
    assert metrics.accuracy(np.array([1]), np.array([0.5]), 0.5) == 1.0
    assert metrics.accuracy(np.array([1]), np.array([0.5]), np.nextafter(0.5, 1)) == 0.0


def test_a_constant_score_is_guessing_in_every_number() -> None:
    found = measure(predictions(scores=[0.5] * 6), threshold=0.5).metrics
    for name in ("auc", "ap", "eer", "accuracy", "balanced_accuracy", "accuracy_at_half", "frame_auc"):
        assert found[name] == pytest.approx(0.5), name
    assert found["brier"] == pytest.approx(0.25)


def test_perfect_scores_and_inverted_ones_are_at_the_ends() -> None:
    best = measure(predictions((0, 0, 1, 1), (0.1, 0.2, 0.8, 0.9)), threshold=0.5).metrics
    worst = measure(predictions((0, 0, 1, 1), (0.8, 0.9, 0.1, 0.2)), threshold=0.5).metrics
    assert [best[name] for name in ("auc", "ap", "eer", "accuracy", "frame_auc")] == [1, 1, 0, 1, 1]
    assert [worst[name] for name in ("auc", "eer", "accuracy", "frame_auc")] == [0, 1, 0, 0]


def test_a_tie_between_a_real_and_a_fake_counts_half() -> None:
    assert measure(predictions((0, 1), (0.4, 0.4)), None).metrics["auc"] == 0.5
    assert measure(predictions((0, 1, 1), (0.4, 0.4, 0.9)), None).metrics["auc"] == 0.75


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
    assert metrics.equal_error_rate(np.array(labels), np.array(scores)) == pytest.approx(wanted)


def test_the_frame_auc_is_over_frames_and_not_over_their_means() -> None:
    table = predictions((0, 1), (0.4, 0.5), frame_scores=[[0.1, 0.7], [0.2, 0.8]])
    found = measure(table, None).metrics
    assert (found["auc"], found["frame_auc"]) == (1.0, 0.75)


def test_a_clip_based_detector_has_no_frame_auc() -> None:
    found = measure(predictions(frame_scores=[[score] for score in SCORES]), 0.5)
    assert found.metrics["frame_auc"] is None
    assert "clip-based" in found.reasons["frame_auc"]


def test_clips_of_one_frame_have_a_frame_auc() -> None:
    table = predictions(frame_scores=[[score] for score in SCORES], frame_indices=[[0]] * 6)
    assert measure(table, 0.5).metrics["frame_auc"] == pytest.approx(6 / 9)


def test_each_manipulation_is_measured_against_all_reals() -> None:
    table = predictions((0, 0, 1, 1), (0.2, 0.6, 0.9, 0.4), manipulation=[None, None, "easy", "hard"])
    found = measure(table, None).metrics
    assert (found["auc:easy"], found["auc:hard"], found["auc"]) == (1.0, 0.5, 0.75)


def test_a_failed_clip_is_counted_and_in_no_number() -> None:
    found = measure(predictions((*LABELS, 0), (*SCORES, None)), 0.35)
    assert (found.clips, found.failed) == (7, 1)
    assert found.metrics == measure(predictions(), 0.35).metrics


def test_a_manipulation_whose_clips_all_failed_is_none_with_a_reason() -> None:
    table = predictions((0, 1, 1), (0.2, 0.9, None), manipulation=[None, "good", "broken"])
    found = measure(table, 0.5)
    assert found.metrics["auc:broken"] is None
    assert found.reasons["auc:broken"] == "no scored fake clip"
    assert "auc:broken" not in found.intervals


def test_without_a_threshold_the_accuracies_are_none_with_a_reason() -> None:
    found = measure(predictions(), None)
    for name in ("accuracy", "balanced_accuracy"):
        assert found.metrics[name] is None
        assert found.reasons[name] == "no decision threshold"
    assert found.metrics["accuracy_at_half"] is not None


@pytest.mark.parametrize(("label", "missing"), [(0, "fake"), (1, "real")])
def test_with_one_class_only_what_needs_both_is_none(label: int, missing: str) -> None:
    found = measure(predictions([label] * 3, [0.2, 0.4, 0.9]), 0.5)
    for name in ("auc", "ap", "eer", "balanced_accuracy", "frame_auc"):
        assert found.metrics[name] is None
        assert found.reasons[name] == f"no scored {missing} clip"
    assert found.metrics["accuracy"] == pytest.approx(1 / 3 if label else 2 / 3)
    wrong = [0.8, 0.6, 0.1] if label else [0.2, 0.4, 0.9]
    assert found.metrics["brier"] == pytest.approx(np.mean(np.square(wrong)))
    assert found.intervals == {}


@pytest.mark.parametrize("count", [0, 3])
def test_with_no_scored_clip_every_number_is_none_with_a_reason(count: int) -> None:
    found = measure(predictions([0, 1, 1][:count], [None] * count), 0.5)
    assert (found.clips, found.failed) == (count, count)
    assert set(found.metrics.values()) == {None}
    assert set(found.reasons) == set(found.metrics)
    assert set(found.reasons.values()) == {"no scored clip"}


def test_identities_reach_the_interval() -> None:
    names: dict[str, Any] = {"target": ["a", "b", "c", "a", "b", "c"], "source": [None] * 3 + ["b", "c", "a"]}
    assert measure(predictions(**names), None).interval_methods == {"auc": "node", "auc:swap": "node"}


def test_the_same_numbers_come_from_a_parquet_file(tmp_path: Any) -> None:
    table = predictions((*LABELS, 1), (*SCORES, None))
    table.to_parquet(tmp_path / "cell.parquet")
    assert measure(pd.read_parquet(tmp_path / "cell.parquet"), 0.4) == measure(table, 0.4)


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


def test_numbers_tables_and_gate_import_neither_torch_nor_a_plotting_library() -> None:
    code = (
        "import sys, harness.metrics, harness.leaderboard, harness.gate, harness.plots;"
        "print(sorted({'torch', 'mlflow', 'matplotlib', 'seaborn'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
