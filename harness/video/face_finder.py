"""Finds the faces in a frame with YuNet.

YuNet (Wu et al. 2023, "YuNet: A Tiny Millisecond-level Face Detector") sees faces of about 10 to 300
pixels. A frame is therefore looked at small first, where a face that fills it has that size, and larger
only while no face is seen clearly; at full size where none was seen at all.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any, NamedTuple

import cv2
import numpy as np

from harness.types import HarnessError
from harness.video.face_model import Model
from harness.video.frames import cut_square

METHOD = 2
"""Raised whenever the same clip and model come to give other boxes, here or in `people`."""

SIDES = (320, 640, 1280)
"""Longer side of a frame in the first, second and third look, in pixels; no frame is enlarged."""
LAST_SIDE = 2560
"""The same in the last look, at frames in which nobody was seen: 25 pixels of 1080p are 17 in the third."""
CLEAR = 48
"""Longer side of a face, in pixels of the look, from which its box gets no better in a larger one."""
CONFIDENCE = 0.7
"""Below it YuNet also sees faces in medals and in noise."""
NON_MAXIMUM = 0.3
"""Overlap above which two boxes of one frame are one face."""
MOST_FACES = 16
"""Faces of a frame that are followed, the largest."""
SMALL = 32
"""Side of the pictures by which frames and faces are told apart, in pixels."""


class Face(NamedTuple):
    """One face in one frame, in pixels of the frame; a box may reach beyond it."""

    x: float
    y: float
    w: float
    h: float
    confidence: float
    """YuNet's own, within 0 and 1."""


@dataclass(frozen=True, slots=True)
class Look:
    """What one frame shows of people, and enough of its pixels to tell it from other frames."""

    faces: tuple[Face, ...]
    """The largest first."""
    picture: np.ndarray
    """The whole frame, uint8 `[SMALL, SMALL, 3]` RGB."""
    portraits: tuple[np.ndarray, ...]
    """The square around each face, likewise."""
    shape: tuple[int, int]
    """Height and width of the frame in pixels."""


class Finder:
    """YuNet, ready to find faces; several threads may use one."""

    def __init__(self, model: Model) -> None:
        """Load the model; a file that OpenCV cannot run as YuNet is a `HarnessError`."""
        self.model = model
        self._own = threading.local()
        try:
            self.detect(np.zeros((64, 64, 3), np.uint8))
        except cv2.error as error:
            reason = str(error).strip().splitlines()[0].rpartition("error: ")[2]
            raise HarnessError(f"{self.model.path} does not work as YuNet in OpenCV: {reason}") from error

    @property
    def identity(self) -> dict[str, Any]:
        """All that decides which boxes are found, for hashing."""
        looks = {
            "sides": [*SIDES, LAST_SIDE],
            "clear": CLEAR,
            "confidence": CONFIDENCE,
            "non_maximum": NON_MAXIMUM,
        }
        return {"yunet_sha256": self.model.sha256, "method": METHOD, **looks}

    def detect(self, frame: np.ndarray) -> list[Face]:
        """The faces in a frame uint8 `[H, W, 3]` RGB, the largest first."""
        longest = max(frame.shape[:2])
        found: list[Face] = []
        for side in (*SIDES, LAST_SIDE):
            if found and side == LAST_SIDE:
                break
            scale = min(1.0, side / longest)
            found = self._look(frame, scale) or found
            clear = any(max(face.w, face.h) * scale >= CLEAR for face in found)
            if clear or scale == 1.0:
                break
        return sorted(found, key=lambda face: (-face.w * face.h, face))

    def look(self, frame: np.ndarray) -> Look:
        """The faces in a frame uint8 `[H, W, 3]` RGB, with small pictures of it and of them."""
        faces = tuple(self.detect(frame)[:MOST_FACES])
        squares = [cut_square(frame[None], face[:4])[0] for face in faces]
        return Look(faces, _small(frame), tuple(map(_small, squares)), (frame.shape[0], frame.shape[1]))

    def _look(self, frame: np.ndarray, scale: float) -> list[Face]:
        height, width = frame.shape[:2]
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        seen = frame if scale == 1.0 else cv2.resize(frame, size, interpolation=cv2.INTER_AREA)
        network = self._network()
        network.setInputSize(size)
        _, rows = network.detect(cv2.cvtColor(seen, cv2.COLOR_RGB2BGR))
        back = np.array([width / size[0], height / size[1]] * 2)
        kept = [] if rows is None else [row for row in rows if row[2] > 0 and row[3] > 0]
        boxes = [np.round(row[:4] * back, 1).tolist() for row in kept]
        return [Face(x, y, w, h, float(row[14])) for (x, y, w, h), row in zip(boxes, kept, strict=True)]

    def _network(self) -> Any:
        """The calling thread's own copy: one that two threads share mixes up their frames."""
        if not hasattr(self._own, "network"):
            self._own.network = cv2.FaceDetectorYN.create(
                str(self.model.path), "", (320, 320), CONFIDENCE, NON_MAXIMUM
            )
        return self._own.network


def _small(picture: np.ndarray) -> np.ndarray:
    return cv2.resize(picture, (SMALL, SMALL), interpolation=cv2.INTER_AREA)
