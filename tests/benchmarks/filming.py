"""Video files to measure on: a textured scene that drifts, with grain, in H.264."""

from __future__ import annotations

import os
from pathlib import Path

import av
import cv2
import numpy as np

from harness.types import FAKE, REAL, Clip

RATE = 30


def film(path: Path, frames: int = 300, width: int = 640, height: int = 480) -> Path:
    """Write such a video (10 seconds of 640x480 unless said otherwise), key frames as x264 likes them."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (height // 20, (width + frames) // 20, 3), dtype=np.uint8)
    scene = cv2.resize(coarse, (width + frames, height), interpolation=cv2.INTER_CUBIC)
    scene = cv2.add(scene, rng.integers(0, 24, scene.shape, dtype=np.uint8))
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE, options={"crf": "23", "preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for number in range(frames):
            window = np.ascontiguousarray(scene[:, number : number + width])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(window, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def many(path: Path, number: int) -> tuple[Clip, ...]:
    """That many clips, every second one fake: one file under many names beside it."""
    paths = [path.with_name(f"{path.stem}-{k:06d}{path.suffix}") for k in range(number)]
    for each in paths:
        if not each.exists():
            os.link(path, each)
    return tuple(
        Clip(f"many/{each.stem}", each, FAKE if k % 2 else REAL, "test") for k, each in enumerate(paths)
    )
