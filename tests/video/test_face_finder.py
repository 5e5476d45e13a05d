"""Faces are found where they are, at any size, and followed over real files."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from harness import registry
from harness.types import Clip, HarnessError
from harness.video.face_finder import FRAMES, Face, Track, find_track, link
from harness.video.face_tracks import FaceCache
from harness.video.frames import read_frames
from tests.video.scenes import pasted, scene, write_image

Box = Sequence[float]


@pytest.fixture(scope="module")
def clips(tiny_root: Path) -> list[Clip]:
    return list(registry.datasets.get("procedural_tiny").clips(tiny_root))


def write_video(path: Path, frames: Sequence[np.ndarray]) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "18", "preset": "veryfast"})
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def iou(one: Box, other: Box) -> float:
    sides = [min(one[k] + one[k + 2], other[k] + other[k + 2]) - max(one[k], other[k]) for k in (0, 1)]
    shared = max(0.0, sides[0]) * max(0.0, sides[1])
    return shared / (one[2] * one[3] + other[2] * other[3] - shared)


def test_every_procedural_face_is_found_where_it_was_drawn(clips, finder, tmp_path):
    some = clips[::3]
    found = FaceCache(tmp_path, finder).tracks(some, "procedural_tiny")
    assert list(found) == [clip.id for clip in some]
    overlaps = []
    for clip in some:
        track = found[clip.id]
        assert isinstance(track, Track)
        overlaps += [iou(box, clip.attributes["box"]) for box in track.boxes]
    assert min(overlaps) > 0.6
    assert np.mean(overlaps) > 0.8


@pytest.mark.parametrize("zoom", [1.0, 0.7])
@pytest.mark.parametrize("side", [32, 160, None, 1600])
def test_a_face_that_fills_the_picture_is_found_at_any_size(portraits, finder, zoom, side):
    for portrait in portraits:
        whole, *_ = finder.detect(portrait)
        edge = int(zoom * min(portrait.shape[:2]))
        x = round(min(max(0, whole.x + whole.w / 2 - edge / 2), portrait.shape[1] - edge))
        y = round(min(max(0, whole.y + whole.h / 2 - edge / 2), portrait.shape[0] - edge))
        cut = portrait[y : y + edge, x : x + edge]
        by = 1.0 if side is None else side / edge
        how = cv2.INTER_AREA if by < 1 else cv2.INTER_LINEAR
        found = finder.detect(cv2.resize(cut, None, fx=by, fy=by, interpolation=how))
        assert iou(found[0][:4], [by * v for v in (whole.x - x, whole.y - y, whole.w, whole.h)]) > 0.7


@pytest.mark.parametrize("face_height", [48, 160])
def test_a_small_face_in_a_large_scene_is_found(portraits, finder, face_height):
    for portrait in portraits[:2]:
        whole, *_ = finder.detect(portrait)
        by = face_height / whole.h
        frame = pasted(scene(1920, 1080), portrait, 1100, 400, round(by * portrait.shape[0]))
        found = finder.detect(frame)
        true = (1100 + by * whole.x, 400 + by * whole.y, by * whole.w, by * whole.h)
        assert [iou(face[:4], true) > 0.7 for face in found] == [True]


def test_threads_that_share_a_finder_find_what_one_alone_finds(portraits, finder):
    frames = [pasted(scene(320 + 64 * k, 320), portraits[k % 4], 20 * k, 0, 200 + 10 * k) for k in range(6)]
    alone = [finder.detect(frame) for frame in frames]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(finder.detect, frames * 6)) == alone * 6


@pytest.mark.parametrize("shape", [(1, 1), (1, 700), (33, 65), (2000, 3)])
def test_a_frame_of_any_shape_can_be_looked_at(finder, shape):
    assert finder.detect(np.full((*shape, 3), 90, np.uint8)) == []


def test_a_moving_face_is_followed_also_between_the_frames_looked_at(clips, finder, tmp_path):
    clip = next(clip for clip in clips if clip.label == 0)
    face, box = read_frames(clip.path, (1,)).pixels[0], clip.attributes["box"]
    places = [(9 * k, 30 + 3 * k) for k in range(50)]
    frames = [pasted(scene(), face, x, y, 160) for x, y in places]
    track = find_track(write_video(tmp_path / "moving.mp4", frames), finder)
    assert track is not None
    assert len(track.indices) == FRAMES
    true = [(x + box[0], y + box[1], box[2], box[3]) for x, y in places]
    looked_at = range(track.indices[0], track.indices[-1] + 1)
    assert min(iou(track.at([k])[0], true[k]) for k in looked_at) > 0.6


def test_a_bigger_face_that_flashes_up_loses_against_one_that_stays(portraits, finder, tmp_path):
    staying = pasted(scene(), portraits[0], 40, 200, 70)
    frames = [staying] * FRAMES
    frames[7] = pasted(staying, portraits[1], 280, 0, 360)
    path = write_video(tmp_path / "flash.mp4", frames)
    flash = finder.detect(read_frames(path, (FRAMES,)).pixels[7])
    assert flash[0].x > 280
    track = find_track(path, finder)
    assert track is not None
    assert len(track.indices) >= FRAMES - 1
    assert all(x + w < 200 for x, _, w, _ in track.boxes)
    assert sum(w * h for _, _, w, h in track.boxes) < flash[0].w * flash[0].h


def test_of_two_faces_that_stay_the_larger_is_taken(portraits, finder, tmp_path):
    one = pasted(scene(), portraits[0], 20, 200, 120)
    both = pasted(one, portraits[1], 380, 20, 240)
    track = find_track(write_video(tmp_path / "two.mp4", [one] * 5 + [both] * (FRAMES - 5)), finder)
    assert track is not None
    assert all(x > 380 for x, *_ in track.boxes)


def test_a_face_seen_in_few_frames_is_taken_where_there_is_no_other(portraits, finder, tmp_path):
    frames = [scene()] * FRAMES
    frames[5:8] = [pasted(scene(), portraits[2], 100, 50, 200)] * 3
    track = find_track(write_video(tmp_path / "short.mp4", frames), finder)
    assert track is not None
    assert set(track.indices) == {5, 6, 7}
    assert track.at([0, 15]) == [list(track.boxes[0]), list(track.boxes[-1])]


def test_a_still_image_has_a_track_of_one_frame(portraits, finder, tmp_path):
    track = find_track(write_image(tmp_path / "face.png", portraits[3]), finder)
    assert track is not None
    assert track.indices == (0,)
    assert track.at([0, 0]) == [list(track.boxes[0])] * 2


def test_a_scene_without_a_face_has_no_track(finder, tmp_path):
    assert find_track(write_video(tmp_path / "empty.mp4", [scene()] * 8), finder) is None


def square(x: float, side: float = 100.0, confidence: float = 0.9) -> Face:
    return Face(x, 0.0, side, side, confidence)


@pytest.mark.parametrize(
    ("looks", "lengths"),
    [
        pytest.param([[square(0)], [], [], [square(30)]], [2], id="hidden for a while"),
        pytest.param([[square(0)], [square(100)], [square(200)]], [3], id="moves by its own width"),
        pytest.param([[square(0)], [square(300)]], [1, 1], id="somewhere else"),
        pytest.param([[square(0)], [square(-75, 250)]], [1, 1], id="another size"),
        pytest.param([[square(0), square(120)], [square(110), square(10)]], [2, 2], id="side by side"),
        pytest.param([[square(0)], [square(60), square(10)]], [2, 1], id="one face for one track"),
        pytest.param([[square(0), square(50)], [square(10)]], [2, 1], id="one track for one face"),
    ],
)
def test_faces_are_joined_by_their_overlap(looks, lengths):
    tracks = link(looks)
    assert [len(track) for track in tracks] == lengths
    for track in tracks:
        places = [track[place].x for place in sorted(track)]
        assert all(abs(after - before) <= 100 for before, after in pairwise(places))


def test_between_looks_boxes_are_interpolated_and_outside_held():
    track = Track((2, 6), ((0.0, 10.0, 40.0, 40.0), (8.0, 10.0, 80.0, 60.0)))
    assert track.at([0, 2, 3, 6, 9]) == [
        [0, 10, 40, 40],
        [0, 10, 40, 40],
        [2, 10, 50, 45],
        [8, 10, 80, 60],
        [8, 10, 80, 60],
    ]
    assert Track.from_json(track.to_json()) == track


@pytest.mark.parametrize(
    "text", ["", "{}", '{"indices":[1],"boxes":[]}', '{"indices":[1],"boxes":[[1,2,3]]}']
)
def test_a_stored_track_that_is_damaged_is_refused(text):
    with pytest.raises(HarnessError, match="stored face track"):
        Track.from_json(text)
