"""A placed detector against the clock: until it has settled, one clip alone, batches of more and more."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from harness.guard.patience import doing
from harness.runtime import hardware
from harness.runtime.device import score_clips
from harness.runtime.hardware import MEBIBYTE, Gpu, Moment
from harness.timing import spent
from harness.types import HarnessError, Runtime

BATCHES = (1, 2, 4, 8, 16)
"""Clips in one forward pass that are tried for throughput, in this order."""
ON_A_GPU = (*BATCHES, 32, 64, 128, 256)
GROWTH = 1.02
"""Throughput has stopped growing when a batch size is not at least this many times the best before it."""
MOST_REPETITIONS = 1000
FEWEST, ENOUGH = 3, 1.0
"""Passes are repeated so many times at least; those of a batch size, or for so many seconds."""
SHARES = {"warm-up": 0.2, "latency": 0.4, "throughput": 0.35, "again": 0.05}
"""How the time is divided."""
SETTLED = 0.1
"""The share by which the time of a pass may still differ when it has settled."""


@dataclass(frozen=True, slots=True)
class Pass:
    """Seconds of one pass by the clock on the wall, and between CUDA events (None without a GPU)."""

    wall: float
    events: float | None


@dataclass(frozen=True, slots=True)
class Rate:
    """Frames scored a second in passes of so many clips, by either clock."""

    batch: int
    wall: float
    events: float | None


@dataclass(frozen=True, slots=True)
class Timed:
    """What one round of timing gave."""

    settled: bool
    latency: Sequence[Pass]
    rates: Sequence[Rate]
    again: Sequence[Pass]
    """One clip alone once more, after all the rest."""
    moments: Sequence[Moment]
    """Before the latency, between it and the throughput, at the end."""

    @property
    def best(self) -> Rate:
        """The batch size with the most frames a second."""
        return max(self.rates, key=lambda rate: rate.wall)


class Bench:
    """One placed detector, the clips it is timed on, and the clock."""

    def __init__(self, detector: Any, runtime: Runtime, device: torch.device) -> None:
        self.detector, self.runtime, self.device = detector, runtime, device
        shape = (max(BATCHES), detector.frames, detector.size, detector.size, 3)
        self.clips = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)

    def timed_pass(self, batch: int) -> Pass:
        """One pass over `batch` clips, from an idle device to an idle device."""
        with doing(f"{type(self.detector).__name__} on {batch} clips, for its cost"):
            return self._timed(batch)

    def _timed(self, batch: int) -> Pass:
        clips, gpu = self.clips[:batch], self.device.type == "cuda"
        events = [torch.cuda.Event(enable_timing=True) for _ in range(2 * gpu)]
        self._synchronise()
        started = time.perf_counter()
        if gpu:
            events[0].record(torch.cuda.current_stream(self.device))
        with spent("forward"):
            score_clips(self.detector, clips, self.runtime)
        if gpu:
            events[1].record(torch.cuda.current_stream(self.device))
        self._synchronise()
        wall = time.perf_counter() - started
        return Pass(wall, events[0].elapsed_time(events[1]) / 1000 if gpu else None)

    def warm_up(self, seconds: float) -> bool:
        """Passes over one clip until their time has settled; whether it did.

        It has when three in a row take what the three before them took, within a tenth; not before half
        of the time is over, since clocks take a moment to rise. Where the time is too short for six passes
        the last two are compared.
        """
        started, times = time.perf_counter(), list[float]()
        for one in self._repeat(1, seconds, least=FEWEST, most=math.inf):
            times.append(one.wall)
            risen = time.perf_counter() - started >= seconds / 2
            if risen and len(times) >= 6 and near(times[-6:-3], times[-3:], SETTLED):
                return True
        return len(times) < 6 and near(times[-2:-1], times[-1:], SETTLED)

    def alone(self, seconds: float) -> list[Pass]:
        """Passes over one clip; the device is warm."""
        return list(self._repeat(1, seconds, least=FEWEST))

    def throughput(self, seconds: float) -> list[Rate]:
        """Frames a second of one batch size after the other, until they no longer grow."""
        batches = ON_A_GPU if self.device.type == "cuda" else BATCHES
        rates: list[Rate] = []
        left = seconds
        for batch in batches:
            started = time.perf_counter()
            try:
                rates.append(self._rate(batch, min(left, seconds / len(batches))))
            except torch.OutOfMemoryError as error:
                if batch == 1:
                    raise HarnessError(f"one clip does not fit into the memory of {self.device}") from error
                break
            left -= time.perf_counter() - started
            before = max((rate.wall for rate in rates[:-1]), default=0.0)
            a_pass = batch * self.clips.shape[1] / rates[-1].wall
            if rates[-1].wall < GROWTH * before or left < 2 * 2 * a_pass:
                break  # the next size takes twice as long, and runs twice
        return rates

    def _rate(self, batch: int, seconds: float) -> Rate:
        while batch > len(self.clips):
            self.clips = np.concatenate([self.clips, self.clips])
        first = self.timed_pass(batch)  # a new shape allocates and chooses kernels: not counted
        passes = list(self._repeat(batch, seconds - first.wall, least=FEWEST, enough=ENOUGH))
        frames = batch * self.clips.shape[1]
        events = between_events(passes)
        return Rate(
            batch,
            frames / statistics.median(one.wall for one in passes),
            frames / events if events else None,
        )

    def under_load(self, batch: int) -> Gpu | None:
        """The state of the GPU while it computes, in passes that do not count; None without a GPU."""
        if self.device.type != "cuda":
            return None
        with ThreadPoolExecutor(1) as asking:
            found = asking.submit(gpu_now, self.device)
            while not found.done():
                self.timed_pass(batch)
        return found.result()

    def peak_memory(self, batch: int) -> tuple[float | None, float | None]:
        """MiB allocated and reserved at most during one pass; None without a GPU."""
        if self.device.type != "cuda":
            return None, None
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(self.device)
        self.timed_pass(batch)
        allocated = torch.cuda.max_memory_allocated(self.device) / MEBIBYTE
        return allocated, torch.cuda.max_memory_reserved(self.device) / MEBIBYTE

    def _repeat(
        self, batch: int, seconds: float, least: int, enough: float = math.inf, most: float = MOST_REPETITIONS
    ) -> Iterator[Pass]:
        """Up to `most` passes until `seconds` are over, but at least `least`, or for `enough` seconds."""
        started, done = time.perf_counter(), 0
        took = 0.0
        while (done < least and took < enough) or (done < most and took < seconds):
            yield self.timed_pass(batch)
            done += 1
            took = time.perf_counter() - started

    def _synchronise(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)


def timed(bench: Bench, seconds: float) -> Timed:
    """All that is timed of a detector, in about so many seconds."""
    settled = bench.warm_up(seconds * SHARES["warm-up"])
    moments = [hardware.moment()]
    latency = bench.alone(seconds * SHARES["latency"])
    moments.append(hardware.moment())
    rates = bench.throughput(seconds * SHARES["throughput"])
    again = bench.alone(seconds * SHARES["again"])
    return Timed(settled, latency, rates, again, [*moments, hardware.moment()])


def gpu_now(device: torch.device) -> Gpu | None:
    """What the driver says of a GPU at this moment; None for a processor, or where it says nothing."""
    if device.type != "cuda":
        return None
    return hardware.gpu_now(str(torch.cuda.get_device_properties(device).uuid))


def near(before: Sequence[float], now: Sequence[float], share: float) -> bool:
    """Whether the median did not move by more than this share."""
    return abs(statistics.median(now) - statistics.median(before)) <= share * statistics.median(before)


def between_events(passes: Sequence[Pass]) -> float | None:
    """The median time between CUDA events, in seconds; None without a GPU."""
    found = [one.events for one in passes if one.events is not None]
    return statistics.median(found) if found else None
