"""Weights that a training starts from: imported, or trained here before."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch

from harness.contracts import DetectorEntry
from harness.files import file_digest, home
from harness.guard.parsed import safetensors as check_safetensors
from harness.types import HarnessError
from harness.weights import find_imported, imported_names, load_strictly, stored_weights

DIGITS = 10
"""Hex digits of a sha256 by which a recipe names the weights it starts from."""


def start_from(start: str, entry: DetectorEntry, detector: Any) -> Any:
    """Load the weights whose sha256 begins with `start` into a detector; every tensor must fit."""
    found = [(path, sha256) for path, sha256 in _known(entry.name) if sha256.startswith(start)]
    if not found:
        raise HarnessError(f"the weights {start} of {entry.name} that the recipe starts from are not here")
    path, sha256 = found[0]
    if not path.is_file() or file_digest(path) != sha256:
        raise HarnessError(f"weights {path} are damaged: their sha256 is not the one stored beside them")
    check_safetensors(path)
    try:
        tensors = safetensors.torch.load_file(path)
    except safetensors.SafetensorError as error:
        raise HarnessError(f"weights {path} cannot be read: {error}") from error
    load_strictly(detector, tensors, path.stem, entry.name)
    return detector


def _known(detector: str) -> list[tuple[Path, str]]:
    """File and sha256 of all weights of a detector on this machine."""
    imported = [find_imported(name) for name in imported_names() if name.rpartition(":")[0] == detector]
    found = [(one.path.with_suffix(".safetensors"), one.sha256) for one in imported if one]
    trained = [one for one in stored_weights(home() / "weights") if one.detector == detector]
    return [*found, *((one.path, one.sha256) for one in trained)]
