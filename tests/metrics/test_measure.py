"""Every number of a cell is the one known by hand, and its interval is as sure as the clips are many."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pandas as pd
import pytest

from harness.metrics import classification
from harness.metrics.measure import METRICS, Terms, measure
from harness.metrics.thresholds import limits_of
from harness.results.comparison import auc_draws
from harness.types import HarnessError
from tests.metrics.six_clips import LABELS, SCORES, predictions


def test_every_number_of_six_clips_is_the_one_counted_by_hand() -> None:
    found = measure(predictions(), 0.35, Terms(limits={"1pct": 0.85, "5pct": 0.75}, prevalence=0.2))
    defined = {
        "auc": 6 / 9,  # pairs in order: 0.3 beats one real, 0.7 two, 0.9 three
        "ap": (1 + 2 / 3 + 3 / 5) / 3,  # precision each time a fake is met from the top
        "eer": 1 / 3,  # at 0.7: one real of three above, one fake of three below
        "accuracy": 3 / 6,
        "balanced_accuracy": 0.5,
        "base_rate": 0.5,
        "accuracy_at_half": 4 / 6,
        "tpr": 2 / 3,
        "fpr": 2 / 3,
        "ppv": 0.2,  # as many reals as fakes are called fake, so it is the prevalence
        "fpr_at_val_1pct": 0.0,
        "fpr_at_val_5pct": 1 / 3,
        "brier": (0.01 + 0.16 + 0.64 + 0.49 + 0.09 + 0.01) / 6,
        "ece": (0.1 + 0.4 + 0.8 + 0.7 + 0.3 + 0.1) / 6,  # each clip is a bin of its own
        "frame_auc": 6 / 9,
        "auc:swap": 6 / 9,
        "miss_at_val_1pct:swap": 2 / 3,
        "miss_at_val_5pct:swap": 2 / 3,
    }
    assert {name: found.metrics[name] for name in defined} == pytest.approx(defined)
    assert set(found.metrics) - set(defined) == set(found.reasons)
    assert found.reasons == {
        "auc_with_face": "no clip was scored without a face",
        "tpr_at_fpr_1pct": "3 scored reals; 1 % FPR needs 1000",
        "tpr_at_fpr_0.1pct": "3 scored reals; 0.1 % FPR needs 10000",
        "auc_failed_worst": "no more than 1 % of the clips failed",
        "auc_failed_best": "no more than 1 % of the clips failed",
    }
    assert (found.clips, found.failed, found.method, found.identities) == (6, 0, "clip", 6)
    without = {"base_rate", "accuracy_at_half", "ece", "frame_auc"}
    assert set(found.intervals) == set(defined) - without | {"auc_delong"}
    assert set(found.metrics) >= set(METRICS)


def test_each_interval_holds_its_number_and_stays_within_zero_and_one() -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(300) % 2
    scores = np.clip(rng.normal(0.4 + 0.25 * labels, 0.2), 0, 1)
    people: list[Any] = [f"p{k}" for k in rng.integers(0, 40, 300)]
    found = measure(predictions(labels, scores, target=people), 0.5, Terms(limits={"1pct": 0.9, "5pct": 0.8}))
    assert (found.method, found.identities) == ("cluster", 40)
    assert {"auc", "auc_delong", "eer", "ap", "tpr", "fpr_at_val_1pct", "miss_at_val_5pct:swap"} <= set(
        found.intervals
    )
    for name, (low, high) in found.intervals.items():
        value = found.metrics["auc" if name == "auc_delong" else name]
        assert value is not None and 0 <= low <= value <= high <= 1, name
        assert high - low > 0.01, name


def test_the_draws_of_two_detectors_weigh_the_same_people_alike_whatever_either_failed() -> None:
    rng = np.random.default_rng(1)
    labels = np.arange(200) % 2
    people: list[Any] = [f"p{k}" for k in rng.integers(0, 30, 200)]
    scores = np.clip(rng.normal(0.4 + 0.2 * labels, 0.2), 0, 1)
    nearly = np.clip(scores + rng.normal(0, 0.02, 200), 0, 1)
    gone: list[float | None] = [None, None, *nearly[2:]]
    one = measure(predictions(labels, scores, target=people), None, Terms(world="w")).draws["auc"]
    other = measure(predictions(labels, gone, target=people), None, Terms(world="w")).draws["auc"]
    elsewhere = measure(predictions(labels, gone, target=people), None, Terms(world="v")).draws["auc"]
    assert len(one) == len(other) == 2000
    assert np.std(one - other) < 0.25 * np.std(one - elsewhere)
    assert abs(np.corrcoef(one, elsewhere)[0, 1]) < 0.1


def test_the_auc_and_its_draws_are_those_of_the_whole_measurement() -> None:
    table = predictions(target=["a", "b", "c", "a", "b", "c"])
    value, drawn = auc_draws(table, "w", 50)
    found = measure(table, None, Terms(world="w", draws=50))
    assert value == found.metrics["auc"]
    assert np.array_equal(drawn, found.draws["auc"])
    assert set(found.draws) == {"auc"}  # there is no threshold, so no accuracy
    decided = measure(table, 0.5, Terms(draws=50)).draws
    assert set(decided) == {"auc", "accuracy", "balanced_accuracy"}


def test_videos_of_four_manipulations_that_share_file_names_stay_apart() -> None:
    """Three of four methods are found and one is missed: 0.75. Merged by name it would look like 1.0."""
    methods = ("Deepfakes", "Face2Face", "FaceSwap", "NeuralTextures")
    reals = [f"ffpp/original/{name}" for name in ("000", "003")]
    fakes = [f"ffpp/{method}/{name}" for method in methods for name in ("000_003", "003_000")]
    labels = [0] * 2 + [1] * 8
    scores = [0.4, 0.4] + [0.9] * 6 + [0.1] * 2
    told: dict[str, Any] = {
        "clip_id": reals + fakes,
        "manipulation": [None, None, *np.repeat(methods, 2)],
        "target": ["000", "003"] + ["000", "003"] * 4,
        "source": [None, None] + ["003", "000"] * 4,
    }
    found = measure(predictions(labels, scores, **told), 0.5)
    assert (found.clips, found.identities, found.method) == (10, 2, "node")
    assert found.metrics["auc"] == 0.75
    assert [found.metrics[f"auc:{method}"] for method in methods] == [1, 1, 1, 0]
    names = [str(clip).rsplit("/", 1)[1] for clip in told["clip_id"]]
    merged = pd.DataFrame({"name": names, "label": labels, "score": scores}).groupby("name").mean()
    assert classification.auc(merged["label"].to_numpy(), merged["score"].to_numpy()) == 1.0
    with pytest.raises(HarnessError, match=r"000_003.*twice"):
        measure(predictions(labels, scores, **{**told, "clip_id": names}), 0.5)


def test_balanced_accuracy_is_the_mean_over_classes_not_over_clips() -> None:
    found = measure(predictions((0, 1, 1, 1), (0.9, 0.9, 0.9, 0.1)), threshold=0.5)
    assert found.metrics["accuracy"] == pytest.approx(0.5)
    assert found.metrics["balanced_accuracy"] == pytest.approx((0 + 2 / 3) / 2)


def test_a_score_at_the_threshold_says_fake() -> None:
    found = measure(predictions((0, 1), (0.5, 0.5)), threshold=0.5)
    assert found.metrics["accuracy"] == 0.5
    assert classification.accuracy(np.array([1]), np.array([0.5]), 0.5) == 1.0
    assert classification.accuracy(np.array([1]), np.array([0.5]), np.nextafter(0.5, 1)) == 0.0


def test_a_constant_score_is_guessing_in_every_number() -> None:
    found = measure(predictions(scores=[0.5] * 6), threshold=0.5).metrics
    for name in ("auc", "ap", "eer", "accuracy", "balanced_accuracy", "accuracy_at_half", "frame_auc"):
        assert found[name] == pytest.approx(0.5), name
    assert (found["tpr"], found["fpr"], found["ece"]) == (1, 1, 0)
    assert found["ppv"] == pytest.approx(0.01)
    assert found["brier"] == pytest.approx(0.25)


def test_perfect_scores_and_inverted_ones_are_at_the_ends() -> None:
    best = measure(predictions((0, 0, 1, 1), (0.1, 0.2, 0.8, 0.9)), threshold=0.5).metrics
    worst = measure(predictions((0, 0, 1, 1), (0.8, 0.9, 0.1, 0.2)), threshold=0.5).metrics
    assert [best[name] for name in ("auc", "ap", "eer", "accuracy", "frame_auc")] == [1, 1, 0, 1, 1]
    assert [worst[name] for name in ("auc", "eer", "accuracy", "frame_auc")] == [0, 1, 0, 0]


def test_a_tie_between_a_real_and_a_fake_counts_half() -> None:
    assert measure(predictions((0, 1), (0.4, 0.4)), None).metrics["auc"] == 0.5
    assert measure(predictions((0, 1, 1), (0.4, 0.4, 0.9)), None).metrics["auc"] == 0.75


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


def test_drift_is_the_fpr_that_a_threshold_of_the_validation_split_really_gives() -> None:
    rng = np.random.default_rng(0)
    val = rng.random(1000) * 0.5
    limits, why = limits_of(np.zeros(1000, dtype=int), val)
    reals = np.concatenate([np.full(90, 0.1), np.full(10, 0.7)])  # a tenth of them looks like no val clip
    fakes = np.repeat([0.3, 0.9], [5, 15])
    labels = np.repeat([0, 1], [100, 20])
    made: list[Any] = [None] * 100 + ["soft", "hard"] * 10
    found = measure(
        predictions(labels, np.concatenate([reals, fakes]), manipulation=made), 0.5, Terms(limits, why)
    )
    assert found.metrics["fpr_at_val_1pct"] == found.metrics["fpr_at_val_5pct"] == 0.1
    low, high = found.intervals["fpr_at_val_1pct"]
    assert 0.03 < low < 0.1 < high < 0.2
    assert found.metrics["miss_at_val_1pct:soft"] == 3 / 10  # its clips 0, 2 and 4 score 0.3
    assert found.metrics["miss_at_val_1pct:hard"] == 2 / 10


def test_a_tpr_is_given_as_soon_as_there_are_reals_enough() -> None:
    reals = np.linspace(0, 0.999, 1000)
    fakes = np.array([0.5, 0.985, 0.9895, 0.995])  # ten reals may be above: the threshold is over 0.989
    labels = np.repeat([0, 1], [1000, 4])
    found = measure(predictions(labels, np.concatenate([reals, fakes])), None)
    assert found.metrics["tpr_at_fpr_1pct"] == 2 / 4
    assert found.metrics["tpr_at_fpr_0.1pct"] is None
    low, high = found.intervals["tpr_at_fpr_1pct"]
    assert low <= 0.5 <= high


def test_identities_reach_the_interval() -> None:
    names: dict[str, Any] = {"target": ["a", "b", "c", "a", "b", "c"], "source": [None] * 3 + ["b", "c", "a"]}
    found = measure(predictions(**names), None)
    assert (found.method, found.identities) == ("node", 3)


def test_the_same_numbers_come_from_a_parquet_file(tmp_path: Any) -> None:
    table = predictions((*LABELS, 1), (*SCORES, None))
    table.to_parquet(tmp_path / "cell.parquet")
    assert measure(pd.read_parquet(tmp_path / "cell.parquet"), 0.4) == measure(table, 0.4)


def test_numbers_tables_and_gate_import_neither_torch_nor_a_plotting_library() -> None:
    code = (
        "import sys, harness.metrics.measure, harness.report.leaderboard, harness.gate.judge;"
        "import harness.report.plots.speed;"
        "print(sorted({'torch', 'mlflow', 'matplotlib', 'seaborn'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_a_share_of_none_or_all_gets_the_exact_bound_not_an_interval_of_no_width() -> None:
    table = predictions((0,) * 20 + (1,) * 20, [0.1] * 20 + [0.9] * 20)
    found = measure(table, 0.5)
    assert found.metrics["fpr"] == 0.0 and found.metrics["tpr"] == 1.0
    low, high = found.intervals["fpr"]
    assert low == 0.0
    assert (1 - high) ** 20 == pytest.approx(0.025)  # so high an FPR would show no false alarm this rarely
    assert found.intervals["tpr"] == pytest.approx((1 - high, 1.0))
    low, best = found.intervals["balanced_accuracy"]
    assert 1 - high < low < 0.95 and best == 1.0  # two shares at once are less likely so far off


def test_shares_of_few_people_are_as_sure_as_the_people_of_their_class_are_many() -> None:
    names: dict[str, Any] = {"target": ["a", "b", "a", "c", "c", "c"], "source": [None] * 6}
    table = predictions((0, 0, 0, 1, 1, 1), (0.1, 0.1, 0.1, 0.9, 0.9, 0.9), **names)
    found = measure(table, 0.5).intervals
    assert found["accuracy"][0] == pytest.approx(0.025 ** (1 / 3))
    assert found["fpr"][1] == pytest.approx(1 - 0.025 ** (1 / 2))
    assert found["tpr"][0] == found["auc"][0] == pytest.approx(0.025)  # three clips of one person


def test_a_perfect_order_of_few_clips_is_no_certainty() -> None:
    three = measure(predictions((0, 0, 0, 1, 1, 1), (0.1, 0.2, 0.3, 0.7, 0.8, 0.9)), 0.5)
    assert three.metrics["auc"] == 1.0
    assert three.intervals["auc"] == pytest.approx((0.025 ** (1 / 3), 1.0))
    assert np.quantile(three.draws["auc"], [0.025, 0.975]) == pytest.approx(three.intervals["auc"], abs=1e-4)
    for name in ("ap", "eer", "auc_delong"):  # at an end, and nothing is known of how far it may be
        assert name not in three.intervals
    kinds = [None] * 5 + ["rare"]
    one = measure(predictions((0, 0, 0, 0, 0, 1), (0.1, 0.2, 0.3, 0.4, 0.8, 0.7), manipulation=kinds), 0.5)
    assert one.counts["auc:rare"] == one.counts["auc"] == (5, 1)
    assert one.metrics["auc:rare"] == pytest.approx(0.8)
    assert one.intervals["auc:rare"] == pytest.approx((0.8 * 0.025, 1 - 0.2 * 0.025))


def test_two_detectors_that_got_the_same_clips_right_do_not_differ() -> None:
    labels = (0,) * 8 + (1,) * 8
    one = measure(predictions(labels, [0.1] * 8 + [0.9] * 8), 0.5, Terms(world="w")).draws
    other = measure(predictions(labels, [0.3] * 8 + [0.6] * 8), 0.5, Terms(world="w")).draws
    assert np.array_equal(one["auc"], other["auc"]) and np.array_equal(one["accuracy"], other["accuracy"])


def test_where_no_real_is_called_fake_the_ppv_has_a_lower_bound_and_no_value() -> None:
    found = measure(predictions((0,) * 50 + (1,) * 50, [0.1] * 50 + [0.9] * 40 + [0.2] * 10), 0.5)
    assert (found.metrics["fpr"], found.metrics["ppv"]) == (0.0, None)
    assert found.reasons["ppv"] == "none of 50 scored reals is called fake"
    low, high = found.intervals["ppv"]
    worst = 0.8 * 0.01 / (0.8 * 0.01 + (1 - 0.025 ** (1 / 50)) * 0.99)  # at the bound of the FPR
    assert low == pytest.approx(worst, rel=0.1) and high == 1.0
    seen = measure(predictions((0,) * 50 + (1,) * 50, [0.9] + [0.1] * 49 + [0.9] * 50), 0.5)
    assert seen.metrics["ppv"] == pytest.approx(0.01 / (0.01 + 0.02 * 0.99))
    assert seen.intervals["ppv"][0] < 0.2 < 0.9 < seen.intervals["ppv"][1]


def test_the_base_rate_is_what_always_saying_the_commoner_class_gets_right() -> None:
    found = measure(predictions((0, 1, 1, 1), (0.1, 0.9, 0.9, 0.9)), 0.0)
    assert (found.metrics["accuracy"], found.metrics["base_rate"]) == (0.75, 0.75)
    assert found.metrics["balanced_accuracy"] == 0.5
