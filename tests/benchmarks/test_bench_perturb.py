"""Every registered perturbation on one clip."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from harness import registry

FRAMES, WIDTH, HEIGHT = 16, 640, 480


@pytest.fixture(scope="module")
def frames() -> np.ndarray:
    """16 frames of 640x480: a textured scene with sensor noise."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (24, 32, 3), dtype=np.uint8)
    scene = cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC).astype(float)
    noisy = scene + rng.normal(0, 3, (FRAMES, HEIGHT, WIDTH, 3))
    return noisy.clip(0, 255).astype(np.uint8)


@pytest.mark.benchmark(group="perturb")
@pytest.mark.parametrize("name", registry.perturbations.names())
def test_a_clip_of_16_frames_at_severity_3(benchmark, frames, name):
    entry = registry.perturbations.get(name)
    rng = np.random.default_rng(0)
    benchmark.pedantic(entry.apply, (frames, entry.parameter(3), rng), rounds=5, warmup_rounds=1)
    benchmark.extra_info["frames_per_second"] = round(FRAMES / benchmark.stats["median"], 1)
