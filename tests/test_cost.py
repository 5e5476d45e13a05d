"""Cost measurements on detectors whose cost is known because they wait for it."""

from __future__ import annotations

import time

import numpy as np
import pytest
import torch
from torch import nn

from harness.cost import BATCHES, device_name, measure_cost
from harness.types import HarnessError, Runtime

CPU = Runtime(device="cpu", precision="fp32")


class Waiting:
    """A fixed detector: so many seconds a pass, so many more for each clip, more for the first pass."""

    size, frames = 8, 4

    def __init__(self, a_pass: float = 0.0, a_clip: float = 0.0, cold: float = 0.0) -> None:
        self.a_pass, self.a_clip, self.cold = a_pass, a_clip, cold
        self.seen: list[np.ndarray] = []

    def score(self, clips: np.ndarray) -> np.ndarray:
        cold = 0.0 if self.seen else self.cold
        time.sleep(self.a_pass + self.a_clip * len(clips) + cold)
        self.seen.append(clips.copy())
        return np.full(clips.shape[:2], 0.5, np.float32)


class Small(nn.Module):
    size, frames = 16, 3

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(3, 4, 3)
        self.frozen = nn.Parameter(torch.zeros(5), requires_grad=False)

    def score(self, clips: torch.Tensor) -> torch.Tensor:
        pixels = clips.flatten(0, 1).permute(0, 3, 1, 2).float()
        return torch.sigmoid(self.layer(pixels).float().mean((1, 2, 3))).view(clips.shape[:2])


class Wrong(Waiting):
    def score(self, clips: np.ndarray) -> np.ndarray:
        return np.full(clips.shape[:2], 1.5, np.float32)


def test_latency_is_the_time_of_one_clip_alone():
    cost = measure_cost(Waiting(a_pass=0.010), "waiting", CPU, seconds=1.0)
    assert 10 <= cost.latency_ms_p50 < 16
    assert cost.latency_ms_p95 is not None
    assert cost.latency_ms_p95 >= cost.latency_ms_p50


def test_throughput_is_that_of_the_largest_batch_when_a_pass_costs_the_same_for_any_batch():
    cost = measure_cost(Waiting(a_pass=0.020), "waiting", CPU, seconds=2.0)
    assert cost.batch == max(BATCHES)
    assert 0.6 * 16 * 4 / 0.020 < cost.frames_per_second <= 16 * 4 / 0.020


def test_a_batch_that_does_not_help_is_not_chosen_and_larger_ones_are_not_tried():
    detector = Waiting(a_clip=0.020)
    cost = measure_cost(detector, "waiting", CPU, seconds=1.0)
    assert cost.batch <= 2
    assert max(len(clips) for clips in detector.seen) <= 4
    assert 0.7 * 4 / 0.020 < cost.frames_per_second <= 4 / 0.020


def test_a_slow_first_pass_is_not_counted():
    cost = measure_cost(Waiting(a_pass=0.002, cold=0.2), "waiting", CPU, seconds=1.0)
    assert cost.latency_ms_p99 is not None
    assert cost.latency_ms_p99 < 100


def test_percentiles_without_enough_repetitions_are_none():
    few = measure_cost(Waiting(a_pass=0.05), "waiting", CPU, seconds=0.5)
    assert (few.latency_ms_p95, few.latency_ms_p99) == (None, None)
    some = measure_cost(Waiting(a_pass=0.008), "waiting", CPU, seconds=1.0)
    assert some.latency_ms_p95 is not None
    assert some.latency_ms_p99 is None


def test_the_time_is_kept_and_a_slow_detector_is_still_measured():
    started = time.perf_counter()
    measure_cost(Waiting(a_pass=0.001, a_clip=0.001), "waiting", CPU, seconds=1.0)
    assert time.perf_counter() - started < 2.5
    started = time.perf_counter()
    assert measure_cost(Waiting(a_pass=0.1), "waiting", CPU, seconds=0.01).batch == 1
    assert time.perf_counter() - started < 2.5


def test_the_clips_are_the_same_every_time_and_of_the_detectors_own_size():
    one, other = Waiting(a_pass=0.002), Waiting(a_pass=0.002)
    for detector in (one, other):
        measure_cost(detector, "waiting", CPU, seconds=0.2)
    assert one.seen[0].shape == (1, 4, 8, 8, 3)
    assert one.seen[0].dtype == np.uint8
    assert one.seen[0].std() > 60
    assert np.array_equal(one.seen[0], other.seen[0])


def test_a_detector_without_a_network_has_no_parameters_and_uses_no_gpu_memory():
    cost = measure_cost(Waiting(a_pass=0.001), "waiting", CPU, seconds=0.2)
    assert (cost.detector, cost.size, cost.frames, cost.precision) == ("waiting", 8, 4, "fp32")
    assert cost.parameters == 0
    assert (cost.peak_vram_allocated_mib, cost.peak_vram_reserved_mib) == (None, None)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_all_parameters_of_a_network_are_counted_the_fixed_ones_too(precision):
    cost = measure_cost(Small(), "small", Runtime(precision=precision), seconds=0.3)
    assert cost.parameters == 3 * 4 * 9 + 4 + 5
    assert cost.precision == precision
    assert cost.frames_per_second > 0


def test_a_detector_with_invalid_scores_is_an_error_not_a_speed():
    with pytest.raises(HarnessError, match=r"1\.5"):
        measure_cost(Wrong(), "wrong", CPU, seconds=0.2)


def test_a_processor_is_named_with_its_threads():
    assert device_name(torch.device("cpu")).endswith(("thread", "threads"))
    assert device_name(torch.device("cpu"))[0] != ","


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_on_a_gpu_the_peak_memory_covers_the_clips_and_the_device_is_named():
    cost = measure_cost(Small(), "small", Runtime(device="cuda"), seconds=1.0)
    assert cost.device == torch.cuda.get_device_name()
    assert cost.peak_vram_allocated_mib is not None
    assert cost.peak_vram_reserved_mib is not None
    pixels = cost.batch * cost.frames * cost.size**2 * 3 * 4 / 2**20
    assert cost.peak_vram_reserved_mib >= cost.peak_vram_allocated_mib >= pixels
