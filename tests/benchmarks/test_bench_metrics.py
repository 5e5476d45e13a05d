"""Numbers and intervals of 10,000 clips."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from harness.intervals import auc_interval
from harness.metrics import measure

CLIPS, FRAMES, IDENTITIES = 10_000, 16, 200


@pytest.fixture(scope="module")
def predictions() -> pd.DataFrame:
    """Half real, half fake by two methods; overlapping scores; every clip names its identities."""
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
            "manipulation": np.where(fake, np.where(target % 2, "swap", "mask"), None),
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
def test_every_number_of_10000_clips(benchmark, predictions):
    measured = benchmark.pedantic(measure, (predictions, 0.5), rounds=2, warmup_rounds=0)
    assert measured.clips == CLIPS
    benchmark.extra_info["clips_per_second"] = round(CLIPS / benchmark.stats["median"])


@pytest.mark.benchmark(group="metrics")
def test_the_node_bootstrap_of_10000_clips(benchmark, predictions):
    columns = [predictions[name].to_numpy() for name in ("label", "score", "target", "source")]
    found = benchmark.pedantic(auc_interval, columns, {"draws": 1000}, rounds=2, warmup_rounds=0)
    assert found.method == "node"
    benchmark.extra_info["draws_per_second"] = round(1000 / benchmark.stats["median"])
