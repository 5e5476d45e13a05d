"""A file of torch is read for its tensors; whatever else it names is kept as data, and nothing runs."""

from __future__ import annotations

import argparse
import collections
import contextlib
import io
import os
import pickle
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from harness.detectors._torch_files import HARMFUL, Refused, read_torch, tensors_in
from torch import Tensor, nn

WAYS: dict[str, dict[str, Any]] = {
    "archive": {},
    "old": {"_use_new_zipfile_serialization": False},
    "protocol 4": {"pickle_protocol": 4},
    "protocol 5": {"pickle_protocol": 5},
}


class Options(dict[str, Any]):
    """A mapping of somebody's own, as libraries of configurations have."""


class Part(nn.Module):
    """A network with all that a `state_dict` tells apart."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
        self.tied = self.layers[0]
        self.register_buffer("grid", torch.ones(2))
        self.register_buffer("passing", torch.ones(3), persistent=False)


def read(thing: Any, tmp_path: Path, **how: Any) -> dict[str, Tensor]:
    torch.save(thing, tmp_path / "file.pt", **how)
    return tensors_in(read_torch(tmp_path / "file.pt")[0])


def assert_same(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    assert {name: (one.dtype, one.shape) for name, one in found.items()} == {
        name: (one.dtype, one.shape) for name, one in expected.items()
    }
    for name, one in expected.items():
        assert torch.equal(found[name].float(), one.float()), name


@pytest.mark.parametrize("how", WAYS.values(), ids=WAYS)
def test_every_kind_of_tensor_comes_back_as_it_was(how: dict[str, Any], tmp_path: Path) -> None:
    base = torch.arange(24.0)
    tensors = {
        str(dtype): base.to(dtype) for dtype in (torch.float16, torch.bfloat16, torch.float64, torch.int64)
    }
    tensors |= {
        "shared": base[3:],
        "turned": base.view(4, 6).T,
        "scalar": torch.tensor(7),
        "bool": base > 5,
        "none": torch.empty(0),
        "parameter": nn.Parameter(base.clone()).detach(),
        "float8": base.to(torch.float8_e4m3fn),
        "uint16": base.to(torch.uint16),
    }
    assert_same(read(tensors, tmp_path, **how), tensors)


@pytest.mark.parametrize("how", WAYS.values(), ids=WAYS)
def test_what_is_no_tensor_is_left_alone_wherever_it_stands(how: dict[str, Any], tmp_path: Path) -> None:
    tensor = torch.ones(2)
    counts: Any = collections.defaultdict(list)
    counts["a"].append(1)
    thing = {
        "net": collections.OrderedDict(w=tensor),
        "own": Options(w=tensor),
        "default": counts,
        "best": np.float64(0.9),
        "curve": np.arange(3),
        "args": argparse.Namespace(lr=0.1, out=Path("runs")),
        "path": Path("a/b"),
        "seen": {1, frozenset((2,))},
        "queue": collections.deque([1, 2]),
        "span": slice(1, 2),
        "size": torch.Size([1]),
        "on": torch.device("cpu"),
        "kind": torch.float32,
        "scheduler": torch.optim.lr_scheduler.StepLR(torch.optim.SGD([nn.Parameter(tensor)], 0.1), 1),
    }
    found = read(thing, tmp_path, **how)
    assert_same({name: found[name] for name in ("net.w", "own.w")}, {"net.w": tensor, "own.w": tensor})


@pytest.mark.parametrize("how", WAYS.values(), ids=WAYS)
@pytest.mark.filterwarnings("ignore:.*source code.*")
def test_a_network_saved_as_an_object_has_the_names_of_its_state_dict(
    how: dict[str, Any], tmp_path: Path
) -> None:
    network = Part()
    assert_same(
        read({"model": network}, tmp_path, **how),
        {
            f"model.{name}": value
            for name, value in network.state_dict().items()
            if not name.startswith("tied")
        },
    )  # what is there twice is told once


def test_what_was_left_alone_is_named(tmp_path: Path) -> None:
    torch.save({"args": argparse.Namespace(), "w": torch.ones(1)}, tmp_path / "a.pt")
    assert read_torch(tmp_path / "a.pt")[1] == ["argparse.Namespace"]


def bare(pickled: bytes) -> bytes:
    """An archive as torch writes it, with that pickle."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("x/data.pkl", pickled)
    return file.getvalue()


class Calls:
    """Unpickles by calling a function."""

    def __init__(self, function: Callable[..., Any], *given: Any) -> None:
        self.call = function, given

    def __reduce__(self) -> Any:
        return self.call


def touch(name: str = "executed") -> None:
    Path(name).touch()


HARM = {
    "os.system": Calls(os.system, "touch executed"),
    "a process": Calls(subprocess.check_output, ["touch", "executed"]),
    "eval": Calls(eval, "open('executed', 'w')"),
    "exec": Calls(exec, "open('executed', 'w')"),
    "open": Calls(open, "executed", "w"),
    "a method of a path": Calls(Path.touch, Path("executed")),
    "a function of numpy": Calls(np.save, "executed", 1),
    "a function of torch": Calls(torch.save, 1, "executed"),
    "a function of nobody": Calls(touch),
    "what calls what it is given": Calls(map, touch, ["executed"]),
}


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
@pytest.mark.parametrize("kind", ["archive", "old", "bare"])
@pytest.mark.parametrize("hostile", HARM.values(), ids=HARM)
def test_nothing_that_a_file_names_is_ever_called(
    hostile: Calls, kind: str, protocol: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    thing = {"w": torch.ones(1), "hook": hostile} if kind != "bare" else hostile
    if kind == "archive":
        pickled = pickle.dumps({"hook": hostile}, protocol)
        Path("x.pt").write_bytes(bare(pickled))
    elif kind == "old":
        torch.save(thing, "x.pt", pickle_protocol=max(protocol, 2), _use_new_zipfile_serialization=False)
    else:
        Path("x.pt").write_bytes(pickle.dumps(thing, protocol))
    with contextlib.suppress(Exception):  # some are refused, some are kept as data
        read_torch(Path("x.pt"))
    assert Path("x.pt").exists() and not list(Path().glob("executed*"))


@pytest.mark.parametrize("module", sorted(HARMFUL))
def test_a_file_made_to_do_harm_is_refused_by_what_it_names(module: str, tmp_path: Path) -> None:
    file = tmp_path / "x.pt"
    file.write_bytes(bare(f"c{module}\nsystem\n(Vls\ntR.".encode()))
    with pytest.raises(Refused, match=f"{module}.system called"):
        read_torch(file)


@pytest.mark.parametrize(
    "change",
    [
        b"ctorch._utils\n_rebuild_tensor_v2\n}(V__defaults__\nNu}b.",
        b"ctorch._utils\n_rebuild_tensor_v2\n(N}(V_make\nNutb.",
        b"cbuiltins\nset\n(N}(Vadd\nNutb.",
        b"ccollections\nOrderedDict\n}(V__init__\nNu}b.",
    ],
)
def test_no_file_can_change_how_the_next_one_is_read(change: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.pt").write_bytes(bare(change))
    with contextlib.suppress(Exception):
        read_torch(tmp_path / "x.pt")
    tensors = {"w": torch.arange(3.0)}
    assert_same(read(collections.OrderedDict(tensors), tmp_path), tensors)
    assert {1}.add and torch._utils._rebuild_tensor_v2.__defaults__ == (None,)


def test_a_program_is_refused_with_what_to_do(tmp_path: Path) -> None:
    torch.jit.save(torch.jit.script(nn.Linear(1, 1)), tmp_path / "x.pt")
    with pytest.raises(Refused, match=r"TorchScript.*state_dict\(\)"):
        read_torch(tmp_path / "x.pt")


@pytest.mark.parametrize("how", [WAYS["archive"], WAYS["old"]], ids=["archive", "old"])
def test_a_file_that_is_cut_off_is_no_shorter_tensor(how: dict[str, Any], tmp_path: Path) -> None:
    file = tmp_path / "x.pt"
    torch.save({"w": torch.ones(1000)}, file, **how)
    file.write_bytes(file.read_bytes()[:-2000])
    with pytest.raises((Refused, RuntimeError, ValueError, EOFError)) as refusal:
        read_torch(file)
    assert how != WAYS["archive"] or "an archive that is cut off" in str(refusal.value)


def test_a_tensor_outside_its_bytes_is_refused(tmp_path: Path) -> None:
    class Outside:
        def __reduce__(self) -> Any:
            given = (torch.ones(2).untyped_storage(), 0, (1000,), (1,), False, collections.OrderedDict())
            return torch._utils._rebuild_tensor_v2, given

    torch.save({"w": Outside()}, tmp_path / "x.pt")
    with pytest.raises(RuntimeError, match="out of bounds"):
        read_torch(tmp_path / "x.pt")
