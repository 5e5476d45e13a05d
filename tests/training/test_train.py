"""Training ends in the same weights however often it is interrupted, and never uses what it should not."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from harness import environment
from harness.files import file_digest
from harness.metrics.thresholds import best_threshold
from harness.training import job as training_job
from harness.training import loop
from harness.training import train as training
from harness.training.earlier_keys import partial_of
from harness.training.frame_cache import read_footage
from harness.training.train import TrainingJob, find_weights, load_detector, read_weights, train
from harness.types import TRAINING, HarnessError
from tests.training.small_detector import ENTRY, RECIPE, Small, wanted

GOLDEN = Path(__file__).parents[1] / "golden" / "training.json"


class Wider(Small):
    """The same with more channels."""

    def __init__(self, size: int, frames: int, pretrained: bool = False) -> None:
        super().__init__(size, frames, pretrained)
        self.body = nn.Sequential(nn.Conv2d(3, 12, 3), nn.BatchNorm2d(12), nn.ReLU())
        self.head = nn.Sequential(nn.Dropout(0.3), nn.Linear(12, 1))


def interrupt_in_epoch(monkeypatch: pytest.MonkeyPatch, wanted: int) -> None:
    whole = loop._epoch

    def cut(course: Any, optimizer: Any, footage: Any, epoch: int, progress: Any) -> float:
        if epoch == wanted:
            whole(course, optimizer, footage, epoch, progress)
            raise KeyboardInterrupt
        return whole(course, optimizer, footage, epoch, progress)

    monkeypatch.setattr(loop, "_epoch", cut)


def test_an_interrupted_training_resumes_to_the_same_weights_bit_for_bit(
    job: TrainingJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train(job, tmp_path / "whole")
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 0.0)
    for epoch in (2, 3):
        with monkeypatch.context() as patch:
            interrupt_in_epoch(patch, epoch)
            with pytest.raises(KeyboardInterrupt):
                train(job, tmp_path / "cut")
        assert find_weights(job, tmp_path / "cut") is None
        assert [path.suffix for path in (tmp_path / "cut").iterdir()] == [".partial"]
    resumed = train(job, tmp_path / "cut")
    assert resumed.sha256 == whole.sha256
    assert resumed.threshold == whole.threshold
    assert [c["train_loss"] for c in resumed.curve] == [c["train_loss"] for c in whole.curve]
    assert sorted(path.suffix for path in (tmp_path / "cut").iterdir()) == [".json", ".safetensors"]


def test_two_trainings_agree_and_another_seed_does_not(job: TrainingJob, tmp_path: Path) -> None:
    first, second = train(job, tmp_path / "a"), train(job, tmp_path / "b")
    other = train(dataclasses.replace(job, seed=1), tmp_path / "a")
    assert first.sha256 == second.sha256
    assert other.sha256 != first.sha256
    assert other.path != first.path


def test_training_learns_stores_its_provenance_and_is_found_again(job: TrainingJob, tmp_path: Path) -> None:
    weights = train(job, tmp_path)
    best = max(weights.curve, key=lambda epoch: epoch["val_auc"])
    assert best["val_auc"] > 0.9
    assert weights.provenance["best_epoch"] == best["epoch"]
    assert weights.provenance["clips_sha256"] == job.clips_sha256
    assert weights.provenance["failed"] == 0
    assert weights.threshold_source == "source-val"
    assert weights.path.name == f"small@toy-s0-{job.key[:10]}.safetensors"
    assert find_weights(job, tmp_path) == weights
    assert read_weights(weights.path.with_suffix(".json")) == weights


def test_the_stored_network_is_that_of_the_best_epoch_in_evaluation_mode(
    job: TrainingJob, tmp_path: Path
) -> None:
    weights = train(job, tmp_path)
    val = read_footage(wanted(job, "val", RECIPE.frames), tmp_path)
    detector = load_detector(weights, ENTRY)
    assert not detector.training
    with torch.inference_mode():
        scores = detector.score(torch.from_numpy(val.pixels[val.places])).mean(1).numpy()
    assert loop.validation_auc(scores, val.labels) == weights.provenance["val_auc"]
    assert best_threshold(scores, val.labels) == pytest.approx(weights.threshold, abs=1e-6)


def test_the_key_changes_with_the_declared_number_and_not_with_what_the_weights_are_made_with(
    job: TrainingJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = dataclasses.replace(job, entry=dataclasses.replace(ENTRY, file=__file__))
    key, made = job.key, job.made
    assert "test_train.py" in made["plugins"]
    other = dataclasses.replace(job, entry=dataclasses.replace(ENTRY, file=torch.__file__))
    with monkeypatch.context() as patch:
        patch.setattr(environment, "versions", lambda: {"torch": "0.0"})
        patch.setattr(environment, "sources_of", lambda *places: {"training/loop.py": "0"})
        assert environment.differences(made, other.made) == [
            f"torch {made['versions']['torch']} -> 0.0",
            f"plugins ({', '.join(sorted(made['plugins']))})",
            f"sources ({', '.join(sorted(made['sources'])[:4])} and {len(made['sources']) - 4} more)",
        ]
        assert other.key == job.key == key
    monkeypatch.setattr(training_job, "TRAINING", 2)
    assert job.key != key


def test_a_training_gives_the_weights_it_gave_before(job: TrainingJob, tmp_path: Path) -> None:
    weights = train(job, tmp_path)
    now = {
        "training": TRAINING,
        "losses": [round(epoch["train_loss"], 6) for epoch in weights.curve],
        "val_auc": [round(epoch["val_auc"], 6) for epoch in weights.curve],
        "threshold": round(weights.threshold, 6),
    }
    if "GAPBENCH_WRITE_GOLDEN" in os.environ:
        GOLDEN.write_text(json.dumps(now, indent=1) + "\n")
    golden = json.loads(GOLDEN.read_text())
    for name in ("losses", "val_auc", "threshold"):
        moved = (
            f"{name} moved; if that is meant, raise TRAINING in harness/types.py and write {GOLDEN.name} anew"
        )
        assert now[name] == pytest.approx(golden[name], abs=1e-3), moved
    assert golden["training"] == TRAINING, f"TRAINING was raised: write {GOLDEN.name} anew"


def test_weights_of_a_detector_that_changed_are_used_while_every_tensor_fits(
    job: TrainingJob, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = train(job, tmp_path)
    edited = dataclasses.replace(job, entry=dataclasses.replace(ENTRY, file=torch.__file__))
    assert find_weights(edited, tmp_path) == weights
    assert find_weights(edited, tmp_path) == weights
    assert capsys.readouterr().err.count("every tensor of its weights fits") == 1
    wider = dataclasses.replace(edited.entry, build=Wider, file=training.__file__)
    assert find_weights(dataclasses.replace(job, entry=wider), tmp_path) is None
    assert "small has changed since it was trained on toy, and is trained again" in capsys.readouterr().err


def test_an_unfinished_training_that_other_code_began_says_so_and_is_begun_anew_where_that_is_asked(
    job: TrainingJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 0.0)
    with monkeypatch.context() as patch:
        patch.setattr(environment, "versions", lambda: {"torch": "0.0"})
        interrupt_in_epoch(patch, 2)
        for folder in ("on", "anew"):
            with pytest.raises(KeyboardInterrupt):
                train(job, tmp_path / folder)
    on, anew = train(job, tmp_path / "on"), train(job, tmp_path / "anew", again=True)
    assert [made["versions"].get("torch") for made in on.provenance["made"]][:2] == [
        "0.0",
        torch.__version__.partition("+")[0],
    ]
    assert len(anew.provenance["made"]) == 1


def test_an_unreadable_training_clip_is_counted_and_said(
    job: TrainingJob, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copies = tuple(
        dataclasses.replace(clip, id=f"{clip.id}-{copy}")
        for clip in job.clips
        if clip.split == "train"
        for copy in range(2)
    )
    broken = dataclasses.replace(copies[0], id="toy/broken", path=tmp_path / "missing.png")
    val = tuple(clip for clip in job.clips if clip.split == "val")
    weights = train(dataclasses.replace(job, clips=(broken, *copies[1:], *val)), tmp_path)
    assert weights.provenance["failed"] == 1
    assert "1 of 32 train clips cannot be read" in capsys.readouterr().err


def test_too_many_unreadable_clips_or_a_missing_class_stop_a_training(
    job: TrainingJob, tmp_path: Path
) -> None:
    broken = tuple(dataclasses.replace(clip, path=tmp_path / "missing.png") for clip in job.clips[:2])
    with pytest.raises(HarnessError, match="2 of 16 train clips cannot be read"):
        train(dataclasses.replace(job, clips=broken + job.clips[2:]), tmp_path)
    fakes = tuple(clip for clip in job.clips if clip.label == 1)
    with pytest.raises(HarnessError, match="no real clip"):
        train(dataclasses.replace(job, clips=fakes), tmp_path)
    with pytest.raises(HarnessError, match="no clip in its split val"):
        train(dataclasses.replace(job, clips=job.clips[:16]), tmp_path)


def test_published_weights_that_cannot_be_had_are_one_line_and_no_random_start(
    job: TrainingJob, tmp_path: Path
) -> None:
    wanting = dataclasses.replace(job, recipe=dataclasses.replace(RECIPE, pretrained=True))
    with pytest.raises(HarnessError, match="published backbone weights of small") as caught:
        train(wanting, tmp_path)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.glob("*.safetensors"))


def rewrite(path: Path, change: dict[str, Tensor | None]) -> None:
    """Change tensors of a weights file and store the new sha256, as a careless person would."""
    tensors = {name: tensor.clone() for name, tensor in load_file(path).items()}
    for name, tensor in change.items():
        if tensor is None:
            del tensors[name]
        else:
            tensors[name] = tensor
    save_file(tensors, path)
    said = json.loads(path.with_suffix(".json").read_text())
    del said["stored"]  # as an earlier version wrote it
    path.with_suffix(".json").write_text(json.dumps({**said, "sha256": file_digest(path)}))


@pytest.mark.parametrize(
    "change",
    [{"head.1.bias": None}, {"surplus": torch.zeros(1)}, {"head.1.bias": torch.zeros(2)}],
    ids=["missing", "surplus", "shape"],
)
def test_weights_that_do_not_fit_exactly_are_refused(
    job: TrainingJob, tmp_path: Path, change: dict[str, Tensor | None]
) -> None:
    path = train(job, tmp_path).path
    rewrite(path, change)
    with pytest.raises(HarnessError, match="do not fit small"):
        load_detector(read_weights(path.with_suffix(".json")), ENTRY)


def test_damaged_weights_are_refused(job: TrainingJob, tmp_path: Path) -> None:
    weights = train(job, tmp_path)
    weights.path.write_bytes(weights.path.read_bytes()[:-1] + b"x")
    with pytest.raises(HarnessError, match="damaged"):
        load_detector(weights, ENTRY)
    weights.path.unlink()
    assert find_weights(job, tmp_path) is None
    with pytest.raises(HarnessError, match="do not exist"):
        load_detector(weights, ENTRY)
    weights.path.with_suffix(".json").write_text('{"detector": "small"}')
    with pytest.raises(HarnessError, match="does not describe weights"):
        read_weights(weights.path.with_suffix(".json"))


def test_the_threshold_has_the_best_balanced_accuracy_halfway_between_scores() -> None:
    labels = np.array([0, 0, 0, 1, 1])
    assert best_threshold(np.array([0.1, 0.2, 0.3, 0.8, 0.9]), labels) == pytest.approx(0.55)
    assert best_threshold(np.array([0.1, 0.2, 0.85, 0.8, 0.9]), labels) == pytest.approx(0.5)
    assert best_threshold(np.full(5, 0.7), labels) == 0.5


def test_weights_that_a_changed_detector_takes_the_place_of_are_there_again_when_it_changes_back(
    job: TrainingJob, tmp_path: Path
) -> None:
    weights = train(job, tmp_path)
    wider = dataclasses.replace(ENTRY, build=Wider, file=training.__file__)
    other = train(dataclasses.replace(job, entry=wider), tmp_path)
    assert other.sha256 != weights.sha256
    assert find_weights(dataclasses.replace(job, entry=wider), tmp_path) == other
    found = find_weights(job, tmp_path)
    assert found is not None
    assert (found.sha256, found.threshold) == (weights.sha256, weights.threshold)
    assert load_detector(found, ENTRY) is not None


def test_the_checkpoint_of_a_finished_training_is_removed_unless_it_is_newer(
    job: TrainingJob, tmp_path: Path
) -> None:
    weights = train(job, tmp_path)
    left = partial_of(job.stem(tmp_path))
    for newer in (False, True):
        left.write_bytes(b"")
        os.utime(left, (2.0**33 * newer, 2.0**33 * newer))
        assert find_weights(job, tmp_path) == weights
        assert left.exists() == newer


def test_an_unfinished_training_that_the_detector_no_longer_fits_is_begun_anew_and_said(
    job: TrainingJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 0.0)
    with monkeypatch.context() as patch:
        interrupt_in_epoch(patch, 2)
        with pytest.raises(KeyboardInterrupt):
            train(job, tmp_path)
    wider = dataclasses.replace(ENTRY, build=Wider, file=training.__file__)
    weights = train(dataclasses.replace(job, entry=wider), tmp_path)
    assert "begun anew, for the unfinished one does not fit (plugins (" in capsys.readouterr().err
    assert len(weights.curve) == RECIPE.epochs


def test_frames_that_other_code_decoded_are_told_and_decoded_anew_where_that_is_asked(
    job: TrainingJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(environment, "versions", lambda: {"torch": "0.0"})
        train(job, tmp_path / "weights")
    told = train(dataclasses.replace(job, seed=1), tmp_path / "weights")
    assert [made["versions"].get("torch") for made in told.provenance["made"]][1:] == ["0.0"]
    anew = train(dataclasses.replace(job, seed=1), tmp_path / "weights", again=True)
    assert len(anew.provenance["made"]) == 1
