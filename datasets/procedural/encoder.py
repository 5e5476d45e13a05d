"""Encoders: frames to H.264 in MP4, at a bitrate that the picture cannot change."""

from __future__ import annotations

import io
from dataclasses import dataclass

import av
import cv2
import numpy as np


@dataclass(frozen=True)
class Encoder:
    """Settings of libx264.

    The bitrate is held, not the quality: at constant quality a forged face, which compresses
    differently, gives itself away by the size of its file.
    """

    name: str
    bitrate: int
    """Bits a second."""
    preset: str
    profile: str
    group: int
    """Frames from one key frame to the next."""

    def options(self) -> dict[str, str]:
        """libx264's options: one thread and no macroblock tree, so that the same frames give the same bytes.

        With the macroblock tree, x264 gave different files for the same frames from run to run. With a
        buffer of an eighth of a second and filler, files of equal length are of equal size to a few bytes;
        with one of half a second their sizes differed by some percent, and a little of it by class.
        """
        kilobits = self.bitrate // 1000
        rate = f"vbv-maxrate={kilobits}:vbv-bufsize={kilobits // 8}:nal-hrd=cbr"
        rate += f":keyint={self.group}:scenecut=0:mbtree=0"
        return {"preset": self.preset, "profile": self.profile, "threads": "1", "x264-params": rate}


def encode(frames: np.ndarray, rate: int, encoder: Encoder) -> bytes:
    """An MP4 file of uint8 RGB `[T, H, W, 3]`, without dates or names in its metadata."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp4", container_options={"fflags": "+bitexact"}) as container:
        stream = container.add_stream("libx264", rate=rate, options=encoder.options())
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        stream.bit_rate = encoder.bitrate
        stream.thread_count = 1
        for frame in frames:
            planes = cv2.cvtColor(frame, cv2.COLOR_RGB2YUV_I420)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(planes, format="yuv420p")))
        container.mux(stream.encode())
    return file.getvalue()


LAB_ENCODERS = (
    Encoder("lab-x", 420_000, "veryfast", "high", 12),
    Encoder("lab-y", 520_000, "veryfast", "high", 24),
)
WILD_ENCODERS = (
    Encoder("wild-x", 360_000, "faster", "main", 48),
    Encoder("wild-y", 460_000, "veryfast", "baseline", 8),
)
