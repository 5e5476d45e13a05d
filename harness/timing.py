"""Where the time of a run went: seconds of the main thread by stage, and what other threads did meanwhile."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field

NETWORK = ("forward", "backward", "optimizer")
"""The stages that are the networks themselves."""


@dataclass
class Breakdown:
    """Seconds by stage. A stage within another counts for itself and not for the outer one."""

    started: float = field(default_factory=lambda: time.perf_counter())
    seconds: dict[str, float] = field(default_factory=dict)
    """Stage -> seconds of the main thread."""
    beside: dict[str, float] = field(default_factory=dict)
    """Stage -> seconds of all other threads together, while the main thread did something else or waited."""
    _open: list[list[float]] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def spent(self, stage: str) -> Iterator[None]:
        """Count the block as time spent in that stage."""
        here = threading.current_thread() is threading.main_thread()
        started = time.perf_counter()
        if here:
            self._open.append([0.0])
        try:
            yield
        finally:
            took = time.perf_counter() - started
            if here:
                inner = self._open.pop()[0]
                if self._open:
                    self._open[-1][0] += took
                self.seconds[stage] = self.seconds.get(stage, 0.0) + took - inner
            else:
                with self._lock:
                    self.beside[stage] = self.beside.get(stage, 0.0) + took

    def add(self, stage: str, seconds: float) -> None:
        """Count seconds that another process spent while the main thread waited for it."""
        self.seconds[stage] = self.seconds.get(stage, 0.0) + seconds
        if self._open:
            self._open[-1][0] += seconds

    def taken(self) -> dict[str, float]:
        """Stage -> seconds of the main thread, `other` being what no stage claims; they sum to the whole."""
        whole = time.perf_counter() - self.started
        known = dict(self.seconds)
        return {**known, "other": max(0.0, whole - sum(known.values()))}


_current = Breakdown()


def begin() -> Breakdown:
    """Forget what was counted so far: a run begins."""
    global _current
    _current = Breakdown()
    return _current


def current() -> Breakdown:
    """The breakdown of the run in progress."""
    return _current


def spent(stage: str) -> AbstractContextManager[None]:
    """Count a block of the run in progress as time spent in that stage."""
    return _current.spent(stage)


def network_share(seconds: Mapping[str, float]) -> float:
    """Share of the time that is forward, backward and optimizer."""
    whole = sum(seconds.values())
    return sum(seconds.get(stage, 0.0) for stage in NETWORK) / whole if whole else 0.0


def told(seconds: Mapping[str, float], beside: Mapping[str, float]) -> list[str]:
    """The breakdown as lines of text, the largest stages first."""
    whole = sum(seconds.values())
    if not whole:
        return []
    network = sum(seconds.get(stage, 0.0) for stage in NETWORK)
    lines = [
        f"time: {whole:.1f} s, of which {network:.1f} s ({network / whole:.0%}) in the networks"
        f" ({_listed(seconds, whole, NETWORK)})",
    ]
    rest = sorted((stage for stage in seconds if stage not in NETWORK), key=lambda stage: -seconds[stage])
    lines.append(f"else: {_listed(seconds, whole, [stage for stage in rest if seconds[stage] >= 0.05])}")
    if beside:
        spent_there = ", ".join(
            f"{stage} {took:.1f} s" for stage, took in sorted(beside.items(), key=lambda pair: -pair[1])
        )
        lines.append(f"in the threads that read: {spent_there}")
    return lines


def _listed(seconds: Mapping[str, float], whole: float, stages: list[str] | tuple[str, ...]) -> str:
    known = [stage for stage in stages if stage in seconds]
    return ", ".join(f"{stage} {seconds[stage]:.1f} s ({seconds[stage] / whole:.0%})" for stage in known)
