"""Scoring: frames per CPU-second of the harness against the same network called plainly."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from harness import registry
from tests.benchmarks.figures import Figure
from tests.benchmarks.pairs import CASES, Case, measure

EXACT = 1e-5
"""Largest difference of a score in fp32."""
SAME_NETWORK = {"deepfakebench_xception", "deepfakebench_efficientnet_b4"}
"""Detectors whose networks are measured under another name (Xception, the B4 of AIRL)."""


@pytest.mark.benchmark(group="score")
@pytest.mark.parametrize("case", CASES, ids=[case.name.replace(" ", "-") for case in CASES])
def test_frames_per_cpu_second(benchmark: Any, told: Callable[[Figure], Figure], case: Case) -> None:
    found = told(benchmark.pedantic(measure, (case,), rounds=1))
    if found.value is None:
        pytest.skip(found.why)
    if case.precision == "fp32":
        assert found.beside["largest score difference"] <= EXACT
    assert found.ok is not False, f"{found.value:.2f} where {found.asked} is asked for"


def test_every_detector_is_measured() -> None:
    trainable = {name for name in registry.detectors.names() if registry.detectors.get(name).trainable}
    assert trainable == {case.detector for case in CASES} | SAME_NETWORK
