"""What is scored of stills, of short clips and of clips with people: each frame once, and only faces."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest

from harness.contracts import DetectorEntry
from harness.evaluation.cell_keys import Job, TestSet
from harness.evaluation.contestants import Contestant
from harness.evaluation.engine import judge_files, score_dataset
from harness.results.predictions import CellFile, read_predictions
from harness.types import Cell, Clip, Runtime
from harness.video import face_tracks
from harness.video.face_finder import Face, Look

CPU = Runtime("cpu", "fp32", 4)


class Bright:
    """Says how bright each frame is, and counts the frames that it is shown."""

    frames, size = 8, 16

    def __init__(self) -> None:
        self.shown = 0

    def score(self, clips: np.ndarray) -> np.ndarray:
        self.shown += clips.shape[0] * clips.shape[1]
        return clips.mean((2, 3, 4)).astype(np.float32) / 255


class BrightClip(Bright):
    """Says how bright a clip is as a whole."""

    def score(self, clips: np.ndarray) -> np.ndarray:
        return super().score(clips).mean(1, keepdims=True)


def scored(
    clips: Sequence[Clip], detector: Any, folder: Path, crop: str = "center", **how: str
) -> pd.DataFrame:
    one = Contestant(DetectorEntry("bright", lambda: detector, {}, __file__), CPU)
    file = CellFile(folder / f"{type(detector).__name__}{''.join(how.values())}", "k" * 8)
    score_dataset(
        TestSet("t", tuple(clips), crop, "i", "c", **how), [Job(Cell("bright", None, "t"), one, file)]
    )
    return read_predictions(file.path)[0]


def still(path: Path, *levels: int) -> Clip:
    """An image, or of several levels a folder of frames."""
    if len(levels) > 1:
        path.mkdir()
    for place, level in enumerate(levels):
        file = path / f"{place}.png" if len(levels) > 1 else path
        cv2.imwrite(str(file), np.full((20, 20, 3), level, np.uint8))
    return Clip(f"t/{path.name}", path, 1, "test")


@pytest.fixture
def stills(tmp_path: Path) -> list[Clip]:
    levels = {"a.png": [51], "b.png": [102], "c.png": [204], "d": [0, 51, 255], "e.png": [153]}
    return [still(tmp_path / name, *each) for name, each in levels.items()]


def test_a_still_is_scored_once_and_told_as_before(stills: list[Clip], tmp_path: Path) -> None:
    detector = Bright()
    found = scored(stills, detector, tmp_path)
    assert np.allclose(found["score"], [0.2, 0.4, 0.8, (3 * 0 + 2 * 0.2 + 3 * 1) / 8, 0.6])
    assert [len(each) for each in found["frame_scores"]] == [8] * 5
    assert found["frame_indices"][3].tolist() == [0, 0, 0, 1, 1, 2, 2, 2]
    asked = 8 + 1  # whether it scores frame by frame, on one of them
    assert detector.shown == asked + 4 + 3


def test_a_detector_of_whole_clips_is_shown_whole_clips(stills: list[Clip], tmp_path: Path) -> None:
    detector = BrightClip()
    found = scored(stills, detector, tmp_path)
    assert np.allclose(found["score"], [0.2, 0.4, 0.8, (3 * 0 + 2 * 0.2 + 3 * 1) / 8, 0.6])
    assert [len(each) for each in found["frame_scores"]] == [1] * 5
    assert detector.shown == 8 + 5 * 8


class Painted:
    """A finder that sees a face in bright halves of a frame: the left one small, the right one large."""

    @property
    def identity(self) -> str:
        return "painted"

    def look(self, frame: np.ndarray) -> Look:
        height, width = frame.shape[:2]
        left, right = frame[:, : width // 2], frame[:, width // 2 :]
        faces = [Face(2, 5, 10, 10, 1.0)] if left.mean() > 60 else []
        faces += [Face(width - 17, 3, 14, 14, 1.0)] if right.mean() > 60 else []
        faces.sort(key=lambda face: -face.w)
        small = np.full((32, 32, 3), 90, np.uint8)
        return Look(tuple(faces), small, (small,) * len(faces), (height, width))


def film(path: Path, *frames: tuple[int, int]) -> Clip:
    """A folder of frames whose left and right halves have these levels."""
    path.mkdir()
    for place, (left, right) in enumerate(frames):
        frame = np.full((20, 40, 3), left, np.uint8)
        frame[:, 20:] = right
        cv2.imwrite(str(path / f"{place}.png"), frame)
    return Clip(f"t/{path.name}", path, 1, "test")


@pytest.fixture
def people(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Clip]:
    monkeypatch.setenv("GAPBENCH_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(face_tracks, "finder", Painted)
    both, hidden, wall = (102, 204), (102, 0), (0, 0)
    return [
        film(tmp_path / "both", *[both] * 8),
        film(tmp_path / "hidden", *[both] * 3, *[hidden] * 2, *[both] * 3),
        film(tmp_path / "gone", *[both] * 4, *[wall] * 4),
        film(tmp_path / "wall", *[wall] * 8),
    ]


def test_frames_without_the_face_are_left_out_and_counted(people: list[Clip], tmp_path: Path) -> None:
    found = scored(people, Bright(), tmp_path, "face")
    assert np.allclose(found["score"], [0.8, 0.8, 0.8, 0.5])
    assert found["frame_indices"][1].tolist() == [0, 1, 2, 5, 6, 7]
    assert found[["seen", "looked", "people"]].to_numpy().tolist() == [
        [8, 8, 2],
        [6, 8, 2],
        [4, 8, 2],
        [0, 8, 0],
    ]
    assert found["note"].dropna().to_dict() == {3: "no face was found: as-chance"}
    whole = scored(people, BrightClip(), tmp_path, "face")
    assert np.allclose(whole["score"], [0.8, 0.8, 0.8, 0.5])


@pytest.mark.parametrize(
    ("policy", "scores"),
    [("largest", [0.8, 0.8, 0.8]), ("each", [0.6, (6 * 0.8 + 8 * 0.4) / 14, 0.6]), ("max", [0.8, 0.8, 0.8])],
)
def test_who_of_several_people_is_judged_is_a_policy(
    people: list[Clip], tmp_path: Path, policy: str, scores: list[float]
) -> None:
    found = scored(people[:3], Bright(), tmp_path, "face", faces=policy)
    assert np.allclose(found["score"], scores)


def test_files_are_judged_one_by_one_with_boxes_and_people(people: list[Clip]) -> None:
    one = Contestant(DetectorEntry("bright", Bright, {}, __file__), CPU)
    judged = judge_files([clip.path for clip in people[:2]], one, "face")
    first = next(judged)
    assert (first.seen, first.looked, first.people) == (8, 8, 2)
    assert first.boxes == ((23.0, 3.0, 14.0, 14.0),) * 8
    assert next(judged).frame_indices == (0, 1, 2, 5, 6, 7)
