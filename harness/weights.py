"""Weights on this machine, a safetensors file and a record each: trained here, or imported from a file.

Imported ones lie under `imported/<detector>/`. A detector with imported weights is called `<detector>:<name>`
and is fixed: nothing trains it further.
"""

from __future__ import annotations

import dataclasses
import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from harness.files import digest, file_digest, home, read_json
from harness.guard.regular import regular
from harness.guard.stored import record_of, set_aside, shape_of
from harness.progress import say
from harness.records import Weights
from harness.types import HarnessError, Recipe

WEIGHTS_NAME = re.compile(r"[a-z0-9]+(_[a-z0-9]+)*")
DETECTOR_NAME = re.compile(r"[a-z0-9][a-zA-Z0-9_.]*(:[a-zA-Z0-9_.]+)*")
"""What can be a folder: no slash, no leading dot."""

Entry = TypeVar("Entry")
"""`registry.DetectorEntry`: the registry asks this module, so this module does not import it."""


@dataclass(frozen=True)
class ImportedWeights:
    """What is known of imported weights; stored as JSON beside them."""

    detector: str
    """Registered name of the detector they belong to."""
    name: str
    sha256: str
    """Digest of the stored safetensors file."""
    source: str
    """Name of the file they came from, without its folder."""
    source_sha256: str
    format: str
    """Which importer read it; `gapbench` for tensors under our own names."""
    size: int
    """Side of the input in pixels."""
    frames: int
    """Frames of a clip that are scored."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Keyword arguments of the detector's constructor."""
    trained_on: str | None = None
    """What they were trained on, as whoever imported them says."""
    threshold: float | None = None
    """Decision threshold on P(fake) published with them; None when nobody states one."""
    selected: str = "unknown"
    """`fixed` when they were chosen before any test, else `unknown`."""
    difference: float | None = None
    """Largest difference to the file's own network, as a share of its largest logit; None if not proven."""
    assumed: list[str] = field(default_factory=list)
    """What was assumed, left out or changed when they were read, a line each."""

    @property
    def identity(self) -> str:
        """Digest of what makes their scores: the tensors, and what the constructor is told beside them."""
        return digest([self.sha256, self.options]) if self.options else self.sha256

    @property
    def full_name(self) -> str:
        """`<detector>:<name>`."""
        return f"{self.detector}:{self.name}"

    @property
    def path(self) -> Path:
        """The record; the tensors have the same stem."""
        return imported_path(self.detector, self.name)


IMPORTED = shape_of(ImportedWeights)
PROVENANCE = {
    **{"commit?": (None, str), "dirty?": (None, bool), "clips_sha256?": (None, str), "crop?": (None, str)},
    **{"recipe_name?": (None, str), "source_sha256?": (None, str), "versions?": (None, dict)},
    **{"made?": (None, [dict]), "device?": str, "seconds?": float},
}
EPOCH = {"epoch": int, "train_loss": float, "val_auc": float, "seconds": float}
WEIGHTS = {**shape_of(Weights), "curve?": [EPOCH], "provenance?": PROVENANCE}
"""The records of imported and of trained weights, as `guard.stored.fault_of` wants them."""


def imported_path(detector: str, name: str) -> Path:
    """Where the record of imported weights is kept, whether or not they are there."""
    return home() / "imported" / detector.replace(":", "+") / f"{name}.json"


def imported_names() -> list[str]:
    """Full names `<detector>:<name>` of the weights imported on this machine, sorted."""
    found = (home() / "imported").glob("*/*.json")
    return sorted(f"{path.parent.name.replace('+', ':')}:{path.stem}" for path in found if _named(path))


def _named(path: Path) -> bool:
    return WEIGHTS_NAME.fullmatch(path.stem) is not None


def find_imported(full_name: str) -> ImportedWeights | None:
    """The record of imported weights, None if there are none of that name; a damaged one is an error."""
    detector, _, name = full_name.rpartition(":")
    if not DETECTOR_NAME.fullmatch(detector) or not WEIGHTS_NAME.fullmatch(name):
        return None
    path = imported_path(detector, name)
    if not path.is_file():
        return None
    again = "import the weights again with --replace"
    said = record_of(read_json(path), path, "imported weights", IMPORTED, again)
    try:
        record = ImportedWeights(**said)
    except TypeError as error:
        raise HarnessError(f"{path} does not describe imported weights: {error}; {again}") from error
    if min(record.size, record.frames) < 1 or record.full_name != full_name:
        raise HarnessError(f"{path} does not describe {full_name}; import the weights again with --replace")
    return record


def imported(name: str, get: Callable[[str], Entry]) -> Entry | None:
    """The fixed detector of that full name, None if nothing is imported under it.

    `get` gives the entry of the detector whose weights they are.
    """
    record = find_imported(name)
    if record is None:
        return None
    base: Any = get(record.detector)
    entry: Entry = dataclasses.replace(
        base,
        name=name,
        build=partial(build_imported, base, record),
        recipes={},
        importers={},
        trained_on=record.trained_on,
        identity=record.identity,
    )
    return entry


def build_imported(base: Any, record: ImportedWeights) -> Any:
    """The detector with its imported weights, in evaluation mode.

    Weights that are not, bit by bit, those that were imported are a `HarnessError`.
    """
    import safetensors.torch

    path = record.path.with_suffix(".safetensors")
    try:
        stored = regular(path, "weights").read_bytes()
    except OSError as error:
        raise HarnessError(f"cannot read {path}: {error.strerror}") from error
    if hashlib.sha256(stored).hexdigest() != record.sha256:
        raise HarnessError(f"weights {path} are damaged: their sha256 is not the one stored beside them")
    detector = empty_detector(base, record.size, record.frames, record.options)
    load_strictly(detector, safetensors.torch.load(stored), path.name, record.full_name)
    detector.threshold = record.threshold
    detector.checkpoint_source = record.selected
    return detector.eval()


def empty_detector(base: Any, size: int, frames: int, options: Mapping[str, Any]) -> Any:
    """A new detector for weights that come from elsewhere."""
    return base.build(size=size, frames=frames, pretrained=False, **options)


def load_strictly(detector: Any, tensors: Mapping[str, Any], source: str, name: str) -> None:
    """Load tensors that must be exactly those of the detector: same names, same shapes, finite."""
    wanted = detector.state_dict()
    where = f"{source} does not fit {name}"
    for word, some in (("lacks", set(wanted) - set(tensors)), ("has", set(tensors) - set(wanted))):
        if some:
            more = f" and {len(some) - 1} more" if len(some) > 1 else ""
            known = ", which the detector does not have" if word == "has" else ""
            raise HarnessError(f"{where}: it {word} {min(some)!r}{more}{known}")
    for key, tensor in tensors.items():
        if tensor.shape != wanted[key].shape:
            shapes = f"{list(tensor.shape)}, the detector's {list(wanted[key].shape)}"
            raise HarnessError(f"{where}: its {key!r} is {shapes} (is --size right?)")
        if tensor.is_complex() or not bool(tensor.isfinite().all()):
            raise HarnessError(f"{where}: its {key!r} holds values that are not finite real numbers")
    detector.load_state_dict(tensors)


def weights_from(said: Mapping[str, Any]) -> Weights:
    """The record of trained weights from its JSON form; `HarnessError` for a recipe that is none."""
    try:
        recipe = Recipe(**{**said["recipe"], "augment": tuple(said["recipe"]["augment"])})
    except (KeyError, TypeError) as error:
        raise HarnessError(f"a recipe of weights is none: {error}") from error
    return Weights(**{**said, "path": Path(said["path"]), "recipe": recipe, "curve": tuple(said["curve"])})


def read_weights(path: Path) -> Weights:
    """The record of trained weights from the JSON file beside them."""
    said = record_of(read_json(path), path, "weights", WEIGHTS, "train them again")
    try:
        return weights_from({**said, "path": path.with_suffix(".safetensors")})
    except (HarnessError, TypeError) as error:
        raise HarnessError(f"{path} does not describe weights: {error}") from error


def stored_weights(folder: Path) -> list[Weights]:
    """All trained weights of a folder, newest first; a record that does not fit is said, and left out."""
    found = []
    files = [path for path in folder.glob("*.json") if not path.name.startswith(".")]
    for path in sorted(files, key=lambda path: path.stat().st_mtime, reverse=True):
        try:
            found.append(read_weights(path))
        except HarnessError as error:
            say(f"left out: {error}")
    return found


def sound_weights(path: Path) -> Weights | None:
    """The weights with that record, if both files are there and as they were written.

    What does not fit is set aside, the record first, and said. A record of an earlier version has no digest:
    its types, and the tensors by their sha256, are looked at; an edited threshold is not found.
    """
    tensors = path.with_suffix(".safetensors")
    if not path.exists() or not tensors.exists():
        return None
    try:
        weights = read_weights(path)
        if file_digest(tensors) == weights.sha256:
            return weights
        fault = f"describes other tensors than {tensors.name} holds"
    except OSError as error:
        fault = f"describes tensors that cannot be read ({error.strerror})"
    except HarnessError as error:
        fault = f"cannot be believed ({error})"
    put_aside(path, fault)
    return None


def put_aside(record: Path, why: str) -> None:
    """Set weights aside that cannot be believed, the record first, and say so: they are trained again."""
    say(set_aside(record, why, "trained again"))
    if record.with_suffix(".safetensors").exists():
        set_aside(record.with_suffix(".safetensors"), why, "trained again")
