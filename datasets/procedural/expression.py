"""The moving part of a face: eyelids, gaze and mouth, and the light on all of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from harness.datasets.procedural.canvas import TEXEL, U, V, bump, inside, paint, window
from harness.datasets.procedural.face import Face

Part = tuple[slice, slice]
WHOLE: Part = (slice(None), slice(None))


@dataclass(frozen=True)
class Expression:
    """What a face does in one frame."""

    blink: float = 0.0
    """0 eyes open ... 1 shut."""
    gaze: tuple[float, float] = (0.0, 0.0)
    """Where the irises lie from their middle, in units."""
    mouth: float = 0.0
    """0 shut ... 1 wide open."""
    smile: float = 0.0
    """-1 corners down ... 1 up."""


@dataclass(frozen=True)
class Light:
    """One lamp and what the room gives back, linear RGB."""

    direction: tuple[float, float, float]
    """Unit vector towards the lamp: right, down, towards the viewer; seen from the face."""
    key: np.ndarray
    ambient: np.ndarray


def shade(face: Face, expression: Expression, light: Light, part: Part = WHOLE) -> np.ndarray:
    """The lit face plane, or a part of it, linear RGB float32 `[HEIGHT, WIDTH, 3]`."""
    albedo = face.albedo.copy()
    shine = face.gloss.copy()
    for side in (-1, 1):
        _eye(albedo, shine, face, expression, side)
    _mouth(albedo, shine, face, expression)
    x, y, z = light.direction
    right, down, near = face.normals[0][part], face.normals[1][part], face.normals[2][part]
    toward = right * np.float32(x) + down * np.float32(y) + near * np.float32(z)
    diffuse = np.clip((toward + np.float32(0.15)) / np.float32(1.15), 0.0, 1.0)
    half = np.array([x, y, z + 1.0], dtype=np.float32)
    half /= np.linalg.norm(half)
    mirror = np.maximum(right * half[0] + down * half[1] + near * half[2], 0.0)
    for _ in range(4):
        mirror *= mirror
    mirror *= shine[part]
    sky = np.float32(0.75) - np.float32(0.25) * down
    lit = np.empty((*diffuse.shape, 3), dtype=np.float32)
    for channel, (key, ambient) in enumerate(zip(light.key, light.ambient, strict=True)):
        lit[..., channel] = (diffuse * key + sky * ambient) * albedo[(*part, channel)] + mirror * key
    return lit


def _eye(albedo: np.ndarray, shine: np.ndarray, face: Face, expression: Expression, side: int) -> None:
    who = face.identity
    centre = side * who.eye_apart
    at = window(centre, who.eye_height, who.eye_width * 1.35, who.eye_open * 3.2)
    u, v, texture = U[at] - centre, V[at] - who.eye_height, albedo[at]
    across = u / who.eye_width
    arch = np.clip(1.0 - across * across, 0.0, 1.0)
    tilt = -who.eye_tilt * across * side
    shut = np.float32(expression.blink)
    lower = tilt + 0.62 * who.eye_open * arch
    upper = tilt - (1.1 * who.eye_open * (1.0 - shut) - 0.5 * who.eye_open * shut) * np.sqrt(arch)
    lid = tilt - 1.1 * who.eye_open * np.sqrt(arch)
    present = inside(1.0 - np.abs(across), 0.15)
    open_eye = inside(v - upper) * inside(lower - v) * inside(arch, 0.05)
    lidded = inside(v - lid, 2 * TEXEL) * inside(upper - v) * present
    texture *= (1.0 - 0.22 * lidded)[..., None]
    crease = bump(v - lid + 0.045, 0 * v, 0.017, 1.0) * np.sqrt(arch)
    texture *= (1.0 - 0.4 * crease)[..., None]
    iris_radius = 0.98 * who.eye_open
    white = np.array([0.5, 0.45, 0.43], dtype=np.float32) * (1.0 - 0.35 * across * across)[..., None]
    paint(texture, open_eye, white)
    gu, gv = expression.gaze
    radius = np.hypot(u - gu, v - gv + 0.1 * who.eye_open) / iris_radius
    ring = who.iris * (1.15 - 0.55 * bump(radius - 1.0, 0 * radius, 0.22, 1.0))[..., None]
    paint(texture, open_eye * inside((1.0 - radius) * iris_radius), ring)
    paint(texture, open_eye * inside((0.45 - radius) * iris_radius), np.float32(0.004))
    glint = bump(u - gu + 0.03, v - gv + 0.045, 0.013, 0.013) * open_eye
    paint(texture, np.clip(glint * 1.1, 0, 1), np.float32(0.9))
    shadow = bump(v - upper - 0.012, 0 * v, 0.025, 1.0) * open_eye
    texture *= (1.0 - 0.5 * shadow)[..., None]
    lashes = bump(v - upper + 0.004, 0 * v, 0.015, 1.0) * inside(arch, 0.2)
    under = bump(v - lower, 0 * v, 0.012, 1.0) * inside(arch, 0.3)
    texture *= (1.0 - 0.82 * lashes - 0.25 * under * (1.0 - lashes))[..., None]
    shine[at] += 0.12 * open_eye


def _mouth(albedo: np.ndarray, shine: np.ndarray, face: Face, expression: Expression) -> None:
    who = face.identity
    wide = who.mouth_width * (1.0 + 0.1 * expression.smile - 0.16 * expression.mouth)
    gape = 0.17 * expression.mouth
    at = window(0.0, who.mouth_height + 0.06, wide * 1.3, 0.34)
    u, v, texture = U[at], V[at] - who.mouth_height, albedo[at]
    across = u / wide
    arch = np.clip(1.0 - across * across, 0.0, 1.0)
    line = 0.035 * expression.smile * (0.6 - across * across) - 0.012 * np.cos(3.0 * across)
    inner_top = line - 0.25 * gape * arch
    inner_bottom = line + 0.75 * gape * np.sqrt(arch)
    bow = (
        1.0 - 0.28 * np.exp(-((across / 0.16) ** 2)) + 0.12 * np.exp(-(((np.abs(across) - 0.3) / 0.15) ** 2))
    )
    top = inner_top - who.lip_upper * arch**0.8 * bow
    bottom = inner_bottom + who.lip_lower * arch**0.7
    present = inside(arch, 0.08)
    lips = inside(v - top, 2 * TEXEL) * inside(bottom - v, 2 * TEXEL) * present
    tone = who.lips * (0.55 + 0.45 * face.skin_map[at])[..., None]
    paint(texture, 0.85 * lips, tone * (1.0 - 0.22 * (v < line))[..., None])
    hole = inside(v - inner_top) * inside(inner_bottom - v) * inside(arch, 0.05)
    paint(texture, hole, np.array([0.045, 0.012, 0.012], dtype=np.float32))
    teeth = hole * inside(inner_top + 0.075 - v, 2 * TEXEL) * inside(0.8 - np.abs(across), 0.2)
    paint(texture, teeth, np.array([0.42, 0.39, 0.34], dtype=np.float32) * (1 - 0.4 * across**2)[..., None])
    seam = bump(v - 0.5 * (inner_top + inner_bottom), 0 * v, 0.014, 1.0) * np.sqrt(arch)
    texture *= (1.0 - 0.6 * seam * (1.0 - min(1.0, 4 * expression.mouth)))[..., None]
    corner = bump(np.abs(across) - 1.03, (v - line) / 0.03, 0.07, 1.0)
    texture *= (1.0 - 0.35 * corner)[..., None]
    shine[at] += 0.05 * lips * (v > line)
