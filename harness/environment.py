"""What code and libraries this is, and how that differs from what a stored result was made with.

What was asked is the key of stored weights and predictions; what they were made with is kept beside them and
changes no key: a comment in a source file or a new library throws nothing away, but a run says what differs.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from itertools import chain
from pathlib import Path
from typing import Any

from harness.files import file_digest

LIBRARIES = (
    *("torch", "torchvision", "timm", "numpy", "pandas", "scikit-learn", "decord", "av", "albumentations"),
    *("opencv-python-headless", "pillow", "onnxruntime", "safetensors"),
)
"""Those that can change weights or scores."""
NAMED = 4
"""Differences of one kind that are named; the others are counted."""

Made = Mapping[str, Any]
"""What something was made with: commit, versions, sources, plug-ins and device, as `made_with` says it."""


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


@cache
def sources_of(*places: str) -> dict[str, str]:
    """File below this folder -> first 12 digits of its sha256; a place is a module or a folder of them."""
    root = Path(__file__).resolve().parent
    named = [root / place for place in places]
    files = [path for place in named for path in (sorted(place.glob("*.py")) or [place.with_suffix(".py")])]
    return {str(path.relative_to(root).as_posix()): file_digest(path)[:12] for path in files}


def made_with(places: tuple[str, ...], plugins: Mapping[str, Path], device: Mapping[str, str]) -> Made:
    """What is made now is made with this: JSON's types only.

    `places` are the modules that matter to it (`sources_of`), `plugins` its plug-in files by name, and
    `device` is what is known of the processor or GPU.
    """
    commit, dirty = revision()
    return {
        "commit": commit,
        "dirty": dirty,
        "versions": versions(),
        "sources": sources_of(*places),
        "plugins": {name: file_digest(path)[:12] for name, path in plugins.items()},
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
    changed = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
    if changed:
        more = f" and {len(changed) - NAMED} more" if len(changed) > NAMED else ""
        yield f"{kind} ({', '.join(changed[:NAMED])}{more})"


def _git(root: Path, *arguments: str) -> str:
    run = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, check=True)
    return run.stdout.strip()
