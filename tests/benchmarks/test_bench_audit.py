"""The audit: looking at a clip without its face against decoding it, and the classifier on 1,000 clips."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from harness import registry
from harness.data.audit.background_facts import FRAMES
from harness.data.audit.classifier import separate
from harness.data.audit.shortcuts import look_at
from harness.data.file_facts import container_facts
from harness.metrics.bootstrap import graph_of
from harness.types import Clip
from harness.video.frames import read_frames

CLIPS, FACTS, PEOPLE = 1000, 32, 100


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[Clip]:
    entry = registry.datasets.get("procedural_tiny")
    root: Path = tmp_path_factory.mktemp("tiny")
    assert entry.prepare is not None
    entry.prepare(root)
    return list(entry.clips(root))[:40]


@pytest.mark.benchmark(group="audit")
def test_looking_at_clips_without_their_faces(benchmark, clips):
    looks = benchmark.pedantic(lambda: [look_at(clip) for clip in clips], rounds=3, warmup_rounds=1)
    assert not any(isinstance(look.background, str) for look in looks)
    benchmark.extra_info["clips_per_second"] = round(len(clips) / benchmark.stats["median"], 1)


@pytest.mark.benchmark(group="audit")
def test_facts_of_files_take_less_time_than_three_decoded_frames(benchmark, clips, side_by_side):
    facts, frames = side_by_side(
        lambda: [container_facts(clip.path) for clip in clips],
        lambda: [read_frames(clip.path, (FRAMES,)) for clip in clips],
    )
    benchmark.extra_info["frames / facts"] = round(frames / facts, 2)
    benchmark.pedantic(container_facts, (clips[0].path,), rounds=1)
    print(
        f"\naudit: facts {facts / len(clips) * 1e3:.2f} ms a clip, frames {frames / len(clips) * 1e3:.2f} ms"
    )
    assert facts < frames


@pytest.mark.benchmark(group="audit")
def test_telling_1000_clips_apart(benchmark):
    rng = np.random.default_rng(0)
    table = [
        {f"fact {k}": float(value) for k, value in enumerate(rng.normal(size=FACTS))} for _ in range(CLIPS)
    ]
    label, person = np.arange(CLIPS) % 2, np.arange(CLIPS) // (CLIPS // PEOPLE)
    graph = graph_of(label, person, [None] * CLIPS)
    said = benchmark.pedantic(separate, (table, label, person, [None] * CLIPS, graph, 0), rounds=1)
    assert said.auc is not None and said.auc.low < 0.55
