"""What a file says of itself without showing a picture: its size, its coding, its metadata.

A fact is a number or a word under a plain name; one that a file does not have is absent. No pixel is
decoded. A folder of frames is described by its first frame's file and the number of frames.
"""

from __future__ import annotations

import itertools
import re
import statistics
from pathlib import Path
from typing import Any

import av
from PIL import Image, JpegImagePlugin

from harness.data.audit.fact_table import Facts
from harness.trees import is_image
from harness.types import HarnessError
from harness.video.decoding import CONTAINERS
from harness.video.frame_folder import frame_files

PACKETS = 600
"""Packets looked at to find how far key frames lie apart."""
LONGEST_WORD = 60
SUBSAMPLING = {0: "4:4:4", 1: "4:2:2", 2: "4:2:0"}
SOFTWARE = 0x0131
"""The Exif tag that names the program which wrote a picture."""
X264 = re.compile(rb"x264 - core (\d+)[^\x00]{0,200}?options: ([\x20-\x7e]*)")
X264_SETTINGS = ("rc", "crf", "qp", "ref", "me", "subme", "bframes", "keyint", "cabac", "8x8dct", "aq")
"""What is kept of the settings that x264 writes into its streams."""


def container_facts(path: Path) -> Facts:
    """The facts of a video, an image or a folder of frames.

    A file that cannot be opened, or holds no picture, is a `HarnessError` that names it.
    """
    try:
        if path.is_dir():
            frames = frame_files(path)
            if not frames:
                raise HarnessError(f"{path.name}: the folder holds no image")
            facts = _image(frames[0])
            return {**facts, "format": f"folder of {facts['format']}", "frames": float(len(frames))}
        if is_image(path):
            return _image(path)
        return _video(path)
    except (av.FFmpegError, OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        reason = (str(getattr(error, "strerror", None) or error).splitlines() or [""])[0]
        raise HarnessError(f"{path.name}: cannot be opened ({reason})") from error


def _image(path: Path) -> Facts:
    with Image.open(path) as image:
        facts: Facts = {"format": str(image.format), "pixel format": image.mode}
        facts |= _shape(path.stat().st_size, image.width, image.height, 1)
        written_by = image.getexif().get(SOFTWARE) or image.info.get("Software") or ""
        facts["encoder tag"] = str(written_by)[:LONGEST_WORD] or "none"
        if isinstance(image, JpegImagePlugin.JpegImageFile):
            facts |= _jpeg(image)
        return facts | {f"metadata {key}": "there" for key in image.info}


def _jpeg(image: JpegImagePlugin.JpegImageFile) -> Facts:
    """How strongly a JPEG was quantised, and how its colours were thinned."""
    facts: Facts = {
        "JPEG subsampling": SUBSAMPLING.get(JpegImagePlugin.get_sampling(image), "other"),
        "JPEG progressive": "yes" if image.info.get("progressive") else "no",
    }
    tables = image.quantization
    for number, name in enumerate(("luma", "chroma")):
        if number in tables:
            facts[f"JPEG {name} quantisation"] = float(statistics.fmean(tables[number]))
    lowest = ["-".join(str(step) for step in sorted(tables[number])[:4]) for number in sorted(tables)]
    facts["JPEG tables"] = f"{len(tables)}: {' '.join(lowest)}"[:LONGEST_WORD]
    return facts


def _video(path: Path) -> Facts:
    with av.open(str(path.absolute()), options={"format_whitelist": CONTAINERS}) as container:
        if not container.streams.video:
            raise HarnessError(f"{path.name}: has no video stream")
        stream = container.streams.video[0]
        facts = _coding(container, stream)
        index = list(stream.index_entries) if "mov" in container.format.name else []
        stated = len(index) or stream.frames
        packets = itertools.islice(container.demux(stream), PACKETS if stated else None)
        seen = [packet for packet in packets if packet.size]
        frames = stated or len(seen)
        if not frames or not stream.width or not stream.height:
            raise HarnessError(f"{path.name}: holds no frame")
        bytes_in_file = path.stat().st_size
        facts |= _shape(bytes_in_file, stream.width, stream.height, frames)
        rate = float(stream.average_rate or 0)
        seconds = _seconds(container, stream) or (frames / rate if rate else 0.0)
        if rate:
            facts["frames a second"] = rate
        if seconds:
            facts |= {"duration": seconds, "bit rate": 8 * bytes_in_file / seconds}
        keys = [number for number, packet in enumerate(seen) if packet.is_keyframe]
        gaps = [after - before for before, after in itertools.pairwise([*keys, len(seen)])]
        if gaps:
            facts["frames between key frames"] = float(max(gaps))
        facts["frames out of order"] = "yes" if any(packet.pts != packet.dts for packet in seen) else "no"
        return facts | (_x264(bytes(seen[0])) if seen else {})


def _coding(container: Any, stream: Any) -> Facts:
    """The words of a video's headers."""
    coder = stream.codec_context
    keys = [*container.metadata, *(f"of stream: {key}" for key in stream.metadata)]
    tags = [container.metadata.get("encoder"), stream.metadata.get("encoder")]
    facts: Facts = {
        "format": container.format.name,
        "brand": container.metadata.get("major_brand", "none"),
        "codec": stream.codec.name,
        "codec tag": str(coder.codec_tag),
        "profile": str(stream.profile or "none"),
        "pixel format": str(stream.pix_fmt or "none"),
        "colour range": str(coder.color_range),
        "colour space": f"{coder.colorspace} {coder.color_primaries} {coder.color_trc}",
        "time base": str(stream.time_base),
        "start": float((stream.start_time or 0) * (stream.time_base or 0)),
        "other streams": float(len(container.streams) - 1),
        "encoder tag": " / ".join(tag for tag in tags if tag)[:LONGEST_WORD] or "none",
        "track name": str(stream.metadata.get("handler_name", "none"))[:LONGEST_WORD],
    }
    return facts | {f"metadata {key}": "there" for key in keys}


def _x264(packet: bytes) -> Facts:
    """The version and settings that x264 writes into the first packet, if it did."""
    match = X264.search(packet[:4096])
    if match is None:
        return {"x264 version": "none"}
    facts: Facts = {"x264 version": match[1].decode()}
    said = dict(pair.split("=", 1) for pair in match[2].decode().split() if "=" in pair)
    return facts | {f"x264 {name}": _number_or_word(said[name]) for name in X264_SETTINGS if name in said}


def _number_or_word(text: str) -> float | str:
    return float(text) if re.fullmatch(r"\d+(\.\d+)?", text) else text[:LONGEST_WORD]


def _shape(size: int, width: int, height: int, frames: int) -> Facts:
    return {
        "size in bytes": float(size),
        "bytes per pixel": size / (width * height * frames),
        "width": float(width),
        "height": float(height),
        "aspect ratio": width / height,
        "frames": float(frames),
    }


def _seconds(container: Any, stream: Any) -> float:
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    return float(container.duration or 0) / av.time_base
