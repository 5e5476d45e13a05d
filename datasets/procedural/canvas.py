"""The face plane every identity is drawn on, and the brushes for drawing on it.

Coordinates (u, v) have the half width of an average face as their unit: u to the right, v down,
(0, 0) between the eyes and the nose. The plane is `HEIGHT` x `WIDTH` texels, `TEXELS` to a unit.
"""

from __future__ import annotations

import cv2
import numpy as np

TEXELS = 44
WIDTH, HEIGHT = 152, 168
LEFT, TOP = -WIDTH / 2 / TEXELS, -1.85

_u = (np.arange(WIDTH, dtype=np.float32) + 0.5) / TEXELS + LEFT
_v = (np.arange(HEIGHT, dtype=np.float32) + 0.5) / TEXELS + TOP
U, V = np.meshgrid(_u, _v)
"""Coordinates of each texel's centre, float32 `[HEIGHT, WIDTH]`."""

TEXEL = 1.0 / TEXELS


def window(u: float, v: float, half_u: float, half_v: float) -> tuple[slice, slice]:
    """Rows and columns of the texels within a box round (u, v)."""
    left = int(np.clip((u - half_u - LEFT) * TEXELS, 0, WIDTH - 1))
    right = int(np.clip((u + half_u - LEFT) * TEXELS + 1, left + 1, WIDTH))
    top = int(np.clip((v - half_v - TOP) * TEXELS, 0, HEIGHT - 1))
    bottom = int(np.clip((v + half_v - TOP) * TEXELS + 1, top + 1, HEIGHT))
    return slice(top, bottom), slice(left, right)


def inside(distance: np.ndarray, soft: float = TEXEL) -> np.ndarray:
    """Coverage in [0, 1] where `distance` (in units, positive inside) passes zero, `soft` units wide."""
    covered: np.ndarray = np.clip(distance / soft + 0.5, 0.0, 1.0)
    return covered


def bump(u: np.ndarray, v: np.ndarray, half_u: float | np.ndarray, half_v: float) -> np.ndarray:
    """A Gaussian hill of height 1 with these half widths (one sigma)."""
    hill: np.ndarray = np.exp(-0.5 * ((u / half_u) ** 2 + (v / half_v) ** 2))
    return hill


def grain(rng: np.random.Generator, sigma: float, shape: tuple[int, int] = (HEIGHT, WIDTH)) -> np.ndarray:
    """Smooth noise of unit variance: white noise blurred by `sigma` texels, float32."""
    noise: np.ndarray = rng.standard_normal(shape, dtype=np.float32)
    if sigma > 0.0:
        noise = cv2.GaussianBlur(noise, (0, 0), sigma, borderType=cv2.BORDER_REFLECT)
    return noise / np.float32(noise.std() + 1e-6)


def strands(rng: np.random.Generator, shape: tuple[int, int] = (HEIGHT, WIDTH)) -> np.ndarray:
    """Noise stretched downwards, as hair is: unit variance, float32."""
    noise = cv2.GaussianBlur(rng.standard_normal(shape, dtype=np.float32), (0, 0), 0.7, sigmaY=9.0)
    return noise / np.float32(noise.std() + 1e-6)


def paint(texture: np.ndarray, coverage: np.ndarray, colour: np.ndarray | np.float32) -> None:
    """Lay a colour (RGB, or RGB of each texel) over a texture in place, as much as it is covered."""
    texture += coverage[..., None] * (colour - texture)
