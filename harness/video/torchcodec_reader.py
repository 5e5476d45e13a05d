"""torchcodec: optional, for it comes without FFmpeg and without a version for every torch.

Its colours are those of the FFmpeg that it finds: PyAV's, to the bit, for 8 bits a channel (measured with
torchcodec 0.17 and FFmpeg 5.1).
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np

from harness.types import HarnessError
from harness.video.packets import Film
from harness.video.pyav_reader import Choose, Decoded, alike

CODECS = ("h264", "hevc", "vp8", "vp9")
INSTALL = "pip install torchcodec, and FFmpeg 4 to 9 with shared libraries, e.g. apt install ffmpeg"


def decoder() -> Any:
    """The class that decodes; `HarnessError` says what to install where it is not there."""
    why = "it finds no FFmpeg"
    try:
        found = import_module("torchcodec.decoders").VideoDecoder
        # Without FFmpeg, older versions cannot be imported; newer ones say so here.
        if getattr(import_module("torchcodec"), "ffmpeg_major_version", "unsaid") is not None:
            return found
    except ModuleNotFoundError:
        why = "it is not installed"
    except (ImportError, OSError, RuntimeError):
        pass
    raise HarnessError(f"the video reader 'torchcodec' is not here: {why} ({INSTALL})")


def exact(film: Film) -> bool:
    """Whether torchcodec gives the frames it is asked for, in the colours of PyAV."""
    return film.stream.codec.canonical_name in CODECS and film.plain and alike(film)


def read(film: Film, choose: Choose) -> Decoded:
    """The wanted frames of a film of which torchcodec is exact."""
    opened = decoder()
    try:
        reader = opened(
            str(film.path.absolute()), dimension_order="NHWC", num_ffmpeg_threads=1, seek_mode="exact"
        )
        total = len(reader)
    except (RuntimeError, ValueError) as error:
        raise HarnessError(f"{film.path.name}: the video is damaged or cut off") from error
    indices = choose(total)
    try:
        return np.ascontiguousarray(reader.get_frames_at(indices).data.numpy()), indices, total
    except (RuntimeError, ValueError, IndexError) as error:
        text = f"a frame up to number {indices[-1]} cannot be decoded"
        raise HarnessError(f"{film.path.name}: {text}") from error
