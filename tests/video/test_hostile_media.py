"""A clip that asks for too much, or over which a library raises, fails alone: sound ones score as ever."""

from __future__ import annotations

import math
import os
import resource
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from harness import registry
from harness.contracts import DetectorEntry
from harness.data.audit.shortcuts import look_at
from harness.data.check.contact_sheet import Group, contact_sheet
from harness.data.clips import list_clips
from harness.data.fingerprints import fingerprint
from harness.evaluation.cell_keys import Job, TestSet
from harness.evaluation.contestants import Contestant
from harness.evaluation.counterfactual import views_of
from harness.evaluation.engine import judge_files, score_dataset
from harness.evaluation.estimate import sampled
from harness.guard.limits import LIMITS
from harness.results.predictions import CellFile, read_predictions
from harness.training.frame_cache import Wanted, _cut
from harness.trees import clip_content, clip_stamp
from harness.types import Cell, Clip, HarnessError, Runtime
from harness.video import clip_views, packets
from harness.video.clip_views import show
from harness.video.frames import crop_and_fit, read_frames
from tests.video import hostile

CPU = Runtime("cpu", "fp32", 4)
NEEDS = [("clean", 0, 4, 32), ("jpeg", 5, 4, 32)]


def clip_of(path: Path, **facts: Any) -> Clip:
    return Clip(f"own/{path.name}", path, 1, "test", attributes=facts)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[Path, str]:
    return hostile.hostile(tmp_path_factory.mktemp("hostile"))


@pytest.fixture(scope="module")
def sound(tiny_root: Path) -> list[Clip]:
    listed = list_clips(registry.datasets.get("procedural_tiny"), tiny_root)
    return [clip for clip in listed if clip.split == "test"][:6]


class Mean:
    """Scores a clip by its brightness; raises over one that is all red, and over others if asked to."""

    frames, size = 4, 32
    spoilt = False

    def score(self, clips: np.ndarray) -> np.ndarray:
        if self.spoilt or (clips.reshape(len(clips), -1, 3).mean(1) == (255, 0, 0)).all(1).any():
            raise KeyError("red")
        return clips.reshape(*clips.shape[:2], -1).mean(-1) / 255


def contestant(detector: Any) -> Contestant:
    made = Contestant(DetectorEntry("mean", lambda: detector, {}, __file__), CPU)
    vars(made)["detector"] = detector
    return made


def scored(
    clips: list[Clip], folder: Path, crop: str = "none", detector: Any = None, conditions: Any = ()
) -> Any:
    one = contestant(detector or Mean())
    names = conditions or [("clean", 0), ("jpeg", 5)]
    jobs = [
        Job(Cell("mean", None, "t", name, level, 0, CPU), one, CellFile(folder / f"{name}{level}", "k" * 8))
        for name, level in names
    ]
    score_dataset(TestSet("t", tuple(clips), crop, "identity", "content"), jobs)
    return {job.cell.perturbation: read_predictions(job.file.path)[0].set_index("clip_id") for job in jobs}


def test_each_is_a_failed_clip_and_its_neighbours_score_the_same(
    files: dict[Path, str], sound: list[Clip], tmp_path: Path
) -> None:
    alone = scored(sound, tmp_path / "alone")
    begun, most = time.monotonic(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = scored([*sound[:3], *map(clip_of, files), *sound[3:]], tmp_path / "all")
    assert time.monotonic() - begun < 60
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - most < 2**20, "a GiB, in KiB"
    for condition, table in found.items():
        ids = [clip.id for clip in sound]
        assert (table.loc[ids, "score"] == alone[condition].loc[ids, "score"]).all()
        for path, says in files.items():
            error = table.loc[f"own/{path.name}", "error"]
            assert error and says in error and "\n" not in error, (path.name, error)
            if says in LIMITS:
                assert f"--allow {says}=" in error


@pytest.mark.parametrize(
    "name", [*hostile.CONTENT, "pipe.mp4", "pipe.png", "frames", "device.mp4", "loop.png"]
)
def test_every_reader_says_what_is_wrong(files: dict[Path, str], name: str) -> None:
    clip = next(clip_of(path) for path in files if path.name == name)
    with pytest.raises(HarnessError):
        read_frames(clip.path, (2,))
    assert fingerprint(clip).error
    looked = look_at(clip)
    assert isinstance(looked.background, str)
    assert isinstance(views_of(clip, "none", 2, 32), str)
    assert isinstance(_cut(clip, Wanted([clip], 2, 32, "none", "")), str)
    assert contact_sheet([Group("all", (clip,))])
    assert sampled([clip], 2, "none") is None
    said = list(judge_files([clip.path], contestant(Mean()), "none"))
    assert said[0].score is None and said[0].error


def test_a_path_that_cannot_be_is_a_clip_without_content() -> None:
    assert clip_stamp(Path("a\0b.mp4")) is None and clip_content(Path("a\0b.mp4")) is None


BOXES = (
    [0, 0, 1e9, 1e9],
    [0, 0, 20_000, 20_000],
    [0, 0, math.inf, 10],
    [math.nan, 0, 10, 10],
    [1e300, 0, 1e300, 1e300],
    [0, 0, -5, 5],
    [0, 0, 5],
    ["a", 0, 5, 5],
    7,
)


@pytest.mark.parametrize("box", BOXES, ids=str)
def test_a_box_that_is_none_fails_its_clip_alone(sound: list[Clip], tmp_path: Path, box: Any) -> None:
    spoilt = replace(sound[0], attributes={"box": box})
    found = scored([spoilt, *sound[1:]], tmp_path, "boxes")["clean"]
    assert found["error"].notna().tolist() == [True] + [False] * 5
    assert spoilt.path.name in found["error"].iloc[0]


def test_a_square_in_a_long_frame_is_never_larger_than_what_is_allowed() -> None:
    with pytest.raises(HarnessError, match="clip-pixels"):
        crop_and_fit(np.zeros((1, 1, 70_000, 3), np.uint8), "boxes", [[0, 0, 70_000, 1]], 32)


def test_a_perturbation_that_fails_on_one_clip_fails_it_under_that_condition(
    sound: list[Clip], tmp_path: Path
) -> None:
    (tmp_path / "long.png").write_bytes(hostile.png(70_000, 1))
    found = scored([*sound, clip_of(tmp_path / "long.png")], tmp_path / "p")
    assert found["clean"]["error"].isna().all()
    assert found["jpeg"]["error"].notna().tolist() == [False] * 6 + [True]
    assert "jpeg-5 on own/long.png failed: cv2.error" in found["jpeg"]["error"].iloc[-1]


def raising(frames: np.ndarray, _: Any, __: Any) -> np.ndarray:
    raise RecursionError("too deep")


def leaving(frames: np.ndarray, _: Any, __: Any) -> np.ndarray:
    raise SystemExit(0)


USELESS = {
    "raises": (raising, "RecursionError: too deep"),
    "leaves": (leaving, "SystemExit"),
    "halves": (lambda frames, _, __: frames[:, ::2], "changed the shape or type"),
    "floats": (lambda frames, _, __: frames / 255, "changed the shape or type"),
    "nothing": (lambda frames, _, __: None, "AttributeError"),
}


@pytest.mark.parametrize("name", USELESS)
def test_a_perturbation_that_fails_on_every_clip_is_said_and_the_others_are_kept(
    sound: list[Clip], tmp_path: Path, home: Path, name: str
) -> None:
    apply, says = USELESS[name]
    registry.perturbation(name, parameters=(1,))(apply)
    for _ in range(2):
        with pytest.raises(HarnessError, match=f"{name}-1 failed on all of 6 clips of t.*{says}"):
            scored(sound, tmp_path / "u", conditions=[("clean", 0), (name, 1)])
        assert read_predictions(CellFile(tmp_path / "u" / "clean0", "k" * 8).path)[0]["error"].isna().all()


def test_a_detector_that_fails_on_a_clip_loses_that_clip_alone(sound: list[Clip], tmp_path: Path) -> None:
    import cv2

    cv2.imwrite(str(tmp_path / "red.png"), np.full((64, 64, 3), (0, 0, 255), np.uint8))
    red = clip_of(tmp_path / "red.png")
    alone = scored(sound, tmp_path / "a", conditions=[("clean", 0)])["clean"]["score"]
    for number in (0, 3, 6):
        clips = [*sound[:number], red, *sound[number:]]
        found = scored(clips, tmp_path / str(number), conditions=[("clean", 0)])["clean"]
        assert "KeyError: 'red'" in found["error"].pop(red.id)
        assert (found["score"].drop(red.id) == alone).all()
    said = list(judge_files([red.path, sound[0].path], contestant(Mean()), "none"))
    assert said[0].error and said[1].score is not None


def test_a_detector_that_fails_on_every_clip_is_at_fault_itself(sound: list[Clip], tmp_path: Path) -> None:
    broken = Mean()
    broken.spoilt = True
    with pytest.raises(HarnessError, match=r"mean on a batch from .* failed: KeyError") as caught:
        scored(sound, tmp_path, detector=broken)
    assert caught.value.entry == "mean"
    with pytest.raises(HarnessError, match="failed: KeyError"):
        list(judge_files([sound[0].path], contestant(broken), "none"))


def test_a_clip_that_takes_too_long_fails_and_says_how_to_wait(
    sound: list[Clip], monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(frames: np.ndarray, *_: Any) -> np.ndarray:
        time.sleep(0.3)
        return frames

    monkeypatch.setattr(clip_views, "perturb", slow)
    monkeypatch.setenv("GAPBENCH_ALLOW_CLIP_SECONDS", "0.2")
    error = show(sound[0], "none", [("jpeg", level, 4, 32) for level in (1, 2, 3)]).error
    assert error and error.startswith(sound[0].path.name) and "--allow clip-seconds=" in error


def test_a_folder_of_too_many_pictures_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAPBENCH_ALLOW_CLIP_FRAMES", "20")
    for number in range(21):
        (tmp_path / f"{number:03d}.png").write_bytes(b"x")
    assert "clip-frames" in (show(clip_of(tmp_path), "none", NEEDS).error or "")


def test_frames_held_at_once_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.mp4"
    hostile.film(path, "mpeg4")
    monkeypatch.setenv("GAPBENCH_ALLOW_CLIP_MEMORY", str(2 * 3 * 64 * 64))
    with pytest.raises(HarnessError, match="clip-memory"):
        read_frames(path, (3,))
    assert show(clip_of(path), "none", [("clean", 0, 3, 32)]).error is None, "one at a time"


def test_a_picture_of_several_is_said_once_and_shown_as_ever(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.video.frames._said", set())
    moves = hostile.chunk(b"acTL", bytes((0, 0, 0, 2, 0, 0, 0, 0)))
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(hostile.png(8, 8, before=moves))
        assert read_frames(tmp_path / name, (1,)).pixels.shape == (1, 8, 8, 3)
    assert capsys.readouterr().err.count("only the first is shown") == 1


def test_a_limit_that_is_raised_scores_what_failed_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from harness.evaluation.cell_keys import cell_file
    from harness.guard.clip_bounds import limits_of_clips

    one = Contestant(registry.detectors.get("constant"), CPU)
    test = TestSet("t", (), "none", "identity", "content")
    usual = cell_file(Cell("constant", None, "t"), one, test, tmp_path).key
    assert limits_of_clips() == {}
    monkeypatch.setenv("GAPBENCH_ALLOW_CLIP_PIXELS", "100")
    assert cell_file(Cell("constant", None, "t"), one, test, tmp_path).key != usual
    monkeypatch.setenv("GAPBENCH_ALLOW_CLIP_PIXELS", str(LIMITS["clip-pixels"].default))
    assert cell_file(Cell("constant", None, "t"), one, test, tmp_path).key == usual


@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
def test_gigabytes_of_nothing_behind_a_film_are_searched_for_a_stated_time(
    suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GAPBENCH_ALLOW_CLIP_WAIT", "1")
    path = tmp_path / f"film{suffix}"
    path.write_bytes(hostile.film(path))
    os.truncate(path, 2**35)
    said = next(judge_files([path], contestant(Mean()), "none"))
    if suffix == ".mp4":
        assert said.score is not None
    else:
        assert "no frame in 1 s of reading, --allow clip-wait=" in said.error
        assert "clip-wait" in fingerprint(clip_of(path)).error


def test_a_packet_larger_than_what_is_decoded_at_once_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with av.open(str(tmp_path / "film.avi"), "w") as container:
        stream = container.add_stream("mjpeg", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuvj420p"
        container.mux(stream.encode(av.VideoFrame(64, 64, "yuvj420p")))
        packet = av.Packet(bytes(10**6))
        packet.stream, packet.pts, packet.dts, packet.time_base = stream, 1, 1, stream.time_base
        container.mux(packet)
    (tmp_path / "film.gif").write_bytes(hostile.GIF + bytes(10**6))
    monkeypatch.setenv("GAPBENCH_ALLOW_CLIP_MEMORY", "500_000")
    for suffix, what in ((".avi", "a packet"), (".gif", "the animation")):
        with pytest.raises(HarnessError, match=rf"film\{suffix}: {what} has 1,000,0\d\d bytes"):
            packets.opened(tmp_path / f"film{suffix}").__enter__()
