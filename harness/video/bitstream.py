"""What the bytes of one coded frame say of it, without decoding it.

H.264 and H.265 wrap a frame into units, each led by its length (ISO/IEC 14496-15); the first bytes of a
unit say its kind (ITU-T H.264, table 7-1; H.265, table 7-1). VP8 says in its first byte whether a frame is
shown (RFC 6386, section 9.1).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

H264_IDR, H264_SLICES, H264_SETS = 5, range(1, 6), (7, 8)
HEVC_SLICES, HEVC_BROKEN, HEVC_STARTS, HEVC_SETS = range(32), range(16, 19), range(16, 22), range(32, 35)
"""Kinds of units: all slices; those of frames whose leading frames are never shown; those of frames that
decoding may begin at; the parameters that slices are decoded with."""


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
