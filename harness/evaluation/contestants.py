"""What is scored: detectors, test sets, cells, and the keys over all that would change their predictions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from harness import registry
from harness.environment import Made, made_with
from harness.files import digest, file_digest, file_name
from harness.results.predictions import CellFile
from harness.runtime.device import device_now, on_device, place
from harness.training import adoption
from harness.training.job import made_now
from harness.training.train import load_detector
from harness.types import FACE_CROPS, NO_FACE_POLICY, PROTOCOL, SCORING, Cell, Clip, Recipe, Runtime, Weights
from harness.video import frames as video
from harness.video.places import finder

SOURCES = ("evaluation/engine", "evaluation/forward_passes", "evaluation/clip_views", "runtime", "video")
"""The modules that decide what is scored, and how, besides the plug-ins' own files."""


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


@dataclass(frozen=True)
class TestSet:
    """The clips of one test set and how they are shown to detectors."""

    __test__ = False

    name: str
    clips: tuple[Clip, ...]
    crop: str
    identity: str
    """Digest of ids, labels and dataset version."""
    content: str
    """Digest that also changes with the files."""
    no_face: str = NO_FACE_POLICY
    """What is said of a clip without a face (`NO_FACE_POLICIES`); it matters to the crop `face` alone."""


@dataclass(frozen=True)
class Job:
    """One cell to score, its detector and where its predictions go."""

    cell: Cell
    contestant: Contestant
    file: CellFile
    meta: Mapping[str, Any] = field(default_factory=dict)
    again: bool = False
    """Whether it is to be scored even if it is finished."""

    @property
    def due(self) -> bool:
        """Whether it is still to be scored."""
        return self.again or not self.file.finished()

    @cached_property
    def made(self) -> Made:
        """What its predictions are made with now."""
        files = [Path(self.contestant.entry.file)]
        if self.cell.severity:
            files.append(Path(registry.perturbations.get(self.cell.perturbation).file))
        plugins = {file.name: file for file in files}
        return made_with(SOURCES, plugins, device_now(self.cell.runtime.device))


def cell_file(cell: Cell, contestant: Contestant, test: TestSet, folder: Path) -> CellFile:
    """Where a cell's predictions are kept: its key covers all that is asked for.

    What an earlier version stored of the same request is adopted on the way.
    """
    entry, runtime = contestant.entry, cell.runtime
    shown, perturbed = shown_how(test), perturbation_identity(cell.perturbation, cell.severity)
    asked = {
        "detector": [entry.name, entry.version, contestant.sha256],
        "clips": test.content,
        "view": [contestant.frames, contestant.size, shown],
        "perturbation": perturbed,
        "runtime": str(runtime),
        "seed": cell.seed,
        "protocol": PROTOCOL,
        "scoring": SCORING,
    }
    parts = [file_name(part) for part in (cell.entry, cell.tested_on, cell.condition)]
    stored = folder.joinpath(*parts)
    file = CellFile(stored.with_name(stored.name + cell.runtime_suffix("@")), digest(asked))
    if not file.finished():
        compiled = ["compiled"] if runtime.compile else []
        then = {
            "detector": contestant.sha256,
            "clips": test.content,
            "frames": contestant.frames,
            "preprocessing": [{"crop": test.crop, "size": contestant.size}, shown],
            "perturbation": perturbed,
            "runtime": [runtime.device.partition(":")[0], runtime.precision, runtime.batch, *compiled],
            "seed": cell.seed,
        }
        adoption.adopt_predictions(file, stored, asked, then)
    return file


def shown_how(test: TestSet) -> dict[str, Any]:
    """What rows must agree in to be compared: how the clips of a test set come before a detector."""
    found: dict[str, Any] = {"crop": test.crop, "sampling": "centres of equal parts"}
    if test.crop in FACE_CROPS:
        found["margin"] = video.BOX_MARGIN
    if test.crop == "face":
        found |= {"faces": finder().identity, "no_face": test.no_face}
    return found


def perturbation_identity(name: str, severity: int) -> list[Any] | None:
    """What makes the pixels of a condition: parameter, version and source file; None for clean."""
    if severity == 0:
        return None
    entry = registry.perturbations.get(name)
    return [name, entry.parameter(severity), entry.version, file_digest(Path(entry.file))]
