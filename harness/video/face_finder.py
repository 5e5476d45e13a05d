"""Finds the face of a clip with YuNet and follows it: the largest face that persists.

YuNet (Wu et al. 2023, "YuNet: A Tiny Millisecond-level Face Detector") sees faces of about 10 to 300
pixels. A frame is therefore looked at small first, where a face that fills it has that size, and larger
only while no face is seen clearly. Where several people persist the largest is taken, who need not be
the one that was forged.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np

from harness.types import HarnessError
from harness.video.face_model import Model
from harness.video.frames import Frames, read_frames

METHOD = 1
"""Raised whenever the same clip and model come to give other boxes."""
FRAMES = 16
"""Evenly spaced frames of a clip that are looked at; between them boxes are interpolated."""

SIDES = (320, 640, 1280)
"""Longer side of a frame in the first, second and third look, in pixels; no frame is enlarged."""
CLEAR = 48
"""Longer side of a face, in pixels of the look, from which its box gets no better in a larger one."""
CONFIDENCE = 0.7
"""Below it YuNet also sees faces in medals and in noise."""
NON_MAXIMUM = 0.3
"""Overlap above which two boxes of one frame are one face."""
REACH = 2.0
"""Boxes are enlarged so much before their overlap is taken: a face may move by its own width."""
LINKED = 0.3
"""Least overlap (intersection over union, enlarged) of one face in two frames; it bounds growth too."""


class Face(NamedTuple):
    """One face in one frame, in pixels of the frame; a box may reach beyond it."""

    x: float
    y: float
    w: float
    h: float
    confidence: float
    """YuNet's own, within 0 and 1."""


@dataclass(frozen=True, slots=True)
class Track:
    """Where the face of a clip is, in the frames that were looked at."""

    indices: tuple[int, ...]
    """Frames of the file, 0-based, ascending; at least one."""
    boxes: tuple[tuple[float, float, float, float], ...]
    """[x, y, w, h] in pixels of the clean frame, one for each index."""

    def at(self, indices: Sequence[int]) -> list[list[float]]:
        """[x, y, w, h] in any frames of the file: interpolated linearly, held before the first and after the
        last that were looked at."""
        values = np.array(self.boxes, dtype=np.float64)
        columns = [np.interp(indices, self.indices, values[:, part]) for part in range(4)]
        return np.stack(columns, axis=1).tolist()

    def to_json(self) -> str:
        """The track as one line of JSON."""
        return json.dumps({"indices": self.indices, "boxes": self.boxes}, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Track:
        """The track written by `to_json`; anything else is a `HarnessError`."""
        try:
            read = json.loads(text)
            boxes = tuple((float(x), float(y), float(w), float(h)) for x, y, w, h in read["boxes"])
            track = cls(tuple(int(index) for index in read["indices"]), boxes)
        except (ValueError, TypeError, KeyError) as error:
            raise HarnessError(f"not a stored face track: {text[:60]!r}") from error
        if not boxes or len(boxes) != len(track.indices):
            raise HarnessError(f"a stored face track has {len(track.indices)} frames and {len(boxes)} boxes")
        return track


class Finder:
    """YuNet, ready to find faces; several threads may use one."""

    def __init__(self, model: Model) -> None:
        """Load the model; a file that OpenCV cannot run as YuNet is a `HarnessError`."""
        self.model = model
        self._own = threading.local()
        self.detect(np.zeros((64, 64, 3), np.uint8))

    @property
    def identity(self) -> dict[str, Any]:
        """All that decides which boxes are found, for hashing."""
        looks = {"frames": FRAMES, "sides": list(SIDES), "clear": CLEAR, "confidence": CONFIDENCE}
        links = {"non_maximum": NON_MAXIMUM, "reach": REACH, "linked": LINKED}
        return {"yunet_sha256": self.model.sha256, "method": METHOD, **looks, **links}

    def detect(self, frame: np.ndarray) -> list[Face]:
        """The faces in a frame uint8 `[H, W, 3]` RGB, the largest first."""
        longest = max(frame.shape[:2])
        found: list[Face] = []
        for side in SIDES:
            scale = min(1.0, side / longest)
            found = self._look(frame, scale) or found
            clear = any(max(face.w, face.h) * scale >= CLEAR for face in found)
            if clear or scale == 1.0:
                break
        return sorted(found, key=lambda face: (-face.w * face.h, face))

    def _look(self, frame: np.ndarray, scale: float) -> list[Face]:
        height, width = frame.shape[:2]
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        seen = frame if scale == 1.0 else cv2.resize(frame, size, interpolation=cv2.INTER_AREA)
        try:
            network = self._network()
            network.setInputSize(size)
            _, rows = network.detect(cv2.cvtColor(seen, cv2.COLOR_RGB2BGR))
        except cv2.error as error:
            reason = str(error).strip().splitlines()[0].rpartition("error: ")[2]
            raise HarnessError(f"{self.model.path} does not work as YuNet in OpenCV: {reason}") from error
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


def find_track(path: Path, finder: Finder) -> Track | None:
    """The face of a clip, None when there is none; an unreadable clip is a `HarnessError`."""
    return follow(read_frames(path, (FRAMES,)), finder)


def follow(frames: Frames, finder: Finder) -> Track | None:
    """The largest face that persists over these frames, None when there is no face.

    A face persists when it is seen in half of the frames, or where none is, when no face is seen in more.
    The largest has the greatest area, summed over the frames.
    """
    tracks = link([finder.detect(frame) for frame in frames.pixels])
    if not tracks:
        return None
    enough = min(len(frames.indices) / 2, max(len(track) for track in tracks))
    persisting = [track for track in tracks if len(track) >= enough]
    best = max(persisting, key=lambda track: sum(face.w * face.h for face in track.values()))
    boxes = tuple((face.x, face.y, face.w, face.h) for face in best.values())
    return Track(tuple(frames.indices[place] for place in best), boxes)


def link(looks: Sequence[Sequence[Face]]) -> list[dict[int, Face]]:
    """Faces of successive frames joined into tracks: each maps the place of a frame to the face in it.

    Each face joins at most one track and each track takes at most one face of a frame, greatest overlap
    first. A face that was hidden for a while goes on where it was last seen.
    """
    tracks: list[dict[int, Face]] = []
    for place, faces in enumerate(looks):
        pairs = product(range(len(tracks)), range(len(faces)))
        overlaps = [(-_overlap(_last(tracks[track]), faces[face]), track, face) for track, face in pairs]
        free = set(range(len(faces)))
        for overlap, track, face in sorted(overlaps):
            if -overlap >= LINKED and face in free and place not in tracks[track]:
                tracks[track][place] = faces[face]
                free.remove(face)
        tracks += [{place: faces[face]} for face in sorted(free)]
    return tracks


def _last(track: dict[int, Face]) -> Face:
    return track[max(track)]


def _overlap(one: Face, other: Face) -> float:
    """Intersection over union of the boxes enlarged around their centres."""
    shared = 1.0
    for at, side in ((0, 2), (1, 3)):
        apart = abs(one[at] + one[side] / 2 - other[at] - other[side] / 2)
        reach = REACH * (one[side] + other[side]) / 2 - apart
        shared *= max(0.0, min(reach, REACH * one[side], REACH * other[side]))
    return shared / (REACH**2 * (one.w * one.h + other.w * other.h) - shared)
