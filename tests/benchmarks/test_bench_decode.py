"""Decoding: evenly spaced frames of a clip against decoding all of it."""

from __future__ import annotations

from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from harness.video import crop_and_fit, read_frames

FRAMES, SECONDS, RATE, WIDTH, HEIGHT = 16, 10, 30, 640, 480


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> Path:
    """A textured scene that drifts, 640x480, 300 frames, H.264 with x264's own choice of key frames."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (24, 48, 3), dtype=np.uint8)
    scene = cv2.resize(coarse, (2 * WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    scene = cv2.add(scene, rng.integers(0, 24, scene.shape, dtype=np.uint8))
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE, options={"crf": "23", "preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for number in range(SECONDS * RATE):
            window = np.ascontiguousarray(scene[:, number : number + WIDTH])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(window, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def decode_everything(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


@pytest.mark.benchmark(group="decode")
def test_16_evenly_spaced_frames(benchmark, clip):
    frames = benchmark.pedantic(read_frames, (clip, [FRAMES]), rounds=5, warmup_rounds=1)
    assert len(frames.pixels) == FRAMES
    benchmark.extra_info["frames_per_second"] = round(FRAMES / benchmark.stats["median"], 1)


@pytest.mark.benchmark(group="decode")
def test_every_frame_one_after_another(benchmark, clip):
    frames = benchmark.pedantic(decode_everything, (clip,), rounds=3, warmup_rounds=1)
    assert len(frames) == SECONDS * RATE
    benchmark.extra_info["frames_per_second"] = round(len(frames) / benchmark.stats["median"], 1)


@pytest.mark.benchmark(group="decode")
def test_even_sampling_takes_less_time_than_decoding_everything(benchmark, clip, side_by_side):
    even, whole = side_by_side(lambda: read_frames(clip, [FRAMES]), lambda: decode_everything(clip))
    ratio = benchmark.extra_info["everything / evenly spaced"] = round(whole / even, 2)
    benchmark.pedantic(read_frames, (clip, [FRAMES]), rounds=1)
    print(f"\ndecode: evenly spaced {even * 1e3:.0f} ms, everything {whole * 1e3:.0f} ms, x{ratio}")
    assert even < whole


@pytest.mark.benchmark(group="decode")
def test_cropping_and_fitting_16_frames(benchmark, clip):
    pixels = read_frames(clip, [FRAMES]).pixels
    fitted = benchmark(crop_and_fit, pixels, "center", None, 224)
    assert fitted.shape == (FRAMES, 224, 224, 3)
