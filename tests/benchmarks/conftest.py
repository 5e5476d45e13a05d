"""What the benchmarks share."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest


@pytest.fixture
def side_by_side() -> Callable[..., tuple[float, float]]:
    """`side_by_side(one, other)`: least seconds of each, called in turn so that both meet the same load."""

    def measure(
        one: Callable[[], object], other: Callable[[], object], rounds: int = 4
    ) -> tuple[float, float]:
        least = [float("inf"), float("inf")]
        for counted in range(-1, rounds):  # the first round warms up
            for which, work in enumerate((one, other)):
                started = time.perf_counter()
                work()
                spent = time.perf_counter() - started
                if counted >= 0:
                    least[which] = min(least[which], spent)
        return least[0], least[1]

    return measure
