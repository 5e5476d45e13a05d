"""DeepfakeBench's checkpoints (Yan et al. 2023): their names in ours, and what their networks compute.

No detector: what `deepfakebench.py` imports. The two forward passes are plain functions of the file's own
tensors, written apart from the modules, so that an import is proven to compute what the file does.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from harness.detectors._checkpoints import read_checkpoint
from torch import Tensor
from torch.nn import functional

from harness.contracts import FileWeights
from harness.types import HarnessError

PREFIX = "backbone."
"""Before every name of their networks."""
Named = Mapping[str, Tensor]
REPEATS = (2, 4, 4, 6, 6, 8, 2)
KERNELS = (3, 3, 5, 3, 5, 5, 3)
STRIDES = (1, 2, 2, 2, 1, 2, 1)
"""Of the seven stages of EfficientNet-B4: blocks, side of the depthwise kernel, stride of the first block."""
PADDED_FOR = 380
"""Side in pixels for which EfficientNet-B4's padding "same" was worked out, whatever is shown to it."""


def images_of(clips: Tensor) -> Tensor:
    """Frames `[B * T, 3, S, S]` in [-1, 1] of uint8 clips `[B, T, S, S, 3]`."""
    return clips.flatten(0, 1).permute(0, 3, 1, 2).float() / 127.5 - 1


def fake_minus_real(outputs: Tensor, clips: Tensor) -> Tensor:
    """Logits `[B, T]` of the outputs `[B * T, 2]`."""
    outputs = outputs.float()
    return (outputs[:, 1] - outputs[:, 0]).view(clips.shape[:2])


def read_xception(path: Path, key: str | None = None) -> FileWeights:
    """A checkpoint of DeepfakeBench's `xception`."""
    return _read(path, "conv1.weight", (xception_weights, xception_reference), key)


def read_efficientnet(path: Path, key: str | None = None) -> FileWeights:
    """A checkpoint of DeepfakeBench's `efficientnetb4`."""
    return _read(path, "efficientnet._conv_stem.weight", (efficientnet_weights, efficientnet_reference), key)


def _read(
    path: Path,
    first: str,
    network: tuple[Callable[[Named], Named], Callable[[Named, Tensor], Tensor]],
    key: str | None,
) -> FileWeights:
    """What `network` makes of the checkpoint: the tensors by our names, and what they compute."""
    found = read_checkpoint(path, (f"{PREFIX}{first}",), key)
    strange = [name for name in found.tensors if not name.startswith(PREFIX)]
    if strange:
        raise HarnessError(
            f"{path.name} is no DeepfakeBench checkpoint: {min(strange)!r} is not under {PREFIX!r}"
        )
    given = {name.removeprefix(PREFIX): tensor for name, tensor in found.tensors.items()}
    weights, reference = network
    notes = (*found.notes, "pixels are shown as (RGB / 255 - 0.5) / 0.5, as DeepfakeBench does")
    return FileWeights(weights(given), partial(reference, given), notes=notes)


def xception_weights(given: Named) -> dict[str, Tensor]:
    """The state dict of `deepfakebench_xception`.

    `adjust_channel`, which their plain Xception carries along unused, is left out.
    """
    return {
        "network." + re.sub(r"^last_linear\.(1\.)?", "fc.", name): tensor
        for name, tensor in given.items()
        if not name.startswith("adjust_channel.")
    }


def xception_reference(given: Named, clips: Tensor) -> Tensor:
    """Xception as it was published, from the checkpoint's own tensors."""
    relu, eps = functional.relu, 1e-5
    maps = functional.conv2d(images_of(clips), given["conv1.weight"], stride=2)
    maps = functional.conv2d(relu(_norm(maps, given, "bn1", eps)), given["conv2.weight"])
    maps = relu(_norm(maps, given, "bn2", eps))
    for number in range(1, 13):
        maps = _separable_block(maps, given, f"block{number}")
    maps = relu(_norm(_separable(maps, given, "conv3"), given, "bn3", eps))
    maps = relu(_norm(_separable(maps, given, "conv4"), given, "bn4", eps))
    last = "last_linear" if "last_linear.weight" in given else "last_linear.1"
    outputs = functional.linear(maps.mean((2, 3)), given[f"{last}.weight"], given[f"{last}.bias"])
    return fake_minus_real(outputs, clips)


def _separable_block(maps: Tensor, given: Named, name: str) -> Tensor:
    """Separable convolutions, each after a ReLU (the very first has none), beside a skip connection."""
    found = [re.fullmatch(rf"{name}\.rep\.(\d+)\.conv1\.weight", key) for key in given]
    inner = maps
    for place in sorted(int(match[1]) for match in found if match):
        inner = _separable(functional.relu(inner) if place else inner, given, f"{name}.rep.{place}")
        inner = _norm(inner, given, f"{name}.rep.{place + 1}", 1e-5)
    if f"{name}.skip.weight" not in given:
        return inner + maps
    beside = functional.conv2d(maps, given[f"{name}.skip.weight"], stride=2)
    return functional.max_pool2d(inner, 3, 2, 1) + _norm(beside, given, f"{name}.skipbn", 1e-5)


def _separable(maps: Tensor, given: Named, name: str) -> Tensor:
    weight = given[f"{name}.conv1.weight"]
    maps = functional.conv2d(maps, weight, padding=1, groups=len(weight))
    return functional.conv2d(maps, given[f"{name}.pointwise.weight"])


def efficientnet_weights(given: Named) -> dict[str, Tensor]:
    """The state dict of `deepfakebench_efficientnet_b4`."""
    return {f"network.{_timm_name(name)}": tensor for name, tensor in given.items()}


def _timm_name(name: str) -> str:
    """timm's name of a tensor of `efficientnet_pytorch`; an unknown one stays and is found surplus."""
    if name.startswith("last_layer."):
        return name.replace("last_layer.", "classifier.")
    name = name.removeprefix("efficientnet.")
    block = re.fullmatch(r"_blocks\.(\d+)\.(.+)", name)
    if block is None:
        outer = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2"}
        part, _, rest = name.partition(".")
        return f"{outer.get(part, part)}.{rest}"
    number = int(block[1])
    stage = next((at for at in range(len(REPEATS)) if number < sum(REPEATS[: at + 1])), len(REPEATS))
    inner = {"_depthwise_conv": "conv_dw", "_se_reduce": "se.conv_reduce", "_se_expand": "se.conv_expand"}
    if stage == 0:  # its blocks do not widen
        inner |= {"_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
    else:
        inner |= {"_expand_conv": "conv_pw", "_bn0": "bn1", "_bn1": "bn2"}
        inner |= {"_project_conv": "conv_pwl", "_bn2": "bn3"}
    part, _, rest = block[2].partition(".")
    return f"blocks.{stage}.{number - sum(REPEATS[:stage])}.{inner.get(part, part)}.{rest}"


def efficientnet_reference(whole: Named, clips: Tensor) -> Tensor:
    """EfficientNet-B4 with a stem that pads nothing, from the checkpoint's own tensors."""
    given = {name.removeprefix("efficientnet."): tensor for name, tensor in whole.items()}
    silu = functional.silu
    maps = functional.conv2d(images_of(clips), given["_conv_stem.weight"], stride=2)
    maps = silu(_norm(maps, given, "_bn0", 1e-3))
    side, number = PADDED_FOR // 2, 0
    for repeats, kernel, first in zip(REPEATS, KERNELS, STRIDES, strict=True):
        for stride in (first, *[1] * (repeats - 1)):
            maps = _widened_block(maps, given, f"_blocks.{number}", (side, kernel, stride))
            side, number = -(-side // stride), number + 1
    maps = silu(_norm(functional.conv2d(maps, given["_conv_head.weight"]), given, "_bn1", 1e-3))
    outputs = functional.linear(maps.mean((2, 3)), given["last_layer.weight"], given["last_layer.bias"])
    return fake_minus_real(outputs, clips)


def _widened_block(maps: Tensor, given: Named, name: str, shape: tuple[int, int, int]) -> Tensor:
    """An inverted residual block; `shape` is the side it was padded for, its kernel and its stride."""
    side, kernel, stride = shape
    silu = functional.silu

    def convolved(maps: Tensor, part: str) -> Tensor:
        return functional.conv2d(maps, given[f"{name}.{part}.weight"], given.get(f"{name}.{part}.bias"))

    def norm(maps: Tensor, part: str) -> Tensor:
        return _norm(maps, given, f"{name}.{part}", 1e-3)

    inner = maps
    if f"{name}._expand_conv.weight" in given:
        inner = silu(norm(convolved(maps, "_expand_conv"), "_bn0"))
    missing = max(0, (-(-side // stride) - 1) * stride + kernel - side)
    before, after = missing // 2, missing - missing // 2
    depthwise = given[f"{name}._depthwise_conv.weight"]
    inner = functional.pad(inner, (before, after, before, after))
    inner = functional.conv2d(inner, depthwise, stride=stride, groups=len(depthwise))
    inner = silu(norm(inner, "_bn1"))
    squeezed = silu(convolved(inner.mean((2, 3), keepdim=True), "_se_reduce"))
    inner = inner * convolved(squeezed, "_se_expand").sigmoid()
    inner = norm(convolved(inner, "_project_conv"), "_bn2")
    return inner + maps if inner.shape == maps.shape else inner


def _norm(maps: Tensor, given: Named, name: str, eps: float) -> Tensor:
    mean, variance, weight, bias = (
        given[f"{name}.{part}"] for part in ("running_mean", "running_var", "weight", "bias")
    )
    return functional.batch_norm(maps, mean, variance, weight, bias, eps=eps)
