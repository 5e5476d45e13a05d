"""Numbers and intervals of 10,000 clips, AUCs of millions; how fast, and in how much memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from harness.metrics import classification
from harness.metrics.intervals import auc_interval, delong
from harness.metrics.measure import Terms, measure

CLIPS, FRAMES, IDENTITIES, CELLS = 10_000, 16, 200, 50
METHODS = ("swap", "mask", "graphics", "diffusion", "reenactment")

MANY_CELLS = f"""
import json, resource, sys, time
import numpy as np
from harness.metrics.intervals import auc_interval

label = np.arange({CLIPS}) % 2
rng = np.random.default_rng(0)
target, source = rng.integers({IDENTITIES}, size=(2, {CLIPS}))
named = sys.argv[1] == "node"
target = [f"p{{k}}" if named else None for k in target]
source = [f"p{{k}}" if named and fake else None for k, fake in zip(source, label)]
started = time.perf_counter()
for cell in range({CELLS}):
    found = auc_interval(label, rng.normal(label), target, source, draws=2000, world="a dataset")
    assert found.method == sys.argv[1]
spent = time.perf_counter() - started
print(json.dumps([spent, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss]))
"""


@pytest.fixture(scope="module")
def predictions() -> pd.DataFrame:
    """Half real, half fake by five methods; overlapping scores; every clip names its identities."""
    rng = np.random.default_rng(0)
    label = np.arange(CLIPS) % 2
    frame_scores = 1 / (1 + np.exp(-rng.normal(label[:, None] - 0.5, 1, (CLIPS, FRAMES))))
    target = rng.integers(0, IDENTITIES, CLIPS)
    source = (target + rng.integers(1, IDENTITIES, CLIPS)) % IDENTITIES
    fake = label == 1
    return pd.DataFrame(
        {
            "clip_id": [f"clips/{number}" for number in range(CLIPS)],
            "label": label,
            "manipulation": np.where(fake, np.take(METHODS, target % len(METHODS)), None),
            "target": [f"person{number}" for number in target],
            "source": [
                f"person{who}" if is_fake else None for who, is_fake in zip(source, fake, strict=True)
            ],
            "score": frame_scores.mean(1),
            "frame_scores": list(frame_scores),
            "frame_indices": [list(range(FRAMES))] * CLIPS,
            "error": None,
        }
    )


@pytest.mark.benchmark(group="metrics")
def test_every_number_of_10000_clips_by_five_manipulations(benchmark, predictions):
    terms = Terms(limits={"1pct": 0.7, "5pct": 0.6})
    measured = benchmark.pedantic(measure, (predictions, 0.5, terms), rounds=2, warmup_rounds=0)
    assert (measured.clips, measured.method) == (CLIPS, "node")
    seconds = benchmark.stats["min"]
    print(f"\n{len(measured.metrics)} metrics, {len(measured.intervals)} intervals: {seconds:.2f} s")
    benchmark.extra_info["clips_per_second"] = round(CLIPS / benchmark.stats["median"])


@pytest.mark.benchmark(group="metrics")
def test_the_node_bootstrap_of_10000_clips(benchmark, predictions):
    columns = [predictions[name].to_numpy() for name in ("label", "score", "target", "source")]
    found = benchmark.pedantic(auc_interval, columns, {"draws": 2000}, rounds=3, warmup_rounds=0)
    assert found.method == "node"
    benchmark.extra_info["draws_per_second"] = round(2000 / benchmark.stats["median"])


@pytest.mark.parametrize("method", ["node", "clip"])
def test_2000_draws_of_10000_clips_in_50_cells_take_under_a_minute_and_2_gib(method):
    run = subprocess.run(
        [sys.executable, "-c", MANY_CELLS, method], capture_output=True, text=True, check=True
    )
    seconds, kib = json.loads(run.stdout)
    print(
        f"\n{method} bootstrap, 2,000 draws x {CLIPS} clips x {CELLS} cells:"
        f" {seconds:.1f} s, {kib / 1024:.0f} MiB at most; {_load()}"
    )
    assert seconds < 60
    assert kib < 2 * 1024**2


def test_the_auc_of_ten_million_scores_takes_under_ten_seconds():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 10_000_000)
    scores = rng.normal(labels)
    started = time.perf_counter()
    found = classification.auc(labels, scores)
    spent = time.perf_counter() - started
    started = time.perf_counter()
    wanted = roc_auc_score(labels, scores)
    theirs = time.perf_counter() - started
    print(f"\nAUC of 10 million scores: {spent:.2f} s, scikit-learn {theirs:.2f} s; {_load()}")
    assert abs(found - wanted) < 1e-12
    assert spent < 10


def test_delong_of_a_million_scores_takes_under_ten_seconds(side_by_side):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 1_000_000)
    scores = rng.normal(labels)
    spent, theirs = side_by_side(
        lambda: delong(labels, scores), lambda: roc_auc_score(labels, scores), rounds=2
    )
    print(f"\nDeLong of a million scores: {spent:.2f} s ({spent / theirs:.1f} x an AUC of scikit-learn)")
    assert spent < 10


def _load() -> str:
    return f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
