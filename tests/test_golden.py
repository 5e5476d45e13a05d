"""One golden run of `smoke`, end to end: weights that are fixed in the repository, the score of every clip.

After a change that is meant to move scores, raise `SCORING` in `harness/types.py`, write the golden files
anew and say so in the changelog: `GAPBENCH_WRITE_GOLDEN=1 python -m pytest tests/test_golden.py`. The scores
depend on the pixels of the clips, which another processor may render a little differently; the files say
whose pixels they belong to.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from harness.cli.entry import main
from harness.data.clips import list_clips
from harness.evaluation.matrix import load_matrix
from harness.evaluation.plan import plan_matrix
from harness.evaluation.run import training_job
from harness.files import file_digest, plain
from harness.records import Weights
from harness.registry import datasets
from harness.results.predictions import read_predictions
from harness.results.rows import load_board
from harness.training.train import find_weights, train
from harness.types import SCORING

GOLDEN = Path(__file__).parent / "golden"
WEIGHTS, SCORES = GOLDEN / "smoke.safetensors", GOLDEN / "smoke.json"
DETECTOR = ("airl", "procedural_tiny", 0)
SAME_PIXELS = 1e-3
OTHER_PIXELS = 0.05


def place_weights(home: Path) -> None:
    """Put the fixed weights where the matrix looks for those it would train."""
    plan = plan_matrix(load_matrix("smoke"), "cpu")
    plan.clips["procedural_tiny"] = list_clips(datasets.get("procedural_tiny"), plan.root("procedural_tiny"))
    job = training_job(plan, DETECTOR)
    stem = job.stem(home / "weights")
    stem.parent.mkdir(parents=True)
    path = stem.with_name(stem.name + ".safetensors")
    tensors = {
        name: value.float() if value.dtype == torch.float16 else value
        for name, value in load_file(WEIGHTS).items()
    }
    save_file(tensors, path)
    weights = Weights(
        detector="airl",
        trained_on="procedural_tiny",
        seed=0,
        key=job.key,
        path=path,
        sha256=file_digest(path),
        recipe=job.recipe,
        threshold=0.5,
        threshold_source="fixed",
    )
    path.with_suffix(".json").write_text(json.dumps(plain(weights)))
    assert find_weights(job, home / "weights") is not None


def scores_of_smoke() -> dict[str, dict[str, float]]:
    """Cell -> clip -> score of the stored predictions of `smoke`."""
    found = {}
    for cell, path in load_board("smoke").predictions.items():
        table, _ = read_predictions(path)
        found[cell] = dict(zip(table["clip_id"], table["score"], strict=True))
    return found


def pixels_of(root: Path) -> str:
    """Digest of the test clips' files."""
    clips = sorted(root.rglob("*test-*.mp4"))
    assert len(clips) == 32
    return hashlib.sha256("".join(file_digest(clip) for clip in clips).encode()).hexdigest()


@pytest.mark.skipif(
    "GAPBENCH_WRITE_GOLDEN" not in os.environ, reason="only when golden files are written anew"
)
def test_write_the_golden_files(home: Path, tiny_root: Path) -> None:
    plan = plan_matrix(load_matrix("smoke"), "cpu")
    weights = train(training_job(plan, DETECTOR), home / "trained")
    halved = {
        name: value.half() if value.dtype == torch.float32 else value
        for name, value in load_file(weights.path).items()
    }
    GOLDEN.mkdir(exist_ok=True)
    save_file(halved, WEIGHTS)
    place_weights(home)
    assert main(["eval", "smoke", "--no-publish", "--device", "cpu"]) == 0
    rounded = {
        cell: {clip: round(score, 5) for clip, score in scores.items()}
        for cell, scores in scores_of_smoke().items()
    }
    told = {"scoring": SCORING, "pixels": pixels_of(tiny_root), "scores": rounded}
    SCORES.write_text(json.dumps(told, indent=1) + "\n")


def test_smoke_gives_every_clip_the_score_it_gave_before(home: Path, tiny_root: Path) -> None:
    golden = json.loads(SCORES.read_text())
    place_weights(home)
    assert main(["eval", "smoke", "--no-publish", "--device", "cpu"]) == 0
    now = scores_of_smoke()
    assert now.keys() == golden["scores"].keys()
    tolerance = SAME_PIXELS if pixels_of(tiny_root) == golden["pixels"] else OTHER_PIXELS
    for cell, scores in golden["scores"].items():
        assert now[cell].keys() == scores.keys()
        differences = {clip: abs(now[cell][clip] - score) for clip, score in scores.items()}
        worst = max(differences, key=lambda clip: differences[clip])
        moved = f"{cell}: {worst} moved by {differences[worst]:.5f}"
        assert differences[worst] <= tolerance, (
            f"{moved}; if that is meant, raise SCORING in harness/types.py"
        )
    assert golden["scoring"] == SCORING, "SCORING was raised: write the golden files anew"


def test_the_validation_split_is_scored_to_set_operating_points_by(home: Path) -> None:
    place_weights(home)
    assert main(["eval", "smoke", "--no-publish", "--device", "cpu"]) == 0
    constant, airl = load_board("smoke").entries
    assert constant.validation is None
    assert airl.validation is not None
    told, _ = read_predictions(airl.validation)
    listed = list_clips(datasets.get("procedural_tiny"), home / "data" / pixels_folder())
    assert set(told["clip_id"]) == {clip.id for clip in listed if clip.split == "val"}
    assert told["score"].between(0, 1).all()
    clean = airl.rows[0]
    assert clean.selection == "fixed"
    assert clean.metrics["fpr_at_val_5pct"] is None
    assert "12 scored reals" in clean.reasons["fpr_at_val_5pct"]
    assert constant.rows[0].reasons["fpr_at_val_5pct"] == "no validation predictions"


def pixels_folder() -> str:
    """Folder name of the tiny dataset in a home."""
    entry = datasets.get("procedural_tiny")
    return f"{entry.name}-v{entry.version}"


def test_the_golden_scores_would_show_a_mistake(home: Path) -> None:
    golden = json.loads(SCORES.read_text())["scores"]
    clean, perturbed = (
        np.array(list(golden[f"airl@procedural_tiny/procedural_tiny/{c}"].values()))
        for c in ("clean", "jpeg-3")
    )
    assert clean.std() > 0.02, "scores that are all alike would not notice a change"
    assert np.abs(clean - perturbed).max() > 10 * SAME_PIXELS
