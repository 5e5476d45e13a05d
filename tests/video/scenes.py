"""Scenes without a face, and faces put into them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np


def scene(width: int = 640, height: int = 360) -> np.ndarray:
    """A coloured scene without a face, uint8 `[height, width, 3]`."""
    coarse = np.random.default_rng(0).integers(0, 256, (9, 16, 3), dtype=np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)


def pasted(canvas: np.ndarray, picture: np.ndarray, x: int, y: int, side: int) -> np.ndarray:
    """The canvas with the picture, made a square of `side` pixels, at x, y."""
    made = canvas.copy()
    made[y : y + side, x : x + side] = cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA)
    return made


def write_image(path: Path, frame: np.ndarray) -> Path:
    assert cv2.imwrite(str(path), cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
    return path
