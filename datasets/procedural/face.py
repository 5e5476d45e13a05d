"""The still part of a face: skin, brows, nose, hair and relief, drawn once for each identity."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from harness.datasets.procedural.canvas import (
    TEXEL,
    TEXELS,
    U,
    V,
    bump,
    grain,
    inside,
    paint,
    strands,
)
from harness.datasets.procedural.identity import Identity, draw_identity

from harness.files import seed_of


@dataclass(frozen=True)
class Face:
    """What light falls on; arrays are float32 over the face plane."""

    identity: Identity
    albedo: np.ndarray
    """Linear RGB reflectance with relaxed features missing: eyes and mouth move and are drawn later."""
    normals: np.ndarray
    """Unit normals `[3, H, W]`: right, down, towards the viewer."""
    depth: np.ndarray
    """How far each texel lies in front of the axis the head turns round, in units."""
    gloss: np.ndarray
    """Strength of the highlight."""
    cover: np.ndarray
    """Where the head is, in [0, 1]."""
    skin_map: np.ndarray
    """Factor of the skin's texture round 1, for the parts drawn later."""


@lru_cache(maxsize=160)
def build_face(name: str) -> Face:
    """The face of the identity of that name."""
    who = draw_identity(name)
    rng = np.random.default_rng(seed_of("face", name))
    outline = _outline(who)
    hair, hair_cover = _hair(who, rng)
    texture = _skin_texture(who, rng)
    albedo = (who.skin * texture[..., None]).astype(np.float32)
    _redden(albedo, who)
    _stubble(albedo, who, rng)
    _freckles(albedo, who, rng)
    _brows(albedo, who, rng)
    _nostrils(albedo, who)
    albedo *= _folds(who)[..., None]
    ears = _ears(who)
    skin_cover = np.maximum(inside(outline, 1.5 * TEXEL), ears)
    albedo *= (1.0 - 0.25 * ears * (1.0 - inside(outline + 0.04, 0.08)))[..., None]
    cover = hair_cover + skin_cover * (1.0 - hair_cover)
    paint(albedo, np.where(cover > 0.02, hair_cover / np.maximum(cover, 0.02), 1.0), hair)
    depth = _depth(who)
    relief = depth + (0.004 + 0.05 * who.pores) * (texture - 1.0) * (1 - hair_cover)
    gloss = (0.05 + 0.05 * bump(U, V + 0.1, 0.3, 0.6)) * (1 - hair_cover) + 0.03 * hair_cover
    return Face(
        who,
        albedo.astype(np.float32),
        _normals(relief),
        depth.astype(np.float32),
        gloss.astype(np.float32),
        cover.astype(np.float32),
        texture.astype(np.float32),
    )


def _outline(who: Identity) -> np.ndarray:
    """Distance to the face's edge, positive inside, about right in units."""
    below = np.clip(V / who.chin, 0.0, 1.3)
    power = 2.1 + 1.1 * who.jaw
    half = who.width * np.where(
        V > 0, np.clip(1.0 - below**power, 0.0, 1.0) ** (0.5 + 0.1 * who.jaw), 1.0 - 0.1 * (V / 1.2) ** 2
    )
    skull = (1.0 - np.hypot(U / (who.width + 0.01), (V + 0.25) / 1.2)) * 0.9
    distance = np.where(V < -0.25, skull, half - np.abs(U))
    return np.minimum(distance, (who.chin - V) * 0.9).astype(np.float32)


def _skin_texture(who: Identity, rng: np.random.Generator) -> np.ndarray:
    pores = grain(rng, 0.75) + 0.7 * grain(rng, 1.4)
    blotches = grain(rng, 4.0) + grain(rng, 11.0)
    return np.clip(1.0 + who.pores * pores + 0.6 * who.blotches * blotches, 0.5, 1.5)


def _redden(albedo: np.ndarray, who: Identity) -> None:
    """Blood under the cheeks and the nose: less green and blue there."""
    cheeks = bump(np.abs(U) - 0.52, V - 0.28, 0.2, 0.17) + 0.8 * bump(U, V - who.nose_length, 0.12, 0.12)
    sockets = bump(np.abs(U) - who.eye_apart, V - who.eye_height - 0.03, 0.2, 0.11)
    albedo[..., 1:] *= (1.0 - 0.2 * np.clip(cheeks, 0, 1))[..., None]
    albedo *= (1.0 - 0.2 * sockets)[..., None]


def _stubble(albedo: np.ndarray, who: Identity, rng: np.random.Generator) -> None:
    if who.stubble <= 0.0:
        return
    region = inside(V - 0.42 - 0.25 * np.clip(0.5 - np.abs(U), 0, 1) * (np.abs(U) < 0.28), 0.25)
    region = region * np.clip(0.35 + np.abs(V - 0.5) + 0.5 * (np.abs(U) > 0.1), 0, 1)
    hairs = np.clip(0.7 + 0.6 * grain(rng, 0.6), 0.0, 1.6)
    paint(albedo, np.clip(region * hairs * who.stubble, 0, 0.9), who.hair * 1.3)


def _freckles(albedo: np.ndarray, who: Identity, rng: np.random.Generator) -> None:
    for _ in range(who.freckles):
        u, v = rng.normal(0, 0.45), rng.normal(0.12, 0.35)
        size = rng.uniform(0.6, 1.1) * TEXEL
        rows = slice(int(max(0, (v - V[0, 0]) * TEXELS - 4)), int(max(0, (v - V[0, 0]) * TEXELS + 5)))
        columns = slice(int(max(0, (u - U[0, 0]) * TEXELS - 4)), int(max(0, (u - U[0, 0]) * TEXELS + 5)))
        spot = bump(U[rows, columns] - u, V[rows, columns] - v, size, size)
        albedo[rows, columns] *= 1.0 - rng.uniform(0.2, 0.5) * spot[..., None] * np.array([0.6, 0.9, 1.0])


def _brows(albedo: np.ndarray, who: Identity, rng: np.random.Generator) -> None:
    across = (np.abs(U) - who.eye_apart + 0.02) / (who.eye_width * 1.35)
    middle = who.brow_height - who.brow_arch * (1.0 - (across - 0.25) ** 2)
    thick = who.brow_thick * np.clip(1.1 - 0.45 * (across + 1.0) / 2.0, 0.2, 1.2)
    cover = inside(thick - np.abs(V - middle), 2.5 * TEXEL) * inside((1.0 - np.abs(across)) * 0.2, 0.1)
    hairs = np.clip(0.8 + 0.35 * grain(rng, 0.7), 0.2, 1.0)
    paint(albedo, cover * hairs * 0.85, who.hair * 0.8)


def _nostrils(albedo: np.ndarray, who: Identity) -> None:
    side = np.abs(U) - who.nose_width * 0.48
    hole = bump(side, V - who.nose_length - 0.045, 0.042, 0.024)
    under = bump(U, V - who.nose_length - 0.075, who.nose_width * 0.8, 0.04)
    wing = bump(np.abs(U) - who.nose_width * 1.02, V - who.nose_length + 0.01, 0.025, 0.07)
    albedo *= (1.0 - 0.8 * np.clip(hole, 0, 1) - 0.16 * under)[..., None]
    albedo *= (1.0 - 0.3 * wing)[..., None]


def _folds(who: Identity) -> np.ndarray:
    """Darkening along smile lines, under the eyes, on the forehead and under the lower lip."""
    along = np.clip((V - who.nose_length) / (who.mouth_height + 0.1 - who.nose_length), 0, 1)
    smile = bump(np.abs(U) - who.nose_width - 0.06 - 0.2 * along, 0 * V, 0.03, 1.0)
    smile = smile * inside(V - who.nose_length + 0.02, 0.1) * inside(who.mouth_height + 0.08 - V, 0.12)
    bags = bump(
        np.abs(U) - who.eye_apart, V - who.eye_height - 0.15 + 0.25 * (np.abs(U) - 0.42) ** 2, 0.15, 0.022
    )
    lines = sum(bump(U, V + 0.62 + 0.11 * k + 0.03 * U**2, 0.4, 0.014) for k in range(3))
    chin = bump(U, V - who.mouth_height - who.lip_lower - 0.07, 0.16, 0.035)
    shade = 1.0 - (0.08 + 0.25 * who.age) * smile - (0.06 + 0.22 * who.age) * bags
    return np.clip(shade - 0.18 * who.age * lines - 0.2 * chin, 0.3, 1.0)


def _ears(who: Identity) -> np.ndarray:
    if who.hair_length > 0.25:
        return np.zeros_like(U)
    across = (np.abs(U) - who.width - 0.01) / 0.12
    return inside((1.0 - np.hypot(across, (V - 0.05) / 0.26)) * 0.12, 1.5 * TEXEL)


def _hair(who: Identity, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Colour and cover of the hair: a cap above the hairline, and as long at the sides as it grows."""
    cap = (1.0 - np.hypot(U / (who.width + 0.17), (V + 0.25) / 1.28)) * 1.1
    sides = np.minimum(who.width + 0.16 - np.abs(U), who.hair_length - V)
    outer = np.where(V < -0.25, cap, np.minimum(sides, 0.3))
    line = -who.hairline + 0.16 * np.clip(np.abs(U) / 0.8, 0, 1.3) ** 3 + 0.08 * np.abs(U - who.parting)
    above = line - V + 0.02 * grain(rng, 3.0)
    edge = who.width * (0.94 - 0.04 * np.clip(V, 0, 1)) + 0.015 * grain(rng, 4.0)
    beside = np.minimum(np.abs(U) - edge, who.hair_length + 0.05 * grain(rng, 2.0) - V)
    cover = inside(outer, 3 * TEXEL) * inside(np.maximum(above, beside), 4 * TEXEL)
    tone = np.clip(1.0 + 0.24 * strands(rng), 0.35, 1.8) * (1.0 - 0.25 * inside(0.05 - outer, 0.1))
    return who.hair * tone[..., None] + 0.002, cover.astype(np.float32)


def _depth(who: Identity) -> np.ndarray:
    dome = 0.95 * np.sqrt(np.clip(1.0 - (U / 1.2) ** 2 - ((V + 0.1) / 1.55) ** 2, 0.0, 1.0))
    ridge = np.clip((V - who.eye_height) / (who.nose_length - who.eye_height), 0.0, 1.0)
    bridge = bump(U, 0 * V, 0.075 + 0.05 * ridge, 1.0) * ridge * inside(who.nose_length + 0.03 - V, 0.1)
    nose = 0.17 * bridge + 0.08 * bump(U, V - who.nose_length + 0.04, who.nose_width * 0.55, 0.08)
    wings = 0.045 * bump(np.abs(U) - who.nose_width * 0.75, V - who.nose_length, 0.06, 0.06)
    sockets = 0.07 * bump(np.abs(U) - who.eye_apart, V - who.eye_height, 0.19, 0.1)
    brow = 0.045 * bump(np.abs(U) - 0.32, V - who.brow_height - 0.02, 0.3, 0.07)
    cheek = 0.05 * bump(np.abs(U) - 0.55, V - 0.2, 0.2, 0.18)
    lips = 0.05 * bump(U, V - who.mouth_height, who.mouth_width * 0.7, 0.1)
    chin = 0.06 * bump(U, V - who.chin + 0.17, 0.2, 0.1)
    return dome + nose + wings - sockets + brow + cheek + lips + chin


def _normals(depth: np.ndarray) -> np.ndarray:
    down, right = np.gradient(depth * TEXELS)
    normals = np.stack([-right, -down, np.ones_like(depth)])
    return (normals / np.linalg.norm(normals, axis=0)).astype(np.float32)
