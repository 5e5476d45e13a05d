"""People are followed over real files: never through a cut, into another person or where a face is hidden."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from harness import registry
from harness.types import HarnessError
from harness.video.face_finder import SMALL, Face, Look
from harness.video.frames import read_frames, sample_indices
from harness.video.people import FRAMES, Faces, find_faces, follow_faces
from tests.video.scenes import iou, pasted, scene, write_image, write_video

COUNT = 16


def found_in(path, finder, count=COUNT):
    return find_faces(path, finder, [count])[count]


def test_a_moving_face_is_found_in_every_frame_that_is_scored(tiny_root, finder, tmp_path):
    clips = registry.datasets.get("procedural_tiny").clips(tiny_root)
    clip = next(clip for clip in clips if clip.label == 0)
    face, box = read_frames(clip.path, (1,)).pixels[0], clip.attributes["box"]
    places = [(9 * k, 30 + 3 * k) for k in range(50)]
    frames = [pasted(scene(), face, x, y, 160) for x, y in places]
    path = write_video(tmp_path / "moving.mp4", frames)
    for count in (4, 32):
        found = found_in(path, finder, count)
        assert list(found.main) == sample_indices(50, count)
        true = {k: (x + box[0], y + box[1], box[2], box[3]) for k, (x, y) in enumerate(places)}
        assert min(iou(spot, true[k]) for k, spot in found.main.items()) > 0.6
        assert len(found.people) == 1


def test_a_bigger_face_that_flashes_up_loses_against_one_that_stays(portraits, finder, tmp_path):
    staying = pasted(scene(), portraits[0], 40, 200, 70)
    frames = [staying] * FRAMES
    frames[7] = pasted(staying, portraits[1], 280, 0, 360)
    path = write_video(tmp_path / "flash.mp4", frames)
    assert finder.detect(read_frames(path, (FRAMES,)).pixels[7])[0].x > 280
    found = found_in(path, finder)
    assert len(found.main) >= FRAMES - 1
    assert all(x + w < 200 for x, _, w, _ in found.main.values())


def test_of_two_faces_that_stay_the_larger_is_taken_and_both_are_people(portraits, finder, tmp_path):
    one = pasted(scene(), portraits[0], 20, 200, 120)
    both = pasted(one, portraits[1], 380, 20, 240)
    found = found_in(write_video(tmp_path / "two.mp4", [both] * FRAMES), finder)
    assert all(x > 380 for x, *_ in found.main.values())
    assert [len(person) for person in found.people] == [FRAMES, FRAMES]
    assert found.of("largest") == (found.main,)
    assert found.of("each") == found.of("max") == found.people
    assert all(x < 200 for x, *_ in found.people[1].values())


def test_a_still_image_is_one_frame(portraits, finder, tmp_path):
    found = found_in(write_image(tmp_path / "face.png", portraits[3]), finder, 32)
    assert (found.scored, list(found.main), len(found.people)) == ((0,), [0], 1)


def test_a_scene_without_a_face_has_nobody(finder, tmp_path):
    assert found_in(write_video(tmp_path / "empty.mp4", [scene()] * 8), finder) == Faces(
        tuple(range(8)), {}, ()
    )


def test_a_face_seen_in_few_frames_is_taken_where_there_is_no_other(portraits, finder, tmp_path):
    frames = [scene()] * FRAMES
    frames[5:8] = [pasted(scene(), portraits[2], 100, 50, 200)] * 3
    found = found_in(write_video(tmp_path / "short.mp4", frames), finder)
    assert list(found.main) == [5, 6, 7]
    assert found.near([0, 6, 15]) == [found.main[5], found.main[6], found.main[7]]


def test_a_face_seen_in_too_few_frames_is_none(portraits, finder, tmp_path):
    frames = [scene()] * 32
    frames[5:8] = [pasted(scene(), portraits[2], 100, 50, 200)] * 3
    assert not found_in(write_video(tmp_path / "glimpse.mp4", frames), finder, 32)


@pytest.mark.parametrize("count", [8, 16, 32])
def test_hidden_stretches_hold_no_face_and_are_left_out(portraits, finder, tmp_path, count):
    shown = pasted(scene(), portraits[0], 200, 60, 250)
    hidden = range(12, 26)
    path = write_video(tmp_path / "hidden.mp4", [scene() if k in hidden else shown for k in range(40)])
    found = found_in(path, finder, count)
    assert list(found.main) == [k for k in sample_indices(40, count) if k not in hidden]
    assert len(found.people) == 1


def test_a_track_ends_at_a_cut_and_each_shot_has_its_own_person(portraits, finder, tmp_path):
    """Interpolated through the cut, the box would slide over a wall between the two."""
    first = pasted(scene(seed=1), portraits[0], 20, 40, 240)
    second = pasted(scene(seed=2), portraits[1], 380, 80, 240)
    path = write_video(tmp_path / "cut.mp4", [first] * 17 + [second] * 15)
    found = found_in(path, finder, 32)
    assert list(found.main) == list(range(32))
    assert [found.main[k][0] < 200 for k in range(32)] == [True] * 17 + [False] * 15
    assert sorted(map(len, found.people)) == [15, 17]


def test_a_film_that_cuts_back_and_forth_shows_two_people(portraits, finder, tmp_path):
    host = pasted(scene(seed=1), portraits[0], 20, 40, 240)
    guest = pasted(scene(seed=2), portraits[1], 380, 80, 240)
    path = write_video(tmp_path / "talk.mp4", ([host] * 6 + [guest] * 5) * 3)
    found = found_in(path, finder, 33)
    assert [len(person) for person in found.people] in ([18, 15], [15, 18])
    assert list(found.main) == list(range(33))


def test_who_stays_while_the_picture_around_changes_is_one_person(portraits, finder, tmp_path):
    """A film of two halves, of which one goes grey: who is in the other has not become somebody else."""
    halves = [pasted(scene(320, seed=k), portraits[k], 40, 60, 240) for k in (0, 1)]
    both, one = np.hstack(halves), np.hstack([halves[0], np.full_like(halves[1], 90)])
    found = found_in(write_video(tmp_path / "halves.mp4", [both] * 8 + [one] * 8), finder)
    assert [len(person) for person in found.people] == [16, 8]
    assert list(found.main) == list(range(16))


def test_another_person_at_the_same_place_is_another_person(portraits, finder, tmp_path):
    one, other = (pasted(scene(), portraits[k], 200, 60, 250) for k in (0, 3))
    found = found_in(write_video(tmp_path / "swap.mp4", [one] * 10 + [other] * 6), finder)
    assert sorted(map(len, found.people)) == [6, 10]
    assert list(found.main) == list(range(16))


def test_who_leaves_and_who_comes_are_each_taken_while_they_are_there(portraits, finder, tmp_path):
    """In one shot: the smaller is judged only before the larger comes, not while that face is hidden."""
    small = pasted(scene(), portraits[0], 20, 200, 130)
    both = pasted(small, portraits[1], 400, 60, 220)
    frames = [small] * 4 + [both] * 4 + [small] * 4 + [both] * 4
    found = found_in(write_video(tmp_path / "come.mp4", frames), finder)
    assert list(found.main) == [*range(8), *range(12, 16)]
    assert [found.main[k][0] > 300 for k in found.main] == [False] * 4 + [True] * 8
    assert len(found.people) == 2


def test_what_is_found_for_a_count_does_not_depend_on_the_others(portraits, finder, tmp_path):
    frames = [pasted(scene(), portraits[0], 5 * k, 40, 240) for k in range(40)]
    path = write_video(tmp_path / "moving.mp4", frames)
    together = find_faces(path, finder, [4, 16, 32])
    assert all(found_in(path, finder, count) == together[count] for count in (4, 16, 32))
    assert together[4].scored == tuple(sample_indices(40, 4))


def test_crops_of_a_size_each_are_one_person(portraits, finder, tmp_path):
    for k, side in enumerate((200, 240, 180, 220)):
        write_image(
            tmp_path / f"{10 * k}_0.png",
            pasted(np.zeros((side, side, 3), np.uint8), portraits[1], 0, 0, side),
        )
    found = found_in(tmp_path, finder, 4)
    assert (list(found.main), len(found.people)) == ([0, 1, 2, 3], 1)


def square(x: float, side: float = 100.0, confidence: float = 0.9) -> Face:
    return Face(x, 0.0, side, side, confidence)


GREY = np.full((SMALL, SMALL, 3), 90, np.uint8)


def look(*faces: Face) -> Look:
    return Look(faces, GREY, (GREY,) * len(faces), (1000, 1000))


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
    trails = follow_faces([look(*faces) for faces in looks], range(len(looks)))
    assert [len(trail) for trail in trails] == lengths
    for trail in trails:
        places = [trail[place].face.x for place in sorted(trail)]
        assert all(abs(after - before) <= 100 for before, after in pairwise(places))


def test_a_record_of_faces_is_written_and_read():
    spot = (0.5, 10.0, 40.0, 41.25)
    faces = Faces((2, 6), {2: spot}, ({2: spot}, {}))
    assert Faces.from_json(faces.to_json()) == faces


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "{}",
            '{"scored":[1],"people":[]}',
            '{"scored":[1],"people":[[[2,1,1,5,5]]]}',
            '{"scored":[1]}',
        ),
        *('{"scored":[1],"people":[[[1,NaN,1,5,5]]]}', '{"scored":[1],"people":[[[1,1e300,1,5,5]]]}'),
        *(
            '{"scored":[1e999],"people":[[]]}',
            '{"scored":[1],"people":[[],[[1,1,1,Infinity,5]]]}',
            "[1]",
            "3",
        ),
    ],
)
def test_a_stored_record_of_faces_that_is_damaged_is_refused(text):
    with pytest.raises(HarnessError, match="stored record of faces"):
        Faces.from_json(text)
