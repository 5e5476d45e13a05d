"""A checkpoint is gone on with where it is whole and of this training; else it is set aside, and said."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from harness.training import checkpoint, loop
from harness.training.train import TrainingJob, train
from harness.types import HarnessError


def half(path: Path, content: dict[str, Any]) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def other_tensors(path: Path, content: dict[str, Any]) -> None:
    torch.save({**content, "network": {n: t + 1 for n, t in content["network"].items()}}, path)


def other_training(path: Path, content: dict[str, Any]) -> None:
    told = {**content, "key": "0" * 64}
    del told["sha256"]
    torch.save(told, path)


def other_epoch(path: Path, content: dict[str, Any]) -> None:
    told = {**content, "progressed": {**content["progressed"], "epoch": 99}}
    del told["sha256"]
    torch.save(told, path)


def _says(path: Path, content: dict[str, Any], **said: Any) -> None:
    told = {**content, "progressed": {**content["progressed"], **said}}
    del told["sha256"]
    torch.save(told, path)


def other_course(path: Path, content: dict[str, Any]) -> None:
    _says(path, content, curve=[{"epoch": 1}])


def other_best(path: Path, content: dict[str, Any]) -> None:
    _says(path, content, best={"head.weight": torch.zeros(3)})


def no_number(path: Path, content: dict[str, Any]) -> None:
    _says(path, content, best_auc=float("nan"))


def a_pipe(path: Path, content: dict[str, Any]) -> None:
    path.unlink()
    os.mkfifo(path)


def a_circle(path: Path, content: dict[str, Any]) -> None:
    path.unlink()
    path.symlink_to(path.name)


def huge(path: Path, content: dict[str, Any]) -> None:
    path.write_bytes(b"")
    os.truncate(path, 2**38)


def a_list(path: Path, content: dict[str, Any]) -> None:
    torch.save([1, 2, 3], path)


def a_folder(path: Path, content: dict[str, Any]) -> None:
    path.unlink()
    path.mkdir()


EDITS = (half, other_tensors, other_training, other_epoch, other_course, other_best, no_number, huge, a_list)
EDITS = (*EDITS, a_folder, a_pipe, a_circle)


@pytest.fixture
def begun(
    job: TrainingJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[Path, dict[str, Any], str]:
    """The checkpoint of a training ended after an epoch, its content, and the sha256 of the weights."""
    whole = train(job, tmp_path / "whole").sha256
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 0.0)

    def ended(*given: Any) -> None:
        checkpoint.save(*given)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(loop, "save", ended)
        with pytest.raises(KeyboardInterrupt):
            train(job, tmp_path)
    path = job.stem(tmp_path).with_name(f"{job.stem(tmp_path).name}.partial")
    return path, torch.load(path, weights_only=True), whole


def test_an_ended_training_goes_on_to_the_same_weights(
    job: TrainingJob, tmp_path: Path, begun: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(job, tmp_path).sha256 == begun[2]
    assert "resumed after epoch 1" in capsys.readouterr().err


def test_a_checkpoint_of_an_earlier_version_is_gone_on_with(
    job: TrainingJob, tmp_path: Path, begun: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    path, content, whole = begun
    torch.save({name: content[name] for name in ("network", "optimizer", "progressed")}, path)
    assert train(job, tmp_path).sha256 == whole
    assert "resumed after epoch 1" in capsys.readouterr().err


@pytest.mark.parametrize("edit", EDITS)
def test_an_edited_checkpoint_is_set_aside_and_the_training_begins_anew(
    job: TrainingJob,
    tmp_path: Path,
    begun: Any,
    edit: Callable[[Path, dict[str, Any]], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    path, content, whole = begun
    edit(path, content)
    assert train(job, tmp_path).sha256 == whole
    said = [line for line in capsys.readouterr().err.splitlines() if path.name in line]
    assert len(said) == 1 and "training begins anew" in said[0]
    assert os.path.lexists(path.with_name(f"{path.name}.set-aside-1"))


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no device that is always full")
def test_a_disk_that_fills_up_is_said_and_leaves_the_last_checkpoint(
    job: TrainingJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(dir: Path, prefix: str, suffix: str) -> tuple[int, str]:
        place = Path(dir) / f"{prefix}full{suffix}"
        place.symlink_to("/dev/full")
        return os.open(place, os.O_RDONLY), str(place)

    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 0.0)
    once = checkpoint.save

    def filled(*given: Any) -> None:
        monkeypatch.setattr(tempfile, "mkstemp", full)
        once(*given)

    monkeypatch.setattr(loop, "save", filled)
    with pytest.raises(HarnessError, match=r"cannot write .*\.partial: No space left on device"):
        train(job, tmp_path)
    assert not list(tmp_path.glob("*.json")), "nothing claims to be finished"
    assert not list(tmp_path.glob(".*")), "nothing half is left"


def test_a_disk_without_room_for_a_checkpoint_is_told_before_the_training(
    job: TrainingJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda place: usage._replace(free=1))
    with pytest.raises(HarnessError, match="no room to train"):
        train(job, tmp_path)


def test_a_folder_of_weights_that_cannot_be_written_is_told_before_the_training(
    job: TrainingJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "_epoch", None)
    (tmp_path / "weights").write_text("a file")
    with pytest.raises(HarnessError, match=r"no room to train: .*weights cannot be written"):
        train(job, tmp_path / "weights")
