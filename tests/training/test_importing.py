"""Weights come in as data, load strictly, and are refused in one line where they do not fit."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from harness import weights
from harness.cli.entry import main
from harness.training.importing import ImportRequest, import_weights
from harness.types import HarnessError
from tests.training.weight_files import found, meso, saved

pytestmark = pytest.mark.usefixtures("home")


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
        ({"file": "nowhere.h5"}, r"no weights .*nowhere\.h5"),
        ({"name": "../up"}, "lower-case words"),
        ({"trained_on": "FF++"}, "--trained-on is a dataset"),
        ({"threshold": 1.5}, "--threshold"),
        ({"size": 0}, "--size is a whole number above 0, not 0"),
        ({"frames": 0}, "--frames is a whole number above 0, not 0"),
        (
            {"mean": [0.5], "std": [0.5]},
            "--mean is not for weights of meso4 in the format gapbench",
        ),
        ({"fake_class": [1]}, "--fake-class is not for weights of meso4"),
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
    with pytest.raises(HarnessError, match=r"a\.safetensors cannot be read.* Permission denied"):
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


@pytest.mark.parametrize(
    ("name", "start", "told"),
    [
        ("a.pth", b"", "a.pth is empty"),
        ("a.h5", b"version https://git-lfs.github.com/spec/v1\noid sha256:00", "git lfs pull"),
        ("a.safetensors", b"\n<!DOCTYPE html><html>", "is a web page"),
        ("a.onnx", b"\x08", r"without an import: as the detector onnx:.*a\.onnx"),
    ],
)
def test_a_file_that_holds_no_weights_is_told_as_what_it_is(
    name: str, start: bytes, told: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(start)
    detector = "meso4" if name.endswith("h5") else "timm:test_resnet"
    with pytest.raises(HarnessError, match=told) as raised:
        import_weights(ImportRequest(tmp_path / name, detector))
    assert "\n" not in str(raised.value)
