"""Faces are looked for once: what was found is kept, and taken only for the same file and model."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from harness.types import Clip
from harness.video import face_tracks
from harness.video.face_finder import Face, Finder
from harness.video.face_model import Model
from harness.video.face_tracks import FaceCache
from harness.video.people import FRAMES, Faces
from tests.video.scenes import pasted, scene, write_image


class Counting(Finder):
    """A finder that counts the frames it is shown, and can be made to stop at one."""

    shown = 0
    stop_at: int | None = None

    def detect(self, frame: np.ndarray) -> list[Face]:
        self.shown += 1
        if self.shown == self.stop_at:
            raise KeyboardInterrupt
        return super().detect(frame)


@pytest.fixture
def counting(model: Model) -> Counting:
    made = Counting(model)
    made.shown = 0
    return made


def clip_of(path: Path) -> Clip:
    return Clip(f"mine/{path.name}", path, 0, "test")


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
    first = FaceCache(tmp_path / "faces", counting).faces(seen, "mine")
    assert counting.shown == 6 + 3
    assert first["mine/4.png"] == {FRAMES: Faces((0,), {}, ())}
    assert first["mine/frames"][FRAMES]
    assert FaceCache(tmp_path / "faces", counting).faces(seen, "mine") == first
    assert counting.shown == 6 + 3


def test_only_what_changed_is_looked_at_again(seen, counting, portraits, tmp_path):
    cache = FaceCache(tmp_path / "faces", counting)
    before = cache.faces(seen, "mine")
    date = seen[4].path.stat().st_mtime_ns
    write_image(seen[4].path, pasted(scene(), portraits[0], 200, 60, 250))
    write_image(seen[6].path / "3.png", pasted(scene(), portraits[0], 50, 40, 250))
    os.utime(seen[4].path, ns=(date, date))
    after = cache.faces(seen, "mine")
    assert counting.shown == (6 + 3) + (1 + 4)
    assert {name for name in after if after[name] != before[name]} == {"mine/4.png", "mine/frames"}


def test_faces_found_by_another_model_are_not_taken(seen, model, counting, tmp_path):
    FaceCache(tmp_path / "faces", Finder(Model(model.path, "0" * 64))).faces(seen, "mine")
    FaceCache(tmp_path / "faces", counting).faces(seen, "mine")
    assert counting.shown == 6 + 3


def test_a_clip_that_cannot_be_read_has_a_reason_and_is_tried_again(seen, counting, tmp_path):
    cut, absent = tmp_path / "cut.png", tmp_path / "absent.mp4"
    cut.write_bytes(seen[0].path.read_bytes()[:200])
    cache = FaceCache(tmp_path / "faces", counting)
    found = cache.faces([clip_of(cut), clip_of(absent)], "mine")
    assert found == {
        "mine/cut.png": "cut.png: not a readable image",
        "mine/absent.mp4": "absent.mp4: No such file or directory",
    }
    cut.write_bytes(seen[0].path.read_bytes())
    assert cache.faces([clip_of(cut)], "mine")["mine/cut.png"][FRAMES]


def test_an_interrupted_search_goes_on_where_it_stopped(seen, counting, tmp_path):
    cache = FaceCache(tmp_path / "faces", counting)
    counting.stop_at = 4
    with pytest.raises(KeyboardInterrupt):
        cache.faces(seen, "mine", threads=1)
    counting.shown, counting.stop_at = 0, None
    assert all(cache.faces(seen, "mine")[clip.id][FRAMES] for clip in seen if "4" not in clip.id)
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
face_tracks.FaceCache(folder, finder).faces(clips, "mine", threads=1)
"""


def test_a_killed_search_goes_on_with_what_it_wrote(seen, model, counting, tmp_path):
    folder = tmp_path / "faces"
    told = [sys.executable, "-c", KILLED, folder, model.path, *(clip.path for clip in seen)]
    run = subprocess.run(told, capture_output=True, text=True, timeout=60)
    assert run.returncode == -signal.SIGKILL, run.stderr
    found = FaceCache(folder, counting).faces(seen, "mine")
    assert counting.shown == 6 + 3 - 3
    assert found["mine/0.png"][FRAMES]


def test_runs_side_by_side_share_one_file(seen, finder, tmp_path, monkeypatch):
    monkeypatch.setattr(face_tracks, "WRITE_EVERY_SECONDS", 0.0)
    caches = [FaceCache(tmp_path / "faces", finder) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda cache: cache.faces(seen, "mine"), caches))
    assert all(one == found[0] for one in found)


def test_a_damaged_cache_is_named_and_set_aside(seen, finder, tmp_path, capsys):
    (tmp_path / face_tracks.FILE).write_bytes(b"no database " * 100)
    assert FaceCache(tmp_path, finder).faces(seen, "")
    assert "set aside as faces.sqlite.set-aside-1" in capsys.readouterr().err


def test_an_edited_track_is_said_and_looked_for_again(seen, finder, tmp_path, capsys):
    before = FaceCache(tmp_path, finder).faces(seen, "")
    with closing(sqlite3.connect(tmp_path / face_tracks.FILE)) as base, base:
        base.execute("UPDATE faces SET track = replace(track, '\"scored\": [', '\"scored\": [1, ')")
    assert FaceCache(tmp_path, finder).faces(seen, "") == before
    assert "looked for again" in capsys.readouterr().err
