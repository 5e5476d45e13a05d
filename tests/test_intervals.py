"""Intervals: known answers, which clips share a weight, speed and memory."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from harness import intervals
from harness.intervals import auc_interval, weighted_auc
from harness.types import HarnessError

Clips = dict[str, Any]


def swaps(identities: int, reals: int, fakes: int, spread: float = 1.0, seed: int = 0) -> Clips:
    """Clips whose scores depend on whose body and whose face they show."""
    rng = np.random.default_rng(seed)
    as_target, as_source = rng.normal(0, spread, (2, identities))
    real, body = rng.integers(0, identities, reals), rng.integers(0, identities, fakes)
    face = (body + rng.integers(1, identities, fakes)) % identities
    noise = rng.normal(0, 1, reals + fakes)
    scores = np.concatenate([as_target[real], 1 + as_target[body] + as_source[face]]) + noise
    return {
        "labels": np.repeat([0, 1], [reals, fakes]),
        "scores": scores,
        "target": [str(k) for k in (*real, *body)],
        "source": [None] * reals + [str(k) for k in face],
    }


def test_weighted_auc_with_equal_weights_is_the_auc_of_scikit_learn_ties_included() -> None:
    rng = np.random.default_rng(0)
    labels, scores = rng.integers(0, 2, 300), rng.integers(0, 12, 300) / 12
    found = weighted_auc(labels, scores, np.full((2, 300), 0.7))
    assert found == pytest.approx([roc_auc_score(labels, scores)] * 2, abs=1e-12)


def test_weighted_auc_is_the_auc_of_scikit_learn_with_those_weights() -> None:
    rng = np.random.default_rng(1)
    labels, scores = rng.integers(0, 2, 200), rng.integers(0, 9, 200) / 9
    weights = rng.exponential(size=(5, 200))
    wanted = [roc_auc_score(labels, scores, sample_weight=one) for one in weights]
    assert weighted_auc(labels, scores, weights) == pytest.approx(wanted, abs=1e-12)


def test_whole_number_weights_equal_repeated_clips() -> None:
    labels, scores = np.array([0, 0, 1, 1, 1]), np.array([0.1, 0.6, 0.6, 0.9, 0.2])
    counts = np.array([2, 1, 3, 0, 1])
    wanted = roc_auc_score(np.repeat(labels, counts), np.repeat(scores, counts))
    assert weighted_auc(labels, scores, counts[None].astype(float))[0] == pytest.approx(wanted)


def test_a_class_without_weight_has_no_auc() -> None:
    assert np.isnan(weighted_auc(np.array([0, 1]), np.array([0.1, 0.9]), np.array([[0.0, 1.0]]))).all()


def test_the_interval_holds_the_auc_and_the_same_seed_gives_the_same_one() -> None:
    clips = swaps(40, 120, 120)
    found = auc_interval(**clips)
    assert found.low < roc_auc_score(clips["labels"], clips["scores"]) < found.high
    assert found == auc_interval(**clips)
    assert found != auc_interval(**clips, seed=1)
    assert (found.method, found.identities) == ("node", 40)


def test_shared_identities_widen_the_interval() -> None:
    clips = swaps(20, 120, 240, spread=1.5)
    node = auc_interval(**clips)
    alone = auc_interval(clips["labels"], clips["scores"], [None] * 360, [None] * 360)
    assert alone.method == "clip"
    assert node.high - node.low > 1.5 * (alone.high - alone.low)


def test_the_node_interval_covers_where_the_clip_interval_does_not() -> None:
    truth = float(np.mean([_auc(swaps(4000, 4000, 4000, seed=k)) for k in range(3)]))
    node = clip = 0
    for seed in range(100):
        clips = swaps(30, 60, 120, seed=seed)
        nobody = [None] * 180
        found = auc_interval(**clips, draws=300, seed=seed)
        alone = auc_interval(clips["labels"], clips["scores"], nobody, nobody, draws=300, seed=seed)
        node += found.low <= truth <= found.high
        clip += alone.low <= truth <= alone.high
    assert node >= 90
    assert clip < node - 8


def _auc(clips: Clips) -> float:
    return float(roc_auc_score(clips["labels"], clips["scores"]))


@pytest.mark.parametrize(
    ("target", "source", "method", "identities"),
    [
        (["a", "b", "a", "b"], [None, None, "b", "a"], "node", 2),
        (["a", "b", "a", "b"], [None, None, "a", "b"], "node", 2),
        (["a", "b", "a", "b"], [None, None, None, None], "cluster", 2),
        ([None, None, None, None], ["a", "b", "a", float("nan")], "mixed", 3),
        (["a", "b", "a", "b"], [None, None, "b", None], "mixed", 2),
        ([None, "b", "a", "b"], [None, None, "b", "a"], "mixed", 3),
        ([None] * 4, [None] * 4, "clip", 4),
    ],
)
def test_the_method_says_which_identities_were_known(
    target: list[Any], source: list[Any], method: str, identities: int
) -> None:
    found = auc_interval([0, 0, 1, 1], [0.1, 0.7, 0.4, 0.8], target, source, draws=50)
    assert (found.method, found.identities) == (method, identities)


def test_a_fake_weighs_the_product_of_its_two_identities_and_a_self_swap_only_one() -> None:
    labels = np.array([0, 1, 1])
    first, second, count, _ = intervals._identities(labels, ["a", "a", "b"], ["x", "b", "b"])
    weights = next(intervals._clip_weights(np.random.default_rng(0), first, second, count, 4))
    drawn = np.random.default_rng(0).standard_exponential((4, count))
    assert weights == pytest.approx(np.stack([drawn[:, 0], drawn[:, 0] * drawn[:, 1], drawn[:, 1]], axis=1))


def test_memory_is_bounded_by_cutting_the_draws_without_changing_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clips = swaps(40, 120, 120)
    whole = auc_interval(**clips)
    monkeypatch.setattr(intervals, "CHUNK", 240 * 7)
    assert auc_interval(**clips) == whole


def test_one_real_and_one_fake_clip_still_have_an_interval() -> None:
    found = auc_interval([0, 1], [0.2, 0.8], [None, None], [None, None])
    assert (found.low, found.high) == (1.0, 1.0)


def test_a_constant_score_has_an_interval_of_no_width_at_one_half() -> None:
    clips = swaps(20, 50, 50)
    found = auc_interval(clips["labels"], np.full(100, 0.5), clips["target"], clips["source"])
    assert (found.low, found.high) == pytest.approx((0.5, 0.5))


@pytest.mark.parametrize(
    ("labels", "scores", "names"),
    [
        ([1, 1], [0.1, 0.2], [None, None]),
        ([0, 1], [0.1, float("nan")], [None, None]),
        ([0, 1], [0.1, 0.2], [None]),
        ([], [], []),
    ],
)
def test_what_has_no_interval_is_refused(labels: list[int], scores: list[float], names: list[None]) -> None:
    with pytest.raises(HarnessError, match="interval"):
        auc_interval(labels, scores, names, names)


def test_a_thousand_draws_of_240_clips_take_under_a_fifth_of_a_second() -> None:
    clips = swaps(40, 120, 120)
    spent = []
    for _ in range(3):
        started = time.perf_counter()
        auc_interval(**clips)
        spent.append(time.perf_counter() - started)
    assert min(spent) < 0.2
