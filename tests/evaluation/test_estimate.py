"""Before anything long starts it is said what it will take, and on what that rests."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from harness import registry
from harness.evaluation import estimate
from harness.evaluation.estimate import Shown, sampled, scoring_estimate, training_estimate
from harness.evaluation.matrix import load_matrix
from harness.evaluation.plan import Plan, plan_matrix
from harness.evaluation.plan_table import describe_plan
from harness.evaluation.run import training_job
from harness.types import Clip, Runtime

CPU = Runtime("cpu", "fp32", 8)


@pytest.fixture
def plan(home: Path) -> Plan:
    return plan_matrix(load_matrix("smoke"), "cpu")


def stills(count: int, folder: Path) -> list[Clip]:
    """Pictures that are there, and as many that are not."""
    for number in range(count):
        assert cv2.imwrite(str(folder / f"{number}.png"), np.full((40, 50, 3), number, np.uint8))
    return [Clip(f"d/{number}", folder / f"{number}.png", number % 2, "test") for number in range(2 * count)]


def test_a_plan_says_what_training_and_scoring_take_and_what_it_rests_on(
    plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(estimate, "_speed", lambda *_: None)
    said = " ".join(describe_plan(plan).split())
    assert (
        "estimate for training airl on procedural_tiny: 72 clips (" in said and "of video) to decode" in said
    )
    assert "at most 8 epochs: the speed of airl is not measured yet (gapbench cost)" in said
    assert "estimate for procedural_tiny: 32 clips (" in said and "4 of them took" in said
    assert "disk: 11 MB of frames at most" in said  # 48 clips of 16 frames and 24 of 4, 64 px in three bytes


def test_a_known_speed_becomes_a_time(plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(estimate, "_speed", lambda *_: 10.0)
    entry = registry.detectors.get("constant")
    said = scoring_estimate("mine", stills(5, tmp_path), "none", [Shown(entry, None, 4, 3)], CPU)
    assert "10 clips to decode" in said and "networks 3 times about 12 s (at speeds measured before)" in said
    job = training_job(plan, ("airl", "procedural_tiny", 0))
    long = replace(job, recipe=replace(job.recipe, epochs=1000))
    assert "at most 1000 epochs: networks about" in training_estimate(long) and " h (" in training_estimate(
        long
    )


def test_few_clips_are_looked_at_and_only_those_that_are_there(tmp_path: Path) -> None:
    sample = sampled(stills(9, tmp_path), 32, "none")
    assert sample is not None and (sample.clips, sample.video, sample.bytes) == (4, 0.0, 40 * 50 * 3)
    gone = stills(3, tmp_path)[3:6]
    assert sampled([replace(clip, path=tmp_path / "no.png") for clip in gone], 32, "none") is None


def test_where_nothing_is_left_to_score_nothing_is_estimated(tmp_path: Path) -> None:
    assert scoring_estimate("mine", stills(1, tmp_path), "none", [], CPU) == ""
    broken = [Clip("d/a", tmp_path / "a.png", 0, "test")]
    (tmp_path / "a.png").write_bytes(b"no picture")
    shown = [Shown(registry.detectors.get("constant"), None, 4, 1)]
    assert "for how long is not known (none could be read)" in scoring_estimate(
        "m", broken, "none", shown, CPU
    )


def test_too_little_disk_is_said(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    job = training_job(plan, ("airl", "procedural_tiny", 0))
    monkeypatch.setattr(estimate.shutil, "disk_usage", lambda _: type("Free", (), {"free": 10})())
    assert "under 1 MB free, WHICH IS TOO LITTLE" in training_estimate(job)
