"""Decoding: every reader on every kind of file, and evenly spaced frames against decoding all of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from harness.types import HarnessError
from harness.video import decoding, decord_reader, torchcodec_reader
from harness.video.frames import crop_and_fit, read_frames, sample_indices
from harness.video.packets import opened
from tests.benchmarks.figures import Figure
from tests.benchmarks.filming import film
from tests.benchmarks.pairs import small

FRAMES, BITS, TICKS = 16, 10, 90_000
SLOWER = 1.25
"""How much more time `auto` may take than the fastest reader; it is one of them, so the rest is noise."""
ROUNDS = 3


@dataclass(frozen=True)
class Kind:
    """A kind of file to read."""

    name: str
    width: int
    height: int
    frames: int
    gop: int = 250
    codec: str = "libx264"
    varying: bool = False
    """Whether its frames last 1/60 to 1/10 s, by chance."""


KINDS = (
    Kind("480p, GOP 12", 640, 480, 300, gop=12),
    Kind("480p, GOP 250", 640, 480, 300),
    Kind("480p, varying rate", 640, 480, 300, varying=True),
    Kind("480p, H.265", 640, 480, 300, codec="libx265"),
    Kind("1080p, GOP 12", 1920, 1080, 60, gop=12),
    Kind("1080p, GOP 250", 1920, 1080, 60),
    Kind("1080p, H.265", 1920, 1080, 60, codec="libx265"),
)
WANTED: dict[str, Callable[[int], list[int]]] = {
    "16 frames": lambda total: sample_indices(total, 16),
    "32 frames": lambda total: sample_indices(total, 32),
    "one late frame": lambda total: [total - total // 10],
}


def scenes(kind: Kind) -> Iterator[np.ndarray]:
    """A drifting scene; the squares along the top of a frame are its number in binary, least bit first."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (24, 48, 3), dtype=np.uint8)
    wide = cv2.resize(coarse, (kind.width + kind.frames, kind.height), interpolation=cv2.INTER_CUBIC)
    wide = cv2.add(wide, rng.integers(0, 24, wide.shape, dtype=np.uint8))
    side = kind.width // BITS
    for number in range(kind.frames):
        scene = np.ascontiguousarray(wide[:, number : number + kind.width])
        for bit in range(BITS):
            scene[:side, bit * side : bit * side + side] = 230 if number >> bit & 1 else 20
        yield scene


def written(kind: Kind, folder: Path) -> Path:
    path = folder / f"{kind.name.replace(', ', '-').replace(' ', '-')}.mp4"
    settings = {"crf": "23", "preset": "veryfast", "g": str(kind.gop)}
    if kind.codec == "libx265":
        settings = {"crf": "26", "preset": "ultrafast", "x265-params": "log-level=none"}
    rng = np.random.default_rng(1)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(kind.codec, rate=30, options=settings)
        stream.width, stream.height, stream.pix_fmt = kind.width, kind.height, "yuv420p"
        stream.codec_context.time_base = Fraction(1, TICKS)
        moment = 0
        for scene in scenes(kind):
            frame = av.VideoFrame.from_ndarray(scene, format="rgb24")
            frame.pts, frame.time_base = moment, Fraction(1, TICKS)
            moment += int(rng.integers(TICKS // 60, TICKS // 10)) if kind.varying else TICKS // 30
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def number_in(frame: np.ndarray) -> int:
    side = frame.shape[1] // BITS
    means = [frame[8 : side - 8, bit * side + 8 : bit * side + side - 8].mean() for bit in range(BITS)]
    return sum(1 << bit for bit, mean in enumerate(means) if mean > 128)


def readers_of(path: Path) -> list[str]:
    """The readers that read this file themselves, `auto` first."""
    found = ["auto", "pyav"]
    with opened(path) as opened_film:
        if decord_reader.exact(opened_film):
            found.append("decord")
        try:
            torchcodec_reader.decoder()
        except HarnessError:
            return found
        return [*found, "torchcodec"] if torchcodec_reader.exact(opened_film) else found


def cpu_seconds(path: Path, choose: Callable[[int], list[int]], readers: list[str]) -> dict[str, float]:
    """Least CPU seconds of each reader, all threads together; they take turns, and their frames are equal."""
    least: dict[str, float] = {}
    first: np.ndarray | None = None
    for number in range(ROUNDS):
        for reader in readers if number % 2 == 0 else readers[::-1]:
            started = time.process_time()
            pixels, indices, _ = decoding.decode(path, choose, reader)
            spent = time.process_time() - started
            least[reader] = min(spent, least.get(reader, spent))
            first = pixels if first is None else first
            assert np.array_equal(pixels, first), f"{reader} gives other pixels"
            assert [number_in(frame) for frame in pixels] == indices, f"{reader} gives other frames"
    return least


@pytest.mark.benchmark(group="readers")
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_auto_is_the_fastest_reader(benchmark, tmp_path, told, kind):
    if kind.codec not in av.codecs_available:
        pytest.skip(f"this PyAV has no encoder {kind.codec}")
    if small():
        kind = Kind(kind.name, 320, 240, 40, kind.gop, kind.codec, kind.varying)
    path = written(kind, tmp_path)
    readers = readers_of(path)
    spent = {what: cpu_seconds(path, choose, readers) for what, choose in WANTED.items()}
    benchmark.pedantic(read_frames, (path, [FRAMES]), rounds=1)
    print(f"\n{kind.name:20s}" + "".join(f"{reader:>22s}" for reader in readers))
    for what, each in spent.items():
        against = each.get("decord")
        cells = [
            f"{1e3 * seconds:.0f} ms" + (f" ({seconds / against:.2f})" if against else "")
            for seconds in each.values()
        ]
        print(f"  {what:18s}" + "".join(f"{cell:>22s}" for cell in cells))
    total = {reader: sum(each[reader] for each in spent.values()) for reader in readers}
    others = {reader: seconds for reader, seconds in total.items() if reader != "auto"}
    fastest = min(others, key=others.__getitem__)
    beside = {f"{reader}, CPU ms": round(1e3 * seconds) for reader, seconds in total.items()}
    if "decord" in total:
        ratio = total["decord"] / total["auto"]
        told(Figure(f"reading {kind.name}", "CPU time, decord over auto", ratio, beside=beside))
    slower = total["auto"] / total[fastest]
    what = f"CPU time, auto over the fastest ({fastest})"
    asked = None if small() else SLOWER
    told(Figure(f"choosing for {kind.name}", what, slower, at_most=asked, beside=beside))
    assert small() or slower <= SLOWER


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> Path:
    """A textured scene that drifts, 640x480, 300 frames, H.264 with x264's own choice of key frames."""
    return film(tmp_path_factory.mktemp("clip") / "clip.mp4")


def decode_everything(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


@pytest.mark.benchmark(group="decode")
def test_16_evenly_spaced_frames(benchmark, clip):
    frames = benchmark.pedantic(read_frames, (clip, [FRAMES]), rounds=5, warmup_rounds=1)
    assert len(frames.pixels) == FRAMES
    benchmark.extra_info["frames_per_second"] = round(FRAMES / benchmark.stats["median"], 1)


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
