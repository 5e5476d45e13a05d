"""Faces are found where they are, at any size, and followed over real files."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest

from harness import registry
from harness.types import Clip
from harness.video.face_tracks import FaceCache
from tests.video.scenes import iou, pasted, scene


@pytest.fixture(scope="module")
def clips(tiny_root: Path) -> list[Clip]:
    return list(registry.datasets.get("procedural_tiny").clips(tiny_root))


def test_every_procedural_face_is_found_where_it_was_drawn(clips, finder, tmp_path):
    some = clips[::3]
    found = FaceCache(tmp_path, finder).faces(some, "procedural_tiny", [4])
    assert list(found) == [clip.id for clip in some]
    overlaps = []
    for clip in some:
        faces = found[clip.id][4]
        assert (len(faces.main), len(faces.people)) == (4, 1)
        overlaps += [iou(box, clip.attributes["box"]) for box in faces.main.values()]
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


def test_faces_of_25_pixels_in_full_hd_are_found_at_full_size(portraits, finder):
    found = 0
    for number in range(24):
        portrait = portraits[number % len(portraits)]
        whole, *_ = finder.detect(portrait)
        by = 25 / whole.h
        x, y = 300 + 53 * number, 200 + 31 * (number % 20)
        frame = pasted(scene(1920, 1080), portrait, x, y, round(by * portrait.shape[0]))
        true = (x + by * whole.x, y + by * whole.y, by * whole.w, by * whole.h)
        found += any(iou(face[:4], true) > 0.5 for face in finder.detect(frame))
    assert found >= 20


def test_threads_that_share_a_finder_find_what_one_alone_finds(portraits, finder):
    frames = [pasted(scene(320 + 64 * k, 320), portraits[k % 4], 20 * k, 0, 200 + 10 * k) for k in range(6)]
    alone = [finder.detect(frame) for frame in frames]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(finder.detect, frames * 6)) == alone * 6


@pytest.mark.parametrize("shape", [(1, 1), (1, 700), (33, 65), (2000, 3)])
def test_a_frame_of_any_shape_can_be_looked_at(finder, shape):
    assert finder.detect(np.full((*shape, 3), 90, np.uint8)) == []
