"""One side of an interleaved pair: a process that scores the same clips whenever it is asked to.

    python scoring_side.py '{"way": "plain", "detector": "xception", "size": 256, ...}'

It says when it is ready, answers every line it reads with frames, seconds and scores, and ends with its
input. The plain side makes the weights and keeps them in a file, the harness side loads them from there.
"""

from __future__ import annotations

import dataclasses
import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import torch
from torch import nn

from harness import registry
from harness.types import Runtime

Work = Callable[[], np.ndarray]


def clips_of(said: dict[str, Any]) -> np.ndarray:
    """Smooth scenes with grain, each of its own brightness, uint8 `[B, T, S, S, 3]`."""
    rng = np.random.default_rng(0)
    size = said["size"]
    frames = np.empty((said["clips"] * said["frames"], size, size, 3), np.uint8)
    for frame in frames:
        low = int(rng.integers(0, 128))
        coarse = rng.integers(low, low + 128, (6, 6, 3)).astype(np.float32)
        scene = cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC)
        frame[:] = (scene + rng.normal(0, 8, scene.shape)).clip(0, 255)
    return frames.reshape(said["clips"], said["frames"], size, size, 3)


def build(said: dict[str, Any]) -> nn.Module:
    """The detector at that size with the weights of seed 0."""
    torch.manual_seed(0)
    entry = registry.detectors.get(said["detector"])
    recipe = next(iter(entry.recipes.values()))
    shape = {"size": said["size"], "frames": said["frames"]}
    detector: nn.Module = entry.make(dataclasses.replace(recipe, pretrained=False, **shape))
    return detector


def settle(detector: nn.Module, clips: torch.Tensor) -> None:
    """Give every BatchNorm the statistics of these clips, as training would: scores then spread."""
    for layer in detector.modules():
        if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
            layer.reset_running_stats()
            layer.momentum = None
    with torch.no_grad():
        detector.train()(clips)
    detector.eval()


def plain(said: dict[str, Any], clips: np.ndarray) -> Work:
    """The reference: eager, fp32, NCHW, one batch, as whoever wrote the network would call it.

    A detector that is a timm network and nothing more is that network, fed images made beforehand, so that
    no conversion is counted against it. Any other is called as it is, its convolutions fed NCHW memory.
    """
    detector, tensor = build(said), torch.from_numpy(clips)
    settle(detector, tensor[:, : max(1, 8 // said["clips"])])
    torch.save(detector.state_dict(), said["weights"])
    if said["detector"] == "xception":
        images = tensor.flatten(0, 1).permute(0, 3, 1, 2).float().contiguous() / 127.5 - 1
        network: Any = detector.network
        return lambda: network(images).sigmoid().numpy()
    for layer in detector.modules():
        if isinstance(layer, nn.Conv2d):
            layer.register_forward_pre_hook(lambda _, images: (images[0].contiguous(),))
    scorer: Any = detector
    return lambda: scorer.score(tensor).numpy()


def harness(said: dict[str, Any], clips: np.ndarray) -> Work:
    """The way a matrix scores, with what it sets for its process."""
    from harness.runtime import device  # not above: whatever it sets is not the plain side's

    device.prepare_process()
    runtime = Runtime(device="cpu", precision=said["precision"], batch=said["clips"])
    detector = build(said)
    detector.load_state_dict(torch.load(said["weights"], weights_only=True))
    placed = device.place(detector.eval(), runtime)
    return lambda: device.score_clips(placed, clips, runtime)


def main() -> None:
    """Answer until the input ends."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what a library prints is no answer
    said = json.loads(sys.argv[1])
    clips = clips_of(said)
    work = {"plain": plain, "harness": harness}[said["way"]](said, clips)
    print(json.dumps({"threads": torch.get_num_threads()}), file=answers)
    with torch.no_grad():
        for _ in sys.stdin:
            cpu, wall = time.process_time(), time.perf_counter()
            scores = work()
            spent = {"cpu": time.process_time() - cpu, "wall": time.perf_counter() - wall}
            frames = clips.shape[0] * clips.shape[1]
            print(json.dumps({"frames": frames, **spent, "scores": scores.ravel().tolist()}), file=answers)


if __name__ == "__main__":
    main()
