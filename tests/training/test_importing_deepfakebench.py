"""Weights of DeepfakeBench come in under its names, and a network that only loads them is caught."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from harness.detectors._deepfakebench_files import read_efficientnet
from torch import Tensor, nn

from harness import registry
from harness.training.importing import ImportRequest, import_weights
from harness.types import HarnessError
from tests.training.weight_files import clips_of, found, lively, p_fake_of, saved, scores_of

pytestmark = pytest.mark.usefixtures("home")
B4_NAMES = "cde2e5b7dd2ba5130de4f63f3f74131cc71009e0341ec088037f64b229fa9370"
"""sha256 over names and shapes of DeepfakeBench's EfficientNet-B4, as efficientnet_pytorch 0.7.1 makes it."""


@pytest.fixture(scope="module")
def xception() -> nn.Module:
    """A random Xception with two classes."""
    return lively(timm.create_model("legacy_xception", num_classes=2))


@pytest.fixture(scope="module")
def b4() -> dict[str, Tensor]:
    """Random weights under the names of DeepfakeBench's EfficientNet-B4, whose parts come in one order."""
    network = lively(registry.detectors.get("deepfakebench_efficientnet_b4").build(size=64, frames=1).network)
    names = ["_conv_stem.weight", *norm("_bn0")]
    for number in range(32):
        parts = ["_depthwise_conv.weight", *norm("_bn1")]
        if number > 1:
            parts = ["_expand_conv.weight", *norm("_bn0"), *parts]
        for squeeze in ("_se_reduce", "_se_expand"):
            parts += [f"{squeeze}.weight", f"{squeeze}.bias"]
        parts += ["_project_conv.weight", *norm("_bn2")]
        names += [f"_blocks.{number}.{part}" for part in parts]
    names += ["_conv_head.weight", *norm("_bn1")]
    theirs = [f"backbone.efficientnet.{name}" for name in names]
    theirs += ["backbone.last_layer.weight", "backbone.last_layer.bias"]
    return dict(zip(theirs, network.state_dict().values(), strict=True))


def norm(name: str) -> list[str]:
    parts = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    return [f"{name}.{part}" for part in parts]


def renamed(xception: nn.Module, last: str = "last_linear") -> dict[str, Tensor]:
    """The weights under the names of DeepfakeBench's Xception, with what it carries along unused."""
    state = {f"backbone.{k.replace('fc.', f'{last}.')}": v for k, v in xception.state_dict().items()}
    return {**state, "backbone.adjust_channel.0.weight": torch.ones(512, 2048, 1, 1)}


def test_a_deepfakebench_xception_is_imported_and_proven(xception: nn.Module, tmp_path: Path) -> None:
    state = {f"module.{name}": tensor for name, tensor in renamed(xception).items()}
    file = saved(tmp_path / "x.pth", {"state_dict": state, "epoch": 3})
    record = import_weights(ImportRequest(file, "deepfakebench_xception", size=64))
    assert record.difference is not None
    assert record.difference < 1e-5
    detector, clips = found("deepfakebench_xception:x").make(), clips_of(64)
    torch.testing.assert_close(scores_of(detector, clips), p_fake_of(xception, clips), atol=1e-5, rtol=0)


def test_an_xception_trained_with_dropout_is_the_same_network(xception: nn.Module, tmp_path: Path) -> None:
    importer: Any = registry.detectors.get("deepfakebench_xception").importers["deepfakebench"]
    plain = saved(tmp_path / "plain.pth", renamed(xception))
    dropped = saved(tmp_path / "dropped.pth", renamed(xception, "last_linear.1"))
    one, other = importer(plain), importer(dropped)
    assert one.tensors.keys() == other.tensors.keys()
    assert all(torch.equal(one.tensors[name], other.tensors[name]) for name in one.tensors)
    with torch.inference_mode():
        assert torch.equal(one.reference(clips_of(64)), other.reference(clips_of(64)))


def test_only_adjust_channel_is_left_out(xception: nn.Module, tmp_path: Path) -> None:
    importer: Any = registry.detectors.get("deepfakebench_xception").importers["deepfakebench"]
    state = {**renamed(xception), "backbone.attention.weight": torch.ones(1)}
    names = {f"network.{name}" for name in xception.state_dict()}
    assert set(importer(saved(tmp_path / "x.pth", state)).tensors) == {*names, "network.attention.weight"}


def test_what_is_no_deepfakebench_checkpoint_is_said_by_its_names(
    xception: nn.Module, tmp_path: Path
) -> None:
    importer: Any = registry.detectors.get("deepfakebench_xception").importers["deepfakebench"]
    with pytest.raises(HarnessError, match=r"nothing like 'backbone.conv1.weight'.*such as 'block1"):
        importer(saved(tmp_path / "x.pth", xception.state_dict()))
    with pytest.raises(HarnessError, match=r"'other' is not under 'backbone\.'"):
        importer(saved(tmp_path / "x.pth", {**renamed(xception), "other": torch.ones(1)}))


def test_the_tensors_of_an_efficientnet_b4_are_called_as_efficientnet_pytorch_calls_them(
    b4: dict[str, Tensor],
) -> None:
    names = sorted(f"{name} {list(tensor.shape)}" for name, tensor in b4.items())
    assert hashlib.sha256(json.dumps(names).encode()).hexdigest() == B4_NAMES


def test_an_efficientnet_b4_that_pads_like_timm_loads_strictly_and_is_caught(
    b4: dict[str, Tensor], tmp_path: Path
) -> None:
    file = saved(tmp_path / "b4.pth", b4)
    ours = registry.detectors.get("deepfakebench_efficientnet_b4")
    record = import_weights(ImportRequest(file, ours.name, size=64))
    assert record.difference is not None
    assert record.difference < 1e-5

    class PadsLikeTimm(ours.build):  # type: ignore[misc, name-defined]
        """Loads the same tensors, and computes something else."""

        def __init__(self, size: int, frames: int, pretrained: bool = False) -> None:
            super().__init__(size, frames)
            self.network = timm.create_model("tf_efficientnet_b4", num_classes=2)

    importers = {"theirs": read_efficientnet}
    registry.detector("pads_like_timm", recipes=ours.recipes, importers=importers)(PadsLikeTimm)
    with pytest.raises(HarnessError, match="would not be what is imported: on random pixels"):
        import_weights(ImportRequest(file, "pads_like_timm", size=64))
