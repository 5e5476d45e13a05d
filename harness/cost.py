"""What a detector costs on a device: speed, latency, memory. Knows no dataset and no accuracy."""

from __future__ import annotations

import platform
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from harness.scoring import place, score_clips, torch_device
from harness.types import Cost, HarnessError, Runtime

BATCHES = (1, 2, 4, 8, 16)
"""Clips in one forward pass that are tried for throughput, in this order."""
GROWTH = 1.02
"""Throughput has stopped growing when a batch size is not at least this many times the best before it."""
FEWEST_FOR_P95, FEWEST_FOR_P99 = 20, 100
"""Repetitions below which such a percentile would be a guess."""
MOST_REPETITIONS = 300
SHARES = {"warm-up": 0.2, "latency": 0.4, "throughput": 0.4}
"""How the time is divided."""
MEBIBYTE = 2.0**20


def measure_cost(detector: Any, name: str, runtime: Runtime, seconds: float = 8.0) -> Cost:
    """Measures frames/s, latency, parameters and peak GPU memory of a detector; takes about `seconds`.

    Scores the same random clips of the detector's own size over and over: first until the time of a pass
    settles, then clip by clip, then at batches of 1, 2, 4, 8 and 16 clips until frames/s no longer grows.
    A time runs from uint8 clips in main memory to scores in main memory, the GPU having finished. Of every
    batch size the median pass counts. `runtime.batch` is not used. A slow detector exceeds `seconds`: every
    step is done at least once, the latency three times. Peak memory is that of the best batch, weights
    included. Raises `HarnessError` when the detector gives no valid scores.
    """
    device = torch_device(runtime.device)
    placed = place(detector, runtime)
    clips = np.random.default_rng(0).integers(
        0, 256, (max(BATCHES), placed.frames, placed.size, placed.size, 3), dtype=np.uint8
    )
    bench = _Bench(placed, clips, runtime, device)
    bench.warm_up(seconds * SHARES["warm-up"])
    times = bench.latency(seconds * SHARES["latency"])
    batch, rate = bench.throughput(seconds * SHARES["throughput"])
    allocated, reserved = bench.peak_memory(batch)
    return Cost(
        detector=name,
        device=device_name(device),
        precision=runtime.precision,
        size=placed.size,
        frames=placed.frames,
        batch=batch,
        frames_per_second=rate,
        latency_ms_p50=float(np.percentile(times, 50)) * 1000,
        latency_ms_p95=_percentile_ms(times, 95, FEWEST_FOR_P95),
        latency_ms_p99=_percentile_ms(times, 99, FEWEST_FOR_P99),
        parameters=_parameters(placed),
        peak_vram_allocated_mib=allocated,
        peak_vram_reserved_mib=reserved,
    )


class _Bench:
    """One placed detector, the clips it is timed on, and the clock."""

    def __init__(self, detector: Any, clips: np.ndarray, runtime: Runtime, device: torch.device) -> None:
        self.detector, self.clips, self.runtime, self.device = detector, clips, runtime, device

    def pass_seconds(self, batch: int) -> float:
        """Seconds of one pass over `batch` clips, from an idle device to an idle device."""
        self._synchronise()
        started = time.perf_counter()
        score_clips(self.detector, self.clips[:batch], self.runtime)
        self._synchronise()
        return time.perf_counter() - started

    def warm_up(self, seconds: float) -> None:
        """Passes over one clip until three in a row take what the three before them took, within a tenth."""
        times: list[float] = []
        for spent in self._repeat(1, seconds, least=1):
            times.append(spent)
            if len(times) >= 6:
                before, now = np.median(times[-6:-3]), np.median(times[-3:])
                if abs(now - before) <= 0.1 * before:
                    return

    def throughput(self, seconds: float) -> tuple[int, float]:
        """The batch size with the most frames a second, and that many frames a second."""
        best, best_rate, left = 1, 0.0, seconds
        for batch in BATCHES:
            started = time.perf_counter()
            try:
                first = self.pass_seconds(batch)  # a new shape allocates and chooses kernels: not counted
                times = list(self._repeat(batch, min(left, seconds / len(BATCHES)) - first, least=1))
            except torch.OutOfMemoryError as error:
                if batch == 1:
                    raise HarnessError(f"one clip does not fit into the memory of {self.device}") from error
                break
            rate = batch * self.clips.shape[1] / float(np.median(times))
            left -= time.perf_counter() - started
            if rate < GROWTH * best_rate:
                return (batch, rate) if rate > best_rate else (best, best_rate)
            best, best_rate = batch, rate
            if left < 2 * 2 * float(np.median(times)):  # the next size takes twice as long, and runs twice
                break
        return best, best_rate

    def latency(self, seconds: float) -> list[float]:
        """Seconds of each pass over one clip; the device is warm."""
        return list(self._repeat(1, seconds, least=3))

    def peak_memory(self, batch: int) -> tuple[float | None, float | None]:
        """MiB allocated and reserved at most during one pass; None without a GPU."""
        if self.device.type != "cuda":
            return None, None
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(self.device)
        self.pass_seconds(batch)
        allocated = torch.cuda.max_memory_allocated(self.device) / MEBIBYTE
        return allocated, torch.cuda.max_memory_reserved(self.device) / MEBIBYTE

    def _repeat(self, batch: int, seconds: float, least: int) -> Iterator[float]:
        """Times of passes, at least `least`, until `seconds` are over."""
        ends = time.perf_counter() + seconds
        done = 0
        while done < least or (done < MOST_REPETITIONS and time.perf_counter() < ends):
            yield self.pass_seconds(batch)
            done += 1

    def _synchronise(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)


def device_name(device: torch.device) -> str:
    """The GPU's name, or the processor's with the threads torch uses: speeds compare only within one."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    threads = torch.get_num_threads()
    return f"{_processor()}, {threads} thread{'s' if threads > 1 else ''}"


def _processor() -> str:
    listing = Path("/proc/cpuinfo")
    if listing.is_file():
        for line in listing.read_text(errors="replace").splitlines():
            field, _, value = line.partition(":")
            if field.strip() == "model name" and value.strip():
                return value.strip()
    return platform.processor() or platform.machine()


def _parameters(detector: Any) -> int:
    if not isinstance(detector, nn.Module):
        return 0
    return sum(parameter.numel() for parameter in detector.parameters())


def _percentile_ms(times: list[float], percent: int, fewest: int) -> float | None:
    return float(np.percentile(times, percent)) * 1000 if len(times) >= fewest else None
