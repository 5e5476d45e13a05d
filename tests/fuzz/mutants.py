"""Damaged and hostile forms of a file: a number gives always the same one."""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

Mutate = Callable[[bytearray, np.random.Generator], bytes]

NUMBERS = (0, 1, 2, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF)
WORDS = (
    *("", "nan", "inf", "-inf", "1e400", "-0", "9" * 400, "9" * 5000, "0x10", "1,5", "true", "null", "None"),
    *('"', "'", "''''", "\\", "\x00", "\n", "\r", "\t", "\x1b[31m", "\u202e", "\ufeff", "\U0001f600", "é"),
    *("=1+1", "$x$", "<script>", "a|b", "../../etc/passwd", "/dev/zero", "/dev/stdin", "C:\\x", "a" * 5000),
    *(
        "[" * 3000,
        "{" * 3000,
        "{a=" * 3000,
        "[[x]]",
        "# ",
        ";",
        "{}",
        "[]",
        "-1",
        "1e-400",
        "1_000",
        "%s",
        "{0}",
    ),
)
"""What stands in the place of a word of a text."""


def mutant(data: bytes, name: str, number: int, seed: int = 0) -> bytes:
    """The mutant of that number of a file called so; 1 to 3 changes."""
    rng = np.random.default_rng([seed, number, zlib.crc32(name.encode())])
    known = BY_ENDING.get(Path(name).suffix, BINARY)
    for _ in range((1, 1, 2, 3)[rng.integers(4)]):
        data = known[rng.integers(len(known))](bytearray(data), rng)
    return data


def _place(data: bytearray, rng: np.random.Generator) -> int:
    """Somewhere in the data, in every other case near its start, where headers are."""
    end = max(1, len(data) if rng.random() < 0.5 else min(len(data), 256))
    return int(rng.integers(end))


def flip(data: bytearray, rng: np.random.Generator) -> bytes:
    """Some bits turned."""
    for _ in range(rng.integers(1, 33) if data else 0):
        data[_place(data, rng)] ^= 1 << rng.integers(8)
    return bytes(data)


def number(data: bytearray, rng: np.random.Generator) -> bytes:
    """Four bytes that are a number at its ends, in either order of bytes."""
    at = _place(data, rng)
    order = ">I" if rng.random() < 0.7 else "<I"
    data[at : at + 4] = struct.pack(order, NUMBERS[rng.integers(len(NUMBERS))])
    return bytes(data)


def shorten(data: bytearray, rng: np.random.Generator) -> bytes:
    """Cut off somewhere."""
    return bytes(data[: rng.integers(len(data) + 1)])


def remove(data: bytearray, rng: np.random.Generator) -> bytes:
    """A piece left out."""
    at = _place(data, rng)
    del data[at : at + int(rng.integers(1, 2000))]
    return bytes(data)


def repeat(data: bytearray, rng: np.random.Generator) -> bytes:
    """A piece several times."""
    at, length = _place(data, rng), int(rng.integers(1, 2000))
    data[at:at] = data[at : at + length] * int(rng.integers(1, 20))
    return bytes(data)


def move(data: bytearray, rng: np.random.Generator) -> bytes:
    """A piece in another place."""
    at, length = _place(data, rng), int(rng.integers(1, 2000))
    piece = data[at : at + length]
    del data[at : at + length]
    to = int(rng.integers(len(data) + 1))
    data[to:to] = piece
    return bytes(data)


def noise(data: bytearray, rng: np.random.Generator) -> bytes:
    """A piece of noise, or of one byte."""
    at, length = _place(data, rng), int(rng.integers(1, 500))
    data[at : at + length] = rng.bytes(length) if rng.random() < 0.7 else bytes([rng.integers(256)]) * length
    return bytes(data)


BOXES = (
    rb"moov|trak|mdia|stbl|stsd|stsz|stts|ctts|stco|stsc|stss|elst|mdhd|tkhd|mdat|"
    rb"avc1|avcC|hvc1|hev1|hvcC|vp09|vpcC|colr|pasp"
)


def box(data: bytearray, rng: np.random.Generator) -> bytes:
    """One box of an MP4 with another size, or with numbers at their ends in its first fields."""
    places = [found.start() for found in re.finditer(BOXES, data)]
    if not places:
        return flip(data, rng)
    at = places[rng.integers(len(places))]
    offset = -4 if rng.random() < 0.3 else 4 * int(rng.integers(1, 12))
    return _with_number(data, at + offset, rng)


def _with_number(data: bytearray, at: int, rng: np.random.Generator) -> bytes:
    data[max(0, at) : at + 4] = struct.pack(">I", NUMBERS[rng.integers(len(NUMBERS))])
    return bytes(data)


def chunk(data: bytearray, rng: np.random.Generator) -> bytes:
    """A PNG with another header or other chunks, whose checksums are right again."""
    pieces, at = [], 8
    while at + 12 <= len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        pieces.append([bytes(data[at + 4 : at + 8]), bytearray(data[at + 8 : at + 8 + length])])
        at += 12 + length
    if not pieces:
        return flip(data, rng)
    kind, body = pieces[0 if rng.random() < 0.6 else rng.integers(len(pieces))]
    if kind == b"IHDR" and len(body) >= 13:
        start = (0, 4, 8, 9, 11, 12)[rng.integers(6)]
        new = struct.pack(">I", NUMBERS[rng.integers(len(NUMBERS))]) if start < 8 else rng.bytes(1)
        body[start : start + len(new)] = new
    elif body:
        body[rng.integers(len(body))] ^= 1 << rng.integers(8)
    found = bytes(data[:8])
    for name, content in pieces:
        found += struct.pack(">I", len(content)) + name + bytes(content)
        found += struct.pack(">I", zlib.crc32(name + bytes(content)))
    return found


def word(data: bytearray, rng: np.random.Generator) -> bytes:
    """Another word in a text."""
    text = bytes(data).decode(errors="replace")
    found = list(re.finditer(r"[\w.+-]+|[^\w\s]|\n", text))
    if not found:
        return WORDS[rng.integers(len(WORDS))].encode()
    one = found[rng.integers(len(found))]
    return (text[: one.start()] + WORDS[rng.integers(len(WORDS))] + text[one.end() :]).encode()


def line(data: bytearray, rng: np.random.Generator) -> bytes:
    """A line of a text twice, left out, or in another place."""
    lines = bytes(data).splitlines(keepends=True) or [b""]
    taken = lines.pop(int(rng.integers(len(lines))))
    for _ in range(rng.integers(3)):
        lines.insert(int(rng.integers(len(lines) + 1)), taken)
    return b"".join(lines)


def encoding(data: bytearray, rng: np.random.Generator) -> bytes:
    """A text in another encoding, or with bytes that are none."""
    text = bytes(data).decode(errors="replace")
    ways = ("utf-16", "utf-16-be", "utf-8-sig", "latin-1", "utf-32")
    if rng.random() < 0.5:
        return text.encode(ways[rng.integers(len(ways))], errors="replace")
    at = _place(data, rng)
    data[at:at] = (b"\xff", b"\xc3", b"\xed\xa0\x80", b"\x00")[rng.integers(4)]
    return bytes(data)


BINARY: tuple[Mutate, ...] = (flip, flip, number, number, shorten, remove, repeat, move, noise)
TEXT: tuple[Mutate, ...] = (word, word, word, word, line, line, encoding, flip, shorten, repeat)
BY_ENDING: dict[str, tuple[Mutate, ...]] = {
    ".mp4": (*BINARY, box, box, box, box, box),
    ".png": (*BINARY, chunk, chunk, chunk, chunk),
    **dict.fromkeys((".csv", ".tsv", ".toml", ".json"), TEXT),
}
"""How files of an ending are changed; those of others as binary files are."""
