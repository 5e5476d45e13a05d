"""Faces are found where they are, followed over real files, and looked for once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from harness import registry
from harness.types import Clip, HarnessError
from harness.video import face_tracks
from harness.video.face_finder import FRAMES, Face, Finder, Track, find_track, link
from harness.video.face_model import SHA256, VARIABLE, Model, find_model
from harness.video.face_tracks import FaceCache
from harness.video.frames import read_frames

Box = Sequence[float]


class Counting(Finder):
    """A finder that counts the frames it is shown, and can be made to stop at one."""

    shown = 0
    stop_at: int | None = None

    def detect(self, frame: np.ndarray) -> list[Face]:
        self.shown += 1
        if self.shown == self.stop_at:
            raise KeyboardInterrupt
        return super().detect(frame)


@pytest.fixture(scope="module")
def model(reference: Path) -> Model:
    return find_model(reference / "weights" / "yunet" / "yunet_n_640_640.onnx")


@pytest.fixture(scope="module")
def finder(model: Model) -> Finder:
    return Finder(model)


@pytest.fixture
def counting(model: Model) -> Counting:
    made = Counting(model)
    made.shown = 0
    return made


@pytest.fixture(scope="module")
def portraits(reference: Path) -> list[np.ndarray]:
    """The four test images of MesoNet, RGB: faces that nearly fill the picture."""
    paths = sorted((reference / "weights" / "mesonet" / "test_images").rglob("*.jpg"))
    assert len(paths) == 4
    return [read_frames(path, (1,)).pixels[0] for path in paths]


@pytest.fixture(scope="module")
def clips(tiny_root: Path) -> list[Clip]:
    return list(registry.datasets.get("procedural_tiny").clips(tiny_root))


def scene(width: int = 640, height: int = 360) -> np.ndarray:
    """A coloured scene without a face, uint8 `[height, width, 3]`."""
    coarse = np.random.default_rng(0).integers(0, 256, (9, 16, 3), dtype=np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)


def pasted(canvas: np.ndarray, picture: np.ndarray, x: int, y: int, side: int) -> np.ndarray:
    """The canvas with the picture, made a square of `side` pixels, at x, y."""
    made = canvas.copy()
    made[y : y + side, x : x + side] = cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA)
    return made


def write_video(path: Path, frames: Sequence[np.ndarray]) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "18", "preset": "veryfast"})
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def write_image(path: Path, frame: np.ndarray) -> Path:
    assert cv2.imwrite(str(path), cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
    return path


def iou(one: Box, other: Box) -> float:
    sides = [min(one[k] + one[k + 2], other[k] + other[k + 2]) - max(one[k], other[k]) for k in (0, 1)]
    shared = max(0.0, sides[0]) * max(0.0, sides[1])
    return shared / (one[2] * one[3] + other[2] * other[3] - shared)


def clip_of(path: Path) -> Clip:
    return Clip(f"mine/{path.name}", path, 0, "test")


# Finding


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


# Following


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


# Remembering


@pytest.fixture
def seen(portraits: list[np.ndarray], tmp_path: Path) -> list[Clip]:
    """Six stills, the fifth without a face, and a folder of three frames."""
    frames = [pasted(scene(), portraits[k % 4], 50 + 20 * k, 40, 250) for k in range(6)]
    frames[4] = scene()
    made = [clip_of(write_image(tmp_path / f"{k}.png", frame)) for k, frame in enumerate(frames)]
    folder = tmp_path / "frames"
    folder.mkdir()
    for k, frame in enumerate(frames[:3]):
        write_image(folder / f"{k}.png", frame)
    return [*made, clip_of(folder)]


def test_a_second_call_looks_at_nothing_and_says_the_same(seen, counting, tmp_path):
    first = FaceCache(tmp_path / "faces", counting).tracks(seen, "mine")
    assert counting.shown == 6 + 3
    assert first["mine/4.png"] is None
    assert isinstance(first["mine/frames"], Track)
    assert FaceCache(tmp_path / "faces", counting).tracks(seen, "mine") == first
    assert counting.shown == 6 + 3


def test_only_what_changed_is_looked_at_again(seen, counting, portraits, tmp_path):
    cache = FaceCache(tmp_path / "faces", counting)
    before = cache.tracks(seen, "mine")
    write_image(seen[4].path, pasted(scene(), portraits[0], 200, 60, 250))
    write_image(seen[6].path / "3.png", pasted(scene(), portraits[0], 50, 40, 250))
    after = cache.tracks(seen, "mine")
    assert counting.shown == (6 + 3) + (1 + 4)
    assert {name for name in after if after[name] != before[name]} == {"mine/4.png", "mine/frames"}


def test_faces_found_by_another_model_are_not_taken(seen, model, counting, tmp_path):
    FaceCache(tmp_path / "faces", Finder(Model(model.path, "0" * 64))).tracks(seen, "mine")
    FaceCache(tmp_path / "faces", counting).tracks(seen, "mine")
    assert counting.shown == 6 + 3


def test_a_clip_that_cannot_be_read_has_a_reason_and_is_tried_again(seen, counting, tmp_path):
    cut, absent = tmp_path / "cut.png", tmp_path / "absent.mp4"
    cut.write_bytes(seen[0].path.read_bytes()[:200])
    cache = FaceCache(tmp_path / "faces", counting)
    found = cache.tracks([clip_of(cut), clip_of(absent)], "mine")
    assert found == {
        "mine/cut.png": "cut.png: not a readable image",
        "mine/absent.mp4": "absent.mp4: No such file or directory",
    }
    cut.write_bytes(seen[0].path.read_bytes())
    assert isinstance(cache.tracks([clip_of(cut)], "mine")["mine/cut.png"], Track)


def test_an_interrupted_search_goes_on_where_it_stopped(seen, counting, tmp_path):
    cache = FaceCache(tmp_path / "faces", counting)
    counting.stop_at = 4
    with pytest.raises(KeyboardInterrupt):
        cache.tracks(seen, "mine", threads=1)
    counting.shown, counting.stop_at = 0, None
    assert None not in [cache.tracks(seen, "mine")[clip.id] for clip in seen if "4" not in clip.id]
    assert counting.shown < 6 + 3 - 1


KILLED = """
import os, signal, sqlite3, sys, time
from pathlib import Path
from harness.types import Clip
from harness.video import face_finder, face_model, face_tracks

folder, model = Path(sys.argv[1]), Path(sys.argv[2])

def written():
    return sqlite3.connect(folder / face_tracks.FILE).execute("SELECT count(*) FROM faces").fetchone()[0]

class Killed(face_finder.Finder):
    shown = -1  # the first frame tries the model

    def detect(self, frame):
        self.shown += 1
        if self.shown == 4:
            while written() < 3:
                time.sleep(0.01)
            os.kill(os.getpid(), signal.SIGKILL)
        return super().detect(frame)

face_tracks.WRITE_EVERY_SECONDS = 0
clips = [Clip(f"mine/{Path(path).name}", Path(path), 0, "test") for path in sys.argv[3:]]
finder = Killed(face_model.find_model(model))
face_tracks.FaceCache(folder, finder).tracks(clips, "mine", threads=1)
"""


def test_a_killed_search_goes_on_with_what_it_wrote(seen, model, counting, tmp_path):
    folder = tmp_path / "faces"
    told = [sys.executable, "-c", KILLED, folder, model.path, *(clip.path for clip in seen)]
    run = subprocess.run(told, capture_output=True, text=True, timeout=60)
    assert run.returncode == -signal.SIGKILL, run.stderr
    found = FaceCache(folder, counting).tracks(seen, "mine")
    assert counting.shown == 6 + 3 - 3
    assert isinstance(found["mine/0.png"], Track)


def test_runs_side_by_side_share_one_file(seen, finder, tmp_path, monkeypatch):
    monkeypatch.setattr(face_tracks, "WRITE_EVERY_SECONDS", 0.0)
    caches = [FaceCache(tmp_path / "faces", finder) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda cache: cache.tracks(seen, "mine"), caches))
    assert all(one == found[0] for one in found)


def test_a_damaged_cache_is_named(seen, finder, tmp_path):
    (tmp_path / face_tracks.FILE).write_bytes(b"no database " * 100)
    with pytest.raises(HarnessError, match=r"faces\.sqlite cannot be used"):
        FaceCache(tmp_path, finder).tracks(seen, "mine")


# The model


def test_a_file_that_is_no_yunet_is_refused_in_one_line(tmp_path):
    path = tmp_path / "other.onnx"
    path.write_bytes(b"\x08\x07not a model")
    with pytest.raises(HarnessError, match=r"other\.onnx does not work as YuNet") as caught:
        Finder(find_model(path))
    assert "\n" not in str(caught.value)


def test_a_named_model_is_taken_before_any_other(model, tmp_path, monkeypatch):
    mine = tmp_path / "mine.onnx"
    mine.write_bytes(model.path.read_bytes())
    monkeypatch.setenv(VARIABLE, str(mine))
    assert find_model() == Model(mine, model.sha256)
    assert find_model(model.path) == model
    monkeypatch.setenv(VARIABLE, str(tmp_path / "absent.onnx"))
    with pytest.raises(
        HarnessError, match=r"absent\.onnx named by --face-model or \$GAPBENCH_YUNET is not a file"
    ):
        find_model()


@pytest.fixture
def elsewhere(tmp_path: Path) -> Callable[[str], str]:
    """`elsewhere(code)`: what code prints in a fresh process, offline, with a cache of its own."""
    surroundings = {name: value for name, value in os.environ.items() if name != VARIABLE}
    surroundings |= {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path), "HF_HUB_CACHE": str(tmp_path / "hub")}

    def run(code: str) -> str:
        told = [sys.executable, "-c", code]
        out = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        return subprocess.run(told, env=surroundings, check=True, text=True, timeout=60, **out).stdout

    return run


ASK = """
import sys
from harness import types
from harness.video import face_model
assert "huggingface_hub" not in sys.modules
try:
    print(face_model.find_model().path)
except types.HarnessError as error:
    print(error)
"""


def test_without_a_model_and_offline_the_error_says_how_to_bring_one(elsewhere):
    trying, line = elsewhere(ASK).splitlines()
    assert trying.startswith("downloading the face model")
    assert "offline mode is enabled" in line
    for way in ("--face-model FILE", "GAPBENCH_YUNET=FILE", "https://huggingface.co/opencv/"):
        assert way in line


def test_a_cached_model_is_taken_if_it_is_the_pinned_one(elsewhere, model, tmp_path):
    repository = tmp_path / "hub" / "models--opencv--face_detection_yunet"
    cached = repository / "snapshots" / ("0" * 40) / "face_detection_yunet_2023mar.onnx"
    for path, data in ((repository / "refs" / "main", b"0" * 40), (cached, model.path.read_bytes())):
        path.parent.mkdir(parents=True)
        path.write_bytes(data)
    (line,) = elsewhere(ASK).splitlines()
    assert f"is not the pinned face model: its sha256 is {model.sha256}, expected {SHA256}" in line
    pinned = ASK.replace("try:", f"face_model.SHA256 = {model.sha256!r}\ntry:")
    assert elsewhere(pinned) == f"{cached}\n"
