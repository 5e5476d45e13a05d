"""Checkpoints of networks of timm: whatever their last layer is called, and however many classes it has.

No detector: what `timm_models.py` imports.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from harness.detectors._checkpoints import Checkpoint, read_checkpoint
from torch import Tensor, nn

from harness.types import HarnessError


def last_layers(network: Any) -> dict[str, nn.Module]:
    """The last layers of a timm network by name; some have two."""
    last = network.get_classifier()
    layers = {id(layer) for layer in (last if isinstance(last, (tuple, list)) else (last,))}
    return {name: part for name, part in network.named_modules() if id(part) in layers}


def read_network(path: Path, network: Any, key: str | None) -> Checkpoint:
    """The state of `network` in a file, but for the number of its outputs."""
    state, heads = network.state_dict(), last_layers(network)
    counters = {name: value for name, value in state.items() if name.endswith(".num_batches_tracked")}
    body = [name for name in state if _layer(name) not in heads and name not in counters]
    found = read_checkpoint(path, body, key)
    given = {**counters, **found.tensors}  # older files lack the counters, which only training reads
    notes = list(found.notes)
    if len(heads) == 1:
        (head,) = heads
        if f"{head}.weight" not in given:
            given = _with_head(path, found, set(state), head, notes) | counters
    missing = [head for head in heads if f"{head}.weight" not in given]
    if missing:
        raise HarnessError(f"{path.name} has no last layer: there is no {missing[0]}.weight")
    for head in heads:
        if f"{head}.bias" in state and f"{head}.bias" not in given:
            given[f"{head}.bias"] = torch.zeros(len(given[f"{head}.weight"]))
            notes.append(f"the last layer has no bias, which is 0 then ({head}.bias)")
    return Checkpoint(given, tuple(notes))


def _layer(name: str) -> str:
    return name.rpartition(".")[0]


def _with_head(
    path: Path, found: Checkpoint, known: set[str], head: str, notes: list[str]
) -> dict[str, Tensor]:
    """The tensors with the last layer under its name in timm, be it the one that timm lacks or one beside."""
    given = {name: tensor for name, tensor in found.tensors.items() if name in known}
    rest = {name: tensor for name, tensor in found.tensors.items() if name not in known}
    where = ""
    if not rest:
        where, beside = " beside the network", found.beside
        layers = {
            _layer(name) for name, value in beside.items() if name.endswith(".weight") and value.ndim > 1
        }
        rest = {name: tensor for name, tensor in beside.items() if _layer(name) in layers}
    others = sorted({_layer(name) for name in rest})
    if len(others) > 1:
        named = ", ".join(others[:4]) + ", ..." * (len(others) > 4)
        raise HarnessError(
            f"{path.name} ends in {len(others)} layers ({named}), the network of timm in one ({head}): "
            "export the whole network to ONNX, or write a detector for it"
        )
    for other in others:
        notes.append(f"its layer {other!r}{where} is taken as {head!r}, the last layer and a plain one")
        given |= {f"{head}{name.removeprefix(other)}": tensor for name, tensor in rest.items()}
    return given


def split_classes(path: Path, outputs: int, stated: Sequence[int] | None) -> tuple[list[int], list[int]]:
    """The numbers of the real classes and of the fake ones; one logit is that of class 1."""
    if stated is None and outputs > 2:
        rest = ",".join(map(str, range(1, outputs))) if outputs <= 8 else "1,2,..."
        raise HarnessError(
            f"{path.name} has {outputs} outputs: say which classes are fake, counted from 0 "
            f"(--fake-class {rest} where class 0 is real)"
        )
    classes = range(max(outputs, 2))
    fake = sorted(set([1] if stated is None else stated))
    real = [number for number in classes if number not in fake]
    if not fake or not real or not set(fake) <= set(classes):
        raise HarnessError(
            f"{path.name} has the classes 0 to {classes[-1]}: --fake-class names some of them, but not all, "
            f"and none else: not {', '.join(map(str, fake))}"
        )
    return real, fake


def own_head(
    given: Mapping[str, Tensor], heads: Sequence[str], real: Sequence[int], fake: Sequence[int]
) -> dict[str, Tensor]:
    """The tensors with a last layer that says fake: one logit, or of several classes the real ones first.

    Two classes become one logit, the difference of their rows.
    """
    made = dict(given)
    for name in (f"{head}.{part}" for head in heads for part in ("weight", "bias")):
        if name in given:
            rows = given[name]
            if len(rows) == 1:
                made[name] = rows if fake == [1] else -rows
            elif len(rows) == 2:
                made[name] = rows[fake] - rows[real]
            else:
                made[name] = rows[[*real, *fake]]
    return made


def log_odds(said: Tensor, real: Sequence[int], fake: Sequence[int]) -> Tensor:
    """Logits of fake `[N]` of what a network says `[N, classes]`, as its softmax or sigmoid has them."""
    if said.shape[1] == 1:
        return said[:, 0] if list(fake) == [1] else -said[:, 0]
    logs = said.double().log_softmax(1)
    return logs[:, list(fake)].logsumexp(1) - logs[:, list(real)].logsumexp(1)
