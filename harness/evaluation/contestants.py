"""Who scores: a detector with its weights, as a matrix or a name on the command line means it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from numbers import Integral
from pathlib import Path
from typing import Any

from harness import registry
from harness.environment import Made
from harness.evaluation.matrix import default_recipe
from harness.files import digest, file_digest, home
from harness.guard.parsed import fit_to_show, shortened
from harness.progress import say
from harness.records import Weights
from harness.runtime.device import on_device, place
from harness.training.job import made_now
from harness.training.train import load_detector
from harness.types import (
    BY,
    Cell,
    HarnessError,
    Recipe,
    Runtime,
    entry_parts,
    set_and_recipe,
    unknown,
)
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
        if self.recipe:
            return self.recipe.frames, self.recipe.size
        told: dict[str, Any] = {what: getattr(self.detector, what, None) for what in ("frames", "size")}
        for what, said in told.items():
            if not isinstance(said, Integral) or isinstance(said, bool) or said < 1:
                raise HarnessError(
                    f"{self.entry.name}: its {what} is {shortened(said)}, not a whole number above 0"
                )
        fit_to_show(self.entry.name, int(told["size"]), int(told["frames"]))
        return int(told["frames"]), int(told["size"])

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
    """The detector of `DETECTOR@TRAINED_ON[~RECIPE][#SEED]` or `FIXED`, with its weights (`weights_named`).

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
    weights = weights_named(name.replace(detector, entry.name, 1))  # it may be called by an old name
    return Contestant(entry, runtime, weights.recipe, weights)


def weights_named(name: str) -> Weights:
    """The newest stored weights called `DETECTOR@TRAINED_ON[~RECIPE][#SEED]`.

    A name without a recipe means the default one; where only weights of one other recipe are there, it means
    those, which is said. None, or several that may be meant, are a `HarnessError` with the way out.
    """
    detector, trained_on, seed = entry_parts(name)
    wanted, recipe = set_and_recipe(trained_on or "")
    stored = stored_weights(home() / "weights")  # newest first
    named: dict[str, Weights] = {}
    for weights in stored:
        if (weights.detector, weights.trained_on, weights.seed) == (detector, wanted, seed):
            named.setdefault(recipe_name_of(weights), weights)
    asked = recipe or default_recipe(wanted)
    if asked in named:
        return named[asked]
    others = [full_name(weights) for weights in named.values()]
    if not recipe and len(named) == 1:
        say(f"{name}: trained here by the recipe {next(iter(named))} alone, so {others[0]} is meant")
        return next(iter(named.values()))
    if others:
        raise HarnessError(
            f"{name} is not trained here by the recipe {asked}, but {' and '.join(others)}: name one"
        )
    known = unknown("weights", name, {full_name(one) for one in stored if one.detector == detector})
    raise HarnessError(f"{known}; train them with: {training_command(detector, wanted, recipe, seed)}")


def training_command(detector: str, trained_on: str, recipe: str = "", seed: int = 0) -> str:
    """The command that trains such weights."""
    more = f" --recipe {recipe}" * bool(recipe) + f" --seed {seed}" * bool(seed)
    return f"gapbench train {detector} --on {trained_on}{more}"


def recipe_name_of(weights: Weights) -> str:
    """The name of the recipe that weights were trained by; `unknown` where no recipe of today is that one."""
    stated = weights.provenance.get("recipe_name")
    if stated:
        return str(stated)
    absent = registry.detectors.why_absent(weights.detector)
    known = {} if absent else registry.detectors.get(weights.detector).recipes
    return next((name for name, recipe in known.items() if recipe == weights.recipe), "unknown")


def full_name(weights: Weights) -> str:
    """What weights are called: `detector@trained_on`, the recipe and the seed where not the default."""
    recipe = recipe_name_of(weights)
    by = f"{BY}{recipe}" if recipe != default_recipe(weights.trained_on) else ""
    return Cell(weights.detector, f"{weights.trained_on}{by}", "", seed=weights.seed).entry


def _imported(detector: str) -> str:
    """The imported weights of a detector, to be named in an error."""
    names = [name for name in imported_names() if name.startswith(f"{detector}:")]
    return f", or imported weights: {', '.join(names)}" if names else ""


Trained = tuple[str, str | None, int]
"""(detector, trained_on, seed): what carries one set of weights."""
