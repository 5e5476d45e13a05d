"""The manipulations no detector is trained on: what later generations of forgers do to pixels."""

from __future__ import annotations

import cv2
import numpy as np
from harness.datasets.procedural.face import Face
from harness.datasets.procedural.region import (
    SIDE,
    aligned,
    face_mask,
    match_colour,
    own_face,
    put_back,
    resampled,
)
from harness.datasets.procedural.scene import Footage


def refined_swap(footage: Footage, source: Face, rng: np.random.Generator) -> np.ndarray:
    """The swap improved: larger decoder, colours matched, wide soft mask, smoothed over time.

    The step from the first Deepfakes to Celeb-DF.
    """
    side = int(rng.integers(58, 80))
    mask = face_mask(footage.face.identity, rng.uniform(0.0, 0.1), rng.uniform(0.25, 0.4))
    decoded = []
    for index, moment in enumerate(footage.moments):
        face = resampled(aligned(source, moment), side)
        decoded.append(match_colour(face, own_face(footage, index), mask, rng.uniform(0.93, 1.0)))
    frames = []
    for index in range(len(decoded)):
        near = decoded[max(0, index - 1) : index + 2]
        steady = 0.6 * decoded[index] + 0.4 * np.mean(near, axis=0, dtype=np.float32)
        frames.append(put_back(footage, index, steady, mask))
    return np.stack(frames)


def gan(footage: Footage, source: Face, rng: np.random.Generator) -> np.ndarray:
    """Swap by a generator that grows its picture with strided transposed convolutions.

    Kernels of 3 and 4 taps at stride 2 cover the phases unevenly and leave the checkerboard that
    such layers leave (Odena et al. 2016); noise put in at each scale stands for learned texture.
    """
    mask = face_mask(footage.face.identity, rng.uniform(0.0, 0.12), rng.uniform(0.1, 0.25))
    kernels = [_learned_kernel(rng, taps) for taps in (4, 3)]
    textures = [rng.standard_normal((side, side, 3), dtype=np.float32) for side in (SIDE // 2, SIDE)]
    level = rng.uniform(0.006, 0.016)
    frames = []
    for index, moment in enumerate(footage.moments):
        wanted = aligned(source, moment)
        grown = cv2.resize(wanted, (SIDE // 4, SIDE // 4), interpolation=cv2.INTER_AREA)
        for kernel, texture in zip(kernels, textures, strict=True):
            grown = transposed_convolution(grown, kernel)
            target = cv2.resize(wanted, grown.shape[1::-1], interpolation=cv2.INTER_AREA)
            edges = target - cv2.GaussianBlur(target, (0, 0), 1.5)
            learned = np.sign(edges) * np.maximum(np.abs(edges) - 0.012, 0.0)
            grown = grown + 0.9 * learned + np.float32(level) * texture
        grown = match_colour(grown, own_face(footage, index), mask, 0.9)
        frames.append(put_back(footage, index, grown, mask))
    return np.stack(frames)


def _learned_kernel(rng: np.random.Generator, taps: int) -> np.ndarray:
    """A kernel of a trained layer: near bilinear, not exactly, of gain 1 over all phases together."""
    line = np.array([0.25, 0.75, 0.75, 0.25] if taps == 4 else [0.5, 1.0, 0.5])
    kernel = np.outer(line, line) * (1.0 + rng.normal(0.0, 0.07, (taps, taps)))
    learned: np.ndarray = kernel * (4.0 / kernel.sum())
    return learned.astype(np.float32)


def transposed_convolution(picture: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Stride 2: zeros between the values of `[H, W, 3]`, then the kernel; `[2H, 2W, 3]`."""
    height, width = picture.shape[:2]
    spread = np.zeros((2 * height, 2 * width, 3), dtype=np.float32)
    spread[::2, ::2] = picture
    padded = cv2.copyMakeBorder(spread, 4, 4, 4, 4, cv2.BORDER_REFLECT_101)
    return cv2.filter2D(padded, -1, kernel, borderType=cv2.BORDER_REFLECT_101)[4:-4, 4:-4]


def diffusion(footage: Footage, source: Face, rng: np.random.Generator) -> np.ndarray:
    """Swap by a latent diffusion model: decoded by repeated x2 nearest and convolve, detail denoised.

    What the denoiser keeps of each scale are its strong structures; faint texture is taken for noise.
    """
    mask = face_mask(footage.face.identity, rng.uniform(0.0, 0.12), rng.uniform(0.12, 0.3))
    threshold = rng.uniform(0.012, 0.03)
    soft = np.array([0.25, 0.5, 0.25]) + rng.normal(0.0, 0.02, 3)
    kernel = np.outer(soft, soft).astype(np.float32) / np.float32(soft.sum() ** 2)
    frames = []
    for index, moment in enumerate(footage.moments):
        wanted = aligned(source, moment)
        grown = cv2.resize(wanted, (SIDE // 8, SIDE // 8), interpolation=cv2.INTER_AREA)
        for _ in range(3):
            grown = np.repeat(np.repeat(grown, 2, axis=0), 2, axis=1)
            grown = cv2.filter2D(grown, -1, kernel, borderType=cv2.BORDER_REFLECT_101)
            residual = cv2.resize(wanted, grown.shape[1::-1], interpolation=cv2.INTER_AREA) - grown
            grown = grown + residual * (np.abs(residual) > threshold)
        grown = match_colour(grown, own_face(footage, index), mask, 0.9)
        frames.append(put_back(footage, index, grown, mask))
    return np.stack(frames)
