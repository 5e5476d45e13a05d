"""Honest perturbations, those that break one promise, and the check to say so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from harness.contracts import PerturbationEntry

Apply = Callable[[np.ndarray, Any, np.random.Generator], np.ndarray]


def darken(frames: np.ndarray, amount: float, rng: np.random.Generator) -> np.ndarray:
    """Less light, and a little noise that is the same in every frame."""
    noise = rng.normal(0, 2, frames.shape[1:])
    return (frames * (1 - amount) + noise).clip(0, 255).astype(np.uint8)


def perturbed(apply: Apply, parameters: Any = (0.2, 0.4, 0.6)) -> PerturbationEntry:
    """A perturbation under test."""
    return PerturbationEntry("p", apply, parameters)


def blends_neighbours(frames: np.ndarray, amount: float, rng: np.random.Generator) -> np.ndarray:
    before = np.concatenate((frames[:1], frames[:-1]))
    return (frames * (1 - amount) + before * amount).astype(np.uint8)


def noise_of_every_frame(frames: np.ndarray, amount: float, rng: np.random.Generator) -> np.ndarray:
    return (frames + rng.normal(0, 50 * amount, frames.shape)).clip(0, 255).astype(np.uint8)


def global_noise(frames: np.ndarray, amount: float, rng: np.random.Generator) -> np.ndarray:
    noise = np.random.normal(0, 50 * amount, frames.shape[1:])
    return (frames + noise).clip(0, 255).astype(np.uint8)


def inverts_channels(frames: np.ndarray, amount: float, rng: np.random.Generator) -> np.ndarray:
    return np.ascontiguousarray(darken(frames, amount, rng)[..., ::-1])


def writes(frames: np.ndarray, amount: float, rng: np.random.Generator) -> np.ndarray:
    frames[:] = darken(frames, amount, rng)
    return frames


def shrinks(frames: np.ndarray, amount: float, rng: np.random.Generator) -> np.ndarray:
    return darken(frames, amount, rng)[:, ::2, ::2]


def transposes(frames: np.ndarray, amount: float, rng: np.random.Generator) -> np.ndarray:
    return darken(frames, amount, rng).transpose(0, 2, 1, 3)


def floats(frames: np.ndarray, amount: float, rng: np.random.Generator) -> np.ndarray:
    return darken(frames, amount, rng) / 255


def needs_two_frames(frames: np.ndarray, amount: float, rng: np.random.Generator) -> np.ndarray:
    return darken(frames, amount, rng)[[0, 1, *range(2, len(frames))]]


def nothing_when_small(frames: np.ndarray, amount: float, rng: np.random.Generator) -> np.ndarray:
    if min(frames.shape[1:3]) < 96:
        raise ValueError("too small")
    return darken(frames, amount, rng)


def keeps_its_parameter(frames: np.ndarray, level: dict[str, float], rng: np.random.Generator) -> np.ndarray:
    return darken(frames, level["amount"], rng)


BAD_PERTURBATIONS: list[tuple[PerturbationEntry, str]] = [
    (perturbed(darken, ()), "parameters_can_be_written_down"),
    (perturbed(darken, [0.2]), "parameters_can_be_written_down"),
    (perturbed(darken, (np.float32(0.2),)), "parameters_can_be_written_down"),
    (perturbed(darken, (float("nan"),)), "parameters_can_be_written_down"),
    (perturbed(shrinks), "frames_keep_their_shape_and_type"),
    (perturbed(transposes), "frames_keep_their_shape_and_type"),
    (perturbed(floats), "frames_keep_their_shape_and_type"),
    (perturbed(needs_two_frames), "frames_keep_their_shape_and_type"),
    (perturbed(nothing_when_small), "frames_keep_their_shape_and_type"),
    (perturbed(lambda frames, amount, rng: list(frames)), "frames_keep_their_shape_and_type"),
    (perturbed(writes), "given_frames_are_left_alone"),
    (perturbed(global_noise), "the_same_draw_gives_the_same_frames"),
    (perturbed(noise_of_every_frame), "one_draw_serves_the_whole_clip"),
    (perturbed(blends_neighbours), "each_frame_is_changed_by_itself"),
    (perturbed(darken, (0.4, 0.2)), "each_severity_changes_more"),
    (perturbed(darken, (0.4, 0.4)), "each_severity_changes_more"),
    (perturbed(lambda frames, amount, rng: frames.copy()), "each_severity_changes_more"),
    (perturbed(inverts_channels), "colours_keep_their_channels"),
    (perturbed(lambda frames, amount, rng: np.roll(frames, 1, -1)), "colours_keep_their_channels"),
]
