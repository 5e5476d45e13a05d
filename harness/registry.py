"""The registries, and the contracts of what is registered in them.

A plug-in is one file in `detectors/`, `datasets/` or `perturbations/` that registers itself with
the decorator of its kind. Each registry scans its own folder when it is first asked; a plug-in that
fails to import is listed with its error and breaks only the cells that name it. Plug-ins outside the
checkout come through the entry-point group `gapbench.plugins` or `load_file`.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import inspect
import pkgutil
import re
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar, runtime_checkable

import numpy as np

from harness import weights
from harness.types import Clip, HarnessError, Recipe, unknown

NAME = re.compile(r"[a-z0-9]+(_[a-z0-9]+)*")
"""Names are lower-case words joined by `_`: `-`, `:`, `@`, `#` and `/` mean something in cells."""


@runtime_checkable
class Detector(Protocol):
    """What scores clips. A trainable detector is also a `torch.nn.Module` with a `loss`."""

    size: int
    """Side of the square input, in pixels."""
    frames: int
    """Frames of a clip it wants, evenly spaced."""

    def score(self, clips: Any) -> Any:
        """P(fake) in [0, 1] of uint8 RGB clips `[B, T, S, S, 3]`: `[B, T]` frame-based, `[B, 1]` clip-based.

        An `nn.Module` gets and gives tensors on its own device; any other detector gets and gives
        numpy arrays. Normalisation is the detector's own business. The score of a clip does not
        depend on the other clips of the batch.
        """
        ...


Importer = Callable[[Path], Mapping[str, Any]]
"""A file of weights -> its tensors under the names of our module, which must then load strictly."""


@dataclass(frozen=True)
class DetectorEntry:
    """A registered detector."""

    name: str
    build: Callable[..., Any]
    """`build(size=, frames=, pretrained=, **recipe.options)` if trainable, `build()` if fixed."""
    recipes: Mapping[str, Recipe] = field(default_factory=dict)
    """Ways to train it, by name; empty for a fixed detector."""
    file: str = ""
    importers: Mapping[str, Importer] = field(default_factory=dict)
    """Format of a published checkpoint -> what reads it."""
    trained_on: str | None = None
    """What imported weights were trained on, as whoever imported them says; None when nobody does."""
    identity: str = ""
    """sha256 (hex) of weights that came from outside; empty otherwise."""
    version: str = "1"
    """Raised whenever the same recipe or the same weights come to mean another network."""

    @property
    def trainable(self) -> bool:
        """Whether it needs weights."""
        return bool(self.recipes)

    def recipe(self, name: str) -> Recipe:
        """The recipe of that name; `HarnessError` names the known ones."""
        if name not in self.recipes:
            raise unknown(f"recipe of {self.name}", name, self.recipes)
        return self.recipes[name]

    def make(self, recipe: Recipe | None = None) -> Any:
        """A new detector: with the recipe's size, frames and options, or a fixed one as it is."""
        if not self.trainable:
            return self.build()
        if recipe is None:
            raise HarnessError(f"{self.name} is trained, so it is built from a recipe")
        return self.build(
            size=recipe.size, frames=recipe.frames, pretrained=recipe.pretrained, **recipe.options
        )


@dataclass(frozen=True)
class DatasetEntry:
    """A registered dataset."""

    name: str
    clips: Callable[[Path], Iterator[Clip]]
    """Lists the clips found under a root folder, lazily, in a fixed order."""
    about: str
    """One line for tables: what it is."""
    crop: str = "center"
    """`none` (whole frame), `center` (largest centred square), `boxes` (1.3 x the clip's face box) or `face`
    (1.3 x the box of the face that is found)."""
    embedded: bool = False
    """Made here on first use; every other dataset is brought by the user."""
    version: str = "1"
    """Raised whenever the same clip ids come to mean other pixels or labels."""
    prepare: Callable[[Path], None] | None = None
    """For an embedded dataset: makes the files under the root if they are not there yet."""
    official: Mapping[str, int] = field(default_factory=dict)
    """Clips in the complete dataset: `split/real` or `split/manipulation` (`*` for all splits) -> count."""
    shares: str = ""
    """Dataset whose folder is also this one's, unless a folder of its own is named."""
    file: str = ""


Apply = Callable[[np.ndarray, Any, np.random.Generator], np.ndarray]


@dataclass(frozen=True)
class PerturbationEntry:
    """A registered perturbation."""

    name: str
    apply: Apply
    """`apply(frames uint8 [T, H, W, 3] RGB, parameter, rng) -> the same shape and type`; one draw a clip."""
    parameters: tuple[Any, ...]
    """The parameter at severity 1, 2, ...; each changes the frames more than the one before."""
    version: str = "1"
    """Raised whenever the same parameter comes to mean other pixels."""
    file: str = ""

    def parameter(self, severity: int) -> Any:
        """The parameter at a severity of 1..n; `HarnessError` names the range."""
        if not 1 <= severity <= len(self.parameters):
            raise HarnessError(
                f"{self.name} has no severity {severity} (known: 1 to {len(self.parameters)}; clean is 0)"
            )
        return self.parameters[severity - 1]


E = TypeVar("E", DetectorEntry, DatasetEntry, PerturbationEntry)


SCANNING = threading.RLock()
"""Held while plug-ins are imported: a thread that asks meanwhile waits, and finds all of them."""


class Registry(Generic[E]):
    """The entries of one kind, found by scanning one folder when first asked."""

    def __init__(self, kind: str, package: str) -> None:
        self.kind = kind
        self.package = package
        self._entries: dict[str, E] = {}
        self._broken: dict[str, str] = {}
        self._families: dict[str, Callable[[str], E]] = {}
        self._scanned = False

    def add(self, entry: E) -> None:
        """Register an entry; a name that is malformed or taken is a `HarnessError`."""
        self._scan()  # so that a plug-in from outside cannot take the name of one that comes along
        if not NAME.fullmatch(entry.name):
            raise HarnessError(f"{self.kind} name {entry.name!r} must be lower-case words joined by '_'")
        taken = self._entries.get(entry.name)
        if taken is not None and _origin(taken) != _origin(entry):
            places = f"{_origin(taken)} and {_origin(entry)}"
            raise HarnessError(f"{self.kind} {entry.name!r} is registered twice: {places}")
        self._entries[entry.name] = entry

    def add_family(self, prefix: str, open_: Callable[[str], E]) -> None:
        """Register what makes the entries called `prefix:argument`, one when each is asked for."""
        self._scan()
        if not NAME.fullmatch(prefix) or prefix in self._entries:
            raise HarnessError(f"{self.kind} family {prefix!r} must be words joined by '_', and not taken")
        self._families[prefix] = open_

    def _scan(self) -> None:
        with SCANNING:
            self._scan_once()

    def _scan_once(self) -> None:
        if self._scanned:
            return
        self._scanned = True
        package = importlib.import_module(self.package)
        for module in sorted(m.name for m in pkgutil.iter_modules(package.__path__)):
            try:
                importlib.import_module(f"{self.package}.{module}")
            except (Exception, SystemExit) as error:  # noqa: BLE001 - it may fail in any way, alone
                self._broken[module] = f"{type(error).__name__}: {error}".splitlines()[0]
        _load_entry_points()

    def loaded(self) -> list[E]:
        """What is registered so far; nothing is imported for it."""
        return list(self._entries.values())

    def names(self) -> list[str]:
        """The registered names, sorted."""
        self._scan()
        return sorted(self._entries)

    def families(self) -> list[str]:
        """The prefixes of names that take an argument, sorted."""
        self._scan()
        return sorted(self._families)

    def broken(self) -> dict[str, str]:
        """Files of the folder that failed to import, with why."""
        self._scan()
        return dict(self._broken)

    def get(self, name: str) -> E:
        """The entry of that name; `HarnessError` names the nearest one, or says why its file is broken."""
        self._scan()
        if name in self._entries:
            return self._entries[name]
        if name in self._broken:
            raise HarnessError(f"{self.kind} {name!r} cannot be imported: {self._broken[name]}")
        prefix, colon, argument = name.partition(":")
        if colon and self.kind == "detector" and (imported := weights.imported(name, self.get)):
            return imported
        if colon and prefix in self._families:
            return self._families[prefix](argument)
        if colon and self.kind == "detector" and (prefix in self._entries or prefix in self._families):
            raise unknown(f"imported weights of {prefix}", name, weights.names())
        error = unknown(self.kind, name, [*self._entries, *(f"{each}:..." for each in self._families)])
        if self._broken:
            raise HarnessError(f"{error}; not importable: {', '.join(sorted(self._broken))}")
        raise error


detectors: Registry[DetectorEntry] = Registry("detector", "harness.detectors")
datasets: Registry[DatasetEntry] = Registry("dataset", "harness.datasets")
perturbations: Registry[PerturbationEntry] = Registry("perturbation", "harness.perturbations")


def detector(
    name: str,
    *,
    recipes: Mapping[str, Recipe] | None = None,
    importers: Mapping[str, Importer] | None = None,
    version: str = "1",
) -> Callable[[Any], Any]:
    """Register the decorated class as a detector; with recipes it is trainable, without it is fixed."""

    def register(build: Any) -> Any:
        facts = (dict(recipes or {}), _file_of(build), dict(importers or {}))
        detectors.add(DetectorEntry(name, build, *facts, version=version))
        return build

    return register


def detector_family(prefix: str) -> Callable[[Any], Any]:
    """Register the decorated `argument -> DetectorEntry` as what makes the detectors `prefix:argument`."""

    def register(open_: Any) -> Any:
        detectors.add_family(prefix, open_)
        return open_

    return register


def dataset(
    name: str,
    *,
    about: str,
    crop: str = "center",
    version: str = "1",
    prepare: Callable[[Path], None] | None = None,
    official: Mapping[str, int] | None = None,
    shares: str = "",
) -> Callable[[Any], Any]:
    """Register the decorated `root -> Iterator[Clip]` as a dataset; with `prepare` it is embedded."""

    def register(clips: Any) -> Any:
        embedded = prepare is not None
        facts = (about, crop, embedded, version, prepare, dict(official or {}), shares, _file_of(clips))
        datasets.add(DatasetEntry(name, clips, *facts))
        return clips

    return register


def perturbation(name: str, *, parameters: tuple[Any, ...], version: str = "1") -> Callable[[Apply], Apply]:
    """Register the decorated function `(frames, parameter, rng) -> frames` as a perturbation."""

    def register(apply: Apply) -> Apply:
        perturbations.add(PerturbationEntry(name, apply, parameters, version, _file_of(apply)))
        return apply

    return register


def stated_selection(detector: Any, name: str) -> dict[str, Any]:
    """`threshold`, `threshold_source` and `checkpoint_source` of a fixed detector, which may state them.

    `threshold` is within [0, 1], 0.5 unless stated, None where there is none; `checkpoint_source` is
    `fixed` unless it is stated as `unknown`: on what its weights were chosen nobody knows. Anything
    else is a `HarnessError`.
    """
    threshold = getattr(detector, "threshold", 0.5)
    checkpoint = getattr(detector, "checkpoint_source", "fixed")
    if threshold is not None and not (isinstance(threshold, (int, float)) and 0 <= threshold <= 1):
        raise HarnessError(f"{name}: threshold must be None or a number from 0 to 1, not {threshold!r}")
    if checkpoint not in ("fixed", "unknown"):
        raise HarnessError(f"{name}: checkpoint_source must be 'fixed' or 'unknown', not {checkpoint!r}")
    source = "unknown" if threshold is None else "fixed"
    return {"threshold": threshold, "threshold_source": source, "checkpoint_source": checkpoint}


def load_file(path: Path) -> None:
    """Import a plug-in file from outside the checkout; whatever it registers is then known by name."""
    if not path.is_file():
        raise HarnessError(f"plug-in file {path} does not exist")
    name = f"gapbench_plugin_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise HarnessError(f"plug-in file {path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except HarnessError:
        sys.modules.pop(name)
        raise
    except (Exception, SystemExit) as error:  # whatever the file raises is the user's to read, in one line
        sys.modules.pop(name)
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise HarnessError(f"plug-in file {path} cannot be imported: {reason}") from error


_entry_points_loaded = False


def _load_entry_points() -> None:
    global _entry_points_loaded
    if _entry_points_loaded:
        return
    _entry_points_loaded = True
    for point in importlib.metadata.entry_points(group="gapbench.plugins"):
        try:
            point.load()
        except (Exception, SystemExit) as error:  # noqa: BLE001 - listed, like a broken file
            for registry in (detectors, datasets, perturbations):
                registry._broken[point.name] = f"{type(error).__name__}: {error}".splitlines()[0]


def _file_of(thing: Any) -> str:
    return inspect.getsourcefile(thing) or ""


def _origin(entry: DetectorEntry | DatasetEntry | PerturbationEntry) -> str:
    """Where an entry was made: its file, and the class or function in it."""
    if isinstance(entry, DetectorEntry):
        made_of: Any = entry.build
    else:
        made_of = entry.clips if isinstance(entry, DatasetEntry) else entry.apply
    return f"{entry.file} ({getattr(made_of, '__qualname__', made_of)})"
