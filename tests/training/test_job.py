"""The key of a training changes with whatever would change its weights, and with nothing else."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from harness.files import plain
from harness.training.job import stated
from harness.training.train import TrainingJob
from harness.types import Recipe
from tests.training.small_detector import ENTRY, RECIPE


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 1},
        {"crop": "none"},
        {"version": "2"},
        {"trained_on": "toy-dark"},
        {"recipe": dataclasses.replace(RECIPE, learning_rate=2e-2)},
        {"recipe": dataclasses.replace(RECIPE, precision="bf16")},
        {"entry": dataclasses.replace(ENTRY, name="other")},
        {"entry": dataclasses.replace(ENTRY, version="2")},
        {"clips": ()},
        {"faces": "another finder"},
    ],
    ids=[
        "seed",
        "crop",
        "version",
        "dataset",
        "recipe",
        "precision",
        "detector",
        "declared",
        "clips",
        "faces",
    ],
)
def test_the_key_changes_with_whatever_would_change_the_weights(job: TrainingJob, change: dict) -> None:
    assert dataclasses.replace(job, **change).key != job.key


def test_the_defaults_of_a_recipe_that_keys_leave_out_are_what_they_were() -> None:
    least = Recipe(0, 0, 0, 0, 0.0)
    defaults = {name: said for name, said in plain(least).items() if name not in stated(least)}
    known = {
        **{"train_frames": 1, "passes": 1, "backbone_rate": 1.0, "weight_decay": 0.0, "schedule": "constant"},
        **{"clip_norm": None, "patience": None, "precision": "fp32", "pretrained": False},
        **{"augment": ["flip"], "clips": None, "options": {}},
    }
    assert {name: defaults[name] for name in known} == known, "a default of a recipe moved: raise TRAINING"


def test_the_key_does_not_change_with_where_the_clips_lie(job: TrainingJob) -> None:
    moved = tuple(dataclasses.replace(clip, path=Path("elsewhere") / clip.path.name) for clip in job.clips)
    assert dataclasses.replace(job, clips=moved).key == job.key
