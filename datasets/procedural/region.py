"""The aligned face crop that forgers work on, and the way back into the frame.

Like real face swappers, these cut the face out in a fixed pose, let a generator redo it, and warp
the result back over the frame. Generators see gamma-encoded colours, as real ones do.
"""

from __future__ import annotations

import cv2
import numpy as np
from harness.datasets.procedural.canvas import LEFT, TEXELS, TOP, U, V
from harness.datasets.procedural.expression import shade
from harness.datasets.procedural.face import Face
from harness.datasets.procedural.identity import Identity
from harness.datasets.procedural.scene import Footage, Moment

SIDE = 96
"""Side of the aligned crop, in texels; a texel of it covers about 0.85 pixels of the frame."""

_column = round((-SIDE / 2 / TEXELS - LEFT) * TEXELS)
_row = round((-0.92 - TOP) * TEXELS)
CROP = (slice(_row, _row + SIDE), slice(_column, _column + SIDE))
CROP_U, CROP_V = U[CROP], V[CROP]


def encoded(light: np.ndarray) -> np.ndarray:
    """Gamma-encoded (square root) values of linear light."""
    root: np.ndarray = np.sqrt(np.maximum(light, 0.0))
    return root


def aligned(face: Face, moment: Moment) -> np.ndarray:
    """The aligned crop of a face with the expression and light of a moment, gamma-encoded float32."""
    return encoded(shade(face, moment.expression, moment.light, CROP))


def own_face(footage: Footage, index: int) -> np.ndarray:
    """The aligned crop of the face that is in the footage, as `aligned`."""
    return encoded(footage.planes[index][CROP])


def face_mask(who: Identity, inset: float, soft: float) -> np.ndarray:
    """The inner face, from above the brows to the chin, `inset` units in from its edge, `soft` units wide."""
    below = np.clip(CROP_V - 0.1, 0.0, None) / (who.chin - 0.1)
    above = np.clip(-0.1 - CROP_V, 0.0, None) / 0.75
    half = who.width - 0.1 - inset
    reach = 1.0 - inset / 0.9
    radius = np.hypot(CROP_U / half, (below**1.2 + above**1.3) / reach)
    mask: np.ndarray = np.clip((1.0 - radius) * half / soft + (0.5 if soft < 0.05 else 0.0), 0.0, 1.0)
    return mask.astype(np.float32)


def put_back(
    footage: Footage, index: int, crop: np.ndarray, mask: np.ndarray, shift: tuple[float, float] = (0.0, 0.0)
) -> np.ndarray:
    """The frame of that index with the crop (gamma-encoded) laid over it through the mask; linear RGB.

    `shift` moves the crop by texels, for a tracker that is not steady.
    """
    moment, frame = footage.moments[index], footage.frames[index]
    columns, rows = moment.columns - CROP[1].start, moment.rows - CROP[0].start
    seen = (columns > -1) & (columns < SIDE) & (rows > -1) & (rows < SIDE)
    lines, across = np.flatnonzero(seen.any(1)), np.flatnonzero(seen.any(0))
    at = (slice(lines[0], lines[-1] + 1), slice(across[0], across[-1] + 1))
    layer = np.dstack([crop, mask]).astype(np.float32)
    warped = cv2.remap(
        layer, columns[at] - np.float32(shift[0]), rows[at] - np.float32(shift[1]), cv2.INTER_LINEAR
    )
    cover = warped[..., 3:]
    result = frame.copy()
    beneath = encoded(frame[at])
    result[at] = (beneath + cover * (warped[..., :3] - beneath)) ** 2
    return result


def match_colour(crop: np.ndarray, like: np.ndarray, mask: np.ndarray, strength: float) -> np.ndarray:
    """The crop with mean and spread of its colours moved towards those of another, within the mask."""
    weight = mask[..., None] / (mask.sum() + 1e-6)
    mean, other = (crop * weight).sum((0, 1)), (like * weight).sum((0, 1))
    spread = np.sqrt((((crop - mean) ** 2) * weight).sum((0, 1)) + 1e-6)
    wanted = np.sqrt((((like - other) ** 2) * weight).sum((0, 1)) + 1e-6)
    matched = (crop - mean) * np.clip(wanted / spread, 0.75, 1.33) + other
    result: np.ndarray = crop + np.float32(strength) * (matched - crop)
    return result.astype(np.float32)


def resampled(crop: np.ndarray, side: int) -> np.ndarray:
    """The crop made `side` texels small by area and enlarged again bilinearly."""
    small = cv2.resize(crop, (side, side), interpolation=cv2.INTER_AREA)
    return cv2.resize(small, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR)
