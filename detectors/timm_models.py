"""Any classification network of the timm library on single frames: `timm:<model>`, e.g. `timm:resnet50`."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import timm
import torch
from harness.detectors.checkpoints import Proven, read_checkpoint
from timm.data import resolve_model_data_config
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from harness.registry import DetectorEntry, detector_family
from harness.types import HarnessError, Recipe

PROCEDURAL_SIZE = 64


@detector_family("timm")
def open_model(name: str) -> DetectorEntry:
    """The detector `timm:<name>`: trained with one logit, or with weights that are imported.

    Importers: `state_dict` takes a checkpoint with one logit that is fake positive, or with two classes
    of which the second is fake; `state_dict_real_last` one in which the logit, or the second class,
    is real. `HarnessError` for a model timm does not know, or that takes no RGB image.
    """
    facts = _facts(name)
    side = max(facts.input_size[1:])
    small = max(PROCEDURAL_SIZE, *(facts.min_input_size or (0,)))
    recipes = _recipes(side, side if facts.fixed_input_size else small)
    importers = {"state_dict": _importer(name, 1), "state_dict_real_last": _importer(name, -1)}
    return DetectorEntry(f"timm:{name}", partial(TimmModel, name), recipes, __file__, importers=importers)


def _facts(name: str) -> Any:
    """What timm itself says of the weights of a model: input size, mean, std ..."""
    if not timm.is_model(name):
        known = timm.list_models()
        near = difflib.get_close_matches(name, known, n=4, cutoff=0.5)
        hint = f"did you mean {', '.join(near)}?" if near else "none is like it"
        raise HarnessError(f"unknown timm model {name!r}: {hint} (timm {timm.__version__} has {len(known)})")
    try:
        facts = timm.get_pretrained_cfg(name)
    except RuntimeError as error:
        tags = timm.list_pretrained(f"{name.partition('.')[0]}.*")
        raise HarnessError(f"timm model {name!r}: {error} (known: {', '.join(tags) or 'none'})") from error
    if facts is None or len(facts.input_size) != 3 or facts.input_size[0] != 3:
        raise HarnessError(f"timm model {name!r} states no RGB input, so it cannot be shown a frame")
    return facts


def _recipes(size: int, small: int) -> dict[str, Recipe]:
    return {
        "published": Recipe(
            size=size,
            frames=8,
            epochs=20,
            batch=32,
            learning_rate=1e-3,
            backbone_rate=0.1,
            weight_decay=1e-5,
            schedule="cosine",
            patience=5,
            precision="auto",
            pretrained=True,
            augment=("flip", "light", "jpeg"),
        ),
        "procedural": Recipe(
            size=small,
            frames=4,
            epochs=5,
            batch=16,
            learning_rate=1e-3,
            schedule="cosine",
            precision="auto",
        ),
    }


class TimmModel(nn.Module):
    """A timm network with one logit, fake positive; scores every frame by itself.

    Size, mean and std are those its ImageNet weights were made for; the size may be another one
    where the network allows it.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self, model: str, size: int, frames: int, pretrained: bool = False, outputs: int = 1
    ) -> None:
        super().__init__()
        facts = _facts(model)
        if facts.fixed_input_size and (size, size) != tuple(facts.input_size[1:]):
            raise HarnessError(f"timm model {model!r} takes {facts.input_size[1]} px only, not {size}")
        self.size, self.frames = size, frames
        self.network: Any = timm.create_model(model, pretrained=pretrained, num_classes=outputs)
        shown = resolve_model_data_config(self.network)
        for name in ("mean", "std"):
            values = torch.tensor(shown[name]).view(3, 1, 1)
            self.register_buffer(name, values, persistent=False)

    def outputs(self, clips: Tensor) -> Tensor:
        """What the network says of each frame, `[B * T, outputs]`, of uint8 clips `[B, T, S, S, 3]`."""
        images = clips.flatten(0, 1).permute(0, 3, 1, 2).float() / 255
        said: Tensor = self.network((images - self.mean) / self.std)
        return said.float()

    def forward(self, clips: Tensor) -> Tensor:
        """Logits `[B, T]` of uint8 clips `[B, T, S, S, 3]`."""
        return self.outputs(clips).view(clips.shape[:2])

    def score(self, clips: Tensor) -> Tensor:
        """P(fake) `[B, T]`, one a frame."""
        return self(clips).sigmoid()

    def loss(self, clips: Tensor, labels: Tensor) -> Tensor:
        """Binary cross-entropy, every frame carrying the label `[B]` of its clip."""
        logits = self(clips)
        return binary_cross_entropy_with_logits(logits, labels.float()[:, None].expand_as(logits))

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """All but the last layer are the backbone."""
        known = {id(parameter) for layer in _heads(self.network).values() for parameter in layer.parameters()}
        groups: dict[str, list[nn.Parameter]] = {"backbone": [], "head": []}
        for parameter in self.parameters():
            groups["head" if id(parameter) in known else "backbone"].append(parameter)
        return groups


def _heads(network: Any) -> dict[str, nn.Module]:
    """The last layers of a timm network by name; some have two."""
    last = network.get_classifier()
    layers = {id(layer) for layer in (last if isinstance(last, (tuple, list)) else (last,))}
    return {name: part for name, part in network.named_modules() if id(part) in layers}


def _importer(model: str, sign: int) -> Proven:
    return Proven(partial(_read, model, sign), partial(_reference, model, sign))


def _read(model: str, sign: int, path: Path) -> dict[str, Tensor]:
    """The state dict of `timm:<model>`, two classes made one logit: the difference of their rows."""
    given = read_checkpoint(path)
    rows = _classes(model, given, path)
    for head in _heads(timm.create_model(model, num_classes=1)):
        for name in (f"{head}.weight", f"{head}.bias"):
            if name in given:
                one = given[name] if rows == 1 else given[name][1:] - given[name][:1]
                given[name] = sign * one
    return {f"network.{name}": tensor for name, tensor in given.items()}


def _classes(model: str, given: Mapping[str, Tensor], path: Path) -> int:
    """One logit or two classes: the rows of the last layer."""
    heads = _heads(timm.create_model(model, num_classes=1))
    rows = {len(given[f"{head}.weight"]) for head in heads if f"{head}.weight" in given}
    if rows not in ({1}, {2}):
        found = f"{rows.pop()} outputs" if len(rows) == 1 else f"no {' or '.join(heads)}.weight"
        raise HarnessError(f"{path.name} has {found}; weights of {model} need one logit or two classes")
    return rows.pop()


def _reference(model: str, sign: int, path: Path, clips: Tensor) -> Tensor:
    """The network with the file's own last layer, and the log of the odds its softmax or sigmoid gives."""
    given = read_checkpoint(path)
    rows = _classes(model, given, path)
    detector = TimmModel(model, clips.shape[2], clips.shape[1], outputs=rows).eval()
    detector.network.load_state_dict(given)
    said = detector.outputs(clips)
    fake = said[:, 0] if rows == 1 else said.softmax(1)[:, 1].logit()
    return sign * fake.view(clips.shape[:2])
