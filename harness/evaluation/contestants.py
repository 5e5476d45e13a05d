"""Who scores: a detector with its weights, as a matrix or a name on the command line means it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from harness import registry
from harness.environment import Made
from harness.files import digest, file_digest, home
from harness.records import Weights
from harness.runtime.device import on_device, place
from harness.training.job import made_now
from harness.training.train import load_detector
from harness.types import HarnessError, Recipe, Runtime, unknown
from harness.weights import imported_names, stored_weights


@dataclass(frozen=True)
class Contestant:
    """A detector that scores: fixed, or with the recipe and weights it was trained to."""

    entry: registry.DetectorEntry
    runtime: Runtime
    recipe: Recipe | None = None
    weights: Weights | None = None
    folded: bool = True
    """Whether BatchNorm is folded: not worth it for a few clips."""

    @cached_property
    def detector(self) -> Any:
        """The detector on its device, built or loaded when first asked for."""
        if self.weights is not None:
            found: Any = load_detector(self.weights, self.entry)
        else:
            found = self.entry.make(self.recipe)
        return (place if self.folded else on_device)(found, self.runtime)

    @cached_property
    def _shape(self) -> tuple[int, int]:
        """Frames and size, which stay known when the detector is released."""
        shown = self.recipe or self.detector
        return int(shown.frames), int(shown.size)

    @property
    def resident(self) -> bool:
        """Whether the detector is in memory."""
        return "detector" in vars(self)

    @property
    def made(self) -> Made:
        """What its weights would be made with if they were trained now."""
        return made_now(self.entry, self.runtime.device)

    def release(self) -> None:
        """Let go of the detector; it is loaded again when asked for."""
        vars(self).pop("detector", None)

    @property
    def frames(self) -> int:
        """Frames of a clip it scores."""
        return self._shape[0]

    @property
    def size(self) -> int:
        """Side of its input, in pixels."""
        return self._shape[1]

    @property
    def sha256(self) -> str:
        """Digest of what makes its scores: weights and source."""
        weights = self.weights.sha256 if self.weights else self.entry.identity or None
        return digest([file_digest(Path(self.entry.file)), weights])


def contestant_of(name: str, device: str) -> Contestant:
    """The detector of `DETECTOR@TRAINED_ON`, `DETECTOR@TRAINED_ON#SEED` or `FIXED`, with its weights.

    Fixed are those that are not trained, imported weights (`DETECTOR:NAME`) among them.
    """
    detector, _, trained_on = name.partition("@")
    entry = registry.detectors.get(detector)
    runtime = Runtime(device, "fp32", 1)
    if not entry.trainable:
        if trained_on:
            raise HarnessError(f"{detector} is a fixed detector; write {detector} instead of {name}")
        return Contestant(entry, runtime)
    if not trained_on:
        raise HarnessError(f"say what {detector} was trained on: {detector}@DATASET{_imported(detector)}")
    known: dict[str, Weights] = {}
    for weights in stored_weights(home() / "weights"):  # newest first
        seed = f"#{weights.seed}" if weights.seed else ""
        known.setdefault(f"{weights.detector}@{weights.trained_on}{seed}", weights)
    if name not in known:
        hint = unknown("weights", name, known)
        raise HarnessError(f"{hint}; train them with: gapbench train {detector} --on {trained_on}")
    return Contestant(entry, runtime, known[name].recipe, known[name])


def _imported(detector: str) -> str:
    """The imported weights of a detector, to be named in an error."""
    names = [name for name in imported_names() if name.startswith(f"{detector}:")]
    return f", or imported weights: {', '.join(names)}" if names else ""


Trained = tuple[str, str | None, int]
"""(detector, trained_on, seed): what carries one set of weights."""
