"""Measures what detectors cost, each in a process of its own, and keeps it.

A fresh process knows nothing of what was done before: no memory that something else took, no thread that
still runs, nothing compiled or cached that an evaluation would not have. Its weights are drawn at random:
the time of a pass does not depend on them, and so trainings of one shape share one measurement.
"""

from __future__ import annotations

import dataclasses
import json
import os
import platform
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from harness import registry
from harness.environment import versions_then
from harness.files import digest, file_digest, file_name, home, plain, read_json, scratch_folder, write_whole
from harness.guard.stored import record_of, sealed, set_aside
from harness.guard.supervise import supervised
from harness.process import usable_cores
from harness.progress import say, take_over_output
from harness.records import Cost
from harness.timing import current
from harness.types import HarnessError, Recipe, Runtime

SECONDS = 8.0
"""How long a measurement takes, unless a slow detector needs more."""
MEASURING = 1
"""Raised whenever something else would be measured, or otherwise."""
MEASURED_BY = (
    "a8b97609dd73799051a27907a6f777b5d7f7576614094ea89433137245fabba5",
    "d5d41e3ee88cb2d36f3d2d5be9c8c0bb50a63debe2682bde980807d74a36823c",
    "6c3e1cc5967162071f785d310fce45e4d77cc42f575e0df297e2e8c57677eb6d",
    "57ea7cf0e3c7a32bd191b89634b783ea4909aed67ef2c2f89eb8d6365de22e15",
    "8e89847da7e9720c9970e8d0a76563754f8c6bcca999443029cbb59fcb367cc2",
    "0df8fae728c6dda075a3b757d54da8cec330782387a4c55a4add9ef5c7680e2a",
)
"""Digests of the modules that measured, which names of costs held before `MEASURING` did."""
PLUGIN = "gapbench_plugin_"
"""Begins the module names of plug-in files from outside the checkout."""


@dataclass(frozen=True, slots=True)
class CostRequest:
    """What a fresh process is to measure; stored as JSON, it is all that the process knows."""

    detector: str
    """Registered name; one of a family, or imported weights, too."""
    recipe: str | Mapping[str, Any] | None
    """Name or fields of the recipe that gives size, frames and options; not used for a fixed detector."""
    runtime: Mapping[str, Any]
    """Fields of a `Runtime`; its device may be `auto`, a GPU where there is one, and its precision too."""
    seconds: float = SECONDS
    files: tuple[str, ...] = ()
    """Plug-in files that were loaded from outside the checkout."""
    file: str | None = None
    """Where the detector stands: loaded when the name is not known otherwise."""


def cost_of(entry: registry.DetectorEntry, recipe: Recipe | None, runtime: Runtime) -> Cost:
    """The cost of a detector on this machine, measured once and then kept; INVALID ones are kept too.

    `recipe` gives size, frames and options of a trainable one. `measured_cost` measures again.
    """
    kept = kept_file(entry, recipe, runtime)
    if os.path.lexists(kept):
        try:
            return read_cost(kept)
        except HarnessError as error:
            say(set_aside(kept, f"does not fit ({error})", "measured again"))
    shape = None if recipe is None else plain(recipe)
    return in_fresh_process(
        CostRequest(entry.name, shape, plain(runtime), SECONDS, _plugin_files(), entry.file)
    )


def read_cost(path: Path) -> Cost:
    """The cost that was kept in a file; `HarnessError` for anything else."""
    return Cost.read(record_of(read_json(path), path, "a cost", {}, "measure it again: gapbench cost"))


def measured_cost(detector: str, recipe: str, wish: Runtime) -> Cost:
    """The cost of a detector measured now, which takes the place of one that was kept.

    Asks no registry and loads no torch: an unknown name, recipe or device comes back from the process as
    the `HarnessError` that it raised there.
    """
    return in_fresh_process(CostRequest(detector, recipe, plain(wish), SECONDS, _plugin_files()))


def in_fresh_process(asked: CostRequest) -> Cost:
    """Measure in a new process, which keeps the cost; an error there is the same `HarnessError` here.

    What a detector prints goes to standard error. The process ends with this one's interruption.
    """
    with scratch_folder() as folder:
        answer = Path(folder) / "answer.json"  # not its output: a plug-in may print there
        command = [sys.executable, "-m", "harness.runtime.cost_process", str(answer)]
        surroundings = {**os.environ, "PYTHONSAFEPATH": "1"}  # a checkout's `datasets` is no library
        said = json.dumps(plain(asked))
        run = subprocess.run(command, input=said, text=True, stdout=2, env=surroundings, check=False)
        if run.returncode in (128 + signal.SIGINT, -signal.SIGINT):
            raise KeyboardInterrupt
        if not answer.is_file():
            raise HarnessError(f"the cost of {asked.detector} was not measured: {_end(run.returncode)}")
        told = read_json(answer)
    if "error" in told:
        raise HarnessError(told["error"])
    current().add("forward", told["seconds"].get("forward", 0.0))
    return Cost.read(told["cost"])


def kept_file(entry: registry.DetectorEntry, recipe: Recipe | None, runtime: Runtime) -> Path:
    """Where the cost of a detector is kept: another shape, machine, PyTorch or way to measure is another.

    One that an earlier version measured is adopted on the way.
    """
    shape = None if recipe is None else [recipe.size, recipe.frames, recipe.options]
    machine = [platform.node(), usable_cores(), os.environ.get("OMP_NUM_THREADS")]
    what: list[Any] = [entry.name, file_digest(Path(entry.file)), entry.identity, shape]
    what += [dataclasses.replace(runtime, batch=1), machine]
    key = digest([*what, entry.version, version("torch"), MEASURING])
    path = home() / "costs" / f"{file_name(entry.name)}-{key[:10]}.json"
    if (MEASURING, entry.version) == (1, "1"):
        _adopt(path, what)
    return path


def _adopt(path: Path, what: Sequence[Any]) -> None:
    """Keep a cost that an earlier version measured with the libraries of today under its name of today."""
    old = digest([*what[:-1], versions_then(), what[-1], MEASURED_BY])
    stored = path.with_name(f"{path.name.rpartition('-')[0]}-{old[:10]}.json")
    if not path.exists() and stored.is_file():
        write_whole(path, stored.read_bytes())


def _plugin_files() -> tuple[str, ...]:
    """The plug-in files that `registry.load_file` loaded into this process and that registered something."""
    found = [module.__file__ for name, module in list(sys.modules.items()) if name.startswith(PLUGIN)]
    kinds: list[registry.Registry[Any]] = [registry.detectors, registry.datasets, registry.perturbations]
    known = {str(Path(entry.file).resolve()) for kind in kinds for entry in kind.loaded()}
    resolved = [str(Path(file).resolve()) for file in found if file]
    return tuple(file for file in resolved if file in known)


def _end(code: int) -> str:
    """How a process ended that left no answer."""
    if code >= 0:
        return f"its process ended with exit code {code}; what it said is above"
    why = ", most likely for want of memory" if code == -signal.SIGKILL else ""
    return f"its process was ended by {signal.Signals(-code).name}{why}"


def _entry(asked: CostRequest) -> registry.DetectorEntry:
    for file in asked.files:
        registry.load_file(Path(file))
    try:
        return registry.detectors.get(asked.detector)
    except HarnessError:
        if not asked.file:
            raise
    registry.load_file(Path(asked.file))
    return registry.detectors.get(asked.detector)


def _recipe(asked: CostRequest, entry: registry.DetectorEntry) -> Recipe | None:
    if not entry.trainable or asked.recipe is None:
        return None
    found = entry.recipe(asked.recipe) if isinstance(asked.recipe, str) else Recipe(**asked.recipe)
    return dataclasses.replace(found, pretrained=False)  # no weights are fetched to measure a speed


def _measure(asked: CostRequest) -> Cost:
    """Measure in this process, and keep the cost."""
    entry = _entry(asked)
    recipe = _recipe(asked, entry)

    from harness.runtime.cost import measure_cost
    from harness.runtime.device import device_of, prepare_process, resolve_precision

    prepare_process()
    wish = Runtime(**asked.runtime)
    device = device_of(wish.device)
    precision = resolve_precision(wish.precision, device)
    runtime = dataclasses.replace(wish, device=device, precision=precision)
    cost = measure_cost(entry.make(recipe), entry.name, runtime, asked.seconds)
    write_whole(kept_file(entry, recipe, runtime), json.dumps(sealed(plain(cost)), indent=1))
    return cost


def main() -> int:
    """Answer what is asked on standard input, as JSON, in the file that is named."""
    take_over_output()
    try:
        try:
            told = {
                "cost": plain(_measure(CostRequest(**json.load(sys.stdin)))),
                "seconds": current().seconds,
            }
        except HarnessError as error:
            told = {"error": str(error)}
        write_whole(Path(sys.argv[1]), json.dumps(told))
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    return 0


if __name__ == "__main__":
    sys.exit(supervised(main))
