"""What a detector costs on a device: speed, latency, memory. Knows no dataset and no accuracy.

Samples for a percentile: Reddi et al., MLPerf Inference Benchmark (ISCA 2020), and the early stopping of
its rules: with 64 and 662 samples the 90th and 99th percentile are known with 99 % confidence.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from harness.records import Cost
from harness.runtime import hardware
from harness.runtime.device import place, torch_device
from harness.runtime.hardware import Gpu
from harness.runtime.stopwatch import Bench, Timed, between_events, gpu_now, near, timed
from harness.types import Runtime

FEWEST_FOR_P90, FEWEST_FOR_P99 = 64, 662
"""Samples below which such a percentile would be a guess."""
DRIFTED = 0.15
"""The share by which the time of one clip alone may differ from the first to the last."""


def measure_cost(detector: Any, name: str, runtime: Runtime, seconds: float = 8.0) -> Cost:
    """Measures frames/s, latency, parameters and peak memory of a detector; takes about `seconds`.

    Scores the same random clips of the detector's own size over and over: first until the time of a pass
    settles, then clip by clip, then at batches of 1, 2, 4 ... clips until frames/s no longer grows. A time
    runs from uint8 clips in main memory to scores in main memory, the GPU having finished. Of every batch
    size the median pass counts. `runtime.batch` is not used. A slow detector exceeds `seconds`: every step
    is done at least three times, larger batches at least for a second.

    A number is INVALID, with the reason, when the passes never settled, or took another time at last than
    at first, when heat slowed the device, when another process used the GPU or left too little of the
    processor: it tells of the disturbance then. Too few samples make a percentile None instead. The memory
    of the process is that of all it ever did, so it says something in a process of its own. Raises
    `HarnessError` when the detector gives no valid scores.
    """
    device = torch_device(runtime.device)
    parameters = _parameters(detector)  # before it is placed, which may fold some into others
    before = gpu_now(device)
    bench = Bench(place(detector, runtime), runtime, device)
    measured = timed(bench, seconds)
    loaded = bench.under_load(measured.best.batch)
    return Cost(
        detector=name,
        device=device_name(device),
        precision=runtime.precision,
        size=bench.detector.size,
        frames=bench.detector.frames,
        parameters=parameters,
        **_speeds(measured),
        **_memory(bench.peak_memory(measured.best.batch), before, loaded),
        **_surroundings(device, loaded),
        **_validity(measured, device, [hardware.strangers(before), _slowed(loaded)]),
    )


def _speeds(measured: Timed) -> dict[str, Any]:
    walls, events = [one.wall for one in measured.latency], between_events(measured.latency)
    return {
        "batch": measured.best.batch,
        "frames_per_second": measured.best.wall,
        "event_frames_per_second": measured.best.events,
        "throughput": tuple((rate.batch, rate.wall) for rate in measured.rates),
        "latency_ms_p50": statistics.median(walls) * 1000,
        "latency_ms_p90": _percentile_ms(walls, 90, FEWEST_FOR_P90),
        "latency_ms_p99": _percentile_ms(walls, 99, FEWEST_FOR_P99),
        "latency_samples": len(walls),
        "event_ms_p50": None if events is None else events * 1000,
    }


def _memory(
    peak: tuple[float | None, float | None], before: Gpu | None, loaded: Gpu | None
) -> dict[str, Any]:
    return {
        "peak_vram_allocated_mib": peak[0],
        "peak_vram_reserved_mib": peak[1],
        "vram_process_mib": hardware.held_mib(before, loaded),
        "peak_ram_mib": hardware.peak_ram_mib(),
    }


def _surroundings(device: torch.device, loaded: Gpu | None) -> dict[str, Any]:
    clocks = hardware.processor_clocks() if device.type == "cpu" else None
    return {
        "threads": torch.get_num_threads(),
        "driver": loaded.driver if loaded else None,
        "clocks": loaded.clocks if loaded else clocks,
        "flags": hardware.processor_flags(),
        "torch": str(torch.__version__),
    }


def _validity(measured: Timed, device: torch.device, always: list[str]) -> dict[str, Any]:
    """Why latency and throughput are INVALID; `always` are reasons against both, or empty."""
    needed = torch.get_num_threads() if device.type == "cpu" else 1
    first, last = ([one.wall for one in passes] for passes in (measured.latency, measured.again))
    if not measured.settled:
        always = ["the time of a pass never settled", *always]
    if not near(first, last, DRIFTED):
        moved = [f"{1000 * statistics.median(times):.3g} ms" for times in (first, last)]
        always = [*always, f"one clip took {moved[0]} at first and {moved[1]} at last"]
    began, between, ended = measured.moments
    return {
        "latency_invalid": _reasons(*always, hardware.disturbed(began, between, needed)),
        "throughput_invalid": _reasons(*always, hardware.disturbed(between, ended, needed)),
        "others_cores": hardware.others_cores(began, ended),
    }


def _slowed(loaded: Gpu | None) -> str:
    return f"the GPU was slowed down {loaded.slowed}" if loaded and loaded.slowed else ""


def _reasons(*reasons: str) -> str:
    return "; ".join(reason for reason in reasons if reason)


def device_name(device: torch.device) -> str:
    """The GPU's name, or the processor's with the threads torch uses: speeds compare only within one."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    threads = torch.get_num_threads()
    return f"{hardware.processor_name()}, {threads} thread{'s' if threads > 1 else ''}"


def _parameters(detector: Any) -> int:
    if not isinstance(detector, nn.Module):
        return 0
    return sum(parameter.numel() for parameter in detector.parameters())


def _percentile_ms(times: Sequence[float], percent: int, fewest: int) -> float | None:
    return float(np.percentile(times, percent)) * 1000 if len(times) >= fewest else None
