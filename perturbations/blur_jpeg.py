"""Blur, then JPEG: what a resampling, recompressing platform does to an upload."""

from __future__ import annotations

import os
from collections.abc import Mapping

import numpy as np

from harness.registry import perturbation

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # or importing it asks the package index for news

import albumentations

LEVELS = (
    {"kernel": 7, "quality": 90},
    {"kernel": 9, "quality": 70},
    {"kernel": 13, "quality": 50},
    {"kernel": 17, "quality": 30},
    {"kernel": 21, "quality": 15},
)


@perturbation("blur_jpeg", parameters=LEVELS)
def blur_jpeg(frames: np.ndarray, level: Mapping[str, int], rng: np.random.Generator) -> np.ndarray:
    """Blurs every frame (Gaussian, `kernel` pixels, sigma kernel / 6), then encodes it as JPEG at `quality`.

    Severity n is severity n of `blur` followed by severity n of `jpeg`; the order is that of a camera or
    platform, which smooths before it encodes. Channels are turned round for the encoder as in `jpeg`.
    Draws nothing from `rng`.
    """
    kernel, quality = level["kernel"], level["quality"]
    smooth = albumentations.GaussianBlur(
        blur_limit=(kernel, kernel), sigma_limit=(kernel / 6, kernel / 6), p=1.0
    )
    encode = albumentations.ImageCompression(compression_type="jpeg", quality_range=(quality, quality), p=1.0)
    flipped = np.ascontiguousarray(frames[..., ::-1])
    coded = np.stack([encode(image=smooth(image=frame)["image"])["image"] for frame in flipped])
    return np.ascontiguousarray(coded[..., ::-1])
