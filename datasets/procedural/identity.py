"""Who a face is: its shape, skin, eyes, mouth and hair, drawn from a name."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness.files import seed_of

SKIN_TONES = ((248, 216, 194), (236, 192, 162), (218, 168, 132), (186, 130, 96), (140, 92, 66), (96, 62, 46))
HAIR_COLOURS = ((24, 18, 16), (48, 32, 22), (84, 54, 34), (140, 98, 58), (196, 158, 104), (120, 116, 112))
IRIS_COLOURS = ((72, 44, 26), (98, 66, 34), (92, 98, 56), (72, 104, 138), (104, 124, 132))


@dataclass(frozen=True)
class Identity:
    """What stays the same whenever one person is seen; lengths in half face widths, colours linear RGB."""

    name: str
    width: float
    """Half width of the face at the cheekbones."""
    chin: float
    """How far the chin lies below the origin."""
    jaw: float
    """0 pointed ... 1 square."""
    eye_apart: float
    eye_height: float
    eye_width: float
    eye_open: float
    eye_tilt: float
    brow_height: float
    brow_thick: float
    brow_arch: float
    nose_width: float
    nose_length: float
    mouth_height: float
    mouth_width: float
    lip_upper: float
    lip_lower: float
    skin: np.ndarray
    lips: np.ndarray
    hair: np.ndarray
    iris: np.ndarray
    hairline: float
    """Height of the hairline above the origin."""
    hair_length: float
    """How far down the hair reaches at the sides."""
    parting: float
    pores: float
    """Contrast of the finest skin texture, as a fraction of the skin's brightness."""
    blotches: float
    freckles: int
    stubble: float
    age: float
    """0 smooth ... 1 deep folds."""


def linear(colour: object) -> np.ndarray:
    """Linear RGB in [0, 1] of an 8-bit colour (gamma 2.2)."""
    return ((np.asarray(colour, dtype=np.float32) / 255.0) ** 2.2).astype(np.float32)


def _between(colours: tuple[tuple[int, int, int], ...], place: float) -> np.ndarray:
    low = min(int(place), len(colours) - 2)
    first, second = np.asarray(colours[low], float), np.asarray(colours[low + 1], float)
    return first + (second - first) * (place - low)


def draw_identity(name: str) -> Identity:
    """The person of that name: the same name is the same person, on every machine."""
    rng = np.random.default_rng(seed_of("identity", name))

    def near(middle: float, spread: float) -> float:
        return float(middle + spread * np.clip(rng.standard_normal(), -2.0, 2.0))

    tone = float(rng.uniform(0, len(SKIN_TONES) - 1.001))
    skin = linear(_between(SKIN_TONES, tone) * rng.uniform(0.95, 1.04, 3))
    dark = rng.random() < 0.35 + 0.13 * tone
    hair = _between(HAIR_COLOURS, float(rng.uniform(0, 1.2 if dark else len(HAIR_COLOURS) - 1.001)))
    iris = IRIS_COLOURS[int(rng.integers(0, 2 if tone > 2.5 else len(IRIS_COLOURS)))]
    masculine = rng.random() < 0.5
    return Identity(
        name=name,
        width=near(0.98, 0.03),
        chin=near(1.19 if masculine else 1.14, 0.035),
        jaw=float(np.clip(near(0.6 if masculine else 0.3, 0.15), 0.0, 1.0)),
        eye_apart=near(0.42, 0.015),
        eye_height=near(-0.17, 0.02),
        eye_width=near(0.205, 0.014),
        eye_open=near(0.088, 0.012),
        eye_tilt=near(-0.01, 0.015),
        brow_height=near(-0.43 if masculine else -0.46, 0.02),
        brow_thick=near(0.058 if masculine else 0.04, 0.008),
        brow_arch=near(0.045, 0.02),
        nose_width=near(0.2 if masculine else 0.175, 0.02),
        nose_length=near(0.36, 0.025),
        mouth_height=near(0.69, 0.02),
        mouth_width=near(0.35, 0.025),
        lip_upper=near(0.062, 0.014),
        lip_lower=near(0.085, 0.015),
        skin=skin,
        lips=linear(_between(SKIN_TONES, tone) * np.array([0.86, 0.56, 0.56]) * rng.uniform(0.9, 1.1)),
        hair=linear(np.asarray(hair)),
        iris=linear(iris),
        hairline=near(0.93 if masculine else 0.88, 0.06),
        hair_length=float(rng.uniform(-0.35, 0.1) if masculine else rng.uniform(0.3, 1.7)),
        parting=float(rng.uniform(-0.5, 0.5)),
        pores=float(rng.uniform(0.06, 0.11)),
        blotches=float(rng.uniform(0.03, 0.06)),
        freckles=int(rng.integers(20, 120)) if rng.random() < 0.35 else int(rng.integers(2, 10)),
        stubble=float(rng.uniform(0.1, 0.5)) if masculine and rng.random() < 0.6 else 0.0,
        age=float(rng.random() ** 1.5),
    )
