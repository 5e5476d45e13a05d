"""Checking data: what fingerprints cost beside decoding whole clips, and looking for copies among many."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path

import numpy as np
import pytest

from harness.data.fingerprints import Fingerprint, fingerprint, read
from harness.data.overlap import shared
from harness.types import REAL, Clip
from harness.video.frames import read_frames
from tests.benchmarks.filming import film, many

CLIPS = 24
MANY = 10_000


@pytest.fixture(scope="module")
def clips(tmp_path_factory) -> list[Clip]:
    """One textured scene of 640x480 and 300 frames in H.264 at CRF 23, under many names."""
    return list(many(film(tmp_path_factory.mktemp("clips") / "filmed.mp4"), CLIPS))


@pytest.mark.benchmark(group="inspection")
def test_a_fingerprint_takes_less_time_than_the_whole_clip(benchmark, clips, side_by_side):
    path = clips[0].path
    one, whole = side_by_side(lambda: fingerprint(clips[0]), lambda: read_frames(path, (1, 300)))
    ratio = benchmark.extra_info["whole clip / fingerprint"] = round(whole / one, 2)
    benchmark.pedantic(fingerprint, (clips[0],), rounds=1)
    print(f"\nfingerprint {one * 1e3:.0f} ms, every frame {whole * 1e3:.0f} ms, x{ratio}")
    assert one < whole


@pytest.mark.benchmark(group="inspection")
def test_a_second_reading_opens_nothing(benchmark, clips, tmp_path, side_by_side):
    read(clips, folder=tmp_path / "kept")
    fresh = iter(range(100))
    kept, anew = side_by_side(
        lambda: read(clips, folder=tmp_path / "kept"),
        lambda: read(clips, folder=tmp_path / str(next(fresh))),
        rounds=2,
    )
    benchmark.extra_info["clips_per_second"] = round(CLIPS / anew, 1)
    benchmark.pedantic(read, (clips,), {"folder": tmp_path / "kept"}, rounds=1)
    print(f"\nfingerprints: {CLIPS / anew:.0f} clips a second, {CLIPS / kept:.0f} from the cache")
    assert kept < anew / 5


@pytest.mark.benchmark(group="inspection")
def test_copies_among_10000_by_10000_clips(benchmark):
    rng = np.random.default_rng(0)
    names = [[f"{split}/{number}" for number in range(MANY)] for split in ("train", "test")]
    blots = rng.integers(20, 235, (2 * MANY, 3, 8, 8)).astype(np.uint8).repeat(4, axis=2).repeat(4, axis=3)
    prints = {
        name: Fingerprint(name, 1, content=name, perceptual=b64encode(clip.tobytes()).decode())
        for name, clip in zip((name for each in names for name in each), blots, strict=True)
    }
    train, test = ([Clip(name, Path(name), REAL, name.split("/")[0]) for name in each] for each in names)
    found = benchmark.pedantic(shared, (train, test, prints), rounds=3)
    print(f"\ncopies among {MANY:,} by {MANY:,} clips: {benchmark.stats.stats.min:.1f} s")
    assert found == []
