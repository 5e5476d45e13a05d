"""Scoring: the harness (channels last, inference mode) against the same network run plainly."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from harness import registry
from harness.scoring import place, score_clips
from harness.types import Runtime

CLIPS = 2
RUNTIME = Runtime(device="cpu", precision="fp32", batch=CLIPS)


def trainable() -> list[str]:
    return [name for name in registry.detectors.names() if registry.detectors.get(name).trainable]


def build(name: str):
    """The detector with the weights of seed 0, at the size of its recipe for the procedural matrices."""
    torch.manual_seed(0)
    entry = registry.detectors.get(name)
    recipes = entry.recipes
    detector = entry.make(recipes.get("procedural") or next(iter(recipes.values())))
    return detector.eval()


def clips_for(detector) -> np.ndarray:
    shape = (CLIPS, detector.frames, detector.size, detector.size, 3)
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def in_planes(detector):
    """The same detector with every convolution fed NCHW memory, as a loader that stacks images gives it."""
    for layer in detector.modules():
        if isinstance(layer, torch.nn.Conv2d):
            layer.register_forward_pre_hook(lambda _, images: (images[0].contiguous(),))
    return detector


@pytest.mark.benchmark(group="score")
@pytest.mark.parametrize("name", trainable())
def test_the_harness_scores_as_the_plain_network_does(benchmark, side_by_side, name):
    plain = in_planes(build(name))
    placed = place(build(name), RUNTIME)
    clips = clips_for(plain)
    tensor = torch.from_numpy(clips)
    scores = benchmark.pedantic(score_clips, (placed, clips, RUNTIME), rounds=3, warmup_rounds=1)
    seconds, plain_seconds = side_by_side(
        lambda: score_clips(placed, clips, RUNTIME), lambda: plain.score(tensor).detach().numpy()
    )
    ratio = benchmark.extra_info["plain / harness"] = round(plain_seconds / seconds, 2)
    benchmark.extra_info["frames_per_second"] = round(clips.shape[0] * clips.shape[1] / seconds, 1)
    print(f"\n{name}: harness {seconds * 1e3:.0f} ms, plain {plain_seconds * 1e3:.0f} ms, x{ratio}")
    assert np.abs(scores - plain.score(tensor).detach().numpy()).max() < 1e-4
