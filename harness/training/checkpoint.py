"""Where a training stands, and the checkpoint of it: kept whole, and gone on with only where it fits."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor

from harness.environment import differences
from harness.files import writing
from harness.guard.regular import regular
from harness.guard.stored import CHANGED, fault_of, parts_digest, set_aside
from harness.progress import say
from harness.runtime.device import torch_device
from harness.timing import spent
from harness.types import HarnessError, Recipe, Runtime
from harness.weights import EPOCH

PROGRESSED = {
    **{"epoch": int, "curve": [EPOCH], "best": dict, "best_epoch": int, "best_auc": float},
    "made?": (None, [dict]),
}
"""Where a training stands, as `guard.stored.fault_of` wants it."""
COPIES = 4
"""Of the network in a checkpoint: as it is, at its best, and two averages of the optimizer."""


@dataclass
class Progressed:
    """Where a training stands: all that a resumed one needs besides its job."""

    epoch: int = 0
    """Epochs done."""
    curve: list[dict[str, float]] = field(default_factory=list)
    """One mapping an epoch: `epoch`, `train_loss`, `val_auc`, `seconds`."""
    best: dict[str, Tensor] = field(default_factory=dict)
    """State of the network after the epoch with the best validation AUC."""
    best_epoch: int = 0
    best_auc: float = -1.0
    made: list[Mapping[str, Any]] = field(default_factory=list)
    """What the processes that took part computed with, each once."""


@dataclass(frozen=True)
class Course:
    """What one training runs on."""

    detector: Any
    """An `nn.Module` with `score`, `loss` and `parameter_groups`."""
    recipe: Recipe
    runtime: Runtime
    seed: int
    checkpoint: Path
    title: str
    made: Mapping[str, Any] = field(default_factory=dict)
    """What this process computes with."""
    again: bool = False
    """Whether a checkpoint counts only if it was made with the same."""
    key: str = ""
    """That of the training: a checkpoint of another is not gone on with."""


def save(course: Course, optimizer: torch.optim.Optimizer, state: Progressed) -> None:
    """Keep where a training stands, whole or not at all; a full disk is a `HarnessError`."""
    content = {
        "network": course.detector.state_dict(),
        "optimizer": optimizer.state_dict(),
        "progressed": vars(state),
        "key": course.key,
    }
    with spent("write"), writing(course.checkpoint) as temporary, temporary.open("wb") as file:
        told = _Told(file)
        try:
            torch.save({**content, "sha256": _digest_of(content)}, told)  # type: ignore[arg-type]
        except RuntimeError:
            raise told.error or OSError(errno.EIO, "it could not be written") from None


class _Told:
    """A file that remembers why it could not be written: torch's writer raises an error of its own."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.error: OSError | None = None

    def write(self, data: bytes) -> int:
        """Write, as a file does."""
        try:
            written = self.file.write(data)
            self.file.flush()
        except OSError as error:
            self.error = error
            raise
        return written

    def flush(self) -> None:
        """Nothing is left to be written."""


def need_room(course: Course) -> None:
    """Refuse a training whose checkpoint the disk has no room for, before it begins."""
    tensors = course.detector.state_dict().values()
    needed = COPIES * sum(tensor.numel() * tensor.element_size() for tensor in tensors)
    folder = course.checkpoint.parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            free = shutil.disk_usage(folder).free
    except OSError as error:
        raise HarnessError(f"no room to train: {folder} cannot be written ({error.strerror})") from error
    if free < needed:
        raise HarnessError(
            f"no room to train: a checkpoint of {needed / 1e6:,.1f} MB is written to {folder}, where"
            f" {free / 1e6:,.1f} MB are free; set GAPBENCH_HOME to a larger disk"
        )


def _digest_of(content: Any) -> str:
    """sha256 (hex) of a nest of mappings, lists, tensors and single values."""
    return parts_digest(_parts_of(content))


def _parts_of(content: Any) -> Iterator[bytes | memoryview]:
    if isinstance(content, Tensor):
        yield f"{content.dtype} {tuple(content.shape)}".encode()
        yield content.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data
    elif isinstance(content, Mapping):
        for name, part in content.items():
            yield repr(name).encode()
            yield from _parts_of(part)
    elif isinstance(content, (list, tuple)):
        yield f"{len(content)} in a row".encode()
        for part in content:
            yield from _parts_of(part)
    else:
        yield repr(content).encode()


def resumed(course: Course, optimizer: torch.optim.Optimizer) -> Progressed:
    """Load the checkpoint of an interrupted training, if there is one; what does not fit is set aside.

    One of an earlier version has no digest: that it fits the network, and its number of epochs, is looked at.
    """
    if not os.path.lexists(course.checkpoint):
        return Progressed()
    before = {name: tensor.clone() for name, tensor in course.detector.state_dict().items()}
    try:
        return _loaded(course, optimizer)
    except Exception as error:  # noqa: BLE001 - whatever a damaged file raises
        course.detector.load_state_dict(before)
        fault = f"does not fit ({(str(error) or type(error).__name__).splitlines()[0]})"
        say(f"{course.title}: the checkpoint {set_aside(course.checkpoint, fault, 'training begins anew')}")
        return Progressed()


def _loaded(course: Course, optimizer: torch.optim.Optimizer) -> Progressed:
    content: dict[str, Any] = torch.load(
        regular(course.checkpoint), map_location=torch_device(course.runtime.device), weights_only=True
    )
    told = content.pop("sha256", None)
    if told is not None and told != _digest_of(content):
        raise ValueError(CHANGED)
    if content.get("key", course.key) != course.key:
        raise ValueError("it belongs to another training")
    fault = fault_of(content["progressed"], PROGRESSED)
    best = content["progressed"].get("best")
    if fault or _shapes(best or content["network"]) != _shapes(content["network"]):
        raise ValueError(f"it {fault or 'has another network at its best'}")
    makers = content["progressed"].get("made") or [{}]
    state = Progressed(**{**content["progressed"], "made": makers})
    if not len(state.curve) == state.epoch <= course.recipe.epochs:
        raise ValueError("it is of another number of epochs")
    changed = differences(makers[-1], course.made)
    if course.again and makers != [course.made]:
        return Progressed()
    if changed and _shapes(content["network"]) != _shapes(course.detector.state_dict()):
        say(f"{course.title}: begun anew, for the unfinished one does not fit ({'; '.join(changed)})")
        return Progressed()
    course.detector.load_state_dict(content["network"])
    optimizer.load_state_dict(content["optimizer"])
    differing = f", begun with something else ({'; '.join(changed)})" if changed else ""
    say(f"{course.title}: resumed after epoch {state.epoch}{differing}")
    return state


def _shapes(tensors: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in tensors.items()}
