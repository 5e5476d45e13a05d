"""Files that ask for too much, raise something or never end, each built from bytes in a moment."""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import av
import cv2
import numpy as np


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, rows: int | None = None, before: bytes = b"") -> bytes:
    """A black PNG that declares this size and holds so many rows (all, if None)."""
    rows = height if rows is None else rows
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress((b"\0" * (1 + 3 * width)) * rows)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + before + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def jpeg(width: int, height: int, side: int = 32) -> bytes:
    """A small JPEG that declares another size."""
    data = bytearray(cv2.imencode(".jpg", np.full((side, side, 3), 90, np.uint8))[1].tobytes())
    at = data.find(b"\xff\xc0")
    data[at + 5 : at + 9] = struct.pack(">HH", height, width)
    return bytes(data)


def many_scans(side: int, scans: int) -> bytes:
    how = [cv2.IMWRITE_JPEG_PROGRESSIVE, 1]
    data = cv2.imencode(".jpg", np.zeros((side, side, 3), np.uint8), how)[1].tobytes()
    last = data[data.rfind(b"\xff\xda") : -2]
    return data[:-2] + last * scans + data[-2:]


def film(path: Path, codec: str = "libx264", **options: str) -> bytes:
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        for level in range(3):
            frame = np.full((64, 64, 3), 40 * level, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))
    return path.read_bytes()


def box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", 8 + len(body)) + kind + body


def mp4(path: Path, samples: int, edits: int = 0, packed: bool = False) -> bytes:
    """An MP4 of a few hundred bytes whose tables tell of so many samples of one byte each."""
    whole = film(path.with_name("plain.mp4"))
    path.with_name("plain.mp4").unlink()

    def own(kind: bytes) -> bytes:
        at = whole.find(kind) - 4
        return whole[at : at + struct.unpack_from(">I", whole, at)[0]]

    tables = own(b"stsd") + box(b"stts", struct.pack(">IIII", 0, 1, samples, 512))
    tables += box(b"stsc", struct.pack(">IIIII", 0, 1, 1, samples, 1))
    tables += box(b"stsz", struct.pack(">III", 0, 1, samples)) + box(b"stco", struct.pack(">III", 0, 1, 40))
    media = box(b"minf", own(b"vmhd") + own(b"dinf") + box(b"stbl", tables))
    listed = struct.pack(">II", 0, edits) + struct.pack(">IiI", 10 * samples, 0, 65536) * edits
    track = own(b"tkhd") + (box(b"edts", box(b"elst", listed)) if edits else b"")
    track = box(b"trak", track + box(b"mdia", own(b"mdhd") + own(b"hdlr") + media))
    header = box(b"moov", own(b"mvhd") + track)
    if packed:
        small = box(b"dcom", b"zlib") + box(b"cmvd", struct.pack(">I", len(header)) + zlib.compress(header))
        header = box(b"moov", box(b"cmov", small))
    return own(b"ftyp") + box(b"mdat", bytes(1000)) + header


def fragments(path: Path) -> bytes:
    data = bytearray(film(path, movflags="frag_keyframe+empty_moov"))
    at = data.find(b"trun")
    data[at + 5 : at + 12] = bytes(3) + struct.pack(">I", 10**8)
    return bytes(data)


def growing(path: Path) -> bytes:
    """A film whose fourth frame is far larger than its header says."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=25)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuvj420p"
        for number in range(5):
            packet = av.Packet(jpeg(15_000, 15_000) if number == 3 else jpeg(32, 32))
            packet.stream, packet.pts, packet.dts, packet.is_keyframe = stream, number, number, True
            container.mux(packet)
    return path.read_bytes()


def pages(width: int) -> bytes:
    """A TIFF that declares this width."""
    data = bytearray(cv2.imencode(".tiff", np.zeros((8, 8, 3), np.uint8))[1].tobytes())
    start = struct.unpack_from("<I", data, 4)[0]
    for at in range(start + 2, start + 2 + 12 * struct.unpack_from("<H", data, start)[0], 12):
        if struct.unpack_from("<H", data, at)[0] in (256, 257):
            struct.pack_into("<HII", data, at + 2, 4, 1, width)
    return bytes(data)


GIF = b"GIF89a" + struct.pack("<HH", 65_000, 65_000) + b"\x80\0\0\0\0\0\xff\xff\xff\x2c"
GIF += struct.pack("<HHHH", 0, 0, 65_000, 65_000) + b"\0\x02\x02\x44\x01\0\x3b"
WEBP = b"RIFF\x2e\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0\xfe\x3f\0\xfe\x3f\0" + bytes(16)
BMP = (
    b"BM" + struct.pack("<IIIIiiHHIIIIII", 60, 0, 54, 40, 40_000, -40_000, 1, 24, 0, 6, 1, 1, 0, 0) + bytes(6)
)
FLV = b"FLV\x01\x05\0\0\0\x09\0\0\0\0\x09\xff\xff\xff" + bytes(10**5)
HDR = b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 30000 +X 30000\n" + bytes(64)

CONTENT: dict[str, tuple[Callable[[Path], bytes], str]] = {
    "large.png": (lambda _: png(60_000, 60_000, 1), "clip-pixels"),
    "large.jpg": (lambda _: jpeg(65_500, 65_500), "clip-pixels"),
    "large.webp": (lambda _: WEBP, "clip-pixels"),
    "large.bmp": (lambda _: BMP, "clip-pixels"),
    "large.tif": (lambda _: pages(30_000), "clip-pixels"),
    "radiance.png": (lambda _: HDR, "clip-pixels"),
    "large.ppm": (lambda _: b"P6 30000 30000 255\n", "clip-pixels"),
    "large.gif": (lambda _: GIF, "large.gif"),
    "growing.mkv": (growing, "frame 3 cannot be decoded"),
    "scans.jpg": (lambda _: many_scans(2048, 2000), "2,010 scans"),
    "marks.jpg": (lambda _: b"\xff\xd8" + b"\xff" * 10**6, "not a readable image"),
    "samples.mp4": (lambda path: mp4(path, 10**6), "clip-frames"),
    "more-samples.mp4": (lambda path: mp4(path, 10**8), "clip-frames"),
    "edits.mp4": (lambda path: mp4(path, 10**5, edits=1000), "clip-frames"),
    "packed.mp4": (lambda path: mp4(path, 10**8, packed=True), "clip-frames"),
    "fragments.mp4": (fragments, "clip-frames"),
    "nothing.png": (lambda _: b"", "the file is empty"),
    "unknown.flv": (lambda _: FLV, "has no video stream that can be decoded"),
    "half.png": (lambda _: png(64, 64)[:20], "not a readable image"),
}
"""Name -> its bytes, and what the reason of its failure says."""


def hostile(folder: Path) -> dict[Path, str]:
    """All of them, those that are no regular files too: path -> what the reason says."""
    found = {}
    for name, (content, says) in CONTENT.items():
        path = folder / name
        path.write_bytes(content(path))
        found[path] = says
    for name in ("pipe.mp4", "pipe.png", "frames/000.png"):
        (folder / name).parent.mkdir(exist_ok=True)
        os.mkfifo(folder / name)
    (folder / "device.mp4").symlink_to("/dev/zero")
    (folder / "loop.png").symlink_to("loop.png")
    found |= {
        folder / name: "not a regular file" for name in ("pipe.mp4", "pipe.png", "frames", "device.mp4")
    }
    return found | {folder / "loop.png": "symbolic links", folder / "a\0b.mp4": "null byte"}
