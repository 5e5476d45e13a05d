"""Loss of resolution: shrink every frame, then enlarge it to its size again."""

from __future__ import annotations

import os

import cv2
import numpy as np

from harness.registry import perturbation

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # or importing it asks the package index for news

import albumentations


@perturbation("resize", parameters=(0.75, 0.5, 0.35, 0.25, 0.15))
def resize(frames: np.ndarray, scale: float, rng: np.random.Generator) -> np.ndarray:
    """Shrinks both sides of every frame to `scale` (0..1) by area and enlarges them linearly.

    Severity 1..5 is scale 0.75 0.5 0.35 0.25 0.15: at 0.15 a face 200 pixels wide keeps 30. The shrunken
    sides are rounded to whole pixels, at least 1. albumentations' own Downscale is not used: where the
    sides are rounded it keeps the unrounded scale, and so also zooms the frame. Draws nothing from `rng`.
    """
    height, width = frames.shape[1:3]
    small = max(1, round(height * scale)), max(1, round(width * scale))
    shrink = albumentations.Resize(*small, interpolation=cv2.INTER_AREA, p=1.0)
    enlarge = albumentations.Resize(height, width, interpolation=cv2.INTER_LINEAR, p=1.0)
    return np.stack([enlarge(image=shrink(image=frame)["image"])["image"] for frame in frames])
