"""A timm network scores as it did for whoever trained it, whatever its head and its file look like."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from harness import registry
from harness.checks.conformance import check_detector
from harness.training.importing import ImportRequest, import_weights
from harness.types import HarnessError
from tests.training.weight_files import clips_of, found, p_fake_of, saved, scores_of, timm_network

pytestmark = pytest.mark.usefixtures("home")


def test_a_network_that_says_the_same_of_everything_proves_nothing(tmp_path: Path) -> None:
    state = timm_network(1).state_dict()
    state["fc.weight"].zero_()
    state["fc.bias"].fill_(1)
    with pytest.raises(HarnessError, match="says the same of any pixels"):
        import_weights(ImportRequest(saved(tmp_path / "flat.pth", state), "timm:test_resnet", size=64))


@pytest.mark.usefixtures("one_thread")
def test_a_timm_model_keeps_the_promises_of_a_detector() -> None:
    findings = check_detector(registry.detectors.get("timm:test_resnet"))
    assert [finding for finding in findings if not finding.passed] == []


@pytest.mark.parametrize("wrapped", ["", "state_dict", "model"])
@pytest.mark.parametrize("outputs", [1, 2])
def test_a_head_of_one_logit_or_two_classes_scores_as_before(
    outputs: int, wrapped: str, tmp_path: Path
) -> None:
    network, clips = timm_network(outputs), clips_of(64)
    state = {f"module.{k}": v for k, v in network.state_dict().items()} if wrapped else network.state_dict()
    file = saved(tmp_path / "mine.pth", {wrapped: state, "epoch": 1} if wrapped else state)
    record = import_weights(ImportRequest(file, "timm:test_resnet", size=64, frames=2))
    assert record.full_name == "timm:test_resnet:mine"
    ours = scores_of(registry.detectors.get("timm:test_resnet:mine").make(), clips)
    torch.testing.assert_close(ours, p_fake_of(network, clips), atol=1e-5, rtol=0)


@pytest.mark.parametrize("outputs", [1, 2])
def test_a_head_whose_last_output_is_real_is_turned_only_when_told(outputs: int, tmp_path: Path) -> None:
    network, clips = timm_network(outputs), clips_of(64)
    file = saved(tmp_path / "turned.safetensors", network.state_dict())
    import_weights(ImportRequest(file, "timm:test_resnet", size=64, format="state_dict_real_last"))
    ours = scores_of(found("timm:test_resnet:turned").make(), clips)
    torch.testing.assert_close(ours, 1 - p_fake_of(network, clips), atol=1e-5, rtol=0)


def test_a_head_of_more_classes_is_refused(tmp_path: Path) -> None:
    file = saved(tmp_path / "five.pth", timm_network(5).state_dict())
    with pytest.raises(HarnessError, match="5 outputs; weights of test_resnet need one logit or two classes"):
        import_weights(ImportRequest(file, "timm:test_resnet"))


def test_an_unknown_timm_model_is_told_the_nearest_not_all_of_them() -> None:
    with pytest.raises(HarnessError, match="did you mean resnet50") as raised:
        registry.detectors.get("timm:resnet5o")
    assert len(str(raised.value)) < 200


def test_a_timm_model_takes_size_mean_and_std_from_timm() -> None:
    detector = registry.detectors.get("timm:resnet18").build(size=224, frames=1)
    seen: list[Tensor] = []
    detector.network.register_forward_pre_hook(lambda module, given: seen.append(given[0]))
    colour = torch.tensor([123.675, 116.28, 103.53]).round().to(torch.uint8)  # ImageNet's mean
    detector.eval()(colour.expand(1, 1, 224, 224, 3))
    assert float(seen[0].abs().max()) < 0.01
    with pytest.raises(HarnessError, match="takes 224 px only"):
        registry.detectors.get("timm:vit_tiny_patch16_224").build(size=96, frames=1)


@pytest.fixture
def one_thread() -> Any:
    """Networks this small are scored fastest without a second thread to wait for."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
