"""What a file says of itself without showing a picture: its size, its coding, its metadata.

A fact is a number or a word under a plain name; one that a file does not have is absent. No picture is
looked at. A folder of frames is described by its first frame's file and the number of frames.
"""

from __future__ import annotations

import hashlib
import itertools
import re
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import av
from PIL import ExifTags, Image, JpegImagePlugin

from harness.guard.clip_bounds import (
    check_clock,
    check_file,
    check_frames,
    check_pixels,
    clip_clock,
    named_failure,
)
from harness.guard.media_headers import image_bytes
from harness.trees import is_image
from harness.types import HarnessError
from harness.video.frame_folder import frame_files
from harness.video.packets import film_stream, open_film

Facts = dict[str, float | str]
"""Name of a fact -> a number, or a word of a few kinds; what a clip does not have is absent."""

PACKETS = 600
"""Packets looked at to find how far key frames lie apart."""
LONGEST_WORD = 60
YEAR = re.compile(r"(19|20)\d\d(?=\D)")
"""What a date begins with, in containers (ISO 8601) and in EXIF."""
SUBSAMPLING = {0: "4:4:4", 1: "4:2:2", 2: "4:2:0"}
ENCODER = re.compile(
    rb"(x26[45]) (?:- core (\d+)|\(build (\d+)\))[^\x00]{0,300}?options: ([\x20-\x7e]*)", re.DOTALL
)
"""What x264 and x265 write into their streams: their build and all their settings."""
PNG_FACTS = {"bit depth": 24, "colour type": 25, "interlaced": 28}
"""Place of the bytes in a PNG's first chunk (ISO/IEC 15948, 11.2.2)."""
LUMA_50 = 3689
"""Sum of the 64 luma steps of a JPEG of quality 50 (ITU-T T.81, table K.1)."""


def container_facts(path: Path) -> Facts:
    """The facts of a video, an image or a folder of frames.

    A file that cannot be opened, or holds no picture, is a `HarnessError` that names it.
    """
    with clip_clock(path.name), named_failure(f"{path.name}: reading its headers"):
        return _facts(path)


def _facts(path: Path) -> Facts:
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
    image_bytes(path, check_file(path))  # Pillow makes room for some as it opens them
    with Image.open(path) as image:
        facts: Facts = {"format": str(image.format), "pixel format": image.mode}
        facts |= _shape(path.stat().st_size, image.width, image.height, 1)
        exif = {ExifTags.TAGS.get(tag, str(tag)): value for tag, value in image.getexif().items()}
        facts["encoder tag"] = _word(exif.get("Software") or image.info.get("Software") or "none")
        facts["rotation"] = _word(exif.pop("Orientation", "none"))
        if isinstance(image, JpegImagePlugin.JpegImageFile):
            facts |= _jpeg(image)
        if image.format == "PNG":
            with path.open("rb") as file:
                head = file.read(29)
            facts |= {f"PNG {name}": float(head[at]) for name, at in PNG_FACTS.items()}
        facts |= _year(exif.get("DateTimeOriginal"), exif.get("DateTime"))
        facts |= {f"EXIF {name}": _word(value) for name, value in exif.items()}
        return facts | {f"metadata {key}": _word(value) for key, value in image.info.items()}


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
    if 0 in tables:
        scale = 100 * sum(tables[0]) / LUMA_50
        quality = 100 if max(tables[0]) == 1 else 100 - scale / 2 if scale <= 100 else 5000 / scale
        facts["JPEG quality"] = float(round(quality))
    lowest = ["-".join(str(step) for step in sorted(tables[number])[:4]) for number in sorted(tables)]
    facts["JPEG tables"] = f"{len(tables)}: {' '.join(lowest)}"[:LONGEST_WORD]
    return facts


def _word(value: object) -> str:
    """A value of metadata as a word; of what is long or no text the start of its sha256: alike is alike."""
    data = value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogatepass")
    text = (value.decode("ascii", "replace") if isinstance(value, bytes) else str(value)).strip("\0 ")
    if text.isprintable() and len(text) <= LONGEST_WORD:
        return text
    return f"there ({hashlib.sha256(data).hexdigest()[:8]})"


def _year(*dates: object) -> Facts:
    """The year in which a file says that it was made, where it says so."""
    found = next(filter(None, (YEAR.match(str(date or "")) for date in dates)), None)
    return {"creation year": float(found[0])} if found else {}


def _video(path: Path) -> Facts:
    with open_film(path) as container:
        stream = film_stream(container)
        if stream is None:
            raise HarnessError(f"{path.name}: has no video stream that can be decoded")
        facts = _coding(container, stream)
        stated = (len(stream.index_entries) if "mov" in container.format.name else 0) or stream.frames
        seen: list[av.Packet] = []
        keys: list[int] = []
        found, disorder = 0, False
        for packet in itertools.islice(container.demux(stream), PACKETS if stated else None):
            if packet.size:
                seen += [packet] * (found < PACKETS)  # not the whole of a large file
                keys += [found] * packet.is_keyframe
                disorder = disorder or packet.pts != packet.dts
                found += 1
                check_clock()
        check_frames(path.name, max(stated, found))
        check_pixels(path.name, stream.width, stream.height)
        frames = stated or found
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
        facts |= _rotation(seen)
        gaps = [after - before for before, after in itertools.pairwise([*keys, found])]
        if gaps:
            facts["frames between key frames"] = float(max(gaps))
        facts["frames out of order"] = "yes" if disorder else "no"
        head = bytes(stream.codec_context.extradata or b"") + (bytes(seen[0])[:4096] if seen else b"")
        return facts | _encoder(head)


def _coding(container: Any, stream: Any) -> Facts:
    """The words of a video's headers."""
    coder = stream.codec_context
    said = {**container.metadata, **{f"of stream: {key}": word for key, word in stream.metadata.items()}}
    sound = container.streams.audio[0].codec_context if container.streams.audio else None
    tags = [
        word
        for known in (container.metadata, stream.metadata)
        for key, word in known.items()
        if key.lower() == "encoder"
    ]
    facts: Facts = {
        "format": container.format.name,
        "brand": container.metadata.get("major_brand", "none"),
        "codec": stream.codec.name,
        "codec tag": str(coder.codec_tag),
        "profile": str(stream.profile or "none"),
        "level": float(coder.level or 0),
        "pixel format": str(stream.pix_fmt or "none"),
        "pixel aspect": str(stream.sample_aspect_ratio or "none"),
        "colour range": str(coder.color_range),
        "colour space": f"{coder.colorspace} {coder.color_primaries} {coder.color_trc}",
        "time base": str(stream.time_base),
        "start": float((stream.start_time or 0) * (stream.time_base or 0)),
        "other streams": float(len(container.streams) - 1),
        "sound": str(sound.name) if sound else "none",
        "encoder tag": " / ".join(tag for tag in tags if tag)[:LONGEST_WORD] or "none",
        "track name": str(stream.metadata.get("handler_name", "none"))[:LONGEST_WORD],
    }
    if sound is not None:
        facts |= {"sound rate": float(sound.sample_rate or 0), "sound channels": float(sound.channels or 0)}
    facts |= _year(*(word for key, word in said.items() if key.endswith(("creation_time", "date"))))
    return facts | {f"metadata {key}": _word(word) for key, word in said.items()}


def _rotation(packets: Sequence[av.Packet]) -> Facts:
    """Degrees by which a player turns the picture, which only a frame says."""
    try:
        first = next((frame for packet in packets for frame in packet.decode()), None)
    except av.FFmpegError:  # whether it can be decoded is asked elsewhere
        first = None
    return {"rotation": float(first.rotation)} if isinstance(first, av.VideoFrame) else {}


def _encoder(head: bytes) -> Facts:
    """The build and settings of x264 or x265, where a stream begins with them."""
    match = ENCODER.search(head)
    if match is None:
        return {"encoder settings": "none"}
    name, build = match[1].decode(), (match[2] or match[3]).decode()
    facts: Facts = {"encoder settings": name, f"{name} build": build}
    for setting in match[4].decode().split():
        key, sign, value = setting.partition("=")
        facts[f"{name} {key}"] = _number_or_word(value) if sign else "yes"
    return facts


def _number_or_word(text: str) -> float | str:
    return float(text) if re.fullmatch(r"-?\d+(\.\d+)?", text) else text[:LONGEST_WORD]


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
