"""Folds BatchNorm into the convolutions before it, so that scoring does not go over every feature map twice.

Folded is only what a watched pass proves: a convolution whose output goes into one BatchNorm, nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import batch_norm
from torch.nn.utils.fusion import fuse_conv_bn_weights
from torch.overrides import TorchFunctionMode

CONVOLUTIONS: tuple[Callable[..., Any], ...] = (torch.conv1d, torch.conv2d, torch.conv3d)
FACTS = (int, bool, float, type(None), torch.Size, torch.dtype, torch.device, torch.layout)
"""What a function may give back without having used the values of a tensor: its shape, an assertion."""
AGREEMENT = 1e-5
"""Scores before and after agree at least this well; else nothing is folded."""


@dataclass
class _Convolved:
    """One call of a convolution in the watched pass."""

    output: Tensor
    weight: Tensor
    bias: Tensor | None
    mean: Tensor | None = None
    """Running mean of the BatchNorm that took the output: by it the module is found."""
    taken: int = 0
    """How often a function took the output."""


class _Watch(TorchFunctionMode):
    """Notes what becomes of the output of every convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.convolved: list[_Convolved] = []
        self.of: dict[int, _Convolved] = {}
        self.normed: list[Tensor | None] = []

    def __torch_function__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        given = dict(kwargs or {})
        takes = [self.of[id(one)] for one in _flat([*args, *given.values()]) if id(one) in self.of]
        result = func(*args, **given)
        if not isinstance(result, FACTS):
            for call in takes:
                call.taken += 1
        if func is batch_norm:
            mean = args[1] if len(args) > 1 else given.get("running_mean")
            self.normed.append(mean)
            for call in takes:
                call.mean = mean
        if func in CONVOLUTIONS and isinstance(result, Tensor):
            bias = args[2] if len(args) > 2 else given.get("bias")
            call = _Convolved(result, args[1] if len(args) > 1 else given["weight"], bias)
            self.convolved.append(call)  # keeps the output, so that no other tensor takes its number
            self.of[id(result)] = call
        return result


def _flat(values: Sequence[Any]) -> Iterator[Any]:
    for value in values:
        if isinstance(value, list | tuple):
            yield from _flat(value)
        else:
            yield value


def fold_norms(detector: nn.Module, score: Callable[[], Tensor]) -> int:
    """Fold what can be folded, in place, and return how many pairs; `score` runs the detector on some clip.

    The detector is in evaluation mode. BatchNorm of other classes than torch's and timm's stays. Should
    the scores move by more than 1e-5, all is put back and 0 returned; should scoring fail, all is put
    back and the error raised.
    """
    watch = _Watch()
    with torch.inference_mode(), watch:
        before = score().float()
    undo = _folded(detector, watch)
    moved = float("inf")
    try:
        with torch.inference_mode():
            moved = float((score().float() - before).abs().max()) if undo else 0.0
    finally:
        if not moved <= AGREEMENT:
            for module, name, old in reversed(undo):
                setattr(module, name, old)
    return len(undo) // 3 if moved <= AGREEMENT else 0


def _folded(detector: nn.Module, watch: _Watch) -> list[tuple[nn.Module, str, Any]]:
    """Fold every pair that the pass proved; what was there before, to be put back in reverse."""
    owners = _owners(detector)
    undo: list[tuple[nn.Module, str, Any]] = []
    for call in _foldable(watch):
        convolution, norm = owners.get(id(call.weight)), owners.get(id(call.mean))
        rest = _without_norm(norm)
        if convolution is None or norm is None or rest is None or _hooked(norm):
            continue
        parent, name = _place_of(detector, norm)
        undo += [(convolution, "weight", convolution.weight), (convolution, "bias", convolution.bias)]
        undo.append((parent, name, norm))
        convolution.weight, convolution.bias = fuse_conv_bn_weights(
            *(convolution.weight, convolution.bias),
            *(norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias),
        )
        setattr(parent, name, rest)
    return undo


def _foldable(watch: _Watch) -> Iterator[_Convolved]:
    """Calls whose output only one BatchNorm took, neither of the two being used twice."""
    for call in watch.convolved:
        again = sum(other.weight is call.weight for other in watch.convolved)
        normed = sum(mean is call.mean for mean in watch.normed)
        if call.mean is not None and call.taken == 1 and again == 1 and normed == 1:
            yield call


def _owners(detector: nn.Module) -> dict[int, Any]:
    """Id of a weight of a convolution, or of the running mean of a BatchNorm -> its module."""
    owners: dict[int, Any] = {}
    for module in detector.modules():
        if isinstance(module, nn.modules.conv._ConvNd) and "weight" in module._parameters:
            owners[id(module.weight)] = module
        elif isinstance(module, nn.modules.batchnorm._BatchNorm) and module.running_mean is not None:
            owners[id(module.running_mean)] = module
    return owners


def _without_norm(norm: Any) -> nn.Module | None:
    """What a BatchNorm module does after normalising; None for a class that is not known."""
    if type(norm) in (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d):
        return nn.Identity()
    if type(norm).__name__ == "BatchNormAct2d" and type(norm).__module__.startswith("timm."):
        return nn.Sequential(norm.drop, norm.act)
    return None


def _hooked(module: nn.Module) -> bool:
    return bool(module._forward_hooks or module._forward_pre_hooks)


def _place_of(detector: nn.Module, wanted: nn.Module) -> tuple[nn.Module, str]:
    for parent in detector.modules():
        for name, child in parent.named_children():
            if child is wanted:
                return parent, name
    raise AssertionError("a module of the detector has a parent in it")
