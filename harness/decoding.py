"""Decoding the wanted frames of one video file, exactly those, or saying why not.

decord decodes where it was found to give the frames it was asked for: H.264, VP8 and VP9 in MP4 and
Matroska, every key frame starting afresh. Elsewhere version 0.6.0 returns other frames without a word
(open groups of pictures, AVI, MPEG-TS, MPEG-PS, HEVC with reordered frames, an MP4 whose edit list hides
frames) or opens nothing (AV1); those files are decoded by PyAV, from the first frame on.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import av
import cv2  # noqa: F401 - before decord, whose zlib would take the place of OpenCV's: PNG would be unreadable
import decord
import numpy as np

from harness.types import HarnessError

CONTAINERS = "mov,matroska,avi,mpegts,mpeg,flv,asf,ogg,gif,ivf"
"""What ffmpeg may open: never a playlist, which is a text naming other files."""
EXACT_CONTAINERS = ("mov", "matroska")
EXACT_CODECS = ("h264", "vp8", "vp9")
TOLERATED_SECONDS = 0.5
"""How far a Matroska stream may end before the duration it promises."""
IDR, SLICES = 5, range(1, 6)
"""H.264 unit types: the slice of a frame that nothing after it looks past, and all kinds of slices."""
CLOCK = re.compile(r"(\d+):(\d+):(\d+(?:\.\d+)?)")
DECORD_ERRORS = (decord.DECORDError, decord.DECORDLimitReachedError, RuntimeError, AssertionError, IndexError)

# What it would print on a damaged file is said by the HarnessError.
decord.logging.set_level(decord.logging.QUIET)


class Header(NamedTuple):
    """What a video's header says of its first video stream."""

    frames: int
    """Frames it promises; 0 when it does not say, or when they were already found to lie in the file."""
    seconds: float
    """Time at which it promises to end; 0 when it does not say."""
    exact: bool
    """Whether decord gives the frames it is asked for."""


Choose = Callable[[int], list[int]]
Decoded = tuple[np.ndarray, list[int], int]


def decode(path: Path, choose: Choose) -> Decoded:
    """The frames `choose(total)` wants (ascending): uint8 `[N, H, W, 3]` RGB, their indices, and the total.

    Anything unreadable, damaged or cut off is a `HarnessError` that names the file. Damage inside a frame
    that the decoder itself conceals cannot be seen.
    """
    header = _header(path)
    pixels, indices, total = (_with_decord if header.exact else _with_av)(path, header, choose)
    return np.ascontiguousarray(pixels), indices, total


def _header(path: Path) -> Header:
    """Reads the header; an MP4 of which a frame lies beyond the end of the file is an error here.

    decord counts the packets it finds, so to decord alone a cut file is merely a shorter clip.
    """
    try:
        with _open(path) as container:
            if not container.streams.video:
                raise HarnessError(f"{path.name}: has no video stream")
            stream = container.streams.video[0]
            name = container.format.name
            exact = any(kind in name for kind in EXACT_CONTAINERS) and stream.codec.name in EXACT_CODECS
            frames, seconds = stream.frames, _seconds(stream.metadata.get("DURATION", ""))
            if "mov" in name:
                # The index of an MP4 respects its edit list, its frame count does not.
                index, size = list(stream.index_entries), path.stat().st_size
                held = sum(entry.pos + entry.size <= size for entry in index)
                if held < len(index):
                    raise HarnessError(f"{path.name}: cut off: {held} of {len(index)} frames are there")
                frames, seconds = 0, 0.0
            return Header(frames, seconds, exact and _seekable(container, stream))
    except (av.FFmpegError, ValueError) as error:
        raise HarnessError(f"{path.name}: not a readable video ({_reason(error)})") from error


def _seekable(container: av.container.InputContainer, stream: av.VideoStream) -> bool:
    """Whether decoding may begin at any key frame, and every frame is shown."""
    avc = stream.codec.name == "h264"
    head = stream.codec_context.extradata or b""
    if avc and (len(head) < 5 or head[0] != 1):
        return False
    for packet in container.demux(stream):
        if packet.is_discard:
            return False
        if avc and packet.is_keyframe and not _afresh(bytes(packet), 1 + (head[4] & 3)):
            return False
    return True


def _afresh(packet: bytes, length_bytes: int) -> bool:
    """Whether the first slice of an H.264 packet (units led by their lengths) is an IDR slice."""
    at = 0
    while at + length_bytes < len(packet):
        kind = packet[at + length_bytes] & 31
        if kind in SLICES:
            return kind == IDR
        at += length_bytes + int.from_bytes(packet[at : at + length_bytes], "big")
    return False


def _with_decord(path: Path, header: Header, choose: Choose) -> Decoded:
    try:
        # decord fills a frame it cannot find with a copy of a near one; this limit makes one copy an error.
        reader = decord.VideoReader(str(path.absolute()), ctx=decord.cpu(0), num_threads=1, fault_tol=1e-9)
        total = len(reader)
        end = float(reader.get_frame_timestamp([total - 1])[0, 1])
    except DECORD_ERRORS as error:
        raise HarnessError(f"{path.name}: the video is damaged or cut off") from error
    _check_length(path, header, total, end)
    indices = choose(total)
    try:
        return reader.get_batch(indices).asnumpy(), indices, total
    except DECORD_ERRORS as error:
        raise HarnessError(f"{path.name}: a frame up to number {indices[-1]} cannot be decoded") from error


def _with_av(path: Path, header: Header, choose: Choose) -> Decoded:
    """Decodes twice from the start: once to count the frames, once to keep the wanted ones."""
    total, end = 0, 0.0
    try:
        with _open(path) as container:
            for frame in container.decode(video=0):
                total += 1
                end = float((frame.pts or 0) + (frame.duration or 0)) * float(frame.time_base or 0)
        if total == 0:
            raise HarnessError(f"{path.name}: no frame can be decoded")
        _check_length(path, header, total, end)
        indices = choose(total)
        wanted = set(indices)
        with _open(path) as container:
            frames = enumerate(container.decode(video=0))
            kept = [frame.to_ndarray(format="rgb24") for number, frame in frames if number in wanted]
        return np.stack(kept), indices, total
    except (av.FFmpegError, ValueError) as error:
        raise HarnessError(f"{path.name}: frame {total} cannot be decoded ({_reason(error)})") from error


def _check_length(path: Path, header: Header, total: int, end: float) -> None:
    if total < header.frames:
        raise HarnessError(f"{path.name}: cut off: {total} of {header.frames} frames are there")
    if end < header.seconds - TOLERATED_SECONDS:
        raise HarnessError(f"{path.name}: cut off: {end:.1f} of {header.seconds:.1f} seconds are there")


def _open(path: Path) -> av.container.InputContainer:
    # An absolute path, for a colon in a file's name would make ffmpeg look for a protocol.
    return av.open(str(path.absolute()), options={"format_whitelist": CONTAINERS})


def _seconds(clock: str) -> float:
    """Seconds of a Matroska duration such as `00:00:02.400000000`; 0 for anything else."""
    match = CLOCK.match(clock)
    return 3600 * int(match[1]) + 60 * int(match[2]) + float(match[3]) if match else 0.0


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error).splitlines()[0]
