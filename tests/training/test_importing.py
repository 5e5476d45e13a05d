"""Weights come in as data, load strictly, prove themselves, and are never scored when they changed."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import timm
import torch
from harness.detectors.checkpoints import Proven, read_checkpoint
from harness.detectors.deepfakebench_files import efficientnet_reference, efficientnet_weights
from torch import Tensor, nn

from harness import registry, weights
from harness.checks.conformance import check_detector
from harness.cli.entry import main
from harness.training.importing import ImportRequest, import_weights
from harness.types import HarnessError

pytestmark = pytest.mark.usefixtures("home")
B4_NAMES = "cde2e5b7dd2ba5130de4f63f3f74131cc71009e0341ec088037f64b229fa9370"
"""sha256 over names and shapes of DeepfakeBench's EfficientNet-B4, as efficientnet_pytorch 0.7.1 makes it."""


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


def test_imported_weights_are_a_fixed_detector_that_scores_like_the_original(tmp_path: Path) -> None:
    file = saved(tmp_path / "My Net-v2.safetensors", meso())
    claims = {"trained_on": "procedural_tiny", "threshold": 0.25, "selected": "fixed"}
    record = import_weights(ImportRequest(file, "meso4", size=32, frames=2, **claims))  # type: ignore[arg-type]
    entry = registry.detectors.get("meso4:my_net_v2")
    assert weights.imported_names() == [record.full_name] == [entry.name] == ["meso4:my_net_v2"]
    assert (entry.trainable, entry.trained_on, entry.identity) == (False, "procedural_tiny", record.sha256)
    assert entry.file == registry.detectors.get("meso4").file
    detector, original = entry.make(), registry.detectors.get("meso4").build(size=32, frames=2)
    original.load_state_dict(meso())
    assert torch.equal(scores_of(detector, clips_of(32)), scores_of(original, clips_of(32)))
    assert (detector.size, detector.frames, detector.training) == (32, 2, False)
    stated = registry.stated_selection(detector, entry.name)
    assert stated == {"threshold": 0.25, "threshold_source": "fixed", "checkpoint_source": "fixed"}


def test_what_nobody_stated_is_unknown_not_assumed(tmp_path: Path) -> None:
    import_weights(ImportRequest(saved(tmp_path / "a.safetensors", meso()), "meso4", size=32))
    detector = found("meso4:a").make()
    stated = registry.stated_selection(detector, "meso4:a")
    assert stated == {"threshold": None, "threshold_source": "unknown", "checkpoint_source": "unknown"}
    assert found("meso4:a").trained_on is None
    assert detector.frames == registry.detectors.get("meso4").recipe("published").frames


def test_the_record_names_the_file_but_no_folder(tmp_path: Path) -> None:
    record = import_weights(ImportRequest(saved(tmp_path / "a.safetensors", meso()), "meso4", size=32))
    text = record.path.read_text()
    assert json.loads(text)["source"] == "a.safetensors"
    assert str(tmp_path) not in text
    assert str(Path.home()) not in text


def test_weights_that_changed_after_the_import_are_never_scored(tmp_path: Path) -> None:
    record = import_weights(ImportRequest(saved(tmp_path / "a.safetensors", meso()), "meso4", size=32))
    saved(record.path.with_suffix(".safetensors"), meso(seed=1))
    with pytest.raises(HarnessError, match="are damaged"):
        found("meso4:a").make()


def test_a_damaged_record_is_one_line_and_hides_no_other(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a", "b"):
        import_weights(ImportRequest(saved(tmp_path / f"{name}.safetensors", meso()), "meso4", size=32))
    weights.imported_path("meso4", "a").write_text('{"detector": "meso4"}')
    with pytest.raises(HarnessError, match="no record of imported weights"):
        registry.detectors.get("meso4:a")
    assert main(["weights", "ls"]) == 0
    listed = capsys.readouterr().out
    assert "meso4:a" in listed and "damaged" in listed
    assert "b.safetensors" in listed


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda state: state.pop("last.bias"), "it lacks 'last.bias'"),
        (lambda state: state.update({"last.extra": torch.ones(1)}), "it has 'last.extra'"),
        (
            lambda state: state.update({"last.bias": torch.ones(2)}),
            r"'last.bias' is \[2\], the detector's \[1\]",
        ),
        (
            lambda state: state["last.bias"].fill_(float("nan")),
            "'last.bias' holds values that are not finite",
        ),
    ],
    ids=["missing", "surplus", "shape", "nan"],
)
def test_a_tensor_that_does_not_fit_is_named(
    change: Callable[..., Any], complaint: str, tmp_path: Path
) -> None:
    state = meso()
    change(state)
    with pytest.raises(HarnessError, match=complaint) as raised:
        import_weights(ImportRequest(saved(tmp_path / "a.safetensors", state), "meso4", size=32))
    assert "\n" not in str(raised.value)
    assert weights.imported_names() == []


class Hostile:
    """Unpickles by running a command."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("touch executed",)


def test_code_in_a_file_is_refused_in_one_line_and_never_run(tmp_path: Path) -> None:
    file = tmp_path / "hostile.pth"
    torch.save({"state_dict": {}, "hook": Hostile()}, file)
    (tmp_path / "bare.pth").write_bytes(pickle.dumps(Hostile(), protocol=2))
    for hostile in (file, tmp_path / "bare.pth"):
        with pytest.raises(HarnessError, match="nothing else in it is loaded or executed") as raised:
            import_weights(ImportRequest(hostile, "deepfakebench_xception"))
        assert "\n" not in str(raised.value)
    assert not Path("executed").exists()
    torch.load(file, weights_only=False)
    assert Path("executed").exists()  # so the file would have done harm


def test_a_name_that_is_taken_is_kept_unless_it_is_to_be_replaced(tmp_path: Path) -> None:
    file, other = (saved(tmp_path / f"{k}.safetensors", meso(seed=k)) for k in (1, 2))
    first = import_weights(ImportRequest(file, "meso4", name="mine", size=32))
    assert import_weights(ImportRequest(file, "meso4", name="mine", size=32)) == first
    with pytest.raises(HarnessError, match="already there"):
        import_weights(ImportRequest(other, "meso4", name="mine", size=32))
    assert found("meso4:mine").identity == first.sha256
    second = import_weights(ImportRequest(other, "meso4", name="mine", size=32, replace=True))
    assert found("meso4:mine").identity == second.sha256 != first.sha256
    found("meso4:mine").make()


@pytest.mark.parametrize(
    ("wish", "complaint"),
    [
        ({"detector": "constant"}, "fixed detector"),
        ({"detector": "mesO4"}, "did you mean 'meso4'"),
        ({"format": "kerras"}, "unknown format .* did you mean 'keras'"),
        ({"file": "a.pth"}, r"keras \(\.h5, \.hdf5, \.keras\); gapbench \(\.safetensors\)"),
        ({"file": "nowhere.h5"}, "is not a file"),
        ({"name": "../up"}, "lower-case words"),
        ({"trained_on": "FF++"}, "--trained-on is a dataset"),
        ({"threshold": 1.5}, "--threshold"),
        ({"size": 0}, "--size is a whole number above 0, not 0"),
        ({"frames": 0}, "--frames is a whole number above 0, not 0"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_cannot_be_imported_is_said_in_one_line(
    wish: dict[str, Any], complaint: str, tmp_path: Path
) -> None:
    for name in ("a.safetensors", "a.pth"):
        saved(tmp_path / name, meso())
    asked = {"detector": "meso4", "size": 32, **wish}
    with pytest.raises(HarnessError, match=complaint) as raised:
        import_weights(ImportRequest(**{**asked, "file": tmp_path / asked.get("file", "a.safetensors")}))
    assert "\n" not in str(raised.value)


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is forbidden to root")
def test_a_file_that_may_not_be_read_is_one_line(tmp_path: Path) -> None:
    file = saved(tmp_path / "a.safetensors", meso())
    file.chmod(0)
    with pytest.raises(HarnessError, match=r"a\.safetensors cannot be read .* Permission denied"):
        import_weights(ImportRequest(file, "meso4", size=32))


def test_the_command_imports_keras_weights_and_lists_them(
    reference: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = reference / "weights" / "mesonet" / "Meso4_DF.h5"
    given = ["--detector", "meso4", "--threshold", "0.5", "--selected", "fixed"]
    assert main(["weights", "import", str(file), *given]) == 0
    assert "meso4:meso4_df (256 px" in capsys.readouterr().out
    assert main(["weights", "ls"]) == 0
    assert "Meso4_DF.h5" in capsys.readouterr().out


# DeepfakeBench


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
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)
    with torch.inference_mode():
        assert torch.equal(importer.reference(plain, clips_of(64)), importer.reference(dropped, clips_of(64)))


def test_only_adjust_channel_is_left_out(xception: nn.Module, tmp_path: Path) -> None:
    importer = registry.detectors.get("deepfakebench_xception").importers["deepfakebench"]
    state = {**renamed(xception), "backbone.attention.weight": torch.ones(1)}
    names = {f"network.{name}" for name in xception.state_dict()}
    assert set(importer(saved(tmp_path / "x.pth", state))) == {*names, "network.attention.weight"}


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

    importer = Proven(efficientnet_weights, efficientnet_reference)
    registry.detector("pads_like_timm", recipes=ours.recipes, importers={"theirs": importer})(PadsLikeTimm)
    with pytest.raises(HarnessError, match="would not be what is imported: on random pixels"):
        import_weights(ImportRequest(file, "pads_like_timm", size=64))


def test_a_network_that_says_the_same_of_everything_proves_nothing(tmp_path: Path) -> None:
    state = timm_network(1).state_dict()
    state["fc.weight"].zero_()
    state["fc.bias"].fill_(1)
    with pytest.raises(HarnessError, match="says the same of any pixels"):
        import_weights(ImportRequest(saved(tmp_path / "flat.pth", state), "timm:test_resnet", size=64))


# timm


def timm_network(outputs: int) -> nn.Module:
    return lively(timm.create_model("test_resnet", num_classes=outputs))


def p_fake_of(network: nn.Module, clips: Tensor) -> Tensor:
    """P(fake) as the file's author computes it: pixels in [-1, 1], softmax of the second class or sigmoid."""
    with torch.inference_mode():
        said = network(clips.flatten(0, 1).permute(0, 3, 1, 2).float() / 127.5 - 1)
    scores = said.sigmoid()[:, 0] if said.shape[1] == 1 else said.softmax(1)[:, 1]
    return scores.view(clips.shape[:2])


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


def test_a_checkpoint_of_something_else_than_tensors_is_named(tmp_path: Path) -> None:
    file = saved(tmp_path / "odd.pth", {"weight": torch.ones(1), "note": "hello"})
    with pytest.raises(HarnessError, match="'note' is a str"):
        read_checkpoint(file)


@pytest.fixture
def one_thread() -> Any:
    """Networks this small are scored fastest without a second thread to wait for."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
