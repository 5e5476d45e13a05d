"""Gaussian blur, at the five kernels DeeperForensics-1.0 uses."""

from __future__ import annotations

import os

import numpy as np

from harness.registry import perturbation

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # or importing it asks the package index for news

import albumentations


@perturbation("blur", parameters=(7, 9, 13, 17, 21))
def blur(frames: np.ndarray, kernel: int, rng: np.random.Generator) -> np.ndarray:
    """Blurs every frame with one Gaussian: `kernel` pixels wide (odd), sigma a sixth of it.

    Severity 1..5 is kernel 7 9 13 17 21, sigma 1.2 to 3.5 pixels whatever the frame's size, so a small
    frame loses more. Mirrors at the border. Draws nothing from `rng`. Levels: Jiang et al. 2020.
    """
    transform = albumentations.GaussianBlur(
        blur_limit=(kernel, kernel), sigma_limit=(kernel / 6, kernel / 6), p=1.0
    )
    return np.stack([transform(image=frame)["image"] for frame in frames])
