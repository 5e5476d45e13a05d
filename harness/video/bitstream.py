"""What the bytes of a coded frame, or those that lead a stream, say of it, without decoding it.

H.264 and H.265 wrap a frame into units, each led by its length (ISO/IEC 14496-15); the first bytes of a
unit say its kind (ITU-T H.264, table 7-1; H.265, table 7-1). VP8 says in its first byte whether a frame is
shown (RFC 6386, section 9.1). How many frames a decoder has to keep is said by the sequence parameter sets
(H.264, 7.3.2.1.1; H.265, 7.3.2.2).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

H264_IDR, H264_SLICES, H264_SETS = 5, range(1, 6), (7, 8)
HEVC_SLICES, HEVC_BROKEN, HEVC_STARTS, HEVC_SETS = range(32), range(16, 19), range(16, 22), range(32, 35)
H264_SPS, HEVC_SPS = 7, 33
"""Kinds of units: all slices; those of frames whose leading frames are never shown; those of frames that
decoding may begin at; the parameters that slices are decoded with, of which these are of whole sequences."""
WITH_CHROMA = (44, 83, 86, 100, 110, 118, 122, 128, 134, 135, 138, 139, 244)
"""Profiles of H.264 that tell their chroma format, bit depth and scaling."""
MOST = 16
"""Frames that either may keep at most."""
KEPT = {"vp8": 3, "vp9": 8, "av1": 8}
"""Codec -> frames that others may look at."""
OTHERS = 2
"""The same of codecs that look one frame back and one ahead."""


MOST_UNITS = 2**16
"""Units of one frame; of the largest frames that are allowed each of these would hold 1,024 pixels."""


class Coded(NamedTuple):
    """One coded frame."""

    afresh: bool
    """Whether it, and all shown after it, can be decoded without what came before it."""
    shown: bool = True
    spare: bool = False
    """Whether no other frame of its layer looks at it."""
    layer: int = 0
    """Temporal layer; a layer looks at itself and at lower ones."""
    sets: bool = False
    """Whether it brings parameters that frames after it are decoded with."""


Tell = Callable[[memoryview, bool], Coded | None]
"""(packet, whether its container calls it a key frame) -> what it says; None if that cannot be told."""


def teller(codec: str, head: bytes) -> Tell | None:
    """What reads the frames of a codec, given the bytes that lead its stream; None for other codecs."""
    if codec == "h264" and len(head) >= 5 and head[0] == 1:
        return lambda packet, _: _h264(packet, 1 + (head[4] & 3))
    if codec == "hevc" and len(head) >= 22 and head[0] == 1:
        return lambda packet, _: _hevc(packet, 1 + (head[21] & 3))
    if codec == "vp8":
        return lambda packet, key: Coded(key, shown=bool(packet[0] & 16))
    if codec in ("vp9", "av1"):
        return lambda _, key: Coded(key)
    return None


def _h264(packet: memoryview, length_bytes: int) -> Coded | None:
    heads = [unit[0] for unit in _units(packet, length_bytes)]
    slices = [head for head in heads if head & 31 in H264_SLICES]
    if not slices:
        return None
    sets = any(head & 31 in H264_SETS for head in heads)
    return Coded(slices[0] & 31 == H264_IDR, spare=not any(head & 96 for head in slices), sets=sets)


def _hevc(packet: memoryview, length_bytes: int) -> Coded | None:
    units = [unit for unit in _units(packet, length_bytes) if len(unit) > 1]
    # Units of further layers (a second eye) are not decoded.
    heads = [(unit[0] >> 1 & 63, unit[1] & 7) for unit in units if not unit[0] & 1 and unit[1] < 8]
    kinds = [(kind, layer) for kind, layer in heads if kind in HEVC_SLICES]
    if not kinds or any(kind in HEVC_BROKEN for kind, _ in kinds):
        return None
    spare = all(kind < 16 and kind % 2 == 0 for kind, _ in kinds)
    sets = any(kind in HEVC_SETS for kind, _ in heads)
    return Coded(kinds[0][0] in HEVC_STARTS, spare=spare, layer=kinds[0][1], sets=sets)


def _units(packet: memoryview, length_bytes: int) -> Iterator[memoryview]:
    at, number = 0, 0
    while at + length_bytes < len(packet):
        number += 1
        if number > MOST_UNITS:
            raise ValueError(f"a frame of more than {MOST_UNITS:,} units")
        start = at + length_bytes
        at = start + int.from_bytes(packet[at:start], "big")
        if at > start:
            yield packet[start:at]


def frames_kept(codec: str, head: bytes) -> int:
    """Frames that a decoder of this codec keeps, by the bytes that lead the stream; the most, if in doubt."""
    readers: dict[str, tuple[Callable[[bytes], Iterator[bytes]], Callable[[_Bits], int]]] = {
        "h264": (_h264_sets, _h264_kept),
        "hevc": (_hevc_sets, _hevc_kept),
    }
    if codec not in readers:
        return KEPT.get(codec, OTHERS)
    sets, kept = readers[codec]
    try:
        return min(MOST, max(kept(_Bits(unit)) for unit in sets(head)))
    except (IndexError, ValueError):  # no such set in front of the stream, or one that is cut off
        return MOST


class _Bits:
    """The bits of a unit, one number after the other; `IndexError` beyond its end."""

    def __init__(self, unit: bytes) -> None:
        plain = unit.replace(b"\0\0\3", b"\0\0")
        self._bits, self._at = "".join(f"{byte:08b}" for byte in plain), 0

    def take(self, count: int) -> int:
        """The next bits as a number."""
        if self._at + count > len(self._bits):
            raise IndexError
        self._at += count
        return int(self._bits[self._at - count : self._at] or "0", 2)

    def whole(self) -> int:
        """The next number of an exponential Golomb code."""
        zeros = self._bits.index("1", self._at) - self._at
        if zeros > 32:
            raise ValueError
        self._at += zeros
        return self.take(zeros + 1) - 1

    def signed(self) -> int:
        """The next such number that may be below 0."""
        number = self.whole()
        return (number + 1) // 2 if number % 2 else -(number // 2)


def _h264_sets(head: bytes) -> Iterator[bytes]:
    if len(head) < 7 or head[0] != 1:
        return
    at = 6
    for _ in range(head[5] & 31):
        length = int.from_bytes(head[at : at + 2], "big")
        if head[at + 2] & 31 == H264_SPS:
            yield head[at + 3 : at + 2 + length]
        at += 2 + length


def _h264_kept(bits: _Bits) -> int:
    profile = bits.take(8)
    bits.take(16)  # constraints and level
    bits.whole()  # its number
    if profile in WITH_CHROMA:
        chroma = bits.whole()
        bits.take(chroma == 3)
        bits.whole(), bits.whole(), bits.take(1)  # depths, lossless
        if bits.take(1):
            for place in range(12 if chroma == 3 else 8):
                if bits.take(1):
                    _pass_scaling(bits, 16 if place < 6 else 64)
    bits.whole()  # digits of frame numbers
    order = bits.whole()
    if order == 0:
        bits.whole()
    elif order == 1:
        bits.take(1), bits.signed(), bits.signed()
        for _ in range(bits.whole()):
            bits.signed()
    return bits.whole()


def _pass_scaling(bits: _Bits, count: int) -> None:
    last = following = 8
    for _ in range(count):
        if following:
            following = (last + bits.signed()) % 256
        last = following or last


def _hevc_sets(head: bytes) -> Iterator[bytes]:
    if len(head) < 23 or head[0] != 1:
        return
    at = 23
    for _ in range(head[22]):
        kind, units = head[at] & 63, int.from_bytes(head[at + 1 : at + 3], "big")
        at += 3
        for _ in range(units):
            length = int.from_bytes(head[at : at + 2], "big")
            if kind == HEVC_SPS:
                yield head[at + 4 : at + 2 + length]
            at += 2 + length


def _hevc_kept(bits: _Bits) -> int:
    bits.take(4)  # number of the video parameter set
    below = bits.take(3)
    bits.take(1 + 96)  # nesting, profile and level
    told = [(bits.take(1), bits.take(1)) for _ in range(8 if below else 0)][:below]
    for profile, level in told:
        bits.take(88 * profile + 8 * level)
    bits.whole()  # its number
    if bits.whole() == 3:
        bits.take(1)
    bits.whole(), bits.whole()  # width and height
    if bits.take(1):
        for _ in range(4):
            bits.whole()
    bits.whole(), bits.whole(), bits.whole()  # depths, digits of frame numbers
    layers = range(below + 1) if bits.take(1) else range(1)
    most = 0
    for _ in layers:
        most = max(most, 1 + bits.whole())
        bits.whole(), bits.whole()
    return most
