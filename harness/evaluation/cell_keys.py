"""A cell to score: its detector, its test set, and the key over what is asked of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from harness import registry
from harness.environment import Made, made_with, versions_then
from harness.evaluation.contestants import Contestant
from harness.files import digest, file_digest, file_name
from harness.guard.clip_bounds import limits_of_clips
from harness.results.predictions import CellFile
from harness.runtime.device import device_now
from harness.training.earlier_keys import as_then, predictions_key
from harness.types import FACE_CROPS, FACE_POLICY, NO_FACE_POLICY, PROTOCOL, SCORING, Cell, Clip
from harness.video.face_tracks import finder
from harness.video.frames import BOX_MARGIN

SOURCES = (
    *("evaluation/engine", "evaluation/forward_passes", "evaluation/said", "video"),
    *("runtime/device", "runtime/batchnorm_folding", "runtime/shared_features"),
)
"""The modules that decide what is scored, and how, besides the plug-ins' own files."""


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
    faces: str = FACE_POLICY
    """Who of several people is judged (`FACE_POLICIES`); it matters to the crop `face` alone."""


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
        return made_with(SOURCES, files, device_now(self.cell.runtime.device))


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
        **limits_of_clips(),
    }
    parts = [file_name(part) for part in (cell.entry, cell.tested_on, cell.condition)]
    stored = folder.joinpath(*parts)
    place = stored.with_name(stored.name + cell.runtime_suffix("@"))
    file = CellFile(place, digest(asked), test.clips)
    adoptable = as_then(SCORING, PROTOCOL, entry.version) and stored.is_dir() and not limits_of_clips()
    if adoptable and not file.finished():
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
        file.adopt(stored, partial(predictions_key, then), versions_then())
    return file


def shown_how(test: TestSet) -> dict[str, Any]:
    """What rows must agree in to be compared: how the clips of a test set come before a detector."""
    found: dict[str, Any] = {"crop": test.crop, "sampling": "centres of equal parts"}
    if test.crop in FACE_CROPS:
        found["margin"] = BOX_MARGIN
    if test.crop == "face":
        found |= {"faces": finder().identity, "no_face": test.no_face}
        if test.faces != FACE_POLICY:
            found["people"] = test.faces
    return found


def perturbation_identity(name: str, severity: int) -> list[Any] | None:
    """What makes the pixels of a condition: parameter, version and source file; None for clean."""
    if severity == 0:
        return None
    entry = registry.perturbations.get(name)
    return [name, entry.parameter(severity), entry.version, file_digest(Path(entry.file))]
