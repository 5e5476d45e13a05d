"""Films of numbered frames, written with real codecs, cut and trimmed, so that every frame can be told."""

from __future__ import annotations

from pathlib import Path

import av
import cv2
import numpy as np
from av.stream import Disposition

WIDTH, HEIGHT, BITS = 160, 96, 8


def numbered(number: int) -> np.ndarray:
    """A noisy frame whose top row of squares is `number` in binary, least bit first."""
    frame = np.random.default_rng(number).integers(90, 110, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    for bit in range(BITS):
        frame[:32, bit * 20 : bit * 20 + 20] = 230 if number >> bit & 1 else 20
    return frame


def number_in(frame: np.ndarray) -> int:
    means = [frame[6:26, bit * 20 + 5 : bit * 20 + 15].mean() for bit in range(BITS)]
    assert all(mean < 70 or mean > 180 for mean in means), "no number is planted in this frame"
    return sum(1 << bit for bit, mean in enumerate(means) if mean > 180)


def numbers_in(frames: np.ndarray) -> list[int]:
    return [number_in(frame) for frame in frames]


def write_video(
    path: Path,
    frames: int,
    first: int = 0,
    gop: int = 12,
    reordered: int = 2,
    codec: str = "libx264",
    x264: str = "",
) -> Path:
    options = {"movflags": "faststart"} if path.suffix == ".mp4" else {}
    with av.open(str(path), "w", options=options) as container:
        settings = {"g": str(gop), "bf": str(reordered), "x265-params": f"keyint={gop}:log-level=none"}
        # Left to itself, x264 takes such noise for cuts and reorders nothing.
        settings |= {"x264-params": f"scenecut=0:b-adapt=0:{x264}".rstrip(":")} if "264" in codec else {}
        settings |= {"b": "4M"} if codec.startswith("mpeg") else {"crf": "18"}
        stream = container.add_stream(codec, rate=25, options=settings)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for number in range(first, first + frames):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(numbered(number), format="rgb24")))
        container.mux(stream.encode(None))
    return path


def trim_without_encoding(video: Path, path: Path, frames: int) -> Path:
    """Move the start of a video back by `frames`, as a phone's trimming does: an edit list hides the rest."""
    options = {"avoid_negative_ts": "disabled"}
    with av.open(str(video)) as source, av.open(str(path), "w", options=options) as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(source.streams.video[0]):
            if packet.dts is not None:
                packet.pts -= frames * packet.duration
                packet.dts -= frames * packet.duration
                packet.stream = stream
                target.mux(packet)
    return path


def cut(path: Path, share: float) -> Path:
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    return path


def with_cover(film: Path, path: Path, first: bool, film_too: bool = True) -> Path:
    """A copy of a film with a cover picture, before or behind it: as an MP4 or a Matroska file keeps one."""
    _, jpeg = cv2.imencode(".jpg", np.full((120, 80, 3), 200, np.uint8))
    with av.open(str(film)) as source, av.open(str(path), "w") as target:
        played = source.streams.video[0]
        streams = {}
        for what in ("cover", "film") if first else ("film", "cover"):
            if what == "film" and film_too:
                streams[what] = target.add_stream_from_template(played)
            elif what == "cover" and path.suffix == ".mkv":
                target.add_attachment("cover.jpg", "image/jpeg", jpeg.tobytes())
            elif what == "cover":
                streams[what] = target.add_stream("mjpeg", width=80, height=120, pix_fmt="yuvj420p")
                streams[what].disposition = Disposition.attached_pic
        if "cover" in streams:
            packet = av.Packet(jpeg.tobytes())
            packet.stream, packet.is_keyframe, packet.pts, packet.dts = streams["cover"], True, 0, 0
            target.mux(packet)
        for packet in source.demux(played) if film_too else ():
            if packet.size:
                packet.stream = streams["film"]
                target.mux(packet)
    return path
