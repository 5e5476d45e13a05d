"""A timm network scores as it did for whoever trained it, whatever its head and its file look like."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from torch import Tensor

from harness import registry, weights
from harness.checks.conformance import check_detector
from harness.cli.entry import main
from harness.training.importing import ImportRequest, import_weights
from harness.types import HarnessError
from tests.training.weight_files import clips_of, found, lively, p_fake_of, saved, scores_of, timm_network

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


def test_a_head_of_more_classes_is_refused_with_the_option_that_says_which(tmp_path: Path) -> None:
    file = saved(tmp_path / "five.pth", timm_network(5).state_dict())
    with pytest.raises(HarnessError, match=r"5 outputs: say .*\(--fake-class 1,2,3,4 where class 0 is real"):
        import_weights(ImportRequest(file, "timm:test_resnet"))


@pytest.mark.parametrize(
    ("outputs", "fake"), [(1, [0]), (2, [0]), (2, [1]), (5, [1, 2, 3, 4]), (5, [0, 1, 2, 3]), (3, [1])]
)
def test_the_stated_classes_together_are_the_fake_ones(outputs: int, fake: list[int], tmp_path: Path) -> None:
    network, clips = timm_network(outputs), clips_of(64)
    file = saved(tmp_path / "some.pth", network.state_dict())
    record = import_weights(ImportRequest(file, "timm:test_resnet", size=64, fake_class=fake))
    with torch.inference_mode():
        said = network(clips.flatten(0, 1).permute(0, 3, 1, 2).float() / 127.5 - 1)
    expected = 1 - said.sigmoid()[:, 0] if outputs == 1 else said.softmax(1)[:, fake].sum(1)
    ours = scores_of(found("timm:test_resnet:some").make(), clips)
    torch.testing.assert_close(ours, expected.view(2, 2), atol=1e-5, rtol=0)
    assert any("fake" in line or "of real" in line for line in record.assumed)


@pytest.mark.parametrize(("outputs", "fake"), [(5, []), (5, [5]), (5, [0, 1, 2, 3, 4]), (2, [-1]), (1, [2])])
def test_classes_that_cannot_be_the_fake_ones_are_refused(
    outputs: int, fake: list[int], tmp_path: Path
) -> None:
    file = saved(tmp_path / "some.pth", timm_network(outputs).state_dict())
    with pytest.raises(HarnessError, match="--fake-class names some of them, but not all"):
        import_weights(ImportRequest(file, "timm:test_resnet", fake_class=fake))


@pytest.mark.parametrize("last", ["fc.1", "last_linear", "head.fc", "classifier.1"])
def test_a_last_layer_by_another_name_is_taken_and_said(last: str, tmp_path: Path) -> None:
    network, clips = timm_network(2), clips_of(64)
    state = {name.replace("fc.", f"{last}."): value for name, value in network.state_dict().items()}
    record = import_weights(ImportRequest(saved(tmp_path / "mine.pth", state), "timm:test_resnet", size=64))
    assert any(f"its layer '{last}' is taken as 'fc'" in line for line in record.assumed)
    ours = scores_of(found("timm:test_resnet:mine").make(), clips)
    torch.testing.assert_close(ours, p_fake_of(network, clips), atol=1e-5, rtol=0)


@pytest.mark.parametrize("last", ["fc", "classifier.1"])
@pytest.mark.parametrize("whole", ["", "model."])
def test_a_last_layer_beside_the_network_is_taken_and_said(whole: str, last: str, tmp_path: Path) -> None:
    network, clips = timm_network(2), clips_of(64)
    state = {
        f"{whole}{last}{name[2:]}" if name.startswith("fc.") else f"{whole}backbone.{name}": value.half()
        for name, value in network.state_dict().items()
    }
    file = saved(tmp_path / "mine.pth", {"state_dict": state | {f"{whole}loss.weight": torch.ones(2)}})
    record = import_weights(ImportRequest(file, "timm:test_resnet", size=64))
    assert any(f"its layer '{last}' beside the network is taken as 'fc'" in line for line in record.assumed)
    network.half().float()
    ours = scores_of(found("timm:test_resnet:mine").make(), clips)
    torch.testing.assert_close(ours, p_fake_of(network, clips), atol=1e-5, rtol=0)


def test_several_layers_beside_the_network_are_refused(tmp_path: Path) -> None:
    state = {f"backbone.{k}": v for k, v in timm_network(2).state_dict().items() if not k.startswith("fc.")}
    file = saved(tmp_path / "mine.pth", state)
    with pytest.raises(HarnessError, match=r"has no last layer: there is no fc\.weight"):
        import_weights(ImportRequest(file, "timm:test_resnet"))
    state |= {"head.0.weight": torch.ones(8, 128), "head.2.weight": torch.ones(2, 8)}
    with pytest.raises(HarnessError, match=r"ends in 2 layers \(head.0, head.2\)"):
        import_weights(ImportRequest(saved(tmp_path / "mine.pth", state), "timm:test_resnet"))


def test_names_that_are_ours_by_chance_do_not_make_a_file_ours(tmp_path: Path) -> None:
    network, clips = timm_network(2), clips_of(64)
    file = saved(tmp_path / "a.safetensors", {f"network.{k}": v for k, v in network.state_dict().items()})
    assert import_weights(ImportRequest(file, "timm:test_resnet", size=64)).format == "state_dict"
    ours = scores_of(found("timm:test_resnet:a").make(), clips)
    torch.testing.assert_close(ours, p_fake_of(network, clips), atol=1e-5, rtol=0)
    own = saved(tmp_path / "own.safetensors", found("timm:test_resnet:a").make().state_dict())
    assert import_weights(ImportRequest(own, "timm:test_resnet", size=64)).format == "gapbench"


def test_a_head_of_two_layers_is_refused_with_what_to_do(tmp_path: Path) -> None:
    state = {k: v for k, v in timm_network(2).state_dict().items() if not k.startswith("fc.")}
    state |= {"fc.0.weight": torch.ones(8, 128), "fc.3.weight": torch.ones(2, 8)}
    with pytest.raises(HarnessError, match=r"ends in 2 layers \(fc.0, fc.3\).*export .* to ONNX"):
        import_weights(ImportRequest(saved(tmp_path / "mine.pth", state), "timm:test_resnet"))


def test_a_confident_network_is_no_other_network(tmp_path: Path) -> None:
    """Its softmax is 1 in single precision, the logit of which is infinite."""
    network, clips = timm_network(2), clips_of(64)
    network.get_submodule("fc").weight.data *= 1e3
    import_weights(
        ImportRequest(saved(tmp_path / "sure.pth", network.state_dict()), "timm:test_resnet", size=64)
    )
    ours = scores_of(found("timm:test_resnet:sure").make(), clips)
    torch.testing.assert_close(ours, p_fake_of(network, clips), atol=1e-5, rtol=0)


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("ending", ["pth", "safetensors"])
def test_weights_in_another_precision_are_widened_first(
    kind: torch.dtype, ending: str, tmp_path: Path
) -> None:
    network, clips = timm_network(2), clips_of(64)
    state = {k: v.to(kind) if v.is_floating_point() else v for k, v in network.state_dict().items()}
    record = import_weights(
        ImportRequest(saved(tmp_path / f"a.{ending}", state), "timm:test_resnet", size=64)
    )
    assert f"{str(kind).removeprefix('torch.')} tensors became float32" in record.assumed
    network.load_state_dict({k: v.float() if v.is_floating_point() else v for k, v in state.items()})
    ours = scores_of(found("timm:test_resnet:a").make(), clips)
    torch.testing.assert_close(ours, p_fake_of(network, clips), atol=1e-6, rtol=0)


def test_mean_and_std_are_said_kept_shown_and_part_of_the_identity(tmp_path: Path) -> None:
    network, clips = timm_network(1), clips_of(64)
    file = saved(tmp_path / "a.pth", network.state_dict())
    usual = import_weights(ImportRequest(file, "timm:test_resnet", name="usual", size=64))
    stated = {"mean": [0.1, 0.2, 0.3], "std": [0.5, 0.25, 1.0]}
    other = import_weights(ImportRequest(file, "timm:test_resnet", name="other", size=64, **stated))  # type: ignore[arg-type]
    assert any(
        "mean [0.5, 0.5, 0.5]) / std [0.5, 0.5, 0.5], as timm states" in line for line in usual.assumed
    )
    assert any("mean [0.1, 0.2, 0.3]) / std [0.5, 0.25, 1], as stated" in line for line in other.assumed)
    assert (other.sha256, other.options) == (usual.sha256, stated)
    assert found("timm:test_resnet:other").identity != found("timm:test_resnet:usual").identity
    mean, std = (torch.tensor(stated[name]).view(3, 1, 1) for name in ("mean", "std"))
    with torch.inference_mode():
        said = network((clips.flatten(0, 1).permute(0, 3, 1, 2).float() / 255 - mean) / std)
    ours = scores_of(found("timm:test_resnet:other").make(), clips)
    torch.testing.assert_close(ours, said.sigmoid().view(2, 2), atol=1e-5, rtol=0)


def test_weights_that_were_imported_before_keep_their_identity(tmp_path: Path) -> None:
    file = saved(tmp_path / "a.pth", timm_network(1).state_dict())
    record = import_weights(ImportRequest(file, "timm:test_resnet", size=64))
    said = json.loads(record.path.read_text())
    record.path.write_text(
        json.dumps({k: v for k, v in said.items() if k not in ("assumed", "stored")} | {"options": {}})
    )
    assert found("timm:test_resnet:a").identity == record.sha256


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (["--mean", "0.5", "--std", "0.25"], ([0.5] * 3, [0.25] * 3)),
        (["--mean", "0.1,0.2,0.3", "--std", "0.5"], ([0.1, 0.2, 0.3], [0.5] * 3)),
        (["--mean", "0.1", "0.2", "0.3", "--std", "[0.5, 0.5, 0.5]"], ([0.1, 0.2, 0.3], [0.5] * 3)),
        (["--mean", "51", "--std", "127.5"], ([0.2] * 3, [0.5] * 3)),
        (["--mean", "0", "--std", "255"], ([0.0] * 3, [1.0] * 3)),
    ],
)
def test_the_command_takes_mean_and_std_as_people_write_them(
    given: list[str], kept: tuple[list[float], ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = saved(tmp_path / "a.pth", timm_network(1).state_dict())
    assert (
        main(["weights", "import", str(file), "--detector", "timm:test_resnet", "--size", "64", *given]) == 0
    )
    record = weights.find_imported("timm:test_resnet:a")
    assert record
    options = record.options
    assert (options["mean"], options["std"]) == kept
    said = capsys.readouterr()
    assert "assumed    pixels are shown as (RGB / 255 - mean [" in said.out
    assert ("both are divided by 255" in said.err) == (float(given[-1].strip("[").split(",")[0]) > 1)


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        (["--mean", "0.5"], "--mean and --std go together"),
        (["--mean", "0.5,0.5", "--std", "0.5"], "--mean is one number or three"),
        (["--mean", "half", "--std", "0.5"], "--mean: 'half' is not what is meant: numbers with commas"),
        (["--std", "0.5", "--mean", "0.5", "b.pth"], "FILE goes before this option"),
        (["--mean", "0.5", "--std", "0"], "--std is above 0"),
        (["--mean", "nan", "--std", "1"], "--mean is one number or three"),
        (["--format", "state_dict_real_last", "--fake-class", "0"], "--format state_dict goes with it"),
    ],
)
def test_mean_std_and_classes_that_make_no_sense_are_refused(
    given: list[str], complaint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = saved(tmp_path / "a.pth", timm_network(1).state_dict())
    assert (
        main(["weights", "import", str(file), "--detector", "timm:test_resnet", "--size", "64", *given]) == 2
    )
    assert complaint in capsys.readouterr().err


@pytest.mark.parametrize("old", ["xception", "tf_efficientnet_b4_ns"])
def test_an_old_name_of_timm_is_the_new_one(
    old: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    new = {"xception": "legacy_xception", "tf_efficientnet_b4_ns": "tf_efficientnet_b4.ns_jft_in1k"}[old]
    assert registry.detectors.get(f"timm:{old}").name == f"timm:{new}"
    assert capsys.readouterr().err.count("\n") <= 1  # said once a process


def test_weights_of_an_old_name_are_found_by_both_names(tmp_path: Path) -> None:
    new = "timm:tf_efficientnet_b0.ns_jft_in1k"
    network = lively(timm.create_model("tf_efficientnet_b0", num_classes=1))
    file = saved(tmp_path / "mine.pth", network.state_dict())
    record = import_weights(ImportRequest(file, "timm:tf_efficientnet_b0_ns", size=64))
    assert record.full_name == f"{new}:mine"
    assert registry.detectors.get("timm:tf_efficientnet_b0_ns:mine").identity == record.identity
    with pytest.raises(HarnessError, match=f"unknown imported weights of {new} .*mine"):
        registry.detectors.get(f"{new}:mime")


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
