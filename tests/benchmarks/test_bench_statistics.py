"""What the statistics promise, on experiments whose truth is known; the tests run these shorter."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pytest

from harness.metrics import classification
from harness.metrics.bootstrap import graph_of
from harness.metrics.intervals import auc_interval, delong, resampled
from harness.metrics.significance import Difference, detectable, differences
from harness.metrics.weighted import auc_statistic

AUC, DRAWS = 0.85, 500
Bounds = list[tuple[float, float]]


def coverage(
    worlds: Any, graph: Callable[[np.random.Generator], Any], icc: float, one_effect: bool, repetitions: int
) -> tuple[dict[str, float], str]:
    """Share of the 95 % intervals of each method that hold the true AUC, and all of it in words.

    People, footage and scores are drawn anew in each repetition; the truth is the mean AUC of 10,000 more.
    """
    rng = np.random.default_rng(round(1000 * icc) + one_effect)

    def simulated() -> tuple[Any, np.ndarray]:
        faces = graph(rng)
        return faces, worlds.scores(rng, faces, [AUC], icc, one_effect=one_effect)[0]

    aucs = [classification.auc(faces.label, scores) for faces, scores in (simulated() for _ in range(10_000))]
    truth, found = float(np.mean(aucs)), dict[str, Bounds](node=[], clip=[], DeLong=[])
    for number in range(repetitions):
        faces, scores = simulated()
        nobody = [None] * len(scores)
        for identities in (faces.names(), (nobody, nobody)):
            interval = auc_interval(faces.label, scores, *identities, DRAWS, f"repetition {number}")
            found[interval.method].append((interval.low, interval.high))
        found["DeLong"].append(delong(faces.label, scores).interval())
    share = {
        name: float(np.mean([low <= truth <= high for low, high in each])) for name, each in found.items()
    }
    told = ", ".join(
        f"{name} {100 * share[name]:.1f} % (width {np.mean(np.diff(found[name])):.3f})" for name in found
    )
    kind = "one effect a person" if one_effect else "separate effects"
    spread = 3.92 * np.std(aucs)
    return share, f"ICC {icc:g}, {kind}: {told}; true width {spread:.3f}, {repetitions} repetitions"


@pytest.mark.parametrize("one_effect", [False, True], ids=["separate-effects", "one-effect"])
@pytest.mark.parametrize("icc", [0.05, 0.2, 0.4])
def test_the_node_bootstrap_covers_on_clips_like_those_of_celeb_df(worlds, icc, one_effect):
    """340 swaps among 52 people, 178 reals."""
    share, told = coverage(worlds, worlds.celeb_df_like, icc, one_effect, 2000)
    print(f"\ncoverage of 95 % intervals, {told}")
    # Where people hardly matter, products of weights are a little too careful: 98.0 % in truth.
    assert 0.93 <= share["node"] <= (0.98 if icc >= 0.2 else 0.985)
    if icc >= 0.2:
        assert max(share["clip"], share["DeLong"]) < 0.90


@pytest.mark.parametrize("people", [10, 20, 50])
def test_how_many_people_an_interval_needs(worlds, people):
    """100 reals and 100 swaps; ten people are too few for any bootstrap over people."""
    share, told = coverage(worlds, lambda rng: worlds.swaps(rng, people, 100, 100), 0.2, False, 1000)
    print(f"\ncoverage with {people} people, {told}")
    assert 0.93 <= share["node"] <= 0.985 or people < 20
    assert share["node"] > share["clip"] + 0.05


def leaderboards(
    worlds: Any,
    graph: Callable[[np.random.Generator], Any],
    aucs: Sequence[float],
    *,
    icc: float = 0.2,
    correlation: float = 0.8,
    number: int = 1000,
) -> list[list[Difference]]:
    """Comparisons of detectors with these true AUCs, on people drawn anew each time."""
    found = []
    for seed in range(number):
        rng = np.random.default_rng(seed)
        faces = graph(rng)
        scores = worlds.scores(rng, faces, aucs, icc, correlation)
        clips = graph_of(faces.label, *faces.names(), world=f"leaderboard {seed}")
        statistics = {str(k): auc_statistic(faces.label, each) for k, each in enumerate(scores)}
        drawn = resampled(clips, statistics, DRAWS)
        values = [(classification.auc(faces.label, each), drawn[str(k)]) for k, each in enumerate(scores)]
        found.append(differences(list(combinations(statistics, 2)), list(combinations(values, 2))))
    return found


def thousand(worlds: Any) -> Callable[[np.random.Generator], Any]:
    """500 reals and 500 swaps of 100 people."""
    return lambda rng: worlds.swaps(rng, 100, 500, 500)


@pytest.mark.parametrize("correlation", [0.0, 0.8])
@pytest.mark.parametrize("detectors", [2, 4])
def test_equal_detectors_are_rarely_told_apart(worlds, detectors, correlation):
    found = leaderboards(worlds, thousand(worlds), [0.88] * detectors, correlation=correlation)
    share = np.mean([any(each.separated for each in board) for board in found])
    print(
        f"\n{detectors} equal detectors, score correlation {correlation:g}:"
        f" any two told apart in {100 * share:.1f} % of {len(found)} leaderboards"
    )
    assert share <= 0.05


def test_five_points_and_the_detectable_difference_are_found(worlds):
    found = leaderboards(worlds, thousand(worlds), [0.90, 0.85])
    share = np.mean([board[0].separated for board in found])
    reach = detectable([board[0].error for board in found])
    assert reach is not None
    print(f"\n0.90 against 0.85, 1,000 clips of 100 people: told apart in {100 * share:.1f} %")
    assert share >= 0.90
    planted = leaderboards(worlds, thousand(worlds), [0.85 + reach, 0.85])
    power = np.mean([board[0].separated for board in planted])
    print(f"minimal detectable difference {100 * reach:.2f} points; planted, found in {100 * power:.1f} %")
    assert 0.80 <= power < 0.98


@pytest.mark.parametrize("auc", [0.75, 0.85, 0.90, 0.95])
def test_what_can_be_told_apart_on_clips_like_those_of_celeb_df(worlds, auc):
    errors = []
    for icc in (0.05, 0.2):
        found = leaderboards(worlds, worlds.celeb_df_like, [auc, auc], icc=icc, number=100)
        errors.append(detectable([board[0].error for board in found]))
    alone = []
    for seed in range(100):
        rng = np.random.default_rng(seed)
        faces = worlds.celeb_df_like(rng)
        covariance = delong(faces.label, worlds.scores(rng, faces, [auc, auc], 0.2, 0.8)).covariance
        alone.append(float(np.sqrt(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])))
    points = [100 * (each or 0) for each in (*errors, detectable(alone))]
    print(
        f"\n518 clips, AUC {auc:g}, score correlation 0.8: minimal detectable difference"
        f" {points[0]:.1f} points (ICC 0.05), {points[1]:.1f} (ICC 0.2);"
        f" {points[2]:.1f} by DeLong, which takes clips as independent"
    )
    assert points[2] < points[0] < points[1]
