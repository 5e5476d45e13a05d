"""A request for a training: all that decides what weights come out, and the key made of it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from harness.contracts import DetectorEntry
from harness.environment import Made, made_with
from harness.files import clips_digest, digest, plain
from harness.guard.clip_bounds import limits_of_clips
from harness.runtime.device import device_now, resolve_precision
from harness.types import TRAINING, Clip, HarnessError, Recipe

SOURCES = (
    *("training/train", "training/loop", "training/batches", "training/frame_cache", "training/augmentation"),
    *("metrics/thresholds", "runtime/device", "video"),
)
"""The modules that decide what weights come out, besides the detector's own file."""


@dataclass(frozen=True)
class TrainingJob:
    """All that decides what weights come out of a training."""

    entry: DetectorEntry
    recipe: Recipe
    trained_on: str
    """Dataset, or `dataset-manipulation` when that manipulation was left out."""
    clips: tuple[Clip, ...]
    """The clips of the splits train and val; the epoch and the threshold are chosen on val."""
    crop: str
    """One of `types.CROPS`; for `face` the clips carry their tracks once training starts."""
    version: str
    """Version of the dataset."""
    seed: int = 0
    device: str = "cpu"
    """`cpu`, `cuda` or `cuda:N`."""
    faces: str = ""
    """What finds the faces, for the crop `face`."""
    recipe_name: str = ""
    """What the recipe is called, with its changes; for people, and no part of the key."""

    @property
    def key(self) -> str:
        """sha256 (hex) over what is asked for; what it will be made with (`made`) is no part of it."""
        return digest(self.asked)

    @property
    def asked(self) -> dict[str, Any]:
        """All that is asked for, in JSON's types."""
        return {
            "detector": [self.entry.name, self.entry.version],
            "recipe": stated(self.recipe),
            "trained_on": [self.trained_on, self.clips_sha256],
            "view": [self.crop, self.faces],
            "precision": self.precision,
            "seed": self.seed,
            "training": TRAINING,
            **limits_of_clips(),
        }

    @property
    def made(self) -> Made:
        """What the weights are made with now."""
        return made_now(self.entry, self.device)

    @cached_property
    def clips_sha256(self) -> str:
        """Digest of the clip list."""
        return clips_digest(self.clips, self.version)

    @property
    def precision(self) -> str:
        """`fp32` or `bf16`, as the recipe resolves on this device."""
        if self.recipe.precision == "fp16":
            raise HarnessError(f"{self.entry.name}: a recipe's precision is fp32, bf16 or auto, not fp16")
        return resolve_precision(self.recipe.precision, self.device)

    @property
    def name(self) -> str:
        """`detector@trained_on-s<seed>`."""
        return f"{self.entry.name}@{self.trained_on}-s{self.seed}"

    def stem(self, folder: Path) -> Path:
        """Path of its files, without the suffix."""
        return folder / f"{self.name}-{self.key[:10]}"


def made_now(entry: DetectorEntry, device: str) -> Made:
    """What the weights of a detector would be made with if they were trained now."""
    return made_with(SOURCES, [Path(entry.file)], device_now(device))


def stated(recipe: Recipe) -> dict[str, Any]:
    """The fields of a recipe that are not at their defaults, in JSON's types."""
    said = {
        field.name: (getattr(recipe, field.name), _default(field)) for field in dataclasses.fields(recipe)
    }
    return {name: plain(value) for name, (value, default) in said.items() if value != default}


def _default(field: dataclasses.Field[Any]) -> Any:
    made = field.default_factory
    return field.default if made is dataclasses.MISSING else made()
