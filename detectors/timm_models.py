"""Any classification network of the timm library on single frames: `timm:<model>`, e.g. `timm:resnet50`."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

import timm
import torch
from harness.detectors._timm_files import last_layers, log_odds, own_head, read_network, split_classes
from timm.data import resolve_model_data_config
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from harness import registry, weights
from harness.contracts import FileWeights
from harness.progress import say
from harness.registry import DetectorEntry, detector_family
from harness.types import HarnessError, Recipe, unknown

PROCEDURAL_SIZE = 64


@detector_family("timm")
def open_model(name: str) -> DetectorEntry:
    """The detector `timm:<name>`: trained with one logit, or with weights that are imported.

    Importers: `state_dict` takes a checkpoint with one logit that is fake positive, with two classes of which
    the second is fake, or with classes of which it is stated which are; `state_dict_real_last` one in which
    the logit, or the second class, is real. A name that timm itself calls old is taken for the new one.
    `HarnessError` for a model timm does not know, or that takes no RGB image.
    """
    model, colon, brought = name.partition(":")
    new = _renamed(model)
    if colon and new:
        return registry.detectors.get(f"timm:{new}:{brought}")
    if colon:
        raise unknown(f"imported weights of timm:{model}", f"timm:{name}", weights.imported_names())
    name = new or name
    facts = _facts(name)
    side = max(facts.input_size[1:])
    small = max(PROCEDURAL_SIZE, *(facts.min_input_size or (0,)))
    recipes = _recipes(side, side if facts.fixed_input_size else small)
    importers = {
        "state_dict": partial(_read, name, False),
        "state_dict_real_last": partial(_read, name, True),
    }
    return DetectorEntry(f"timm:{name}", partial(TimmModel, name), recipes, __file__, importers=importers)


@cache  # so that it is said once
def _renamed(name: str) -> str | None:
    """What timm calls the model now, if that is another name."""
    old = timm.models.get_deprecated_models()
    if name not in old:
        return None
    if old[name] is None:
        raise HarnessError(f"timm model {name!r} was taken out of timm (this is {timm.__version__})")
    say(f"timm:{name} is an old name of timm:{old[name]}, which is used")
    return str(old[name])


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

    Size, mean and std are those its ImageNet weights were made for, unless others are given (`mean`, `std`:
    of R, G and B, for pixels in [0, 1]); the size may be another one where the network allows it. With
    `classes` (how many are real, how many fake) it has so many outputs, real ones first, and P(fake) is the
    sum of the softmax over the fake ones.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        model: str,
        size: int,
        frames: int,
        pretrained: bool = False,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        classes: Sequence[int] = (),
    ) -> None:
        super().__init__()
        facts = _facts(model)
        if facts.fixed_input_size and (size, size) != tuple(facts.input_size[1:]):
            raise HarnessError(f"timm model {model!r} takes {facts.input_size[1]} px only, not {size}")
        self.size, self.frames, self.classes = size, frames, list(classes)
        self.network: Any = timm.create_model(model, pretrained=pretrained, num_classes=sum(classes) or 1)
        usual = resolve_model_data_config(self.network)
        for name, stated in (("mean", mean), ("std", std)):
            values = torch.tensor(stated or usual[name]).view(3, 1, 1)
            self.register_buffer(name, values, persistent=False)

    def outputs(self, clips: Tensor) -> Tensor:
        """What the network says of each frame, `[B * T, outputs]`, of uint8 clips `[B, T, S, S, 3]`."""
        images = clips.flatten(0, 1).permute(0, 3, 1, 2).float() / 255
        said: Tensor = self.network((images - self.mean) / self.std)
        return said.float()

    def forward(self, clips: Tensor) -> Tensor:
        """Logits `[B, T]` of uint8 clips `[B, T, S, S, 3]`."""
        said = self.outputs(clips)
        if self.classes:
            real, fake = said.split(self.classes, 1)
            said = fake.logsumexp(1) - real.logsumexp(1)
        return said.view(clips.shape[:2])

    def score(self, clips: Tensor) -> Tensor:
        """P(fake) `[B, T]`, one a frame."""
        return self(clips).sigmoid()

    def loss(self, clips: Tensor, labels: Tensor) -> Tensor:
        """Binary cross-entropy, every frame carrying the label `[B]` of its clip."""
        logits = self(clips)
        return binary_cross_entropy_with_logits(logits, labels.float()[:, None].expand_as(logits))

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """All but the last layer are the backbone."""
        known = {
            id(parameter) for layer in last_layers(self.network).values() for parameter in layer.parameters()
        }
        groups: dict[str, list[nn.Parameter]] = {"backbone": [], "head": []}
        for parameter in self.parameters():
            groups["head" if id(parameter) in known else "backbone"].append(parameter)
        return groups


def _read(
    model: str,
    real_last: bool,
    path: Path,
    key: str | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    fake_class: Sequence[int] | None = None,
) -> FileWeights:
    """A checkpoint of `timm:<model>`: its tensors by our names, and its network as the file has it."""
    if real_last and fake_class is not None:
        raise HarnessError("--fake-class says which classes are fake: --format state_dict goes with it")
    network = timm.create_model(model, num_classes=1)
    found, heads = read_network(path, network, key), list(last_layers(network))
    outputs = len(found.tensors[f"{heads[0]}.weight"])
    real, fake = split_classes(path, outputs, [0] if real_last and outputs < 3 else fake_class)
    usual = resolve_model_data_config(network)
    pixels: dict[str, Any] = {"mean": list(mean or usual["mean"]), "std": list(std or usual["std"])}
    options = {**pixels, **({"classes": [len(real), len(fake)]} if outputs > 2 else {})}

    def reference(clips: Tensor) -> Tensor:
        classes = [outputs - 1, 1] if outputs > 1 else []
        theirs = TimmModel(model, clips.shape[2], clips.shape[1], classes=classes, **pixels).eval()
        theirs.network.load_state_dict(found.tensors)
        return log_odds(theirs.outputs(clips), real, fake).view(clips.shape[:2])

    tensors = {f"network.{k}": value for k, value in own_head(found.tensors, heads, real, fake).items()}
    notes = (*found.notes, _classes_said(outputs, fake), _pixels_said(pixels, mean is None))
    return FileWeights(tensors, reference, options, notes)


def _classes_said(outputs: int, fake: Sequence[int]) -> str:
    if outputs == 1:
        return f"the logit is taken as that of {'fake' if fake == [1] else 'real'}"
    classes = f"class {fake[0]} is" if len(fake) == 1 else f"classes {', '.join(map(str, fake))} are"
    return f"of {outputs} classes, counted from 0, {classes} taken as fake"


def _pixels_said(pixels: Mapping[str, Sequence[float]], by_timm: bool) -> str:
    mean, std = (", ".join(f"{value:g}" for value in pixels[name]) for name in ("mean", "std"))
    source = "as timm states for this network: --mean and --std say otherwise" if by_timm else "as stated"
    return f"pixels are shown as (RGB / 255 - mean [{mean}]) / std [{std}], {source}"
