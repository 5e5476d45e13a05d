"""The registries: who is a detector, a dataset, a perturbation (`contracts` says what each promises).

A plug-in is one file in `detectors/`, `datasets/` or `perturbations/` that registers itself with
the decorator of its kind. Each registry scans its own folder when it is first asked; a plug-in that
fails to import is listed with its error and breaks only the cells that name it. Plug-ins outside the
checkout come through the entry-point group `gapbench.plugins` or `load_file`.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import pkgutil
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Generic, TypeVar

from harness import own_sets, weights
from harness.contracts import NAME as NAME
from harness.contracts import Apply as Apply
from harness.contracts import DatasetEntry as DatasetEntry
from harness.contracts import Detector as Detector
from harness.contracts import DetectorEntry as DetectorEntry
from harness.contracts import Importer as Importer
from harness.contracts import LeftOut as LeftOut
from harness.contracts import PerturbationEntry as PerturbationEntry
from harness.contracts import Remarks as Remarks
from harness.contracts import stated_selection as stated_selection
from harness.guard.clip_bounds import reason_of
from harness.guard.listing import guarded, made_by, told_by
from harness.guard.memory import memory_ran_out
from harness.guard.patience import doing
from harness.types import HarnessError, Recipe, unknown

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
        found = sorted(m.name for m in pkgutil.iter_modules(package.__path__))
        for module in (name for name in found if not name.startswith("_")):  # those only help
            try:
                with doing(f"importing the {self.kind} {module}"):
                    importlib.import_module(f"{self.package}.{module}")
            except KeyboardInterrupt:
                raise
            except BaseException as error:
                if memory_ran_out(error):
                    raise  # of this process, not of this file
                self._broken[module] = reason_of(error)
        _load_entry_points()

    def loaded(self) -> list[E]:
        """What is registered so far; nothing is imported for it."""
        return list(self._entries.values())

    def names(self) -> list[str]:
        """The registered names, sorted."""
        self._scan()
        return sorted(self._entries)

    def knows(self, name: str) -> bool:
        """Whether something can be had by that name: registered, or clips of one's own that were named."""
        return name in self.names() or (self.kind == "dataset" and name in own_sets.own_names())

    def families(self) -> list[str]:
        """The prefixes of names that take an argument, sorted."""
        self._scan()
        return sorted(self._families)

    def broken(self) -> dict[str, str]:
        """Files of the folder that failed to import, with why."""
        self._scan()
        return dict(self._broken)

    def why_absent(self, name: str) -> str:
        """Why something that is known by that name cannot be had here; empty where it can.

        Its file cannot be imported, or its family cannot open what it names. A name that nobody knows is a
        `HarnessError`.
        """
        self._scan()
        if name in self._broken:
            return f"its file cannot be imported: {self._broken[name]}"
        try:
            self.get(name)
        except HarnessError as error:
            if name.partition(":")[0] not in self._families:
                raise
            return str(error)
        return ""

    def get(self, name: str) -> E:
        """The entry of that name; `HarnessError` names the nearest one, or says why its file is broken."""
        self._scan()
        if name in self._entries:
            return self._entries[name]
        if name in self._broken:
            raise HarnessError(f"{self.kind} {name!r} cannot be imported: {self._broken[name]}")
        if self.kind == "dataset" and (own := own_sets.own_entry(name, self.get)):  # type: ignore[arg-type]
            return own  # type: ignore[return-value]
        prefix, colon, argument = name.partition(":")
        if colon and self.kind == "detector" and (imported := weights.imported(name, self.get)):
            return imported
        if colon and prefix in self._families:
            return self._families[prefix](argument)
        if colon and self.kind == "detector" and (prefix in self._entries or prefix in self._families):
            raise unknown(f"imported weights of {prefix}", name, weights.imported_names())
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
    left_out: LeftOut | None = None,
    remarks: Remarks | None = None,
    parts: Mapping[str, tuple[str, ...]] | None = None,
    faults: Remarks | None = None,
) -> Callable[[Any], Any]:
    """Register the decorated `root -> Iterator[Clip]` as a dataset; with `prepare` it is embedded."""

    def register(clips: Any) -> Any:
        embedded = prepare is not None
        make = prepare and made_by(name, prepare)
        facts = (about, crop, embedded, version, make, dict(official or {}), shares, _file_of(clips))
        beside = {"left_out": left_out, "remarks": remarks, "faults": faults}
        told: dict[str, Any] = {key: told_by(name, tell) for key, tell in beside.items() if tell is not None}
        datasets.add(DatasetEntry(name, guarded(name, clips), *facts, parts=dict(parts or {}), **told))
        return clips

    return register


def perturbation(name: str, *, parameters: tuple[Any, ...], version: str = "1") -> Callable[[Apply], Apply]:
    """Register the decorated function `(frames, parameter, rng) -> frames` as a perturbation."""

    def register(apply: Apply) -> Apply:
        perturbations.add(PerturbationEntry(name, apply, parameters, version, _file_of(apply)))
        return apply

    return register


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
        with doing(f"importing the plug-in file {path.name}"):
            spec.loader.exec_module(module)
    except (HarnessError, KeyboardInterrupt):
        sys.modules.pop(name, None)
        raise
    except BaseException as error:  # whatever the file raises is the user's to read, in one line
        sys.modules.pop(name, None)
        raise HarnessError(f"plug-in file {path} cannot be imported: {reason_of(error)}") from error


_entry_points_loaded = False


def _load_entry_points() -> None:
    global _entry_points_loaded
    if _entry_points_loaded:
        return
    _entry_points_loaded = True
    from importlib.metadata import entry_points  # slow to import, and --help needs no plug-in

    for point in entry_points(group="gapbench.plugins"):
        try:
            with doing(f"importing the plug-in {point.name}"):
                point.load()
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 - listed, like a broken file
            for registry in (detectors, datasets, perturbations):
                registry._broken[point.name] = reason_of(error)


def _file_of(thing: Any) -> str:
    return inspect.getsourcefile(thing) or ""


def _origin(entry: DetectorEntry | DatasetEntry | PerturbationEntry) -> str:
    """Where an entry was made: its file, and the class or function in it."""
    if isinstance(entry, DetectorEntry):
        made_of: Any = entry.build
    else:
        made_of = entry.clips if isinstance(entry, DatasetEntry) else entry.apply
    return f"{entry.file} ({getattr(made_of, '__qualname__', made_of)})"
