"""How much detail of each size pictures have, and taking from them what others do not have.

A file of few pixels or of a high crf has less fine detail than another, and a resize or a JPEG of both leaves
that difference. Here a picture is cut into bands of its cosine transform, from coarse to fine, and of each
only as much is left as the coarsest pictures of all have.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import cv2
import numpy as np

from harness.files import digest

BANDS = 24
"""Rings of the transform, evenly spaced from coarse to fine."""
COARSEST = 0.02
"""Share of the pictures that may have less of a band than is left to all: a black one must not count."""
SPREAD = 4.0
"""How much less detail than the coarsest a picture may be left, by lot: those alike to the last digit
would be told apart by rounding."""
KEPT = 1
"""The coarsest band is left as it is: light and shape, which coding hardly touches."""
FLOOR = 1e-3
"""Mean square of a coefficient below which there is nothing, of values up to 255."""


def detail_of(pixels: np.ndarray) -> np.ndarray:
    """Mean square of the coefficients of each band, float `[3, BANDS]`, of frames uint8 `[T, S, S, 3]` RGB.

    The three rows are brightness and the two colour differences.
    """
    rings = _rings(pixels.shape[1])
    size = np.bincount(rings.ravel(), minlength=BANDS)
    found = np.zeros((3, BANDS))
    for frame in pixels:
        for row, plane in enumerate(_planes(frame)):
            found[row] += np.bincount(rings.ravel(), (cv2.dct(plane) ** 2).ravel(), BANDS) / size
    return found / len(pixels) + FLOOR


def coarsest(details: Sequence[np.ndarray]) -> np.ndarray:
    """Of several pictures (`detail_of`), what the coarsest of them have, band by band, `[3, BANDS]`."""
    return np.quantile(np.stack(details), COARSEST, axis=0)


def lot_of(name: str) -> float:
    """By how much less than the coarsest a picture of that name has, in [1 / SPREAD, 1]; always the same."""
    return float(SPREAD ** -np.random.default_rng(int(digest(["detail", name])[:16], 16)).random())


def sharpness_of(pixels: np.ndarray) -> float:
    """Mean variance of the Laplacian of the brightness of frames uint8 `[T, H, W, 3]` RGB."""
    greys = (cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY).astype(np.float32) for frame in pixels)
    return float(np.mean([cv2.Laplacian(grey, cv2.CV_32F).var() for grey in greys]))


def with_no_more_than(pixels: np.ndarray, most: np.ndarray) -> np.ndarray:
    """The frames, uint8 like those given, with no more detail in a band than `most` (`[3, BANDS]`)."""
    gain = np.sqrt(np.minimum(1, most / detail_of(pixels)))
    gain[:, :KEPT] = 1
    rings = _rings(pixels.shape[1])
    frames = []
    for frame in pixels:
        planes = [
            cv2.idct(cv2.dct(plane) * row[rings]) for plane, row in zip(_planes(frame), gain, strict=True)
        ]
        whole = np.stack(planes, axis=2).clip(0, 255).round().astype(np.uint8)
        frames.append(cv2.cvtColor(whole, cv2.COLOR_YCrCb2RGB))
    return np.stack(frames)


def _planes(frame: np.ndarray) -> tuple[np.ndarray, ...]:
    shown = cv2.cvtColor(frame, cv2.COLOR_RGB2YCrCb)
    return tuple(np.ascontiguousarray(shown[..., k], dtype=np.float32) for k in range(3))


@cache
def _rings(side: int) -> np.ndarray:
    """The band of each coefficient of a square of that side, int `[side, side]`; the last has the corners."""
    place = np.arange(side) / side
    radius = np.hypot(place[:, None], place[None, :])
    return np.minimum((radius * BANDS).astype(int), BANDS - 1)
