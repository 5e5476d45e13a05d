"""How large a file says that its pictures are, and of how many samples, before anything is decoded.

Written by hand where a look at a few bytes tells (ISO/IEC 15948 for PNG; ITU-T T.81 for JPEG; RFC 9649 for
WebP; ISO/IEC 14496-12 for MP4), by Pillow elsewhere.
"""

from __future__ import annotations

import io
import re
import struct
import warnings
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from harness.guard.clip_bounds import check_clock, check_frames, check_pixels
from harness.guard.limits import limit, within
from harness.types import HarnessError


class Declared(NamedTuple):
    """What the header of an image says."""

    width: int
    height: int
    pictures: int = 1
    """2 where there are several, of which OpenCV shows the first."""
    scans: int = 1
    """Times that a decoder goes over the picture."""


MOST_SCANS = 64
"""Scans of a JPEG as large as `clip-pixels` allows; of a smaller one more, each costs time by its pixels."""
MARK = re.compile(rb"\xff([^\xff\0])")
MOST_SEGMENTS, MOST_BETWEEN = 2**14, 2**16
"""Segments of a JPEG before its first scan, and bytes between them, which Pillow goes through one by one."""
PROGRESSIVE = (0xC2, 0xC6, 0xCA, 0xCE)
BARE = (b"P7", b"PF", b"Pf")
"""Formats that only OpenCV reads, whose pixels lie in the file as they are."""


def image_bytes(path: Path, size: int) -> tuple[bytes, Declared]:
    """The content of an image file of so many bytes, if neither it nor the picture in it is too large.

    One of an unknown format is a `HarnessError`: it is not decoded, for nobody knows what that would take.
    """
    within(f"{path.name}: the image", size, "clip-memory")
    data = path.read_bytes()
    said = declared(data)
    if said is None:
        raise HarnessError(f"{path.name}: not a readable image")
    check_pixels(path.name, said.width, said.height)
    if said.scans > MOST_SCANS:
        counted = said.scans * said.width * said.height / MOST_SCANS
        within(f"{path.name}: it", counted, "clip-pixels", f" to go over in {said.scans:,} scans")
    return data, said


def declared(data: bytes) -> Declared | None:
    """What an image says of itself; None where nobody knows its format."""
    for magic, tell in TELLERS.items():
        if data.startswith(magic):
            return _tried(tell, data)
    return Declared(0, 0) if data.startswith(BARE) else _tried(_by_pillow, data)


def _tried(tell: Callable[[bytes], Declared | None], data: bytes) -> Declared | None:
    try:
        return tell(data)
    except (struct.error, IndexError, ValueError):
        return None


def _png(data: bytes) -> Declared:
    animated = b"acTL" in data[: data.find(b"IDAT")]
    width, height = struct.unpack_from(">II", data, 16)
    return Declared(width, height, 1 + animated)


def _jpeg(data: bytes) -> Declared | None:
    """From the frame that begins before the first scan (T.81, B.1); None with too much between segments."""
    at, between, sides, parts = 2, 0, (0, 0), 0
    for _ in range(MOST_SEGMENTS):
        mark = MARK.search(data, at)
        if mark is None:
            return None
        between += mark.end() - at - 2
        if between > MOST_BETWEEN:
            return None
        kind, at = mark[1][0], mark.end()
        if kind == 0xDA:
            several = data[at + 2] < parts  # in one scan a decoder reads no further
            return Declared(*sides, scans=data.count(b"\xff\xda") if several else 1) if parts else None
        if 0xC0 <= kind <= 0xCF and kind not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack_from(">HH", data, at + 3)
            sides, parts = (width, height), 255 if kind in PROGRESSIVE else data[at + 7]
        if kind != 0x01 and not 0xD0 <= kind <= 0xD8:
            at += struct.unpack_from(">H", data, at)[0]
    return None


def _webp(data: bytes) -> Declared | None:
    kind = data[12:16]
    if kind == b"VP8X":
        width, height = (1 + int.from_bytes(data[at : at + 3], "little") for at in (24, 27))
        return Declared(width, height, 1 + bool(data[20] & 2))
    if kind == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        return Declared(1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF))
    width, height = struct.unpack_from("<HH", data, 26)
    return Declared(width & 0x3FFF, height & 0x3FFF) if kind == b"VP8 " else None


def _bmp(data: bytes) -> Declared:
    early = struct.unpack_from("<I", data, 14)[0] == 12
    width, height = struct.unpack_from("<HH" if early else "<ii", data, 18)
    return Declared(abs(width), abs(height))


def _radiance(data: bytes) -> Declared | None:
    found = re.search(rb"\n-Y (\d{1,10}) \+X (\d{1,10})\n", data[:65536])
    return Declared(int(found[2]), int(found[1])) if found else None


def _tiff(data: bytes) -> Declared | None:
    """From the first directory, a tile counting as a picture; Pillow opens fewer kinds than OpenCV."""
    order = "<" if data[:2] == b"II" else ">"
    tags, following = _directory(data, order, struct.unpack_from(f"{order}I", data, 4)[0])
    if 256 not in tags or 257 not in tags:
        return None
    another = bool(following) and not _directory(data, order, following)[0].get(254, 0) & 1
    return Declared(max(tags[256], tags.get(322, 0)), max(tags[257], tags.get(323, 0)), 1 + another)


def _directory(data: bytes, order: str, start: int) -> tuple[dict[int, int], int]:
    """Tag -> its number, where it has one, and where the directory of the next picture lies; 0 for none."""
    tags: dict[int, int] = {}
    count = struct.unpack_from(f"{order}H", data, start)[0]
    for at in range(start + 2, start + 2 + 12 * count, 12):
        tag, kind = struct.unpack_from(f"{order}HH", data, at)
        if kind in (3, 4):
            tags[tag] = struct.unpack_from(f"{order}{'H' if kind == 3 else 'I'}", data, at + 8)[0]
    return tags, struct.unpack_from(f"{order}I", data, start + 2 + 12 * count)[0]


def _by_pillow(data: bytes) -> Declared | None:
    from PIL import Image, UnidentifiedImageError  # slow to import

    warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)  # here is a limit of its own
    if Image.MAX_IMAGE_PIXELS is not None:
        Image.MAX_IMAGE_PIXELS = max(Image.MAX_IMAGE_PIXELS, int(limit("clip-pixels")))
    try:
        with Image.open(io.BytesIO(data)) as image:
            return Declared(*image.size)
    except (UnidentifiedImageError, OSError, SyntaxError, OverflowError):
        return None
    except Image.DecompressionBombError as error:
        found = re.search(r"\((\d+) pixels\)", str(error))
        return Declared(int(found[1]) if found else 2**62, 1)


TELLERS: dict[bytes, Callable[[bytes], Declared | None]] = {
    b"\x89PNG": _png,
    b"\xff\xd8": _jpeg,
    b"RIFF": _webp,
    b"BM": _bmp,
    b"#?": _radiance,
    b"II*\0": _tiff,
    b"MM\0*": _tiff,
}
"""What a file begins with -> what reads its header."""


HOLDERS = (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts", b"moof", b"traf")
TABLES = (b"hdlr", b"stts", b"stsz", b"stz2", b"elst", b"trun")
DEEPEST = 8
SOUND = 16
"""How many more samples than frames are allowed in tracks that are no video, and by edit lists."""


@dataclass
class _Track:
    kind: bytes = b""
    samples: int = 0
    edits: int = 1
    plain: bool = False
    """Whether each sample lasts one tick, as those of uncompressed sound, of which no index is made."""


def check_samples(path: Path, size: int) -> None:
    """A `HarnessError` for an MP4 of so many bytes whose tables tell of more samples than are allowed.

    A few hundred bytes can declare 10^8 of one byte each, of all of which ffmpeg makes an index as it opens
    the file. A GIF may not be larger than what is decoded at once: ffmpeg takes what follows a picture for
    a part of it. Of any other file nothing is said.
    """
    if size > limit("clip-memory"):
        with path.open("rb") as file:
            if file.read(3) == b"GIF":
                within(f"{path.name}: the animation", size, "clip-memory")
    tracks, fragments = [_Track()], 0
    for kind, body in _told(path, size):
        if kind == b"trak":
            tracks.append(_Track())
        elif kind == b"trun":
            fragments += _number(body, 4)
        else:
            _read_table(tracks[-1], kind, body)
    most = fragments
    for track in tracks:
        if track.kind == b"soun" and track.plain:
            continue
        most = max(most, track.samples * track.edits)
        if track.kind == b"vide":
            check_frames(path.name, track.samples, " in its index")
    check_frames(path.name, most // SOUND, f", as which {most:,} samples in its index count")


def _read_table(track: _Track, kind: bytes, body: memoryview) -> None:
    if kind == b"hdlr":
        track.kind = track.kind or bytes(body[8:12])
    elif kind == b"stts":
        track.plain = _number(body, 4) == 1 and _number(body, 12) == 1
    elif kind in (b"stsz", b"stz2"):
        track.samples = max(track.samples, _number(body, 8))
    elif kind == b"elst":
        track.edits = max(track.edits, _number(body, 4))


def _number(body: memoryview, at: int) -> int:
    return int.from_bytes(body[at : at + 4], "big")


def _told(path: Path, size: int) -> Iterator[tuple[bytes, memoryview]]:
    """The kinds of the boxes that tell of samples, and what is in each, in the order of the file."""
    with path.open("rb", buffering=0) as file:
        at = 0
        while at + 8 <= size:
            check_clock()
            file.seek(at)
            found = _box(file.read(16), 0, size - at)
            if found is None:
                return
            kind, head, length = found
            if kind in HOLDERS:
                within(f"{path.name}: it", length, "clip-memory", " in its index")
                file.seek(at + head)
                yield from _boxes(memoryview(file.read(length - head)))
            at += length


def _box(data: bytes | memoryview, at: int, left: int) -> tuple[bytes, int, int] | None:
    """Kind, bytes of its head and of all of it, of the box at a place; None where there is none."""
    length, kind, head = int.from_bytes(data[at : at + 4], "big"), bytes(data[at + 4 : at + 8]), 8
    if length == 1:
        length, head = int.from_bytes(data[at + 8 : at + 16], "big"), 16
    length = length or left
    return (kind, head, length) if length >= head else None


def _boxes(data: memoryview, deep: int = 1) -> Iterator[tuple[bytes, memoryview]]:
    at = 0
    while at + 8 <= len(data) and (found := _box(data, at, len(data) - at)) is not None:
        kind, head, length = found
        body = data[at + head : at + length]
        if kind == b"cmov":
            yield from _inflated(bytes(body))
        elif kind in TABLES:
            yield kind, body
        elif kind in HOLDERS and deep < DEEPEST:
            yield kind, body
            yield from _boxes(body, deep + 1)
        at += length


def _inflated(data: bytes) -> Iterator[tuple[bytes, memoryview]]:
    """The boxes of a compressed header (`cmov`: `dcom`, then `cmvd` with its size before the data)."""
    try:
        header = zlib.decompressobj().decompress(data[data.find(b"cmvd") + 8 :], 2**26)
    except zlib.error:  # nor can ffmpeg read it
        return
    yield from _boxes(memoryview(header))
