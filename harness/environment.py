"""What code and libraries this is, and how that differs from what a stored result was made with.

What was asked is the key of stored weights and predictions; what they were made with is kept beside them and
changes no key: a comment in a source file or a new library throws nothing away, but a run says what differs.
"""

from __future__ import annotations

import ast
import os
import platform
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, entry_points, version
from importlib.util import find_spec
from itertools import chain
from pathlib import Path
from typing import Any

from harness.files import digest_of, file_digest
from harness.process import usable_cores

LIBRARIES = (
    *("torch", "torchvision", "timm", "numpy", "pandas", "scikit-learn", "decord", "av", "albumentations"),
    *("opencv-python-headless", "pillow", "onnxruntime", "safetensors"),
)
"""Those that can change weights or scores."""
KEYED = ("torch", "timm", "numpy", "decord", "av", "albumentations", "opencv-python-headless")
"""Those whose versions were part of keys and of names of costs, before what was asked was the key."""
NAMED = 4
"""Differences of one kind that are named; the others are counted."""

Made = Mapping[str, Any]
"""What something was made with: commit, versions, sources, plug-ins and device, as `made_with` says it."""
PACKAGES = ("harness", "harness.detectors", "harness.datasets", "harness.perturbations")


@cache
def revision() -> tuple[str, bool]:
    """The git commit of the code and whether it has uncommitted changes outside `results/`."""
    root = Path(__file__).resolve().parent.parent
    try:
        if Path(_git(root, "rev-parse", "--show-toplevel")).resolve() != root:
            return "unknown", False  # installed somewhere inside another project
        commit = _git(root, "rev-parse", "HEAD")
        changed = _git(root, "status", "--porcelain", "--", ".", ":!results")
    except (OSError, subprocess.CalledProcessError):
        return "unknown", False
    return commit, bool(changed)


@cache
def versions() -> dict[str, str]:
    """Library -> version, of those that can change a score; one that is not installed is left out."""
    found = {}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:  # a build of OpenCV under another name, for one
            continue
    return found


def versions_then() -> dict[str, str]:
    """The versions that a key of then would hold today (`KEYED`)."""
    return {name: said for name, said in versions().items() if name in KEYED}


@cache
def sources_of(*places: str) -> dict[str, str]:
    """File below this folder -> first 12 digits of its sha256; a place is a module or a folder of them."""
    root = Path(__file__).resolve().parent
    named = [root / place for place in places]
    files = [path for place in named for path in (sorted(place.glob("*.py")) or [place.with_suffix(".py")])]
    return {str(path.relative_to(root).as_posix()): file_digest(path)[:12] for path in files}


@cache  # every cell asks for its detector's
def with_helpers(file: Path) -> tuple[Path, ...]:
    """A plug-in's file and those of its folder that it imports, which help it."""
    found = [file]
    for node in ast.walk(ast.parse(file.read_bytes())):
        if not isinstance(node, (ast.Import, ast.ImportFrom)):
            continue
        names = [getattr(node, "module", None) or "", *(alias.name for alias in node.names)]
        beside = [file.with_name(f"{name.rpartition('.')[2]}.py") for name in names]
        found += [path for path in beside if path.is_file() and path not in found]
    return tuple(found)


def made_with(places: tuple[str, ...], plugins: Iterable[Path], device: Mapping[str, str]) -> Made:
    """What is made now is made with this: JSON's types only.

    `places` are the modules that matter to it (`sources_of`), `plugins` its plug-in files, and `device` is
    what is known of the processor or GPU.
    """
    commit, dirty = revision()
    return {
        "commit": commit,
        "dirty": dirty,
        "versions": versions(),
        "sources": sources_of(*places),
        "plugins": {path.name: file_digest(path)[:12] for plugin in plugins for path in with_helpers(plugin)},
        "device": dict(device),
    }


def differences(then: Made, now: Made) -> list[str]:
    """What is different now from what something was made with, e.g. `timm 1.0.20 -> 1.0.21`.

    What either does not say is no difference, and neither is the commit alone: the sources are compared.
    """
    values = (_values(then, now, kind) for kind in ("device", "versions"))
    return [*chain(*values), *_files(then, now, "plugins"), *_files(then, now, "sources")]


def _values(then: Made, now: Made, kind: str) -> Iterator[str]:
    before, after = then.get(kind) or {}, now.get(kind) or {}
    changed = [name for name in before if name in after and before[name] != after[name]]
    yield from (f"{name} {before[name]} -> {after[name]}" for name in changed)


def _files(then: Made, now: Made, kind: str) -> Iterator[str]:
    before, after = then.get(kind) or {}, now.get(kind) or {}
    if not before or not after:
        return
    changed = sorted(name for name in before if before[name] != after.get(name))
    if changed:
        more = f" and {len(changed) - NAMED} more" if len(changed) > NAMED else ""
        yield f"{kind} ({', '.join(changed[:NAMED])}{more})"


def _git(root: Path, *arguments: str) -> str:
    run = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, check=True)
    return run.stdout.strip()


def sources() -> dict[str, str | None]:
    """Every file of the harness and of its plug-ins -> its sha256 (hex), entry points of others included."""
    others = {point.module.partition(".")[0] for point in entry_points(group="gapbench.plugins")}
    found: dict[str, str | None] = {}
    for name in (*PACKAGES, *sorted(others)):
        found |= {file: digest_of(Path(file)) for file in _files_of(name)}
    return found


def _files_of(name: str) -> Iterator[str]:
    """The files of a package, whatever they hold, or the one of a module."""
    spec = find_spec(name)
    folders = list(spec.submodule_search_locations or ()) if spec else []
    for folder in folders:
        for place, below, names in os.walk(folder):
            below[:] = [each for each in below if not each.startswith((".", "__pycache__"))]
            yield from (os.path.join(place, each) for each in names if not each.startswith("."))
    if spec and spec.origin and not folders:
        yield spec.origin


def installed() -> list[str]:
    """Names and versions of all installed libraries, which their folders of metadata are called by."""
    places = [place for place in sys.path if os.path.isdir(place)]
    found = {name for place in places for name in os.listdir(place)}
    return sorted(name for name in found if name.endswith((".dist-info", ".egg-info")))


def machine_identity() -> list[Any]:
    """This machine as a run sees it: its name, system, Python, processor and graphics cards."""
    cards = sorted(str(path) for path in Path("/dev").glob("nvidia*"))
    driver = digest_of(Path("/proc/driver/nvidia/version"))
    python, cores = [platform.python_version(), sys.prefix], [os.cpu_count(), usable_cores()]
    return [list(os.uname()), python, cores, _flags(), cards, driver]


def _flags() -> str:
    """What the first processor can compute natively, which decides the precision `auto`."""
    try:
        with open("/proc/cpuinfo") as lines:
            return next((line for line in lines if line.startswith(("flags", "Features"))), "")
    except OSError:
        return ""


def machine() -> dict[str, Any]:
    """What the numbers were computed on."""
    return {"python": platform.python_version(), "system": platform.system(), "cores": os.cpu_count()}
