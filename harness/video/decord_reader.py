"""decord: fast and exact on the files most data sets consist of, and only there.

Version 0.6.0 returns other frames without a word for open groups of pictures, AVI, MPEG-TS, MPEG-PS, H.265
with reordered frames and an MP4 whose edit list hides frames. Its colours are PyAV's, to the bit, for 8 bits
a channel.
"""

from __future__ import annotations

import cv2  # noqa: F401 - before decord, whose zlib would take the place of OpenCV's: PNG would be unreadable
import decord
import numpy as np

from harness.types import HarnessError
from harness.video.packets import Film
from harness.video.pyav_reader import Choose, Decoded, alike, first_frame

CODECS = ("h264", "vp8", "vp9")
ERRORS = (decord.DECORDError, decord.DECORDLimitReachedError, RuntimeError, AssertionError, IndexError)

# What it would print on a damaged file is said by the HarnessError.
decord.logging.set_level(decord.logging.QUIET)


def exact(film: Film) -> bool:
    """Whether decord gives the frames it is asked for, in the colours of PyAV."""
    if film.stream.codec.canonical_name not in CODECS or not film.plain or not alike(film):
        return False
    # decord turns frames as an MP4 says, never as a Matroska file says.
    return film.container == "mov" or first_frame(film).rotation == 0


def read(film: Film, choose: Choose) -> Decoded:
    """The wanted frames of a film of which decord is exact."""
    name = film.path.name
    try:
        # decord fills a frame it cannot find with a copy of a near one; this limit makes one copy an error.
        reader = decord.VideoReader(
            str(film.path.absolute()), ctx=decord.cpu(0), num_threads=1, fault_tol=1e-9
        )
        total = len(reader)
    except ERRORS as error:
        raise HarnessError(f"{name}: the video is damaged or cut off") from error
    indices = choose(total)
    try:
        return np.ascontiguousarray(reader.get_batch(indices).asnumpy()), indices, total
    except ERRORS as error:
        raise HarnessError(f"{name}: a frame up to number {indices[-1]} cannot be decoded") from error
