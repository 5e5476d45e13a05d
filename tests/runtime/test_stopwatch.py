"""Latency is that of one clip, throughput that of the best batch, and what is timed had settled."""

from __future__ import annotations

import numpy as np
import pytest

from harness.runtime.cost import measure_cost
from harness.runtime.stopwatch import BATCHES
from tests.runtime.clocked_detectors import CPU, Clock, Waiting


def test_latency_is_the_time_of_one_clip_alone(clock: Clock) -> None:
    cost = measure_cost(Waiting(clock, a_pass=0.010, a_clip=0.002), "waiting", CPU)
    assert cost.latency_ms_p50 == cost.latency_ms_p90 == pytest.approx(12)


def test_throughput_is_that_of_the_largest_batch_when_a_pass_costs_the_same_for_any_batch(
    clock: Clock,
) -> None:
    cost = measure_cost(Waiting(clock, a_pass=0.020), "waiting", CPU)
    assert cost.batch == max(BATCHES)
    assert cost.frames_per_second == pytest.approx(16 * 4 / 0.020)
    assert cost.throughput == tuple((batch, pytest.approx(batch * 200)) for batch in BATCHES)


def test_a_batch_that_does_not_help_is_not_chosen_and_larger_ones_are_not_tried(clock: Clock) -> None:
    detector = Waiting(clock, a_clip=0.020)
    cost = measure_cost(detector, "waiting", CPU)
    assert [batch for batch, _ in cost.throughput] == [1, 2]
    assert max(len(clips) for clips in detector.seen) == 2
    assert cost.frames_per_second == pytest.approx(4 / 0.020)


def test_a_very_fast_detector_is_measured_like_any_other(clock: Clock) -> None:
    cost = measure_cost(Waiting(clock, a_pass=1e-4), "waiting", CPU)
    assert (cost.latency_samples, cost.latency_invalid, cost.throughput_invalid) == (1000, "", "")


def test_a_slow_first_pass_is_not_counted(clock: Clock) -> None:
    cost = measure_cost(Waiting(clock, a_pass=0.002, cold=0.2), "waiting", CPU)
    assert (cost.latency_ms_p99, cost.latency_invalid) == (pytest.approx(2), "")


def test_the_time_is_kept_and_a_slow_detector_is_still_measured(clock: Clock) -> None:
    measure_cost(Waiting(clock, a_pass=0.001, a_clip=0.001), "waiting", CPU, seconds=8.0)
    assert 4 < clock.now < 9
    clock.now = 0.0
    cost = measure_cost(Waiting(clock, a_clip=2.0), "waiting", CPU, seconds=8.0)
    assert (cost.batch, cost.frames_per_second) == (1, pytest.approx(2))
    assert cost.throughput_invalid == cost.latency_invalid == ""
    assert clock.now < 30


def test_the_clips_are_the_same_every_time_and_of_the_detectors_own_size(clock: Clock) -> None:
    one, other = Waiting(clock, a_pass=0.1), Waiting(clock, a_pass=0.1)
    for detector in (one, other):
        measure_cost(detector, "waiting", CPU, seconds=1.0)
    assert one.seen[0].shape == (1, 4, 8, 8, 3)
    assert one.seen[0].dtype == np.uint8
    assert one.seen[0].std() > 60
    assert np.array_equal(one.seen[0], other.seen[0])
