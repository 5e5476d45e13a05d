"""Checkpoints of other projects, read as data: tensors by name, and the proof that they mean the same here.

No detector: what the importers of this folder share.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from harness.types import HarnessError

WRAPPERS = ("state_dict", "model", "model_state_dict")
"""Names under which a checkpoint may keep its tensors, beside epoch, optimizer and the like."""


@dataclass(frozen=True)
class Proven:
    """An importer that can be checked: the file's own network, computed apart from our module.

    Whoever imports compares the two on random pixels, and refuses the weights if they differ.
    """

    read: Callable[[Path], Mapping[str, Tensor]]
    """The file's tensors under the names of our module."""
    reference: Callable[[Path, Tensor], Tensor]
    """Logits `[B, T]`, fake positive, of uint8 clips `[B, T, S, S, 3]`, straight from the file."""

    def __call__(self, path: Path) -> Mapping[str, Tensor]:
        return self.read(path)


def read_checkpoint(path: Path) -> dict[str, Tensor]:
    """The tensors of a `.safetensors` file or a torch checkpoint, by name, without the prefix `module.`.

    They may lie bare or under `state_dict` or `model`. Nothing in the file is ever executed: one that
    holds anything but tensors and plain values is a `HarnessError`.
    """
    found = _safetensors(path) if path.suffix == ".safetensors" else _torch(path)
    for wrapper in WRAPPERS:
        if isinstance(found.get(wrapper), Mapping):
            found = found[wrapper]
            break
    strange = [name for name, value in found.items() if not isinstance(value, Tensor)]
    if strange or not found:
        what = f"{strange[0]!r} is a {type(found[strange[0]]).__name__}" if strange else "there are none"
        raise HarnessError(f"{path.name} is no file of named tensors: {what}")
    if all(name.startswith("module.") for name in found):
        found = {name.removeprefix("module."): value for name, value in found.items()}
    return dict(found)


def _safetensors(path: Path) -> Mapping[str, Any]:
    try:
        return safetensors.torch.load_file(path)
    except (safetensors.SafetensorError, OSError) as error:
        raise HarnessError(f"{path.name} is not a safetensors file: {_line(error)}") from error


def _torch(path: Path) -> Mapping[str, Any]:
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # unpickling data that is damaged or hostile fails in any way
        raise HarnessError(
            f"{path.name} is refused: it is no torch file of plain tensors, and nothing else in it is "
            f"loaded or executed ({_line(error)})"
        ) from error
    if not isinstance(found, Mapping):
        raise HarnessError(f"{path.name} holds a {type(found).__name__}, not named tensors")
    return found


def _line(error: Exception) -> str:
    """What the library objects to, without its advice to load the file unsafely."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    told = next((line for line in lines if line.startswith(("WeightsUnpickler error", "Unsupported"))), None)
    return (told or (lines or [type(error).__name__])[0])[:160]
