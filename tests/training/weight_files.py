"""Files of weights as somebody publishes them, and what the networks in them say."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import timm
import torch
from torch import Tensor, nn

from harness import registry, weights


def meso(size: int = 32, seed: int = 0) -> dict[str, Tensor]:
    """Random weights of `meso4` under our own names."""
    torch.manual_seed(seed)
    state: dict[str, Tensor] = registry.detectors.get("meso4").build(size=size, frames=2).state_dict()
    return state


def saved(path: Path, state: Mapping[str, Any]) -> Path:
    """A file of tensors: safetensors or torch, by its ending."""
    if path.suffix == ".safetensors":
        safetensors.torch.save_file({key: value.contiguous() for key, value in state.items()}, path)
    else:
        torch.save(dict(state), path)
    return path


def clips_of(size: int, batch: int = 2, frames: int = 2) -> Tensor:
    shape = (batch, frames, size, size, 3)
    return torch.from_numpy(np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8))


def scores_of(detector: Any, clips: Tensor) -> Tensor:
    with torch.inference_mode():
        scores: Tensor = detector.eval().score(clips)
    return scores


def found(name: str) -> registry.DetectorEntry:
    entry = weights.imported(name, registry.detectors.get)
    assert entry is not None
    return entry


def lively(network: nn.Module) -> nn.Module:
    """A random network whose output depends on what it is shown, as a trained one's does."""
    torch.manual_seed(0)
    for part in network.modules():
        if isinstance(part, nn.BatchNorm2d):
            nn.init.uniform_(part.weight, 0.5, 1.5)
            nn.init.normal_(part.bias, 0, 0.2)
            part.momentum = None
    with torch.no_grad():
        network.train()(torch.randn(4, 3, 64, 64))
    return network.eval()


def timm_network(outputs: int) -> nn.Module:
    return lively(timm.create_model("test_resnet", num_classes=outputs))


def p_fake_of(network: nn.Module, clips: Tensor) -> Tensor:
    """P(fake) as the file's author computes it: pixels in [-1, 1], softmax of the second class or sigmoid."""
    with torch.inference_mode():
        said = network(clips.flatten(0, 1).permute(0, 3, 1, 2).float() / 127.5 - 1)
    scores = said.sigmoid()[:, 0] if said.shape[1] == 1 else said.softmax(1)[:, 1]
    return scores.view(clips.shape[:2])
