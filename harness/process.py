"""How a process computes: what its allocator keeps, the cores it may use, threads that keep an order."""

from __future__ import annotations

import ctypes
import os
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

KEEP_BYTES = 1 << 30
TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
"""Numbers of glibc's `mallopt`."""
QUOTA = Path("/sys/fs/cgroup/cpu.max")
Item = TypeVar("Item")
Result = TypeVar("Result")


def keep_freed_memory() -> bool:
    """Let glibc keep freed memory: giving it back and faulting it in again costs up to 1.9x on a CPU.

    Returns whether it does; other C libraries are left as they are.
    """
    try:
        libc = ctypes.CDLL(None)
        trimmed = libc.mallopt(TRIM_THRESHOLD, KEEP_BYTES)
        # An older glibc takes no threshold above 32 MiB.
        mapped = libc.mallopt(MMAP_THRESHOLD, KEEP_BYTES) or libc.mallopt(MMAP_THRESHOLD, 1 << 25)
        return bool(trimmed and mapped)
    except (OSError, AttributeError, TypeError):
        return False


def usable_cores() -> int:
    """Cores that this process may use: those it is bound to, and no more than its container's quota."""
    bound = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = QUOTA.read_text().split()
        return bound if quota == "max" else max(1, min(bound, int(quota) // int(period)))
    except (OSError, ValueError):
        return bound


def in_order(
    work: Callable[[Item], Result], items: Iterable[Item], workers: int, ahead: int
) -> Generator[Result]:
    """`work(item)` of each item, in order, at most `ahead` of them finished or begun before they are taken.

    Threads, not processes: decoders, OpenCV and numpy let go of the interpreter, frames need not be copied
    between processes, and plug-ins given as files are known (`tests/benchmarks` compares both). An error
    is raised when its turn comes; what was begun after it is waited for and dropped.
    """
    waiting: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        try:
            for item in items:
                waiting.append(pool.submit(work, item))
                if len(waiting) > ahead:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


class Room:
    """What threads may hold together, in any unit: who wants much waits until others are done.

    More than there is counts as all of it. A thread that has some gets more without waiting.
    """

    def __init__(self, whole: float) -> None:
        self.whole = self.free = whole
        self._changed = threading.Condition()
        self._own = threading.local()

    @contextmanager
    def taken(self, much: float) -> Iterator[None]:
        """Hold so much of it for the time of the block."""
        if getattr(self._own, "holds", False):
            yield
            return
        much = min(much, self.whole)
        with self._changed:
            self._changed.wait_for(lambda: self.free >= much)
            self.free -= much
        self._own.holds = True
        try:
            yield
        finally:
            self._own.holds = False
            with self._changed:
                self.free += much
                self._changed.notify_all()
