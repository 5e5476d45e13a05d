"""Checking data: what fingerprints cost beside decoding whole clips, and looking for copies among many."""

from __future__ import annotations

import os
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from harness.fingerprints import Fingerprint, fingerprint, read
from harness.overlaps import shared
from harness.types import REAL, Clip
from harness.video import read_frames

CLIPS, SECONDS, RATE, WIDTH, HEIGHT = 24, 10, 30, 640, 480
MANY = 10_000


@pytest.fixture(scope="module")
def clips(tmp_path_factory) -> list[Clip]:
    """One textured scene of 640x480 and 300 frames in H.264 at CRF 23, under many names."""
    folder = tmp_path_factory.mktemp("clips")
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (24, 48, 3), dtype=np.uint8)
    scene = cv2.resize(coarse, (2 * WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    scene = cv2.add(scene, rng.integers(0, 24, scene.shape, dtype=np.uint8))
    with av.open(str(folder / "0.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=RATE, options={"crf": "23", "preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for number in range(SECONDS * RATE):
            window = np.ascontiguousarray(scene[:, number : number + WIDTH])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(window, format="rgb24")))
        container.mux(stream.encode(None))
    paths = [folder / f"{number}.mp4" for number in range(CLIPS)]
    for path in paths[1:]:
        os.link(paths[0], path)
    return [Clip(f"many/{path.name}", path, REAL, "test") for path in paths]


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
    prints = {
        name: Fingerprint(name, 1, content=name, perceptual=rng.bytes(96).hex())
        for each in names
        for name in each
    }
    train, test = ([Clip(name, Path(name), REAL, name.split("/")[0]) for name in each] for each in names)
    found = benchmark.pedantic(shared, (train, test, prints), rounds=3, warmup_rounds=1)
    assert found == []
