"""Intervals: weighted numbers, DeLong by its definition, and what is covered when people repeat."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import (
    average_precision_score,
    balanced_accuracy_score,
    roc_auc_score,
    roc_curve,
)

from harness.metrics import bootstrap, classification
from harness.metrics.bootstrap import graph_of
from harness.metrics.intervals import auc_interval, bounds, delong, resampled
from harness.metrics.thresholds import tpr_at_fpr
from harness.metrics.weighted import (
    Curve,
    Statistic,
    auc_statistic,
    balanced_accuracy_statistic,
    mean_statistic,
)
from harness.types import HarnessError

Clips = dict[str, Any]
FPR, THRESHOLD = 0.2, 0.5


def swaps(worlds: Any, people: int, reals: int, fakes: int, icc: float = 0.2, seed: int = 0) -> Clips:
    """Clips whose scores depend on whose body and whose face they show, for `auc_interval`."""
    rng = np.random.default_rng(seed)
    faces = worlds.swaps(rng, people, reals, fakes)
    target, source = faces.names()
    scores = worlds.scores(rng, faces, [0.85], icc)[0]
    return {"labels": faces.label, "scores": scores, "target": target, "source": source}


def tied(seed: int, count: int = 120) -> tuple[np.ndarray, np.ndarray]:
    """Labels and scores that tie often, within and between the classes."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, count)
    return labels, np.clip(rng.integers(-4, 9, count) + 2 * labels, 0, 10) / 10


def statistics_of(labels: np.ndarray, scores: np.ndarray) -> dict[str, Statistic]:
    """Every number that is found under weights."""
    curve = Curve(labels, scores)
    return {
        "auc": auc_statistic(labels, scores),
        "ap": curve.average_precision,
        "eer": curve.equal_error_rate,
        "tpr_at": curve.tpr_at(FPR),
        "balanced_accuracy": balanced_accuracy_statistic(labels, scores >= THRESHOLD),
        "accuracy": mean_statistic((scores >= THRESHOLD) == labels),
        "tpr": mean_statistic(scores >= THRESHOLD, labels == 1),
        "brier": mean_statistic((scores - labels) ** 2),
    }


def plainly(labels: np.ndarray, scores: np.ndarray) -> dict[str, float]:
    """The same numbers of clips that weigh alike, by the functions the metrics use."""
    return {
        "auc": classification.auc(labels, scores),
        "ap": classification.average_precision(labels, scores),
        "eer": classification.equal_error_rate(labels, scores),
        "tpr_at": tpr_at_fpr(labels, scores, FPR),
        "balanced_accuracy": classification.balanced_accuracy(labels, scores, THRESHOLD),
        "accuracy": classification.accuracy(labels, scores, THRESHOLD),
        "tpr": float((scores[labels == 1] >= THRESHOLD).mean()),
        "brier": classification.brier(labels, scores),
    }


def of_scikit_learn(labels: np.ndarray, scores: np.ndarray, weights: np.ndarray) -> dict[str, float]:
    """The same numbers as scikit-learn finds them with `sample_weight`."""
    false_alarms, caught, _ = roc_curve(labels, scores, sample_weight=weights, drop_intermediate=False)
    called = scores >= THRESHOLD
    ahead = false_alarms + caught - 1
    return {
        "auc": roc_auc_score(labels, scores, sample_weight=weights),
        "ap": average_precision_score(labels, scores, sample_weight=weights),
        "eer": float(np.interp(0, ahead, false_alarms)),
        "tpr_at": float(caught[false_alarms <= FPR + 1e-12].max()),
        "balanced_accuracy": balanced_accuracy_score(labels, called, sample_weight=weights),
        "accuracy": float(np.average(called == labels, weights=weights)),
        "tpr": float(np.average(called[labels == 1], weights=weights[labels == 1])),
        "brier": float(np.average((scores - labels) ** 2, weights=weights)),
    }


@pytest.mark.parametrize("seed", range(4))
def test_with_equal_weights_every_number_is_the_unweighted_one(seed: int) -> None:
    labels, scores = tied(seed)
    wanted = plainly(labels, scores)
    for name, statistic in statistics_of(labels, scores).items():
        assert statistic(np.full((2, len(labels)), 0.7)) == pytest.approx([wanted[name]] * 2, abs=1e-12), name


@pytest.mark.parametrize("seed", range(4))
def test_with_weights_every_number_is_the_one_of_scikit_learn(seed: int) -> None:
    labels, scores = tied(seed)
    weights = np.random.default_rng(seed).exponential(size=(5, len(labels)))
    wanted = [of_scikit_learn(labels, scores, one) for one in weights]
    for name, statistic in statistics_of(labels, scores).items():
        assert statistic(weights) == pytest.approx([one[name] for one in wanted], abs=1e-12), name


@pytest.mark.parametrize("seed", range(4))
def test_whole_number_weights_equal_repeated_clips(seed: int) -> None:
    labels, scores = tied(seed)
    counts = np.random.default_rng(seed).integers(0, 4, len(labels))
    wanted = plainly(np.repeat(labels, counts), np.repeat(scores, counts))
    for name, statistic in statistics_of(labels, scores).items():
        found = statistic(counts[None].astype(float))
        assert found == pytest.approx([wanted[name]], abs=1e-12), name


def test_clips_without_weight_at_the_top_change_nothing() -> None:
    labels, scores = np.array([0, 1, 0, 1, 0, 1]), np.array([0.1, 0.2, 0.6, 0.7, 0.8, 0.9])
    for name, statistic in statistics_of(labels, scores).items():
        found = statistic(np.array([[1.0, 1, 1, 1, 0, 0]]))
        assert found == pytest.approx([plainly(labels[:4], scores[:4])[name]], abs=1e-12), name


def test_the_auc_of_some_clips_leaves_the_others_out() -> None:
    labels, scores = tied(0)
    part = np.arange(len(labels)) % 3 > 0
    weights = np.random.default_rng(0).exponential(size=(3, len(labels)))
    found = auc_statistic(np.where(part, labels, -1), scores)(weights)
    wanted = auc_statistic(labels[part], scores[part])(weights[:, part])
    assert found == pytest.approx(wanted, abs=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_the_weighted_roc_passes_through_the_points_of_scikit_learn(seed: int) -> None:
    labels, scores = tied(seed)
    weights = np.random.default_rng(seed).exponential(size=(3, len(labels)))
    grid = np.linspace(0.013, 1, 50)
    band = Curve(labels, scores).on_grid(weights, grid)
    for line, one in zip(band, weights, strict=True):
        false_alarms, caught, _ = roc_curve(labels, scores, sample_weight=one, drop_intermediate=False)
        assert line == pytest.approx(np.interp(grid, false_alarms, caught), abs=1e-9)
        assert (np.diff(line) >= 0).all()


def test_a_class_without_weight_has_no_auc() -> None:
    nothing = np.array([[0.0, 1.0]])
    assert np.isnan(auc_statistic(np.array([0, 1]), np.array([0.1, 0.9]))(nothing)).all()
    assert np.isnan(mean_statistic(np.array([1.0, 1.0]), np.array([True, False]))(nothing)).all()


def literally(labels: np.ndarray, table: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """AUCs and covariance by the definition of DeLong et al. (1988), pair by pair."""
    by_fake, by_real = [], []
    for scores in table:
        real, fake = scores[labels == 0], scores[labels == 1]
        won = np.array([[1.0 if f > r else 0.5 if f == r else 0.0 for r in real] for f in fake])
        by_fake.append(won.mean(axis=1))
        by_real.append(won.mean(axis=0))
    aucs = np.array([each.mean() for each in by_fake])
    covariance = np.zeros((len(table), len(table)))
    for one in range(len(table)):
        for other in range(len(table)):
            for parts in (by_fake, by_real):
                product = (parts[one] - aucs[one]) * (parts[other] - aucs[other])
                covariance[one, other] += product.sum() / (len(product) - 1) / len(product)
    return aucs, covariance


@pytest.mark.parametrize("distinct", [3, 12, 10**9])
def test_fast_delong_equals_its_definition_and_scikit_learn_ties_included(distinct: int) -> None:
    rng = np.random.default_rng(distinct)
    labels = np.repeat([0, 1], [37, 61])
    table = np.floor((rng.normal(size=(3, 98)) + labels + rng.normal(size=98)) * distinct) / distinct
    found = delong(labels, table)
    aucs, covariance = literally(labels, table)
    assert found.aucs == pytest.approx(aucs, abs=1e-12)
    assert found.aucs == pytest.approx([roc_auc_score(labels, one) for one in table], abs=1e-12)
    assert np.abs(found.covariance - covariance).max() < 1e-12
    alone = delong(labels, table[1])
    assert alone.interval() == pytest.approx(found.interval(1), abs=1e-12)
    assert alone.covariance.shape == (1, 1)


def test_the_interval_of_delong_is_normal_and_ends_at_one() -> None:
    labels, scores = np.repeat([0, 1], 50), np.random.default_rng(0).normal(size=100)
    found = delong(labels, scores + labels)
    half = 1.959964 * np.sqrt(found.covariance[0, 0])
    assert found.interval() == pytest.approx((found.aucs[0] - half, found.aucs[0] + half), abs=1e-6)
    assert delong(labels, scores + 3.3 * labels).interval()[1] == 1.0
    perfect = delong(labels, scores + 99 * labels)
    assert perfect.interval() == (1.0, 1.0)


@pytest.mark.parametrize("labels", [[0, 1, 1], [0, 0, 1], [1, 1], []])
def test_delong_needs_two_clips_of_each_class(labels: list[int]) -> None:
    with pytest.raises(HarnessError, match="two real and two fake"):
        delong(np.array(labels), np.linspace(0, 1, len(labels)))


def test_the_interval_holds_the_auc_and_the_same_world_gives_the_same_one(worlds: Any) -> None:
    clips = swaps(worlds, 40, 120, 120)
    found = auc_interval(**clips)
    assert found.low < roc_auc_score(clips["labels"], clips["scores"]) < found.high
    assert found == auc_interval(**clips)
    assert found != auc_interval(**clips, world="another")
    assert (found.method, found.identities) == ("node", 40)


def test_shared_identities_widen_the_interval(worlds: Any) -> None:
    clips = swaps(worlds, 20, 120, 240, icc=0.4)
    node = auc_interval(**clips)
    alone = auc_interval(clips["labels"], clips["scores"], [None] * 360, [None] * 360)
    assert alone.method == "clip"
    assert node.high - node.low > 1.5 * (alone.high - alone.low)


def test_where_clips_are_independent_the_clip_bootstrap_is_as_wide_as_delong(worlds: Any) -> None:
    clips = swaps(worlds, 400, 300, 300, icc=0.0)
    alone = auc_interval(clips["labels"], clips["scores"], [None] * 600, [None] * 600)
    low, high = delong(clips["labels"], clips["scores"]).interval()
    assert alone.high - alone.low == pytest.approx(high - low, rel=0.06)


def test_the_node_interval_covers_where_clip_and_delong_do_not(worlds: Any) -> None:
    """The short version of the simulation in tests/benchmarks: 200 repetitions of a Celeb-DF-like test."""
    rng = np.random.default_rng(0)
    covered = {"node": 0, "clip": 0, "delong": 0}
    icc, repetitions = 0.3, 200
    truth = float(np.mean([_auc_of_celebrities(worlds, rng, icc) for _ in range(3000)]))
    nobody = [None] * 518
    for number in range(repetitions):
        faces = worlds.celeb_df_like(rng)
        scores = worlds.scores(rng, faces, [0.85], icc)[0]
        world = f"repetition {number}"
        node = auc_interval(faces.label, scores, *faces.names(), draws=400, world=world)
        clip = auc_interval(faces.label, scores, nobody, nobody, draws=400, world=world)
        assert (node.method, node.identities, clip.method) == ("node", 122, "clip")
        covered["node"] += node.low <= truth <= node.high
        covered["clip"] += clip.low <= truth <= clip.high
        low, high = delong(faces.label, scores).interval()
        covered["delong"] += low <= truth <= high
    share = {name: count / repetitions for name, count in covered.items()}
    assert 0.93 <= share["node"] <= 0.98, share
    assert max(share["clip"], share["delong"]) < 0.90, share


def _auc_of_celebrities(worlds: Any, rng: np.random.Generator, icc: float) -> float:
    faces = worlds.celeb_df_like(rng)
    return classification.auc(faces.label, worlds.scores(rng, faces, [0.85], icc)[0])


def test_several_numbers_are_drawn_by_the_same_weights(worlds: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    labels, scores = tied(0)
    graph = graph_of(labels, [f"p{k % 9}" for k in range(120)], [None] * 120)
    every = statistics_of(labels, scores)
    together = resampled(graph, every, 50)
    monkeypatch.setattr(bootstrap, "CHUNK", 120 * 7)
    for name, statistic in every.items():
        assert together[name] == pytest.approx(resampled(graph, {name: statistic}, 50)[name], abs=1e-12)


def test_bounds_leave_the_same_share_of_draws_outside_on_both_sides() -> None:
    assert bounds(np.arange(1001.0)) == pytest.approx((25, 975))
    assert bounds(np.arange(1001.0), 0.9) == pytest.approx((50, 950))


def test_one_real_and_one_fake_clip_still_have_an_interval() -> None:
    found = auc_interval([0, 1], [0.2, 0.8], [None, None], [None, None])
    assert (found.low, found.high) == (pytest.approx(0.025), 1.0)


def test_a_constant_score_has_an_interval_of_no_width_at_one_half(worlds: Any) -> None:
    clips = swaps(worlds, 20, 50, 50)
    found = auc_interval(clips["labels"], np.full(100, 0.5), clips["target"], clips["source"])
    assert (found.low, found.high) == pytest.approx((0.5, 0.5))


@pytest.mark.parametrize(
    ("labels", "scores", "names", "draws"),
    [
        ([1, 1], [0.1, 0.2], [None, None], 10),
        ([0, 1], [0.1, float("nan")], [None, None], 10),
        ([0, 1], [0.1, 0.2, 0.3], [None, None], 10),
        ([0, 1], [0.1, 0.2], [None], 10),
        ([0, 1], [0.1, 0.2], [None, None], 0),
        ([], [], [], 10),
    ],
)
def test_what_has_no_interval_is_refused(
    labels: list[int], scores: list[float], names: list[None], draws: int
) -> None:
    with pytest.raises(HarnessError, match="interval"):
        auc_interval(labels, scores, names, names, draws=draws)


def test_two_thousand_draws_of_240_clips_take_under_a_fifth_of_a_second(worlds: Any) -> None:
    clips = swaps(worlds, 40, 120, 120)
    spent = []
    for _ in range(3):
        started = time.perf_counter()
        auc_interval(**clips)
        spent.append(time.perf_counter() - started)
    assert min(spent) < 0.2
