"""The manipulations a detector is trained on: what the first generation of forgers does to pixels."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
from harness.datasets.procedural.canvas import bump
from harness.datasets.procedural.face import Face
from harness.datasets.procedural.region import (
    CROP_U,
    CROP_V,
    aligned,
    face_mask,
    match_colour,
    own_face,
    put_back,
    resampled,
)
from harness.datasets.procedural.scene import Footage, sway


def autoencoder(footage: Footage, source: Face, rng: np.random.Generator) -> np.ndarray:
    """Swap by a shared autoencoder: a small decoded face, enlarged bilinearly, colours off, soft mask.

    Decoders of 64 to 128 pixels for a face several times as large, as in the first Deepfakes.
    """
    side = int(rng.integers(20, 54))
    mask = face_mask(footage.face.identity, rng.uniform(0.0, 0.12), rng.uniform(0.12, 0.3))
    matched = rng.uniform(0.35, 0.95)
    cast = rng.normal(0.0, 0.03, 3).astype(np.float32)
    frames = []
    for index, moment in enumerate(footage.moments):
        decoded = resampled(aligned(source, moment), side)
        decoded = match_colour(decoded, own_face(footage, index), mask, matched) + cast
        frames.append(put_back(footage, index, decoded, mask))
    return np.stack(frames)


def graphics(footage: Footage, source: Face, rng: np.random.Generator) -> np.ndarray:
    """Swap by graphics: a photograph of the source fitted over the face, hard edge, the photograph's light.

    The fitted mesh follows the head but not the light, as in FaceSwap.
    """
    mask = face_mask(footage.face.identity, rng.uniform(0.0, 0.15), rng.uniform(0.02, 0.1))
    photograph = rng.uniform(-0.8, 0.8)
    shown = footage.moments[0].light
    direction = np.array([shown.direction[0] + photograph, shown.direction[1] * 0.5, shown.direction[2]])
    direction /= np.linalg.norm(direction)
    wrong = replace(shown, direction=(float(direction[0]), float(direction[1]), float(direction[2])))
    matched = rng.uniform(0.0, 0.95)
    side = int(rng.integers(56, 84))
    frames = []
    for index, moment in enumerate(footage.moments):
        lips = replace(moment.expression, blink=moment.expression.blink * 0.5)
        fitted = resampled(aligned(source, replace(moment, light=wrong, expression=lips)), side)
        fitted = match_colour(fitted, own_face(footage, index), mask, matched)
        frames.append(put_back(footage, index, fitted, mask))
    return np.stack(frames)


def reenactment(footage: Footage, source: Face, rng: np.random.Generator) -> np.ndarray:
    """The target's own face driven by another: mouth and eyes drawn anew, unsteady, never blinking.

    A neural renderer redraws what moves, frame by frame, as in Face2Face and NeuralTextures; `source`
    only lends its way of speaking.
    """
    who = footage.face.identity
    count = len(footage.moments)
    rhythm = sway(rng, count, 0.7, slowest=1.3)
    driven = np.clip(np.abs(rhythm) * (0.6 + source.identity.lip_lower), 0.0, 1.0)
    side = int(rng.integers(24, 58))
    jitter = rng.uniform(0.25, 1.0)
    mouth = bump(CROP_U, CROP_V - who.mouth_height + 0.03, who.mouth_width * 0.95, 0.24)
    eyes = bump(np.abs(CROP_U) - who.eye_apart, CROP_V - who.eye_height, 0.24, 0.13)
    mask = np.clip(1.9 * np.maximum(mouth, eyes) - 0.35, 0.0, 1.0).astype(np.float32)
    frames = []
    for index, moment in enumerate(footage.moments):
        acted = replace(moment.expression, blink=0.0, mouth=float(driven[index]))
        drawn = resampled(aligned(footage.face, replace(moment, expression=acted)), side)
        drawn = drawn * np.float32(1.0 + rng.normal(0.0, 0.012))
        moved = rng.normal(0.0, jitter, 2)
        frames.append(
            put_back(footage, index, cv2.GaussianBlur(drawn, (0, 0), 0.6), mask, (moved[0], moved[1]))
        )
    return np.stack(frames)
