"""A matrix: its time beside its networks', decodes per clip, memory against clips, going on after a stop."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from harness import registry
from harness.data.clips import list_clips
from harness.evaluation.cell_keys import Job, TestSet, cell_file
from harness.evaluation.contestants import Contestant
from harness.evaluation.engine import score_dataset
from harness.results.predictions import read_predictions
from harness.types import Cell, Runtime
from harness.video import frames
from tests.benchmarks.figures import Figure
from tests.benchmarks.filming import film, many
from tests.benchmarks.pairs import plain_environment, small

SIDE = Path(__file__).with_name("matrix_side.py")
MOST_TIME, MOST_MEMORY, MOST_RESUMED = 1.15, 1.1, 0.55
FEW, MANY = 200, 2000
CONDITIONS = [
    ("clean", 0),
    *((name, severity) for name in ("blur", "jpeg", "resize") for severity in range(1, 6)),
]
PLUGIN = '''
import numpy as np
from harness.registry import detector

class Brightness:
    """P(fake) is how bright the clip is; counts what it scored and stops where it is told to."""
    scored, stop_at = 0, None

    def score(self, clips):
        kind = type(self)
        if kind.stop_at is not None and kind.scored + len(clips) > kind.stop_at:
            raise KeyboardInterrupt
        kind.scored += len(clips)
        return clips.mean(axis=(2, 3, 4)).astype(np.float32) / 255

for name, frames, size in (("bright_1", 1, 16), ("bright_4", 4, 16), ("bright_6", 6, 24)):
    detector(name)(type(name, (Brightness,), {"frames": frames, "size": size}))
'''
Tell = Callable[[Figure], Figure]


def ask(**said: Any) -> dict[str, Any]:
    """What `matrix_side.py` answers."""
    asked = {"input": json.dumps(said), "capture_output": True, "text": True}
    run = subprocess.run([sys.executable, str(SIDE)], env=plain_environment(), **asked)
    assert run.returncode == 0, run.stderr
    answer: dict[str, Any] = json.loads(run.stdout.splitlines()[-1])
    return answer


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    """A file of three detectors that count what they score."""
    path = tmp_path / "bright.py"
    path.write_text(PLUGIN)
    return path


@pytest.mark.benchmark(group="matrix")
def test_a_matrix_costs_little_more_than_its_networks(benchmark: Any, told: Tell, tmp_path: Path) -> None:
    """Three detectors x (clean + 15 perturbations), in CPU seconds: the wall would hide what runs beside."""
    clips = [str(clip.path) for clip in many(film(tmp_path / "filmed.mp4"), 4)]
    sizes = {"xception": 256, "airl": 224, "efficientnet_bilstm": 224}
    said = {"detectors": dict.fromkeys(sizes, 64) if small() else sizes, "frames": 2 if small() else 8}
    said |= {"conditions": CONDITIONS[:3] if small() else CONDITIONS, "folder": str(tmp_path / "cells")}
    answer = benchmark.pedantic(ask, kwargs={"what": "cost", "clips": clips, "batch": 4, **said}, rounds=1)
    cpu = {stage: answer[stage]["cpu"] for stage in ("matrix", "networks", "perturb", "decode")}
    walls = answer["matrix"]["wall"] / answer["networks"]["wall"]
    beside = {f"{stage} CPU s": round(seconds, 2) for stage, seconds in cpu.items()}
    beside |= {"frames": answer["frames"], "wall, nothing subtracted": round(walls, 3)}
    what = "CPU seconds of 3 detectors x 16 conditions, less the perturbations', over the bare forwards'"
    ratio = (cpu["matrix"] - cpu["perturb"]) / cpu["networks"]
    found = told(Figure("matrix", what, ratio, at_most=MOST_TIME, beside=beside))
    assert found.ok or small(), found.told


@pytest.mark.benchmark(group="matrix")
def test_each_clip_is_decoded_once(
    benchmark: Any, told: Tell, home: Path, plugin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By 3 detectors of different frames and sizes, 9 conditions; calls are kept in a file, for processes."""
    log, decode = tmp_path / "decoded", frames.decode

    def logged(path: Path, *rest: Any, **named: Any) -> Any:
        with log.open("a") as file:
            file.write(f"{path}\n")
        return decode(path, *rest, **named)

    monkeypatch.setattr(frames, "decode", logged)
    registry.load_file(plugin)
    root = next((home / "data").iterdir())
    listed = list_clips(registry.datasets.get("procedural_tiny"), root)
    clips = tuple(clip for clip in listed if clip.split == "test")
    test = TestSet("procedural_tiny", clips, "center", "tiny", "tiny")
    jobs = [
        job_for(name, test, tmp_path / "cells", *condition)
        for name in ("bright_1", "bright_4", "bright_6")
        for condition in CONDITIONS[:9]
    ]
    benchmark.pedantic(score_dataset, (test, jobs), rounds=1)
    decoded = Counter(log.read_text().splitlines())
    what = f"decodings of {len(clips)} clips for 3 detectors x 9 conditions, over clips"
    value = decoded.total() / len(clips)
    told(Figure("decodes per clip", what, value, at_least=1.0, at_most=1.0))
    assert decoded == Counter(str(clip.path) for clip in clips)


def job_for(name: str, test: TestSet, folder: Path, perturbation: str = "clean", severity: int = 0) -> Job:
    """The cell of a detector of the plug-in, one clip a batch."""
    found = Contestant(registry.detectors.get(name), Runtime(batch=1))
    cell = Cell(name, None, test.name, perturbation, severity, runtime=found.runtime)
    return Job(cell, found, cell_file(cell, found, test, folder))


@pytest.mark.benchmark(group="matrix")
def test_memory_does_not_grow_with_clips(benchmark: Any, told: Tell, tmp_path: Path) -> None:
    """All tensors of 2,000 clips would be 200 MB, their frames 400 MB."""
    short = film(tmp_path / "short.mp4", frames=8, width=128, height=128)
    said = {"detectors": {"meso4": 64}, "frames": 4, "conditions": CONDITIONS[:2], "batch": 16}

    def peak(number: int) -> dict[str, Any]:
        clips = [str(clip.path) for clip in many(short, number)]
        return ask(what="memory", clips=clips, folder=str(tmp_path / str(number)), **said)

    few, lots = FEW, FEW if small() else MANY
    less, more = peak(few), benchmark.pedantic(peak, (lots,), rounds=1)
    spent = [each["mib"] + each["children_mib"] for each in (less, more)]
    beside = {f"MiB, {number} clips": round(mib) for number, mib in zip((few, lots), spent, strict=True)}
    what = f"peak memory of {lots:,} clips over that of {few}"
    found = told(Figure("memory", what, spent[1] / spent[0], at_most=MOST_MEMORY, beside=beside))
    assert found.ok, found.told


@pytest.mark.benchmark(group="matrix")
def test_a_stopped_matrix_goes_on_where_it_was(
    benchmark: Any, told: Tell, home: Path, plugin: Path, tmp_path: Path
) -> None:
    """Clips are counted, not seconds; what is lost is the shard at work."""
    registry.load_file(plugin)
    entry = registry.detectors.get("bright_1")
    clips = many(film(tmp_path / "short.mp4", frames=4, width=64, height=64), 400)
    test = TestSet("many", clips, "center", "many", "many")

    def score(folder: str) -> int:
        """Clips that it took to score the rest."""
        before = entry.build.scored
        score_dataset(test, [job_for("bright_1", test, tmp_path / folder)])
        return int(entry.build.scored - before)

    whole = score("whole")
    assert whole == len(clips), "the detector did not see every clip once"
    entry.build.stop_at = entry.build.scored + whole // 2
    with pytest.raises(KeyboardInterrupt):
        score("stopped")
    entry.build.stop_at = None
    rest = benchmark.pedantic(score, ("stopped",), rounds=1)
    what = f"clips scored by the second run of {whole}, stopped half way, over all"
    beside = {"clips scored twice": rest - whole // 2}
    told(Figure("resume", what, rest / whole, at_most=MOST_RESUMED, beside=beside))
    stored = [read_predictions(*(tmp_path / folder).rglob("*.parquet"))[0] for folder in ("whole", "stopped")]
    pd.testing.assert_frame_equal(*stored)
    assert rest / whole <= MOST_RESUMED
