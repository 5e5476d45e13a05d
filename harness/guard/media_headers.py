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
from typing import BinaryIO, NamedTuple

from harness.guard.clip_bounds import check_clock, check_frames
from harness.guard.limits import limit, within


class Declared(NamedTuple):
    """What the header of an image says."""

    width: int
    height: int
    pictures: int = 1
    """2 where there are several, of which OpenCV shows the first."""


MOST_SCANS = 64
"""Scans of a JPEG as large as `clip-pixels` allows; of a smaller one more, each costs time by its pixels."""
BARE = (b"P7", b"PF", b"Pf")
"""Formats that only OpenCV reads, whose pixels lie in the file as they are."""


def declared(data: bytes, name: str) -> Declared | None:
    """What an image says of itself; None where nobody knows its format, so that it is not decoded."""
    for magic, tell in TELLERS.items():
        if data.startswith(magic) and (found := _tried(tell, data)) is not None:
            break
    else:
        found = Declared(0, 0) if data.startswith(BARE) else _tried(_by_pillow, data)
    if found is not None and data.startswith(b"\xff\xd8"):
        scans = data.count(b"\xff\xda") * found.width * found.height
        within("clip-pixels", scans / MOST_SCANS, f"{name}: its scans, by {MOST_SCANS}, are {{}} pixels")
    return found


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
    """From the first start of a frame (T.81, table B.1); what lies between segments is skipped."""
    at = 2
    while (at := data.find(b"\xff", at)) >= 0:
        kind = data[at + 1]
        if 0xC0 <= kind <= 0xCF and kind not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack_from(">HH", data, at + 5)
            return Declared(width, height)
        bare = kind in (0x00, 0x01, 0xFF) or 0xD0 <= kind <= 0xD8
        at += 1 if bare else 2 + struct.unpack_from(">H", data, at + 2)[0]
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
    found = re.search(rb"\n[-+][XY] (\d{1,10}) [-+][XY] (\d{1,10})\n", data[:65536])
    return Declared(int(found[1]), int(found[2])) if found else None


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
TABLES = (b"hdlr", b"stts", b"stsz", b"stz2", b"elst", b"trun", b"cmov")
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


def check_samples(path: Path) -> None:
    """A `HarnessError` for an MP4 whose tables tell of more samples than are allowed.

    A few hundred bytes can declare 10^8 of one byte each, of all of which ffmpeg makes an index as it opens
    the file. Of any other file nothing is said.
    """
    tracks, fragments = [_Track()], 0
    with path.open("rb") as file:
        for kind, body in _boxes(file, path.stat().st_size):
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
            check_frames(path.name, track.samples, "frames in its index")
    of_all = f"{path.name}: {most:,} samples in its index count as {{}} frames"
    within("clip-frames", most // SOUND, of_all)


def _read_table(track: _Track, kind: bytes, body: bytes) -> None:
    if kind == b"hdlr":
        track.kind = track.kind or body[8:12]
    elif kind == b"stts":
        track.plain = _number(body, 4) == 1 and _number(body, 12) == 1
    elif kind in (b"stsz", b"stz2"):
        track.samples = max(track.samples, _number(body, 8))
    elif kind == b"elst":
        track.edits = max(track.edits, _number(body, 4))


def _number(body: bytes, at: int) -> int:
    return int.from_bytes(body[at : at + 4], "big")


def _boxes(file: BinaryIO, end: int, deep: int = 0) -> Iterator[tuple[bytes, bytes]]:
    """The kinds of the boxes that tell of samples, and the first bytes in each, in the order of the file."""
    at = file.tell()
    while at + 8 <= end:
        check_clock()
        file.seek(at)
        head = file.read(32)
        size, kind, skipped = int.from_bytes(head[:4], "big"), head[4:8], 8
        if size == 1:
            size, skipped = int.from_bytes(head[8:16], "big"), 16
        size = size or end - at
        if len(head) < 8 or size < skipped:
            return
        if kind in TABLES:
            file.seek(at + skipped)
            yield from _inflated(file, size) if kind == b"cmov" else [(kind, file.read(16))]
        elif kind in HOLDERS and deep < DEEPEST:
            yield kind, b""
            file.seek(at + skipped)
            yield from _boxes(file, min(end, at + size), deep + 1)
        at += size


def _inflated(file: BinaryIO, size: int) -> Iterator[tuple[bytes, bytes]]:
    """The boxes of a compressed header (`cmov`: `dcom`, then `cmvd` with its size before the data)."""
    data = file.read(min(size, 2**24))
    start = data.find(b"cmvd") + 8
    try:
        header = zlib.decompressobj().decompress(data[start:], 2**26)
    except zlib.error:  # nor can ffmpeg read it
        return
    yield from _boxes(io.BytesIO(header), len(header), 1)
