"""What detectors are shown of a clip: faces where they are seen, and few frames in memory at a time."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness import registry
from harness.types import Clip
from harness.video import clip_views
from harness.video.clip_views import Shown, show
from harness.video.frames import crop_and_fit, read_frames, sample_indices
from harness.video.people import Faces, find_faces
from tests.video.scenes import pasted, scene, write_image, write_video

NEED = ("clean", 0, 16, 64)


def clip_of(path: Path, **facts) -> Clip:
    return Clip(f"mine/{path.name}", path, 1, "test", attributes=facts)


def shown_with_faces(path: Path, finder, policy: str = "largest", count: int = 16) -> Shown:
    need = ("clean", 0, count, 64)
    return show(clip_of(path, faces=find_faces(path, finder, [count])), "face", [need], policy)


@pytest.fixture
def wild(portraits, tmp_path):
    """48 frames: a person, a cut to another, a wall, the first with a third, hidden, and seen again."""
    one = pasted(scene(seed=1), portraits[0], 20, 40, 240)
    other = pasted(scene(seed=2), portraits[1], 380, 80, 220)
    both = pasted(one, portraits[3], 400, 100, 150)
    shots = [one] * 9 + [other] * 9 + [scene(seed=3)] * 6 + [both] * 9 + [scene(seed=1)] * 6 + [one] * 9
    return write_video(tmp_path / "wild.mp4", shots)


def test_no_crop_without_a_face_is_scored(wild, finder):
    for count in (16, 48):
        shown = shown_with_faces(wild, finder, count=count)
        (view,) = shown.views["clean", 0, count, 64]
        without = [*range(18, 24), *range(33, 39)]
        assert list(view.indices) == [k for k in sample_indices(48, count) if k not in without]
        assert shown.seen[count][:2] == (len(view.indices), count)
        for crop in view.frames:
            assert finder.detect(np.kron(crop, np.ones((4, 4, 1), np.uint8))), (
                "a crop without a face is shown"
            )


def test_everybody_is_shown_apart_where_that_is_asked_for(wild, finder):
    each = shown_with_faces(wild, finder, "each", 48)
    views = each.views["clean", 0, 48, 64]
    assert [len(view.indices) for view in views] == [27, 9, 9]
    assert each.seen[48] == (36, 48, 3)
    assert [len(view.whole) for view in views] == [48, 48, 48]
    assert shown_with_faces(wild, finder, "max", 48).views.keys() == each.views.keys()


def test_a_clip_whose_face_was_not_found_is_faceless_and_one_that_was_not_looked_at_is_not(tmp_path):
    path = write_video(tmp_path / "wall.mp4", [scene()] * 4)
    faceless = show(clip_of(path, faces={16: Faces((0, 1, 2, 3), {}, ())}), "face", [NEED])
    assert (faceless.faceless, faceless.error) == (True, "wall.mp4: no face was found")
    unseen = show(clip_of(path), "face", [NEED])
    assert not unseen.faceless and "could not be looked for" in str(unseen.error)


def test_a_still_image_is_decoded_cut_and_held_once(tmp_path, monkeypatch):
    cut: list[int] = []

    def counting(pixels, *rest):
        cut.append(len(pixels))
        return crop_and_fit(pixels, *rest)

    monkeypatch.setattr(clip_views, "crop_and_fit", counting)
    needs = [("clean", 0, 32, 64), ("jpeg", 3, 32, 64), ("clean", 0, 8, 48)]
    shown = show(clip_of(write_image(tmp_path / "a.png", scene())), "center", needs)
    assert (sum(cut), len(cut)) == (3, 3)
    for need in needs:
        (view,) = shown.views[need]
        assert view.frames.shape == (1, need[3], need[3], 3)
        assert (view.distinct, view.indices, view.whole) == ((0,), (0,) * need[2], (0,) * need[2])


def test_frames_cut_one_by_one_are_those_cut_together(tmp_path, monkeypatch):
    path = write_video(tmp_path / "a.mp4", [scene(seed=k) for k in range(12)])
    needs = [
        (name, level, count, 64) for name, level in (("clean", 0), ("blur_jpeg", 4)) for count in (4, 10)
    ]
    together = show(clip_of(path), "center", needs)
    monkeypatch.setattr(clip_views, "BYTES_HELD", 1)
    singly = show(clip_of(path), "center", needs)
    for need in needs:
        assert np.array_equal(singly.views[need][0].frames, together.views[need][0].frames)
        assert len(together.views[need][0].frames) == need[2]
    pixels = read_frames(path, [4]).pixels
    assert np.array_equal(
        together.views["clean", 0, 4, 64][0].frames, crop_and_fit(pixels, "center", None, 64)
    )


def test_large_frames_are_not_held_together(tmp_path):
    path = write_video(tmp_path / "large.mp4", [scene(1920, 1080, seed=k) for k in range(40)])
    frame = 1920 * 1080 * 3
    tracemalloc.start()
    shown = show(clip_of(path), "center", [("clean", 0, 32, 64), ("jpeg", 3, 32, 64)])
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert shown.error is None
    assert most < 6 * clip_views.BYTES_HELD + 8 * frame < 32 * frame


def test_crops_of_a_size_each_are_fitted_each_by_itself(tmp_path):
    for k, side in enumerate((40, 70, 55)):
        write_image(tmp_path / f"{k}_0.png", scene(side + 9, side, seed=k))
    shown = show(clip_of(tmp_path), "none", [("clean", 0, 3, 32), ("jpeg", 2, 3, 32)])
    (view,) = shown.views["clean", 0, 3, 32]
    alone = [
        crop_and_fit(picture[None], "none", None, 32)[0] for picture in read_frames(tmp_path, [3]).pictures
    ]
    assert np.array_equal(view.frames, np.stack(alone))
    assert shown.views["jpeg", 2, 3, 32][0].frames.shape == (3, 32, 32, 3)


def test_crops_of_several_faces_are_several_people(tmp_path):
    for frame, face in ((0, 0), (1, 0), (2, 0), (0, 1), (2, 1)):
        write_image(tmp_path / f"{frame}_{face}.png", np.full((20, 20, 3), 100 * face + frame, np.uint8))
    need = ("clean", 0, 3, 16)
    main = show(clip_of(tmp_path), "none", [need])
    assert [view.frames[:, 0, 0, 0].tolist() for view in main.views[need]] == [[0, 1, 2]]
    each = show(clip_of(tmp_path), "none", [need], "each")
    assert [view.frames[:, 0, 0, 0].tolist() for view in each.views[need]] == [[0, 1, 2], [100, 102]]
    assert main.seen == each.seen == {3: (3, 3, 2)}


def test_faces_that_are_looked_for_in_crops_of_several_people_are_those_of_one_and_that_is_told(
    tmp_path, portraits, finder
):
    for frame in range(2):
        for face in range(2):
            write_image(tmp_path / f"{frame}_{face}.png", portraits[face])
    shown = shown_with_faces(tmp_path, finder, count=2)
    assert len(shown.views["clean", 0, 2, 64]) == 1 and shown.seen == {2: (2, 2, 2)}
    each = shown_with_faces(tmp_path, finder, "each", 2)
    assert not each.views
    assert "of 2 faces, of which --faces each shows each with --crop none" in str(each.error)


def test_a_box_outside_the_frame_fails_the_clip(tiny_root):
    clip = next(iter(registry.datasets.get("procedural_tiny").clips(tiny_root)))
    outside = replace(clip, attributes={"box": [5000, 5000, 40, 40]})
    assert "lies outside the" in str(show(outside, "boxes", [NEED]).error)
