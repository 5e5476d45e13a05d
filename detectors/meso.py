"""MesoNet: two small networks on single faces (Afchar et al. 2018), with an importer of Keras weights."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, leaky_relu, max_pool2d, pad

from harness.registry import detector
from harness.types import HarnessError, Recipe

RECIPES = {
    "published": Recipe(
        size=256,
        frames=32,
        epochs=20,
        batch=75,
        learning_rate=1e-3,
        schedule="cosine",
        patience=5,
        augment=("flip", "light"),
    ),
    "procedural": Recipe(size=64, frames=4, epochs=10, batch=16, learning_rate=3e-3, schedule="cosine"),
}
POOLS = (2, 2, 2, 4)
"""Side of the max-pooling window after each of the four stages."""
KERAS_LAYER = re.compile(r"(conv2d|batch_normalization|dense)(?:_(\d+))?")


class MesoNet(nn.Module):
    """Four stages of convolution, ReLU, BatchNorm and max-pooling, then two dense layers with dropout.

    Pixels are scaled to [0, 1]. The logit is fake positive; the authors' sigmoid is P(real). They
    train with the squared error and a rate that falls tenfold every 1,000 steps; here the loss is
    binary cross-entropy and the rate falls along a cosine.
    """

    def __init__(self, stages: Sequence[nn.Module], widths: Sequence[int], size: int, frames: int) -> None:
        super().__init__()
        self.size, self.frames, self.last_width = size, frames, widths[-1]
        self.stages = nn.ModuleList(stages)
        self.norms = nn.ModuleList(nn.BatchNorm2d(width, eps=1e-3, momentum=0.01) for width in widths)
        side = size
        for pool in POOLS:
            side = -(-side // pool)
        self.dropout = nn.Dropout(0.5)
        self.hidden = nn.Linear(widths[-1] * side * side, 16)
        self.last = nn.Linear(16, 1)

    def forward(self, clips: Tensor) -> Tensor:
        """Logits `[B, T]` of uint8 clips `[B, T, S, S, 3]`."""
        maps = clips.flatten(0, 1).permute(0, 3, 1, 2).float() / 255
        for stage, norm, pool in zip(self.stages, self.norms, POOLS, strict=True):
            maps = pool_same(norm(stage(maps)), pool)
        features = leaky_relu(self.hidden(self.dropout(maps.flatten(1))), 0.1)
        logits: Tensor = self.last(self.dropout(features))
        return logits.float().view(clips.shape[:2])

    def score(self, clips: Tensor) -> Tensor:
        """P(fake) `[B, T]`, one a frame."""
        return self(clips).sigmoid()

    def loss(self, clips: Tensor, labels: Tensor) -> Tensor:
        """Binary cross-entropy, every frame carrying the label `[B]` of its clip."""
        logits = self(clips)
        return binary_cross_entropy_with_logits(logits, labels.float()[:, None].expand_as(logits))

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """Everything is new: there is no published backbone."""
        return {"backbone": [], "head": list(self.parameters())}


def pool_same(maps: Tensor, side: int) -> Tensor:
    """Max-pooling `[N, C, H, W]` in steps of `side` that drops nothing: Keras' padding "same".

    Where a length is no multiple of `side`, half of what is missing goes before, the larger half after.
    """
    missing = [-length % side for length in (maps.shape[3], maps.shape[2])]
    if any(missing):
        around = [edge for total in missing for edge in (total // 2, total - total // 2)]
        maps = pad(maps, around, value=float("-inf"))
    return max_pool2d(maps, side)


def _convolution(given: int, made: int, side: int, dilation: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(given, made, side, padding="same", dilation=dilation), nn.ReLU())


class Inception(nn.Module):
    """Four branches side by side: 1x1; 1x1 then 3x3; the same dilated by 2; by 3."""

    def __init__(self, given: int, widths: tuple[int, int, int, int]) -> None:
        super().__init__()
        branches = [_convolution(given, widths[0], 1)]
        for dilation, width in enumerate(widths[1:], start=1):
            branches.append(
                nn.Sequential(_convolution(given, width, 1), _convolution(width, width, 3, dilation))
            )
        self.branches = nn.ModuleList(branches)

    def forward(self, maps: Tensor) -> Tensor:
        """`[N, given, H, W]` to `[N, sum(widths), H, W]`."""
        return torch.cat([branch(maps) for branch in self.branches], 1)


def keras_weights(build: Callable[..., MesoNet], path: Path) -> dict[str, Tensor]:
    """The state dict of a MesoNet whose Keras weights are in an HDF5 file, read as data.

    Layers are matched in the order Keras numbered them: the order in which the network was written
    down. Kernels are turned from HWIO to OIHW, the first dense layer from rows of (H, W, C) to
    (C, H, W), and the last layer's sign, so that its logit says fake instead of real.
    """
    layers = _keras_layers(path)
    network = build(size=256, frames=1)
    state: dict[str, Tensor] = {}
    kinds = (("conv2d", nn.Conv2d), ("batch_normalization", nn.BatchNorm2d), ("dense", nn.Linear))
    for kind, module in kinds:
        ours = [name for name, part in network.named_modules() if isinstance(part, module)]
        theirs = layers[kind]
        if len(ours) != len(theirs):
            raise HarnessError(
                f"{path.name} has {len(theirs)} layers {kind}, {build.__name__} has {len(ours)}"
            )
        for name, arrays in zip(ours, theirs, strict=True):
            for part, tensor in _tensors(kind, arrays, network.last_width).items():
                state[f"{name}.{part}"] = -tensor if name == "last" else tensor
    return state


def _keras_layers(path: Path) -> dict[str, list[dict[str, np.ndarray]]]:
    """Kind of layer -> the arrays of each such layer by name, in the order of the layers' numbers."""
    import h5py

    numbered: dict[str, dict[int, dict[str, np.ndarray]]] = {"conv2d": {}, "batch_normalization": {}}
    numbered["dense"] = {}

    def keep(name: str, thing: Any) -> None:
        if not isinstance(thing, h5py.Dataset) or name.startswith("optimizer_weights/"):
            return
        *_, layer, array = name.split("/")
        known = KERAS_LAYER.fullmatch(layer)
        if known is None:
            raise HarnessError(f"{path.name} has weights in a layer {layer!r}, which no MesoNet has")
        if thing.external or thing.is_virtual:
            raise HarnessError(f"{path.name} keeps {name} in another file; its tensors must be in it")
        arrays = numbered[known[1]].setdefault(int(known[2] or 0), {})
        arrays[array.removesuffix(":0")] = np.asarray(thing, dtype=np.float32)

    try:
        with h5py.File(path, "r") as file:
            file.visititems(keep)  # follows no link out of the file
    except OSError as error:
        raise HarnessError(f"{path.name} is not an HDF5 file: {str(error)[:120]}") from error
    return {kind: [layers[number] for number in sorted(layers)] for kind, layers in numbered.items()}


def _tensors(kind: str, arrays: dict[str, np.ndarray], channels: int) -> dict[str, Tensor]:
    """The arrays of one Keras layer under the names and in the layout of torch."""
    if kind == "batch_normalization":
        names = {"gamma": "weight", "beta": "bias"}
        names |= {"moving_mean": "running_mean", "moving_variance": "running_var"}
        found = {names.get(name, name): torch.from_numpy(array) for name, array in arrays.items()}
        return {**found, "num_batches_tracked": torch.tensor(0)}
    found = {name: torch.from_numpy(array) for name, array in arrays.items() if name != "kernel"}
    if "kernel" not in arrays:
        return found
    kernel = torch.from_numpy(arrays["kernel"])
    if kind == "conv2d":
        return {**found, "weight": kernel.permute(3, 2, 0, 1).contiguous()}
    rows, columns = kernel.shape
    side = int((rows // channels) ** 0.5)
    if rows == side * side * channels:  # so has the last layer, with a side of 1: nothing moves
        kernel = kernel.view(side, side, channels, columns).permute(2, 0, 1, 3).reshape(rows, columns)
    return {**found, "weight": kernel.T.contiguous()}


def _refuse_pretrained(pretrained: bool) -> None:
    if pretrained:
        raise HarnessError("MesoNet has no published backbone; import its weights: gapbench weights import")


@detector("meso4", recipes=RECIPES, importers={"keras": lambda path: keras_weights(Meso4, path)})
class Meso4(MesoNet):
    """Four convolutions of 8, 8, 16 and 16 channels; scores every frame by itself."""

    def __init__(self, size: int, frames: int, pretrained: bool = False) -> None:
        _refuse_pretrained(pretrained)
        stages = [_convolution(*of) for of in ((3, 8, 3), (8, 8, 5), (8, 16, 5), (16, 16, 5))]
        super().__init__(stages, (8, 8, 16, 16), size, frames)


@detector(
    "mesoinception4", recipes=RECIPES, importers={"keras": lambda path: keras_weights(MesoInception4, path)}
)
class MesoInception4(MesoNet):
    """Two inception layers with dilated branches, then two convolutions; scores every frame by itself."""

    def __init__(self, size: int, frames: int, pretrained: bool = False) -> None:
        _refuse_pretrained(pretrained)
        stages = [
            Inception(3, (1, 4, 4, 2)),
            Inception(11, (2, 4, 4, 2)),
            _convolution(12, 16, 5),
            _convolution(16, 16, 5),
        ]
        super().__init__(stages, (11, 12, 16, 16), size, frames)
