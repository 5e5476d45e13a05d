"""A scene: one person in a room, moving, under one light; rendered before any camera sees it."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from harness.datasets.procedural.backdrop import UNIT, draw_backdrop
from harness.datasets.procedural.canvas import LEFT, TEXELS, TOP
from harness.datasets.procedural.expression import Expression, Light, shade
from harness.datasets.procedural.face import Face, build_face
from harness.datasets.procedural.identity import Identity

from harness.files import seed_of

SIZE = 160
"""Side of a frame, in pixels."""
RATE = 12
"""Frames a second."""

_x = np.arange(SIZE, dtype=np.float32) + 0.5
X, Y = np.meshgrid(_x, _x)


@dataclass(frozen=True)
class Pose:
    """Where the head is in one frame: pixels, radians."""

    x: float
    y: float
    scale: float
    yaw: float
    pitch: float
    roll: float


@dataclass(frozen=True)
class Moment:
    """All that changes from frame to frame."""

    pose: Pose
    expression: Expression
    light: Light
    columns: np.ndarray
    """For each pixel of the frame the column of the face plane seen there, float32 `[SIZE, SIZE]`."""
    rows: np.ndarray
    """The same for the row."""


@dataclass(frozen=True)
class Footage:
    """A rendered scene."""

    face: Face
    frames: np.ndarray
    """Linear RGB float32 `[T, SIZE, SIZE, 3]`."""
    moments: tuple[Moment, ...]
    planes: tuple[np.ndarray, ...]
    """The lit face plane of each frame, linear RGB float32."""


def sway(rng: np.random.Generator, frames: int, amplitude: float, slowest: float = 0.25) -> np.ndarray:
    """A smooth random curve of `frames` values, a sum of three slow waves."""
    time = np.arange(frames) / RATE
    rates = slowest * np.array([1.0, 2.1, 3.7]) * rng.uniform(0.8, 1.25, 3)
    waves = np.sin(2 * np.pi * rates[:, None] * time + rng.uniform(0, 2 * np.pi, (3, 1)))
    curve: np.ndarray = amplitude * (np.array([0.6, 0.35, 0.2])[:, None] * waves).sum(0)
    return curve


def blinks(rng: np.random.Generator, frames: int) -> np.ndarray:
    """How far the eyes are shut in each frame: about one blink a clip of a second and a half."""
    shut = np.zeros(frames)
    at = rng.uniform(-0.3, 1.2) * RATE
    while at < frames:
        shut = np.maximum(shut, np.clip(1.35 - np.abs(np.arange(frames) - at) / 1.5, 0.0, 1.0))
        at += rng.uniform(0.9, 2.6) * RATE
    return shut


def speech(rng: np.random.Generator, frames: int) -> np.ndarray:
    """How far the mouth is open in each frame: syllables with pauses, or a silent face."""
    if rng.random() < 0.2:
        return np.clip(sway(rng, frames, 0.08), 0.0, 1.0)
    syllables = np.abs(sway(rng, frames, 1.0, slowest=1.1))
    opening: np.ndarray = np.clip(
        rng.uniform(0.35, 0.9) * syllables * (sway(rng, frames, 1.0) > -0.45), 0.0, 1.0
    )
    return opening


def render(person: str, scene: str, frames: int) -> Footage:
    """The scene of that name, with that person in it."""
    face = build_face(person)
    moments = direct(person, scene, frames)
    rng = np.random.default_rng(seed_of("backdrop", person, scene))
    backdrop = draw_backdrop(rng, face.identity, moments[0].light, moments[0].pose)
    shake = np.stack([sway(rng, frames, rng.uniform(0.0, 1.2)) for _ in range(2)])
    planes = tuple(shade(face, moment.expression, moment.light) for moment in moments)
    plates = []
    for moment, plane, (dx, dy) in zip(moments, planes, shake.T, strict=True):
        move = np.array([[1, 0, dx - 8], [0, 1, dy - 8]], dtype=np.float32)
        plate = cv2.warpAffine(backdrop, move, (SIZE, SIZE), flags=cv2.INTER_LINEAR)
        head = np.dstack([plane, face.cover])
        seen = cv2.remap(head, moment.columns, moment.rows, cv2.INTER_LINEAR, borderValue=(0, 0, 0, 0))
        cover = seen[..., 3:]
        plates.append(plate + cover * (seen[..., :3] - plate))
    return Footage(face, np.stack(plates), moments, planes)


def direct(person: str, scene: str, frames: int) -> tuple[Moment, ...]:
    """What happens in the scene of that name: all of it that is not pixels."""
    rng = np.random.default_rng(seed_of("scene", person, scene))
    face = build_face(person)
    x = SIZE / 2 + rng.uniform(-6, 6) + sway(rng, frames, 3.0)
    y = SIZE / 2 - 2 + rng.uniform(-3, 4) + sway(rng, frames, 2.0)
    scale = rng.uniform(0.96, 1.08) + sway(rng, frames, 0.012)
    yaw = rng.uniform(-0.22, 0.22) + sway(rng, frames, 0.13)
    pitch = rng.uniform(-0.08, 0.08) + sway(rng, frames, 0.07)
    roll = rng.uniform(-0.06, 0.06) + sway(rng, frames, 0.05)
    shut, opening = blinks(rng, frames), speech(rng, frames)
    smile = np.clip(rng.uniform(-0.4, 0.9) + sway(rng, frames, 0.3), -1, 1)
    gaze_u = np.clip(rng.uniform(-0.05, 0.05) + sway(rng, frames, 0.03), -0.08, 0.08)
    gaze_v = np.clip(sway(rng, frames, 0.012), -0.02, 0.02)
    lamp = _lamp(rng)
    moments = []
    for t in range(frames):
        pose = Pose(*(float(c[t]) for c in (x, y, scale, yaw, pitch, roll)))
        expression = Expression(
            float(shut[t]), (float(gaze_u[t]), float(gaze_v[t])), float(opening[t]), float(smile[t])
        )
        columns, rows = _plane_seen(face, pose)
        moments.append(Moment(pose, expression, _turned(lamp, pose), columns, rows))
    return tuple(moments)


def _lamp(rng: np.random.Generator) -> Light:
    """A lamp from the front half, above, warm or cool, and a room that fills the shadows."""
    side, height = rng.uniform(-1.0, 1.0), rng.uniform(-0.9, -0.15)
    direction = np.array([np.sin(side), height, np.cos(side) * 0.9 + 0.25])
    direction /= np.linalg.norm(direction)
    warmth = rng.uniform(-0.12, 0.12)
    tint = np.array([1 + warmth, 1.0, 1 - warmth], dtype=np.float32)
    fill = rng.uniform(0.25, 0.55)
    level = rng.uniform(0.85, 1.15)
    key = (level * (1.25 - fill) * tint).astype(np.float32)
    ambient = (level * fill * (2 - tint)).astype(np.float32)
    return Light((float(direction[0]), float(direction[1]), float(direction[2])), key, ambient)


def _turned(lamp: Light, pose: Pose) -> Light:
    """The lamp as the turned head sees it."""
    x, y, z = lamp.direction
    x, z = x * np.cos(pose.yaw) - z * np.sin(pose.yaw), x * np.sin(pose.yaw) + z * np.cos(pose.yaw)
    y, z = y * np.cos(pose.pitch) - z * np.sin(pose.pitch), y * np.sin(pose.pitch) + z * np.cos(pose.pitch)
    return Light((float(x), float(y), float(z)), lamp.key, lamp.ambient)


def _plane_seen(face: Face, pose: Pose) -> tuple[np.ndarray, np.ndarray]:
    """Which texel of the face plane each pixel shows: roll and scale, then parallax from depth."""
    size = UNIT * pose.scale
    cos, sin = np.cos(pose.roll) / size, np.sin(pose.roll) / size
    u = ((X - pose.x) * cos + (Y - pose.y) * sin).astype(np.float32)
    v = ((Y - pose.y) * cos - (X - pose.x) * sin).astype(np.float32)
    turn_u, turn_v = np.float32(np.sin(pose.yaw)), np.float32(np.sin(pose.pitch))
    depth: np.ndarray | np.float32 = np.float32(0.35)
    for _ in range(2):
        column = (u - turn_u * (depth - 0.45)) / np.float32(np.cos(pose.yaw))
        row = (v - turn_v * (depth - 0.45)) / np.float32(np.cos(pose.pitch))
        columns, rows = to_texels(column, row)
        depth = cv2.remap(face.depth, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return columns, rows


def to_texels(u: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Columns and rows of the face plane at these coordinates, as `cv2.remap` counts them."""
    return (
        ((u - np.float32(LEFT)) * np.float32(TEXELS) - np.float32(0.5)).astype(np.float32),
        ((v - np.float32(TOP)) * np.float32(TEXELS) - np.float32(0.5)).astype(np.float32),
    )


def face_box(who: Identity, moments: tuple[Moment, ...]) -> list[float]:
    """x, y, width, height in pixels of the face over a clip: hairline to chin, cheek to cheek, on average."""
    x = float(np.mean([m.pose.x for m in moments]))
    y = float(np.mean([m.pose.y for m in moments]))
    size = UNIT * float(np.mean([m.pose.scale for m in moments]))
    top, bottom = y - 0.85 * size, y + who.chin * size
    half = who.width * size
    return [round(x - half, 1), round(top, 1), round(2 * half, 1), round(bottom - top, 1)]
