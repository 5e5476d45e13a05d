"""An epoch steps, validates and stops as the recipe says, however it is cut into passes."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch
from torch import nn

from harness.contracts import DetectorEntry
from harness.training import loop
from harness.training.frame_cache import read_footage
from harness.training.loop import rate_at
from harness.training.train import TrainingJob, load_detector, train
from harness.types import HarnessError, Runtime
from tests.training.small_detector import ENTRY, RECIPE, Small, wanted


def test_patience_stops_a_training_that_no_longer_improves(job: TrainingJob, tmp_path: Path) -> None:
    patient = dataclasses.replace(RECIPE, epochs=50, patience=2, learning_rate=0.0)
    weights = train(dataclasses.replace(job, recipe=patient), tmp_path)
    assert len(weights.curve) <= weights.provenance["best_epoch"] + 2 < 50


def test_a_damaged_checkpoint_is_named_and_set_aside(
    job: TrainingJob, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    undisturbed = train(job, tmp_path / "undisturbed")
    checkpoint = job.stem(tmp_path).with_name(job.stem(tmp_path).name + ".partial")
    checkpoint.write_bytes(b"not a checkpoint")
    assert train(job, tmp_path).sha256 == undisturbed.sha256
    said = capsys.readouterr().err
    assert f"it is set aside as {checkpoint.name}.set-aside-1, and training begins anew" in said
    assert checkpoint.with_name(f"{checkpoint.name}.set-aside-1").read_bytes() == b"not a checkpoint"


def test_validation_works_although_running_statistics_lag(job: TrainingJob, tmp_path: Path) -> None:
    class Lagging(Small):
        def __init__(self, size: int, frames: int, pretrained: bool = False) -> None:
            super().__init__(size, frames)
            self.body[1] = nn.BatchNorm2d(8, momentum=1e-6)

    entry = DetectorEntry("lagging", Lagging, {"tiny": RECIPE}, __file__)
    weights = train(dataclasses.replace(job, entry=entry), tmp_path)
    norm = load_detector(weights, entry).body[1]
    assert float((norm.running_var - 1).abs().min()) > 0.1
    assert norm.momentum == 1e-6


def test_schedules_peak_and_fall_as_their_names_say() -> None:
    cosine = [rate_at("cosine", 1.0, step, 10, 10) for step in range(100)]
    assert max(cosine) == 1.0
    assert cosine.index(1.0) in (9, 10)
    assert cosine[0] == pytest.approx(0.1)
    assert cosine[-1] < 1e-3
    restarts = [rate_at("cosine-restarts", 1e-3, step, 5, 30) for step in range(150)]
    assert [step for step, rate in enumerate(restarts) if rate == 1e-3] == [0, 50, 100]
    assert min(restarts) >= 1e-6
    assert rate_at("constant", 0.5, 99, 10, 10) == 0.5
    with pytest.raises(HarnessError, match="schedule"):
        rate_at("linear", 1.0, 0, 1, 1)


def test_gradients_of_several_passes_are_those_of_one(job: TrainingJob, tmp_path: Path) -> None:
    held = read_footage(wanted(job, "train", 2), tmp_path)
    clips = torch.from_numpy(held.pixels[held.places[:6]])
    labels = torch.tensor([0, 1, 0, 1, 0, 1])
    found = []
    for passes in (1, 3, 4):
        torch.manual_seed(0)
        detector = ENTRY.make(RECIPE).eval()  # BatchNorm sees the clips of one pass only
        recipe = dataclasses.replace(RECIPE, passes=passes)
        course = loop.Course(detector, recipe, Runtime(), 0, tmp_path / "c", "toy")
        loss = loop._gradient(course, clips, labels)
        found.append((loss, torch.cat([p.grad.flatten() for p in detector.parameters()])))
    for loss, gradient in found[1:]:
        assert loss == pytest.approx(found[0][0], rel=1e-5)
        torch.testing.assert_close(gradient, found[0][1], rtol=1e-4, atol=1e-6)
