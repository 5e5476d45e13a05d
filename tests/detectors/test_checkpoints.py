"""The tensors of a network are found wherever a checkpoint keeps them, and what was taken is said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from harness.detectors._checkpoints import read_checkpoint
from torch import Tensor

from harness.types import HarnessError

WANTED = ("conv.weight", "conv.bias")
STATE = {"conv.weight": torch.ones(2), "conv.bias": torch.zeros(1), "fc.weight": torch.ones(3)}
OTHER = {name: tensor + 1 for name, tensor in STATE.items()}
OPTIMIZER = {"state": {0: {"exp_avg": torch.ones(2)}}, "param_groups": [{"lr": 0.1, "params": [0]}]}


def under(prefix: str, state: dict[str, Tensor] = STATE) -> dict[str, Tensor]:
    return {f"{prefix}{name}": tensor for name, tensor in state.items()}


def kept(tmp_path: Path, thing: Any) -> Path:
    torch.save(thing, tmp_path / "best.pth")
    return tmp_path / "best.pth"


@pytest.mark.parametrize(
    "thing",
    [
        STATE,
        {"state_dict": STATE, "epoch": 1, "optimizer": OPTIMIZER},
        {"model": STATE, "best_acc": 0.9},
        {"model_state_dict": STATE},
        {"net": STATE, "acc": 1},
        {"weights": STATE},
        {"params": STATE},
        {"my_own_name": STATE, "optimizer": OPTIMIZER},
        {"state_dict": under("model.")},
        {"state_dict": under("module.model.")},
        {"state_dict": {**under("net."), "criterion.pos_weight": torch.ones(1)}},
        under("module."),
        under("_orig_mod.module."),
        {"checkpoint": {"model": under("backbone.")}},
        [3, STATE],
        {**STATE, "epoch": 3},
        {"state_dict": STATE, "state_dict_ema": OTHER},
        {"model_ema": OTHER, "model": STATE},
        {"ema": under("module.", OTHER), "state_dict": STATE},
        {"swa_model": under("module.", OTHER), "model": STATE},
        {"net": OTHER, "state_dict": STATE},
        {"state_dict": {**under("ema_model.", OTHER), **under("model.")}},
        {"state_dict": {**under("encoder."), **under("backbone.")}},
        {**STATE, **under("ema.", OTHER)},
        {**STATE, **under("module.")},
    ],
    ids=lambda thing: f"{type(thing).__name__} {' '.join(map(str, thing))}"[:60],
)
def test_the_network_is_found_wherever_it_lies(thing: Any, tmp_path: Path) -> None:
    found = read_checkpoint(kept(tmp_path, thing), WANTED).tensors
    assert {name: tensor.tolist() for name, tensor in found.items()} == {
        name: tensor.tolist() for name, tensor in STATE.items()
    }


def test_what_was_taken_and_what_else_is_there_is_said(tmp_path: Path) -> None:
    file = kept(tmp_path, {"state_dict": under("module."), "state_dict_ema": OTHER})
    plain = read_checkpoint(file, WANTED)
    assert plain.notes == (
        "taken are the tensors under 'state_dict.module' (3 of 6)",
        "the same network lies under 'state_dict_ema' too: --key says which is meant",
    )
    averaged = read_checkpoint(file, WANTED, "state_dict_ema")
    assert averaged.tensors["fc.weight"].tolist() == [2, 2, 2]
    assert averaged.notes == ("taken are the tensors under 'state_dict_ema' (3 of 6)",)
    assert read_checkpoint(file, WANTED, "state_dict").tensors["fc.weight"].tolist() == [1, 1, 1]


def test_two_networks_that_nothing_tells_apart_are_refused_until_one_is_named(tmp_path: Path) -> None:
    file = kept(tmp_path, {"state_dict": {**under("student."), **under("teacher.", OTHER)}})
    with pytest.raises(HarnessError, match=r"several places: say --key with one of .*student.*teacher"):
        read_checkpoint(file, WANTED)
    assert read_checkpoint(file, WANTED, "state_dict.teacher").tensors["conv.bias"].tolist() == [1]
    with pytest.raises(HarnessError, match=r"unknown place \(--key\) .*did you mean 'state_dict.teacher'"):
        read_checkpoint(file, WANTED, "state_dict.techer")


def test_what_lacks_tensors_is_told_by_the_nearest_place(tmp_path: Path) -> None:
    lacking = {"state_dict": {"conv.weight": torch.ones(2)}, "other": OTHER["conv.bias"]}
    with pytest.raises(HarnessError, match=r"of 2 tensors 1 .* under 'state_dict', it lacks 'conv.bias'"):
        read_checkpoint(kept(tmp_path, lacking), WANTED)
    with pytest.raises(HarnessError, match=r"names are such as 'layer\.weight'"):
        read_checkpoint(kept(tmp_path, {"layer.weight": torch.ones(1)}), WANTED)
    with pytest.raises(HarnessError, match="no file of named tensors: there are none"):
        read_checkpoint(kept(tmp_path, {"note": "hello"}), WANTED)
    arrays = {name: tensor.numpy() for name, tensor in STATE.items()}
    with pytest.raises(HarnessError, match="there are none; arrays of numpy are not read: save them as"):
        read_checkpoint(kept(tmp_path, arrays), set(STATE))


def test_a_file_of_something_else_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "a.pth").write_bytes(b"\x00" * 600)
    with pytest.raises(HarnessError, match="no torch file of plain tensors") as raised:
        read_checkpoint(tmp_path / "a.pth", WANTED)
    assert "\n" not in str(raised.value)
