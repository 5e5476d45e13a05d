"""A stream with a bounded queue: results in the order of their items, worked out ahead by threads."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


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
