"""What a name on the command line means: a detector with its weights, a device."""

from __future__ import annotations

import torch

from harness import registry
from harness import weights as shelf
from harness.evaluation.contestants import Contestant
from harness.files import home
from harness.results.predictions import stored_weights
from harness.runtime.device import torch_device
from harness.types import HarnessError, Runtime, Weights, unknown


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
    names = [name for name in shelf.names() if name.startswith(f"{detector}:")]
    return f", or imported weights: {', '.join(names)}" if names else ""


def device_of(name: str) -> str:
    """The device asked for, if this machine has it; `auto` is a GPU where there is one."""
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return str(torch_device(name))
