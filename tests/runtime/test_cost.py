"""Cost measurements on detectors whose cost is known because they move the clock, and fake devices."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from harness.gate.cost_budgets import judge_costs
from harness.records import Board, Cost, Entry
from harness.report.costs import cost_tables, describe_cost, stored_cost
from harness.report.leaderboard import cost_table
from harness.report.provenance import costs_of
from harness.runtime import hardware, stopwatch
from harness.runtime.cost import device_name, measure_cost
from harness.runtime.hardware import Gpu, Moment, disturbed, gpu_now, held_mib, others_cores, strangers
from harness.runtime.stopwatch import BATCHES
from harness.types import HarnessError, Runtime

CPU = Runtime(device="cpu", precision="fp32")


class Clock:
    """A clock that stands still until a detector moves it."""

    now = 0.0

    def perf_counter(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock that detectors are timed with, and a processor that nobody else uses."""
    found = Clock()
    monkeypatch.setattr(stopwatch, "time", found)
    monkeypatch.setattr(hardware, "moment", lambda: Moment(found.now, found.now, found.now, 0))
    return found


class Waiting:
    """A fixed detector: so many seconds a pass, so many more for each clip, more for the first pass."""

    size, frames = 8, 4

    def __init__(self, clock: Clock, a_pass: float = 0.0, a_clip: float = 0.0, cold: float = 0.0) -> None:
        self.clock, self.a_pass, self.a_clip, self.cold = clock, a_pass, a_clip, cold
        self.seen: list[np.ndarray] = []

    def score(self, clips: np.ndarray) -> np.ndarray:
        self.clock.now += self.seconds(len(clips))
        self.seen.append(clips.copy())
        return np.full(clips.shape[:2], 0.5, np.float32)

    def seconds(self, clips: int) -> float:
        return self.a_pass + self.a_clip * clips + (0.0 if self.seen else self.cold)


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


# What is timed


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


# What makes a number INVALID


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


def test_others_may_have_the_cores_that_are_not_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "_cores", lambda: set(range(8)))
    before, after = Moment(0, 100, 50, 7), Moment(10, 100 + 70, 50 + 30, 7)  # own: 3 cores; others: 4
    assert others_cores(before, after) == pytest.approx(4)
    assert disturbed(before, after, needed=4) == ""
    assert disturbed(before, after, needed=6) == "other processes used 4.0 of 8 cores"
    assert disturbed(before, Moment(10, 100, 50, 8), needed=1) == "heat slowed the processor"
    assert disturbed(before, Moment(10, None, 80, 7), needed=8) == "", "nobody says"


def test_the_processor_is_really_watched() -> None:
    before, after = hardware.moment(), hardware.moment()
    assert after.own >= before.own > 0
    if before.busy is not None:
        assert after.busy is not None
        assert after.busy >= before.busy > 0


# GPUs, by a driver that tells what the test wants

ANSWERS = {
    "clocks_throttle_reasons.active": "580.65, 1755, 1980, 2619, 97, 5000, 0x0000000000000004",
    "pid,used_memory": "4321, 3000\n4322, [N/A]",
}


@pytest.fixture
def smi(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What a fake `nvidia-smi` answers to a query that ends with such words; else it knows nothing."""
    answers = dict(ANSWERS)

    def answer(query: str, *words: str) -> list[str] | None:
        assert words == ("-i", "GPU-abc")
        return next((told.splitlines() for end, told in answers.items() if query.endswith(end)), None)

    monkeypatch.setattr(hardware, "_nvidia_smi", answer)
    return answers


def test_a_power_cap_is_the_speed_of_a_gpu_and_heat_is_not(smi: dict[str, str]) -> None:
    gpu = gpu_now("abc")
    assert gpu is not None
    assert (gpu.driver, gpu.clocks, gpu.slowed) == ("580.65", "1755 of 1980 MHz, memory 2619 MHz", "")
    assert (gpu.busy, gpu.used_mib, gpu.processes) == (97, 5000, {4321: 3000, 4322: None})
    told = smi.pop("clocks_throttle_reasons.active")  # newer drivers have another word for it
    smi["clocks_event_reasons.active"] = told.replace("0x0000000000000004", "0x0000000000000064")
    newer = gpu_now("GPU-abc")
    assert newer is not None
    assert newer.slowed == "by heat"


def test_a_driver_that_says_little_is_not_guessed_for(smi: dict[str, str]) -> None:
    smi["clocks_throttle_reasons.active"] = "580.65, 1755, 1980, 2619, [N/A], [N/A], [N/A]"
    del smi["pid,used_memory"]
    gpu = gpu_now("abc")
    assert gpu is not None
    assert (gpu.slowed, gpu.busy, gpu.used_mib, gpu.processes) == ("", None, None, {})
    smi.clear()
    assert gpu_now("abc") is None


def test_another_process_counts_when_it_computes_not_when_it_only_holds_memory() -> None:
    idle, working = (Gpu("1", "", "", busy, 5000, {4321: 3000.0}) for busy in (0.0, 40.0))
    assert strangers(None) == strangers(idle) == ""
    assert strangers(working) == "another process kept the GPU busy 40 % of the time (process 4321)"


def test_the_memory_of_the_process_is_what_the_driver_says_or_what_came_on_top(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before, loaded = (Gpu("1", "", "", 0.0, used, {4321: 900.0}) for used in (1000.0, 1800.0))
    assert held_mib(before, loaded) == 800
    monkeypatch.setattr(hardware.os, "getpid", lambda: 4321)
    assert held_mib(before, loaded) == 900
    assert held_mib(None, loaded) is None


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


# What is kept and told


COST = Cost(
    *("xception", "Some(R) Processor(TM)", "fp32", 96, 8, 16, 229.4, 35.0, 40.0, None, 9, None, None),
    throughput=((1, 114.3), (16, 229.4)),
    latency_samples=70,
)


def cost(**said: Any) -> Cost:
    return replace(COST, **said)


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


def test_an_invalid_number_is_marked_in_tables_and_its_reason_told_once() -> None:
    why = "other processes used 1.0 of 2 cores"
    (table,) = cost_tables([cost(throughput_invalid=why), cost(detector="airl", latency_invalid=why)])
    assert [line[5:8] for line in table.lines] == [("~229", "35.0", "40.0"), ("229", "~35.0", "~40.0")]
    assert table.note.count(why) == 1
    assert "~ INVALID: xception, airl" in table.note
    (quiet,) = cost_tables([cost()])
    assert "~" not in str(quiet)
    assert f"speed is           INVALID: {why}" in describe_cost(cost(throughput_invalid=why))
    assert "1: 114.3, 16: 229.4" in describe_cost(cost())


def test_the_throughput_by_batch_is_json_in_the_csv() -> None:
    line = stored_cost(cost())
    assert json.loads(line["throughput"]) == [[1, 114.3], [16, 229.4]]
    board = Board("m", "0", "", "", tuple(Entry("x", on, 0, (), cost()) for on in ("a", "b")))
    assert costs_of(board) == [cost()]
    assert list(cost_table(board).columns) == list(line)


@pytest.mark.parametrize(
    ("now", "before", "margins", "outcome"),
    [
        ({"frames_per_second": 60.0, "throughput_invalid": "heat"}, {}, {"fps": 0.25}, "inconclusive"),
        ({"frames_per_second": 60.0}, {"throughput_invalid": "heat"}, {"fps": 0.25}, "inconclusive"),
        ({"frames_per_second": 60.0, "latency_invalid": "heat"}, {}, {"fps": 0.25}, "worse"),
        ({"throughput_invalid": "heat"}, {}, {"fps_min": 300}, "inconclusive"),
        ({"throughput_invalid": "heat"}, {}, {"fps_min": 200}, "same"),
        ({}, {}, {"fps_min": 300}, "worse"),
    ],
)
def test_an_invalid_speed_decides_nothing_but_a_budget_it_keeps_all_the_same(
    now: dict[str, Any], before: dict[str, Any], margins: dict[str, float], outcome: str
) -> None:
    boards = [Board("m", "0", "", "", (Entry("x", "a", 0, (), cost(**said)),)) for said in (now, before)]
    (verdict,) = judge_costs(cost_table(boards[0]), cost_table(boards[1]), margins)
    assert verdict.outcome == outcome
    assert ("heat" in verdict.reason) == (outcome == "inconclusive")
