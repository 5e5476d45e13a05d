"""Decoding the wanted frames of one video file, exactly those, or saying why not.

Three readers give the same frames, equal to the bit, so none of them changes a score. PyAV reads every file.
decord and torchcodec read the files on which they were found to be exact; the others they leave to PyAV.
"""

from __future__ import annotations

import os
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from types import ModuleType

from harness.guard.clip_bounds import stopped_clock
from harness.process import Room, usable_cores
from harness.types import unknown
from harness.video import pyav_reader, torchcodec_reader
from harness.video.packets import CONTAINERS as CONTAINERS
from harness.video.packets import opened
from harness.video.pyav_reader import Choose as Choose
from harness.video.pyav_reader import Decoded
from harness.video.pyav_reader import Use as Use

READERS = ("auto", "decord", "pyav", "torchcodec")
"""`auto` takes the fastest: PyAV, on every kind of file in tests/benchmarks/test_bench_decode.py."""
FREE_PIXELS = 2**24
"""Frames up to this size are read by as many threads as there are."""
LARGE = Room(max(2**26, FREE_PIXELS * usable_cores()))
"""Pixels of the larger ones that are under way at a time: 8K by two threads, however few cores there are."""
VARIABLE = "GAPBENCH_VIDEO_READER"
"""Environment variable that names the reader where no argument does."""


def decode(path: Path, choose: Choose, reader: str | None = None, use: Use | None = None) -> Decoded:
    """The frames `choose(total)` wants (ascending): uint8 `[N, H, W, 3]` RGB, their indices, and the total.

    With `use` each is handed on as it is decoded, `use(index, frame)`, and none is kept.

    `reader` is one of READERS; None stands for what $GAPBENCH_VIDEO_READER names, and that for `auto`.
    Frames are turned by the quarters that the file says and widened where its pixels are not square, as a
    player shows them. Anything unreadable, damaged or cut off is a `HarnessError` that names the file. Damage
    inside a frame that the decoder itself conceals cannot be seen, nor damage in frames that are not needed.
    """
    name = reader_named(reader)
    with opened(path) as film, room_for(film.stream.width * film.stream.height):
        if name == "decord" and (other := _decord()).exact(film):
            return _handed_on(other.read(film, choose), use)
        if name == "torchcodec" and torchcodec_reader.exact(film):
            return _handed_on(torchcodec_reader.read(film, choose), use)
        return pyav_reader.read(film, choose, use)


def room_for(pixels: int) -> AbstractContextManager[None]:
    """Waits until few enough large frames are under way."""
    return nullcontext() if pixels <= FREE_PIXELS else stopped_clock(LARGE.taken(pixels))


def _handed_on(read: Decoded, use: Use | None) -> Decoded:
    """What a reader that gives all frames at once gave, each to `use` where there is one."""
    if use is None:
        return read
    for index, frame in zip(read[1], read[0], strict=True):
        use(index, frame)
    return read[0][:0], *read[1:]


def reader_named(reader: str | None = None) -> str:
    """The reader in force: the one given, else the one in $GAPBENCH_VIDEO_READER, else `auto`.

    `HarnessError` for an unknown name, and for torchcodec where it cannot be loaded.
    """
    name = reader or os.environ.get(VARIABLE) or "auto"
    if name not in READERS:
        raise unknown("video reader", name, READERS)
    if name == "torchcodec":
        torchcodec_reader.decoder()
    return name


def _decord() -> ModuleType:
    # Only where it is asked for: it brings a second FFmpeg and a second zlib into the process.
    from harness.video import decord_reader

    return decord_reader
