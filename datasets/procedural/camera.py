"""Cameras: what light becomes before an encoder sees it."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

DEMOSAIC = {
    "RGGB": cv2.COLOR_BayerRGGB2RGB,
    "GRBG": cv2.COLOR_BayerGRBG2RGB,
    "BGGR": cv2.COLOR_BayerBGGR2RGB,
    "GBRG": cv2.COLOR_BayerGBRG2RGB,
}
WHITE = 40000.0
"""Sensor value of full white, of 65535: room for highlights."""


@dataclass(frozen=True)
class Camera:
    """A lens, a sensor and a tone curve."""

    name: str
    blur: float
    """Sigma of the lens, in pixels."""
    bayer: str
    """Order of the colour filter, a key of `DEMOSAIC`."""
    shot: float
    """Variance of a pixel at full white from counting photons, on a scale of 0 to 1 squared."""
    read: float
    """Standard deviation of the readout, on a scale of 0 to 1."""
    gamma: float
    """Exponent of the tone curve (output = light ** (1 / gamma))."""
    exposure: float
    balance: tuple[float, float]
    """Gain of red and of blue."""


def photograph(frames: np.ndarray, camera: Camera, rng: np.random.Generator) -> np.ndarray:
    """Linear RGB float32 `[T, H, W, 3]` as this camera delivers it: uint8 RGB `[T, H, W, 3]`."""
    gain = np.array([camera.balance[0], 1.0, camera.balance[1]], dtype=np.float32) * camera.exposure
    curve = _tone_curve(camera.gamma)
    return np.stack([_expose(frame * gain, camera, curve, rng) for frame in frames])


def _tone_curve(gamma: float) -> np.ndarray:
    """uint8 of each of 4096 sensor levels; highlights roll off instead of clipping hard."""
    light = np.arange(4096) / 4095.0 * 65535.0 / WHITE
    rolled = np.where(light < 0.8, light, 0.8 + 0.2 * np.tanh((light - 0.8) / 0.2))
    toned: np.ndarray = np.round(255.0 * np.clip(rolled, 0, 1) ** (1.0 / gamma)).astype(np.uint8)
    return toned


def _expose(light: np.ndarray, camera: Camera, curve: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    blurred = cv2.GaussianBlur(light, (0, 0), camera.blur) if camera.blur > 0 else light
    mosaic = _mosaic(blurred, camera.bayer)
    noise = rng.standard_normal(mosaic.shape, dtype=np.float32)
    mosaic = mosaic + noise * np.sqrt(
        np.float32(camera.shot) * np.maximum(mosaic, 0) + np.float32(camera.read**2)
    )
    raw = np.clip(mosaic * np.float32(WHITE), 0, 65535).astype(np.uint16)
    return curve[cv2.cvtColor(raw, DEMOSAIC[camera.bayer]) >> 4]


def _mosaic(light: np.ndarray, bayer: str) -> np.ndarray:
    """One colour a pixel, in the order of the filter."""
    mosaic = np.empty(light.shape[:2], dtype=np.float32)
    for place, letter in enumerate(bayer):
        row, column = divmod(place, 2)
        mosaic[row::2, column::2] = light[row::2, column::2, "RGB".index(letter)]
    return mosaic


LAB_CAMERAS = (
    Camera("lab-a", 0.45, "RGGB", 0.0003, 0.003, 2.2, 0.95, (1.0, 1.0)),
    Camera("lab-b", 0.55, "RGGB", 0.0005, 0.004, 2.2, 0.9, (1.04, 0.97)),
    Camera("lab-c", 0.50, "GRBG", 0.0002, 0.002, 2.3, 1.0, (0.97, 1.03)),
)
WILD_CAMERAS = (
    Camera("wild-a", 0.60, "BGGR", 0.0007, 0.005, 2.0, 1.0, (1.06, 0.94)),
    Camera("wild-b", 0.40, "GBRG", 0.0004, 0.006, 2.4, 0.85, (0.95, 1.06)),
    Camera("wild-c", 0.70, "BGGR", 0.0003, 0.002, 2.1, 1.05, (1.0, 1.05)),
)
