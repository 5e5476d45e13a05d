"""JPEG compression, each frame on its own."""

from __future__ import annotations

import os

import numpy as np

from harness.registry import perturbation

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # or importing it asks the package index for news

import albumentations


@perturbation("jpeg", parameters=(90, 70, 50, 30, 15))
def jpeg(frames: np.ndarray, quality: int, rng: np.random.Generator) -> np.ndarray:
    """Encodes every frame as JPEG at `quality` (1..100, baseline, chroma 4:2:0) and decodes it again.

    Severity 1..5 is quality 90 70 50 30 15. albumentations 2.0.8 hands its RGB pixels to OpenCV's encoder,
    which takes them for BGR and so gives red the luma weight and the chroma plane of blue; the channels
    are therefore turned round before and after. Draws nothing from `rng`.
    """
    transform = albumentations.ImageCompression(
        compression_type="jpeg", quality_range=(quality, quality), p=1.0
    )
    flipped = np.ascontiguousarray(frames[..., ::-1])
    coded = np.stack([transform(image=frame)["image"] for frame in flipped])
    return np.ascontiguousarray(coded[..., ::-1])
