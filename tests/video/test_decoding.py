"""Readers of video: whichever reads, the frames are the ones named, and equal to the bit."""

from __future__ import annotations

import sys
from fractions import Fraction
from pathlib import Path
from types import ModuleType

import av
import numpy as np
import pytest

from harness.environment import sources_of
from harness.evaluation import cell_keys
from harness.training import job
from harness.types import HarnessError
from harness.video import bitstream, decoding, decord_reader, packets, pyav_reader, torchcodec_reader
from harness.video.frames import read_frames, sample_indices
from harness.video.packets import Order, opened
from tests.video.films import (
    HEIGHT,
    WIDTH,
    cut,
    numbered,
    numbers_in,
    trim_without_encoding,
    with_cover,
    write_video,
)

OTHERS = ("decord", "torchcodec")


def there(reader: str) -> None:
    if reader == "torchcodec":
        try:
            torchcodec_reader.decoder()
        except HarnessError as error:
            pytest.skip(str(error))


def everything(path: Path) -> np.ndarray:
    """All frames in the order a player shows them, without seeking."""
    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


def hevc(path: Path, settings: str, frames: int = 40) -> Path:
    with av.open(str(path), "w") as container:
        said = f"log-level=none:rc-lookahead=20:b-adapt=0:{settings}"
        stream = container.add_stream("libx265", rate=25, options={"x265-params": said, "crf": "20"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for number in range(frames):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(numbered(number), format="rgb24")))
        container.mux(stream.encode(None))
    return path


def at_varying_rate(path: Path, frames: int = 40) -> Path:
    settings = "keyint=12:scenecut=0:b-adapt=0:bframes=3:crf=18"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"x264-params": settings})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 90_000)
        moment = 0
        for number in range(frames):
            frame = av.VideoFrame.from_ndarray(numbered(number), format="rgb24")
            frame.pts, frame.time_base = moment, Fraction(1, 90_000)
            moment += (1500, 9000, 3600)[number % 3]
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def copied(video: Path, path: Path, first_key: int = 0, turned: int = 0) -> Path:
    """A copy without encoding: from a key frame on, or with a note to turn its frames."""
    with av.open(str(video)) as source, av.open(str(path), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        if turned:
            stream.set_display_rotation(turned)
        keys = 0
        for packet in source.demux(source.streams.video[0]):
            keys += packet.is_keyframe
            if packet.size and keys > first_key:
                packet.stream = stream
                target.mux(packet)
    return path


FILES = {
    "plain": lambda path: write_video(path, 40),
    "all key frames": lambda path: write_video(path, 40, gop=1),
    "b pyramid": lambda path: write_video(path, 40, reordered=7, x264="b-pyramid=normal"),
    "slices": lambda path: write_video(path, 40, x264="slices=4"),
    "open groups": lambda path: write_video(path, 40, gop=5, x264="open-gop=1"),
    "interlaced": lambda path: write_video(path, 40, gop=5, x264="interlaced=1"),
    "varying rate": at_varying_rate,
    "hevc": lambda path: hevc(path, "keyint=8:bframes=3"),
    "hevc closed": lambda path: hevc(path, "keyint=8:bframes=3:open-gop=0"),
    "hevc layers": lambda path: hevc(path, "keyint=16:bframes=7:temporal-layers=3"),
    "full range": lambda path: write_video(path, 40, x264="fullrange=on:colormatrix=bt709"),
    "parameters in band": lambda path: write_video(path, 40, gop=5, x264="repeat-headers=1"),
    "odd colours": lambda path: write_video(path, 40, x264="colormatrix=YCgCo"),
}


@pytest.fixture(scope="module", params=FILES)
def file(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return FILES[request.param](tmp_path_factory.mktemp("files") / "clip.mp4")


def test_every_frame_can_be_had_alone_and_is_the_one_a_player_shows(file: Path) -> None:
    for number in range(40):
        pixels, _, total = decoding.decode(file, lambda _, wanted=number: [wanted])
        assert (total, numbers_in(pixels)) == (40, [number])


def test_a_frame_alone_equals_the_same_frame_among_all(file: Path) -> None:
    whole, _, _ = decoding.decode(file, lambda total: list(range(total)))
    assert numbers_in(whole) == list(range(40))
    for wanted in ([1], [6, 7, 8], [0, 20, 39], [5, 38]):
        assert np.array_equal(decoding.decode(file, lambda _, these=wanted: these)[0], whole[wanted])


@pytest.mark.parametrize("reader", OTHERS)
def test_readers_give_the_same_pixels(file: Path, reader: str) -> None:
    there(reader)
    for count in (1, 3, 16):
        ours, theirs = read_frames(file, [count]), read_frames(file, [count], reader)
        assert (ours.indices, ours.total) == (theirs.indices, theirs.total)
        assert np.array_equal(ours.pixels, theirs.pixels)


@pytest.mark.parametrize(
    ("name", "codec"), [("a.mp4", "libx264"), ("a.mkv", "libx264"), ("a.webm", "libvpx-vp9")]
)
def test_decord_really_reads_what_data_sets_consist_of(tmp_path, monkeypatch, name, codec):
    path = write_video(tmp_path / name, 40, codec=codec)
    ours = read_frames(path, [5])
    monkeypatch.setattr(pyav_reader, "read", lambda *_: pytest.fail("PyAV decoded"))
    assert np.array_equal(read_frames(path, [5], "decord").pixels, ours.pixels)


def test_decord_leaves_to_pyav_what_it_would_get_wrong(tmp_path, monkeypatch):
    monkeypatch.setattr(decord_reader, "read", lambda *_: pytest.fail("decord decoded"))
    for name in ("open groups", "interlaced", "hevc"):
        path = FILES[name](tmp_path / f"{name}.mp4")
        assert numbers_in(read_frames(path, [3], "decord").pixels) == sample_indices(40, 3)


def test_the_pixels_are_those_of_a_plain_decoder_of_the_whole_file(tmp_path):
    path = write_video(tmp_path / "clip.mp4", 40)
    assert np.array_equal(read_frames(path, [40]).pixels, everything(path))


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize("reader", ["pyav", *OTHERS])
@pytest.mark.parametrize("turned", [90, 180, -90])
def test_frames_are_turned_as_the_file_says(tmp_path, suffix, reader, turned):
    there(reader)
    upright = write_video(tmp_path / "upright.mp4", 5)
    path = copied(upright, tmp_path / f"turned{suffix}", turned=turned)
    expected = np.rot90(read_frames(upright, [2]).pixels, turned // 90, axes=(1, 2))
    assert np.array_equal(read_frames(path, [2], reader).pixels, expected)


def wide_pixels(path, aspect, width=64, height=64):
    """A film of pixels that are `aspect` times as wide as high."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.sample_aspect_ratio = Fraction(*aspect)
        for number in range(4):
            frame = np.full((height, width, 3), 40 * number, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("reader", ["pyav", *OTHERS])
@pytest.mark.parametrize(
    ("aspect", "shown"), [((2, 1), (64, 128)), ((4, 3), (64, 85)), ((8, 9), (64, 57)), ((1, 1), (64, 64))]
)
def test_pixels_that_are_not_square_are_widened_as_a_player_shows_them(tmp_path, reader, aspect, shown):
    there(reader)
    path = wide_pixels(tmp_path / "clip.mp4", aspect)
    found = read_frames(path, [2], reader).pixels
    assert found.shape[1:3] == shown
    assert [round(float(frame.mean()) / 40) for frame in found] == [1, 3]


def test_pixels_that_cannot_be_are_an_error_in_one_line(tmp_path):
    path = wide_pixels(tmp_path / "clip.mp4", (20, 1))
    with pytest.raises(HarnessError, match=r"clip\.mp4: its pixels cannot be 20:1"):
        read_frames(path, [2])


@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
@pytest.mark.parametrize("first", [True, False])
def test_a_cover_is_no_film_wherever_it_lies(tmp_path, suffix, first):
    film = write_video(tmp_path / "film.mp4", 20)
    path = with_cover(film, tmp_path / f"covered{suffix}", first)
    with av.open(str(path)) as container:
        assert len(container.streams.video) == 2
    for reader in ("pyav", "decord"):
        assert numbers_in(read_frames(path, [4], reader).pixels) == sample_indices(20, 4)


def test_a_file_with_nothing_but_a_cover_has_no_video_stream(tmp_path):
    film = write_video(tmp_path / "film.mp4", 20)
    path = with_cover(film, tmp_path / "song.mp4", True, film_too=False)
    with pytest.raises(HarnessError, match="has no video stream"):
        read_frames(path, [1])


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_frames_that_look_at_what_was_cut_away_are_not_counted(tmp_path, suffix):
    whole = hevc(tmp_path / "whole.mp4", "keyint=8:bframes=3")
    path = copied(whole, tmp_path / f"rest{suffix}", first_key=2)
    with opened(path) as film:
        packets_there = len(film.seen)
        assert film.order is None
    shown = everything(path)
    assert len(shown) <= packets_there
    found = read_frames(path, [4])
    assert found.total == len(shown)
    assert np.array_equal(found.pixels, shown[sample_indices(len(shown), 4)])


def test_packets_of_a_file_too_large_to_keep_are_read_again(tmp_path, monkeypatch):
    path = write_video(tmp_path / "clip.mp4", 40)
    kept = read_frames(path, [5])
    monkeypatch.setattr(packets, "KEPT_BYTES", 1000)
    with opened(path) as film:
        assert film.kept == () and len(list(film.packets())) == 40
    assert np.array_equal(read_frames(path, [5]).pixels, kept.pixels)


def test_frames_that_no_other_looks_at_are_not_decoded(tmp_path):
    path = write_video(tmp_path / "clip.mp4", 40, gop=40, reordered=3, x264="b-pyramid=none")
    with opened(path) as film:
        assert film.order is not None
        assert len(film.order.spare) > 20
        fed = pyav_reader._fed(film.order, [film.order.shown[30]])
    assert len(fed) < 15
    assert numbers_in(decoding.decode(path, lambda _: [30])[0]) == [30]


def test_the_files_of_these_tests_reorder_their_frames(tmp_path):
    for name in ("b pyramid", "open groups", "varying rate", "hevc", "hevc layers"):
        with opened(FILES[name](tmp_path / f"{name}.mp4")) as film:
            assert film.order is not None
            assert list(film.order.shown) != sorted(film.order.shown), name
            assert film.order.spare, name


def test_decoding_begins_at_the_last_key_frame_shown_before():
    # In the order of the file: key frame 0, frame 2, key frame 6, and then 4 and 5, shown before it.
    order = Order([0, 2, 6, 4, 5, 7], [0, 1, 3, 4, 2, 5], [0, 2], frozenset({4}))
    assert [order.start_of(place) for place in range(6)] == [0, 0, 2, 0, 0, 2]
    assert pyav_reader._fed(order, [2, 5]) == {2: True, 3: False, 5: False}
    assert pyav_reader._fed(order, [3, 2]) == {0: True, 1: False, 2: False, 3: False}
    assert pyav_reader._fed(order, [1, 5]) == {0: True, 1: False, 2: True, 3: False, 5: False}


def test_what_the_bytes_of_a_frame_say():
    def h264(*heads: int) -> bitstream.Coded | None:
        packet = b"".join(b"\0\0\0\2" + bytes([head, 0]) for head in heads)
        tell = bitstream.teller("h264", b"\1\0\0\0\xff")
        return tell(memoryview(packet), True) if tell else None

    assert h264(0x65) == bitstream.Coded(afresh=True)
    assert h264(0x67, 0x68, 0x65) == bitstream.Coded(afresh=True, sets=True)
    assert h264(0x06, 0x41) == bitstream.Coded(afresh=False)
    assert h264(0x01, 0x01) == bitstream.Coded(afresh=False, spare=True)
    assert h264(0x01, 0x41) == bitstream.Coded(afresh=False)
    assert h264(0x09) is None
    hidden = bitstream.teller("vp8", b"")
    assert hidden and hidden(memoryview(b"\x01"), False) == bitstream.Coded(afresh=False, shown=False)
    assert bitstream.teller("h264", b"\0\0\0\1") is None
    assert bitstream.teller("mpeg4", b"") is None


@pytest.mark.parametrize("reader", ["pyav", *OTHERS])
def test_damage_is_an_error_whichever_reads(tmp_path, reader):
    there(reader)
    path = write_video(tmp_path / "clip.mp4", 60)
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 20_000] = bytes(20_000)
    path.write_bytes(data)
    with pytest.raises(HarnessError, match=r"clip\.mp4: .*cannot be decoded"):
        read_frames(path, [20], reader)
    with pytest.raises(HarnessError, match="of 60 frames are there"):
        read_frames(cut(write_video(tmp_path / "cut.mp4", 60), 0.6), [20], reader)


def test_decord_never_fills_in_a_copy_of_a_near_frame(tmp_path):
    path = trim_without_encoding(write_video(tmp_path / "whole.mp4", 40), tmp_path / "trimmed.mp4", 5)
    with opened(path) as film:
        assert not decord_reader.exact(film)
        with pytest.raises(HarnessError, match="cannot be decoded"):
            decord_reader.read(film, lambda total: list(range(total)))


def test_an_unknown_reader_is_an_error_that_names_the_nearest(tmp_path, monkeypatch):
    path = write_video(tmp_path / "clip.mp4", 3)
    with pytest.raises(HarnessError, match=r"unknown video reader 'decodr'; did you mean 'decord'\?"):
        read_frames(path, [1], "decodr")
    monkeypatch.setenv(decoding.VARIABLE, "pyaf")
    with pytest.raises(HarnessError, match="did you mean 'pyav'"):
        read_frames(path, [1])
    with pytest.raises(HarnessError, match="did you mean 'pyav'"):
        decoding.reader_named()
    assert len(read_frames(path, [1], "auto").pixels) == 1


def test_the_environment_chooses_where_no_argument_does(tmp_path, monkeypatch):
    path = write_video(tmp_path / "clip.mp4", 3)
    asked: list[str] = []
    monkeypatch.setattr(decord_reader, "exact", lambda film: asked.append(film.path.name))
    monkeypatch.setenv(decoding.VARIABLE, "decord")
    read_frames(path, [1])
    read_frames(path, [1], "pyav")
    monkeypatch.setenv(decoding.VARIABLE, "")
    read_frames(path, [1])
    assert asked == ["clip.mp4"]


def test_torchcodec_that_is_not_there_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "torchcodec", None)
    monkeypatch.setitem(sys.modules, "torchcodec.decoders", None)
    with pytest.raises(HarnessError, match=r"pip install torchcodec.*FFmpeg") as error:
        decoding.reader_named("torchcodec")
    assert "\n" not in str(error.value)
    for name in ("torchcodec", "torchcodec.decoders"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    sys.modules["torchcodec"].ffmpeg_major_version = None
    sys.modules["torchcodec.decoders"].VideoDecoder = object
    with pytest.raises(HarnessError, match="finds no FFmpeg"):
        decoding.reader_named("torchcodec")


def test_torchcodec_is_asked_for_exactly_the_frames_wanted(tmp_path, monkeypatch):
    """With a stand-in, for torchcodec is optional."""
    path = write_video(tmp_path / "clip.mp4", 40)
    shown = everything(path)
    asked: list[object] = []

    class VideoDecoder:
        def __init__(self, source: str, **settings: object) -> None:
            asked.append((Path(source).name, settings["num_ffmpeg_threads"], settings["seek_mode"]))

        def __len__(self) -> int:
            return len(shown)

        def get_frames_at(self, indices: list[int]) -> object:
            array = type("Tensor", (), {"numpy": lambda self: shown[indices]})()
            return type("Batch", (), {"data": array})()

    decoders = ModuleType("torchcodec.decoders")
    decoders.VideoDecoder = VideoDecoder
    monkeypatch.setitem(sys.modules, "torchcodec", ModuleType("torchcodec"))
    monkeypatch.setitem(sys.modules, "torchcodec.decoders", decoders)
    assert np.array_equal(read_frames(path, [3], "torchcodec").pixels, read_frames(path, [3]).pixels)
    assert asked == [("clip.mp4", 1, "exact")]


def test_all_that_decides_about_frames_is_in_what_results_are_made_with():
    deciding = {
        "decoding",
        "packets",
        "bitstream",
        "pyav_reader",
        "decord_reader",
        "torchcodec_reader",
        "frames",
    }
    for sources in (job.SOURCES, cell_keys.SOURCES):
        assert {f"video/{name}.py" for name in deciding} <= set(sources_of(*sources))
