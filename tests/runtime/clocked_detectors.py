"""A clock that only detectors move, and a detector that moves it."""

from __future__ import annotations

import numpy as np

from harness.types import Runtime

CPU = Runtime(device="cpu", precision="fp32")


class Clock:
    """A clock that stands still until a detector moves it."""

    now = 0.0

    def perf_counter(self) -> float:
        return self.now


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
