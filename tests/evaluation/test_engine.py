"""The engine: bounded, in order, features computed once, passes that fit, mixed precision compared."""

from __future__ import annotations

import os
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from harness import registry
from harness.contracts import DetectorEntry
from harness.data.clips import list_clips
from harness.evaluation.cell_keys import Job, TestSet
from harness.evaluation.contestants import Contestant
from harness.evaluation.engine import score_dataset
from harness.evaluation.forward_passes import Passes
from harness.process import in_order
from harness.results.predictions import CellFile, read_predictions
from harness.runtime.device import place
from harness.types import Cell, Clip, HarnessError, Runtime

CPU = Runtime("cpu", "fp32", 4)


def test_a_stream_keeps_its_order_and_never_runs_far_ahead() -> None:
    begun: list[int] = []
    taken = 0

    def work(number: int) -> int:
        begun.append(number)
        assert number <= taken + 3 + 2, "it ran further ahead than it may"
        time.sleep(0.002 * (number % 3))
        return number

    for result in in_order(work, range(30), 3, 3):
        assert result == taken
        taken += 1
    assert taken == 30 and sorted(begun) == list(range(30))


def test_an_error_in_a_stream_comes_in_its_turn_and_nothing_runs_after_it() -> None:
    def work(number: int) -> int:
        if number == 3:
            raise HarnessError("three")
        return number

    stream = in_order(work, range(1000), 2, 2)
    assert [next(stream) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(HarnessError, match="three"):
        next(stream)
    assert list(stream) == []
    assert threading.active_count() < 20


class Counted(nn.Module):
    """Mean colours through a backbone and a head; the backbone counts its calls."""

    calls = 0
    frames, size = 3, 16

    def __init__(self, head: float) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.backbone = nn.Linear(3, 4)
        self.head = nn.Parameter(torch.full((4,), head))

    def features(self, clips: Tensor) -> Tensor:
        Counted.calls += 1
        return self.backbone(clips.float().mean((2, 3)) / 255)

    def score_features(self, features: Tensor) -> Tensor:
        return (features @ self.head).sigmoid()

    def score(self, clips: Tensor) -> Tensor:
        return self.score_features(self.features(clips))


def contestant(detector: Any, name: str, runtime: Runtime = CPU) -> Contestant:
    made = Contestant(DetectorEntry(name, lambda: detector, {}, __file__), runtime)
    vars(made)["detector"] = place(detector, runtime)
    return made


@pytest.fixture(scope="module")
def clips(tiny_root: Path) -> tuple[Clip, ...]:
    entry = registry.datasets.get("procedural_tiny")
    return tuple(clip for clip in list_clips(entry, tiny_root) if clip.split == "test")[:10]


def run(clips: tuple[Clip, ...], contestants: list[Contestant], folder: Path) -> dict[str, Any]:
    jobs = [
        Job(
            Cell(one.entry.name, None, "t", name, level, 0, one.runtime),
            one,
            CellFile(folder / f"{number}{name}", "k" * 8),
        )
        for name, level in (("clean", 0), ("jpeg", 3))
        for number, one in enumerate(contestants)
    ]
    test = TestSet("t", clips, "boxes", "identity", "content")
    score_dataset(test, jobs)
    return {f"{job.cell.entry}/{job.cell.condition}": read_predictions(job.file.path) for job in jobs}


def test_heads_on_the_same_backbone_share_its_features(clips: tuple[Clip, ...], tmp_path: Path) -> None:
    alone = {}
    for name, head in (("a", 0.5), ("b", -1.0)):
        alone |= run(clips, [contestant(Counted(head), name)], tmp_path / name)
    Counted.calls = 0
    pair = [contestant(Counted(0.5), "a"), contestant(Counted(-1.0), "b")]
    Counted.calls = 0
    together = run(clips, pair, tmp_path / "ab")
    assert Counted.calls == 2 * 3, "10 clips in batches of 4, under two conditions"
    for name, (found, _) in together.items():
        assert (found["score"] == alone[name][0]["score"]).all()
    other = Counted(1.0)
    with torch.no_grad():
        other.backbone.weight += 1
    pair = [contestant(Counted(0.5), "a"), contestant(other, "c")]
    Counted.calls = 0
    run(clips, pair, tmp_path / "ac")
    assert Counted.calls == 2 * 2 * 3, "another backbone has other features"


def test_mixed_precision_says_how_far_it_moved_a_score(clips: tuple[Clip, ...], tmp_path: Path) -> None:
    mixed = run(clips, [contestant(Counted(3.0), "m", Runtime("cpu", "bf16", 4))], tmp_path / "m")
    exact = run(clips, [contestant(Counted(3.0), "m")], tmp_path / "e")
    for name, (found, meta) in mixed.items():
        moved = meta["provenance"]["fp32_difference"]
        scores = np.array([*found["frame_scores"]]), np.array([*exact[name][0]["frame_scores"]])
        assert moved == pytest.approx(np.abs(scores[0][0] - scores[1][0]).max(), abs=1e-6)
        assert 0 < moved < 0.05
        assert "fp32_difference" not in exact[name][1].get("provenance", {})


class Greedy(Counted):
    """Runs out of memory with more than one clip in a pass, and with other detectors beside it."""

    beside: tuple[Contestant, ...] = ()

    def score(self, clips: Tensor) -> Tensor:
        if len(clips) > 1 or any(one.resident for one in self.beside):
            raise torch.OutOfMemoryError("out of memory")
        return super().score(clips)


def test_passes_shrink_until_they_fit_and_score_the_same(
    clips: tuple[Clip, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = run(clips, [contestant(Greedy(0.5), "greedy")], tmp_path / "g")
    plain = run(clips, [contestant(Counted(0.5), "greedy")], tmp_path / "p")
    for name in found:
        assert np.allclose(found[name][0]["score"], plain[name][0]["score"], atol=1e-6)
    assert capsys.readouterr().err.count("do not fit into memory at once") == 2


def test_other_detectors_make_way_and_one_clip_that_never_fits_is_an_error(
    clips: tuple[Clip, ...], tmp_path: Path
) -> None:
    other = contestant(Counted(0.1), "other")
    greedy = contestant(Greedy(0.5), "greedy")
    passes = Passes([greedy, other])
    greedy.detector.beside = (other,)
    job = Job(Cell("greedy", None, "t", runtime=CPU), greedy, CellFile(tmp_path, "k"))
    shown = torch.zeros(2, 3, 16, 16, 3, dtype=torch.uint8)
    assert passes.start(job, shown)().shape == (2, 3)
    assert not other.resident
    greedy.detector.beside = (greedy,)
    with pytest.raises(HarnessError, match="one clip does not fit into the memory of cpu"):
        passes.start(job, shown)


def test_a_clip_that_cannot_be_read_moves_no_other_score(clips: tuple[Clip, ...], tmp_path: Path) -> None:
    whole = run(clips, [contestant(Counted(0.5), "a")], tmp_path / "w")["a/clean"][0]
    spoilt = (*clips[:2], replace(clips[2], path=tmp_path / "gone.mp4"), *clips[3:])
    found = run(spoilt, [contestant(Counted(0.5), "a")], tmp_path / "s")["a/clean"][0]
    assert found["error"].notna().tolist() == [number == 2 for number in range(len(clips))]
    kept = found["error"].isna()
    assert np.allclose(found["score"][kept], whole["score"][kept], atol=1e-6)


def test_a_run_stopped_between_the_last_shard_and_the_finished_file_goes_on(
    clips: tuple[Clip, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(CellFile, "finish", stop)
        with pytest.raises(KeyboardInterrupt):
            run(clips, [contestant(Counted(0.5), "a")], tmp_path)
    one = contestant(Counted(0.5), "a")
    Counted.calls = 0
    found = run(clips, [one], tmp_path)
    assert Counted.calls == 0, "finished shards were scored again"
    assert len(found["a/clean"][0]) == len(clips)


def test_shards_of_a_finished_cell_are_removed_unless_they_are_newer_than_it(
    clips: tuple[Clip, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(CellFile, "clear", lambda self: None)
        run(clips, [contestant(Counted(0.5), "a")], tmp_path)
    (shards, others) = sorted(tmp_path.glob("*/*.shards"))
    newer = next(others.iterdir())
    os.utime(newer, (2**33, 2**33))
    run(clips, [contestant(Counted(0.5), "a")], tmp_path)
    assert not shards.exists() and newer.exists()
