"""What is behind the head: a room out of focus, hair that falls down, neck, shoulders and clothes."""

from __future__ import annotations

from typing import Protocol

import cv2
import numpy as np
from harness.datasets.procedural.canvas import grain, strands
from harness.datasets.procedural.expression import Light
from harness.datasets.procedural.identity import Identity, linear

UNIT = 40.0
"""Pixels of half a face width, at scale 1."""
SIDE = 176
"""A frame and 8 pixels more on each side, for a camera that is not held still."""

_p = np.arange(SIDE, dtype=np.float32) - 8 + 0.5
X, Y = np.meshgrid(_p, _p)


class Place(Protocol):
    """Where the head is: the part of a pose that the body needs."""

    @property
    def x(self) -> float: ...
    @property
    def y(self) -> float: ...
    @property
    def scale(self) -> float: ...


def draw_backdrop(rng: np.random.Generator, who: Identity, light: Light, place: Place) -> np.ndarray:
    """Linear RGB float32 `[SIDE, SIDE, 3]`: all that stands still."""
    room = _room(rng)
    unit = UNIT * place.scale
    u, v = (X - np.float32(place.x)) / unit, (Y - np.float32(place.y)) / unit
    _fall(room, who, u, v, rng)
    _neck(room, who, light, u, v, rng)
    _clothes(room, light, u, v, rng)
    return np.ascontiguousarray(np.clip(room, 0.0, 1.5), dtype=np.float32)


def _room(rng: np.random.Generator) -> np.ndarray:
    """A wall with a gradient and some shapes on it, out of focus."""
    wall = linear(rng.uniform(70, 215, 3) * 0.35 + rng.uniform(60, 200) * 0.65)
    room = np.ones((SIDE, SIDE, 3), dtype=np.float32) * wall
    for _ in range(int(rng.integers(2, 9))):
        x, y = rng.integers(-20, SIDE, 2)
        w, h = rng.integers(12, 80, 2)
        colour = [float(c) for c in linear(rng.uniform(20, 235) * 0.6 + rng.uniform(10, 235, 3) * 0.4)]
        if rng.random() < 0.75:
            cv2.rectangle(room, (int(x), int(y)), (int(x + w), int(y + h)), colour, -1)
        else:
            cv2.ellipse(room, (int(x), int(y)), (int(w / 2), int(h / 2)), 0, 0, 360, colour, -1)
    room = cv2.GaussianBlur(room, (0, 0), float(rng.uniform(1.2, 5.0)))
    slope = rng.uniform(-0.3, 0.3, 2)
    shading = 1.0 + slope[0] * (X / SIDE - 0.5) + slope[1] * (Y / SIDE - 0.5)
    surface = 1.0 + 0.05 * grain(rng, 1.0, (SIDE, SIDE)) + 0.05 * grain(rng, 6.0, (SIDE, SIDE))
    result: np.ndarray = room * (shading * surface * rng.uniform(0.6, 1.0))[..., None]
    return result.astype(np.float32)


def _edge(distance: np.ndarray, unit: float = 0.05) -> np.ndarray:
    covered: np.ndarray = np.clip(distance / unit + 0.5, 0.0, 1.0)[..., None]
    return covered


def _fall(room: np.ndarray, who: Identity, u: np.ndarray, v: np.ndarray, rng: np.random.Generator) -> None:
    """Long hair behind the neck."""
    if who.hair_length < 0.3:
        return
    half = who.width + 0.12 + 0.1 * np.clip(v, 0, 2)
    distance = np.minimum(half - np.abs(u), who.hair_length + 0.15 - v)
    distance = np.where(v < 0.0, 0.9 * (1.0 - np.hypot(u / half, v / 0.8)), distance)
    tone = np.clip(0.6 + 0.2 * strands(rng, (SIDE, SIDE)), 0.1, 1.6)[..., None]
    room += _edge(distance + 0.03 * grain(rng, 3.0, (SIDE, SIDE)), 0.08) * (who.hair * tone - room)


def _neck(
    room: np.ndarray, who: Identity, light: Light, u: np.ndarray, v: np.ndarray, rng: np.random.Generator
) -> None:
    half = 0.62 * who.width + 0.25 * np.clip(v - 1.35, 0, 1) ** 2
    round_off = np.sqrt(np.clip(1.0 - (u / (half * 1.08)) ** 2, 0.05, 1.0))
    side = np.clip(round_off + 0.6 * light.direction[0] * u, 0.1, 1.3)
    chin_shadow = 1.0 - 0.55 * np.exp(-np.clip(v - who.chin + 0.05, 0, 2) / 0.16)
    texture = 1.0 + who.pores * grain(rng, 0.8, (SIDE, SIDE)) + who.blotches * grain(rng, 6.0, (SIDE, SIDE))
    lit = (0.6 * side * chin_shadow)[..., None] * light.key + (0.75 * chin_shadow)[..., None] * light.ambient
    colour = who.skin * lit * texture[..., None]
    room += _edge(np.minimum(half - np.abs(u), v - 0.3)) * (colour - room)


def _clothes(room: np.ndarray, light: Light, u: np.ndarray, v: np.ndarray, rng: np.random.Generator) -> None:
    """Shoulders in a shirt, with a weave, folds and an open, round or high collar."""
    colour = linear(rng.uniform(15, 235) * 0.5 + rng.uniform(10, 235, 3) * 0.5)
    collar = rng.uniform(1.3, 1.62) + rng.uniform(0.0, 0.4) * np.exp(-((u / 0.5) ** 2))
    shoulder = 1.5 + 0.28 * np.clip(np.abs(u) - 0.5, 0, 3) + 0.25 * np.clip(np.abs(u) - 1.6, 0, 2) ** 2
    top = np.maximum(np.where(np.abs(u) < 0.75, collar, 0.0), shoulder - 0.12)
    top = np.where(np.abs(u) < 0.75, np.maximum(collar, shoulder - 0.3), top)
    weave = 1.0 + 0.09 * grain(rng, 0.6, (SIDE, SIDE)) + 0.12 * grain(rng, 7.0, (SIDE, SIDE))
    if rng.random() < 0.3:
        weave *= 1.0 + 0.35 * np.sign(np.sin(v * rng.uniform(15, 40) + rng.uniform(0, 6)))
    slope = np.clip(0.75 + 0.25 * light.direction[0] * u, 0.3, 1.2) * np.clip(
        1.1 - 0.15 * (v - 1.5), 0.5, 1.2
    )
    lit = slope[..., None] * (0.6 * light.key + 0.7 * light.ambient)
    room += _edge(v - top) * (colour * lit * weave[..., None] - room)
