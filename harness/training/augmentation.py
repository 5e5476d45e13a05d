"""Training augmentations: one draw for all frames of a clip, on uint8 pixels."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import cv2
import numpy as np

from harness.types import HarnessError, unknown

Augment = Callable[[np.ndarray, np.random.Generator], np.ndarray]
"""`(frames uint8 [T, S, S, 3], rng) -> frames` of the same shape."""


def flip(frames: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Mirror left and right, half of the time."""
    return frames[:, :, ::-1] if rng.random() < 0.5 else frames


def light(frames: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Brightness and contrast, each by up to 20 %."""
    contrast, brightness = 1 + rng.uniform(-0.2, 0.2, 2)
    changed = (frames.astype(np.float32) - 127.5) * contrast + 127.5 * brightness
    return np.clip(np.rint(changed), 0, 255).astype(np.uint8)


def noise(frames: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Gaussian noise with sigma 0.01 of the range, one time in five."""
    if rng.random() >= 0.2:
        return frames
    grain = rng.standard_normal(frames.shape, dtype=np.float32) * 2.55
    return np.clip(np.rint(frames + grain), 0, 255).astype(np.uint8)


def jpeg(frames: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """JPEG of quality 70 to 100, three times in ten; the same quality for all frames."""
    if rng.random() >= 0.3:
        return frames
    quality = int(rng.integers(70, 101))
    return np.stack([_recompressed(frame, quality) for frame in frames])


def _recompressed(frame: np.ndarray, quality: int) -> np.ndarray:
    blue_first = np.ascontiguousarray(frame[:, :, ::-1])  # OpenCV's encoder expects blue first
    done, encoded = cv2.imencode(".jpg", blue_first, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise HarnessError("a training frame could not be encoded as JPEG")
    return np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR))[:, :, ::-1]


def shift(frames: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Move by up to a sixteenth of the side in whole pixels, the edge repeated: no pixel is resampled."""
    side = frames.shape[1]
    reach = max(1, side // 16)
    down, right = rng.integers(0, 2 * reach + 1, 2)
    padded = np.pad(frames, ((0, 0), (reach, reach), (reach, reach), (0, 0)), mode="edge")
    return padded[:, down : down + side, right : right + side]


AUGMENTATIONS: dict[str, Augment] = {
    "flip": flip,
    "light": light,
    "noise": noise,
    "jpeg": jpeg,
    "shift": shift,
}
"""In the order in which they are applied."""


def chosen(names: Iterable[str]) -> list[Augment]:
    """The augmentations of a recipe, in their fixed order; an unknown name is a `HarnessError`."""
    wanted = set(names)
    for name in sorted(wanted - AUGMENTATIONS.keys()):
        raise unknown("augmentation", name, AUGMENTATIONS)
    return [augment for name, augment in AUGMENTATIONS.items() if name in wanted]


def augmented(frames: np.ndarray, augments: Iterable[Augment], rng: np.random.Generator) -> np.ndarray:
    """The frames after every augmentation, in order."""
    for augment in augments:
        frames = augment(frames, rng)
    return frames
