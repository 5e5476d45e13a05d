"""The cost of a detector is known from its clock, its parameters and its memory, or INVALID with a reason."""

from __future__ import annotations

import json
from dataclasses import asdict

import numpy as np
import pytest
import torch
from torch import nn

from harness.records import Cost
from harness.runtime import hardware
from harness.runtime.cost import device_name, measure_cost
from harness.runtime.hardware import Moment
from harness.types import HarnessError, Runtime
from tests.runtime.clocked_detectors import CPU, Clock, Waiting
from tests.runtime.known_cost import cost


class Tiring(Waiting):
    """Takes a tenth longer with every second."""

    def seconds(self, clips: int) -> float:
        return self.a_pass * 1.1**self.clock.now


class Restless(Waiting):
    """Three fast passes, three slow ones, and so on."""

    def seconds(self, clips: int) -> float:
        return self.a_pass * (1 + len(self.seen) // 3 % 2)


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


@pytest.mark.parametrize(
    ("a_pass", "known"),
    [
        (3.2 / 62.5, (False, False)),  # 63 passes
        (3.2 / 63.5, (True, False)),
        (3.2 / 660.5, (True, False)),
        (3.2 / 661.5, (True, True)),
    ],
)
def test_percentiles_with_fewer_samples_than_mlperf_asks_for_are_none(
    clock: Clock, a_pass: float, known: tuple[bool, bool]
) -> None:
    cost = measure_cost(Waiting(clock, a_pass=a_pass), "waiting", CPU, seconds=8.0)
    assert (cost.latency_ms_p90 is not None, cost.latency_ms_p99 is not None) == known
    assert [cost.latency_samples >= fewest for fewest in (64, 662)] == list(known)
    assert cost.latency_invalid == "", "too few samples for a percentile make no other number wrong"


def test_a_detector_without_a_network_has_no_parameters_and_uses_no_gpu_memory(clock: Clock) -> None:
    cost = measure_cost(Waiting(clock, a_pass=0.1), "waiting", CPU)
    assert (cost.detector, cost.size, cost.frames, cost.precision) == ("waiting", 8, 4, "fp32")
    assert cost.parameters == 0
    assert (cost.peak_vram_allocated_mib, cost.peak_vram_reserved_mib, cost.vram_process_mib) == (None,) * 3
    assert (cost.event_frames_per_second, cost.event_ms_p50, cost.driver) == (None,) * 3
    assert cost.peak_ram_mib is not None
    assert cost.peak_ram_mib > 50  # torch is in it
    assert (cost.torch, cost.threads) == (torch.__version__, torch.get_num_threads())


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_all_parameters_of_a_network_are_counted_the_fixed_ones_too(precision: str) -> None:
    cost = measure_cost(Small(), "small", Runtime(precision=precision), seconds=0.1)
    assert cost.parameters == 3 * 4 * 9 + 4 + 5
    assert cost.precision == precision
    assert cost.frames_per_second > 0


def test_a_detector_with_invalid_scores_is_an_error_not_a_speed(clock: Clock) -> None:
    with pytest.raises(HarnessError, match=r"1\.5"):
        measure_cost(Wrong(clock), "wrong", CPU)


def test_a_detector_that_never_settles_has_no_valid_speed(clock: Clock) -> None:
    cost = measure_cost(Restless(clock, a_pass=0.05), "restless", CPU)
    assert "never settled" in cost.throughput_invalid
    assert "never settled" in cost.latency_invalid


def test_a_device_that_slows_down_meanwhile_has_no_valid_speed(clock: Clock) -> None:
    cost = measure_cost(Tiring(clock, a_pass=0.05), "tiring", CPU)
    assert "one clip took" in cost.throughput_invalid
    assert "at last" in cost.latency_invalid


def test_others_on_the_processor_spoil_only_what_they_met(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    cores = len(hardware._cores())
    met = iter([0.0, 0.0, 3.0 * cores])  # core-seconds of others: before, between, at the end
    monkeypatch.setattr(hardware, "moment", lambda: Moment(clock.now, clock.now + next(met), clock.now, 0))
    cost = measure_cost(Waiting(clock, a_pass=0.05), "waiting", CPU)
    assert cost.latency_invalid == ""
    assert f"of {cores} cores" in cost.throughput_invalid
    assert cost.others_cores is not None
    assert cost.others_cores > 0.2


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_on_a_gpu_the_peak_memory_covers_the_clips_and_the_device_is_named() -> None:
    cost = measure_cost(Small(), "small", Runtime(device="cuda"), seconds=1.0)
    assert cost.device == torch.cuda.get_device_name()
    assert cost.peak_vram_allocated_mib is not None
    assert cost.peak_vram_reserved_mib is not None
    pixels = cost.batch * cost.frames * cost.size**2 * 3 * 4 / 2**20
    assert cost.peak_vram_reserved_mib >= cost.peak_vram_allocated_mib >= pixels
    assert cost.event_ms_p50 is not None
    assert 0 < cost.event_ms_p50 <= cost.latency_ms_p50


def test_a_processor_is_named_with_its_threads() -> None:
    assert device_name(torch.device("cpu")).endswith(("thread", "threads"))
    assert device_name(torch.device("cpu"))[0] != ","


def test_a_cost_is_read_back_as_it_was() -> None:
    assert Cost.read(json.loads(json.dumps(asdict(cost())))) == cost()


def test_a_cost_of_an_earlier_version_keeps_its_numbers_and_is_invalid() -> None:
    earlier = {
        name: value for name, value in asdict(cost()).items() if not name.endswith(("_p90", "invalid"))
    }
    found = Cost.read({**earlier, "latency_ms_p95": 44.0})
    assert (found.frames_per_second, found.latency_ms_p90) == (229.4, None)
    assert found.throughput_invalid == found.latency_invalid == "measured by an earlier version"
    with pytest.raises(HarnessError, match="no record of a cost"):
        Cost.read({"detector": "xception"})
