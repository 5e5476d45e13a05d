"""A fingerprint says what is in a file, finds the damaged ones, and is taken once."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from harness import registry
from harness.checks.finding import natural_frames
from harness.data import fingerprints
from harness.data.fingerprints import fingerprint, read
from harness.data.perceptual_hash import nearest, pairs
from harness.data.problems import unreadable
from harness.types import REAL, Clip
from tests.data.edited_copies import title


def clip(path: Path) -> Clip:
    return Clip(f"own/{path.name}", path, REAL, "test")


def film(path: Path, frames: np.ndarray, codec: str = "libx264", **options: str) -> Path:
    """Frames uint8 `[T, H, W, 3]` as a video of 10 frames a second."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=10, options=options)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    return path


@pytest.fixture(scope="module")
def frames() -> np.ndarray:
    return natural_frames(40, 96, 128, seed=1)


def test_a_video_says_what_it_is(tmp_path: Path, frames: np.ndarray) -> None:
    path = film(tmp_path / "a.mp4", frames)
    found = fingerprint(clip(path))
    assert (found.container, found.codec, found.pixel_format) == ("mp4", "h264", "yuv420p")
    assert (found.width, found.height, found.frames, found.fps, found.seconds) == (128, 96, 40, 10.0, 4.0)
    assert found.size == path.stat().st_size and found.bit_rate == round(8 * found.size / 4.0)
    assert len(found.content) == 64 and found.perceptual and not found.error


def test_other_containers_and_codecs_say_so(tmp_path: Path, frames: np.ndarray) -> None:
    found = fingerprint(clip(film(tmp_path / "a.avi", frames, "mpeg4")))
    assert (found.container, found.codec, found.frames) == ("avi", "mpeg4", 40)
    found = fingerprint(clip(film(tmp_path / "a.webm", frames[:4], "libvpx")))
    assert (found.container, found.codec, found.frames) == ("matroska", "vp8", 4)


def test_an_image_and_a_folder_of_frames_have_no_rate(tmp_path: Path, frames: np.ndarray) -> None:
    (tmp_path / "clip").mkdir()
    for number in range(5):
        cv2.imwrite(str(tmp_path / "clip" / f"{number}.png"), frames[number])
    cv2.imwrite(str(tmp_path / "still.jpg"), frames[0])
    folder, still = fingerprint(clip(tmp_path / "clip")), fingerprint(clip(tmp_path / "still.jpg"))
    assert (folder.container, folder.codec, folder.frames, folder.fps) == ("frames", "png", 5, None)
    assert folder.size == sum(file.stat().st_size for file in (tmp_path / "clip").iterdir())
    assert (still.container, still.codec, still.frames, still.seconds) == ("image", "jpeg", 1, None)


def test_crops_of_a_size_each_are_frames_of_a_clip(tmp_path: Path, frames: np.ndarray) -> None:
    (tmp_path / "crops").mkdir()
    for number in range(3):
        cv2.imwrite(str(tmp_path / "crops" / f"{number}.png"), frames[number][: 96 - number])
    found = fingerprint(clip(tmp_path / "crops"))
    assert not found.error and (found.frames, found.height) == (3, 96) and found.perceptual


@pytest.mark.parametrize("kept", [0.3, 0.9])
@pytest.mark.parametrize("flags", ["faststart", "disable_chpl"])
def test_a_video_that_was_cut_off_cannot_be_read(
    tmp_path: Path, frames: np.ndarray, kept: float, flags: str
) -> None:
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w", container_options={"movflags": flags}) as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    whole = path.read_bytes()
    path.write_bytes(whole[: int(kept * len(whole))])
    found = fingerprint(clip(path))
    assert found.error and found.frames is None and not found.content


def test_what_is_no_video_says_why(tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("<html>404 not found</html>" * 40)
    (tmp_path / "empty.mp4").touch()
    assert "not a readable video" in fingerprint(clip(tmp_path / "text.mp4")).error
    assert fingerprint(clip(tmp_path / "empty.mp4")).error == "the file is empty"
    assert fingerprint(clip(tmp_path / "absent.mp4")).error


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is forbidden to root")
def test_a_folder_of_frames_that_may_not_be_opened_is_one_unreadable_clip(tmp_path: Path) -> None:
    (tmp_path / "locked").mkdir(mode=0)
    (tmp_path / "text.mp4").write_text("no film")
    found = read([clip(tmp_path / "locked"), clip(tmp_path / "text.mp4")], folder=tmp_path / "cache")
    assert "Permission denied" in found[clip(tmp_path / "locked").id].error and len(found) == 2
    assert [each.what for each in unreadable(found)] == ["unreadable clips"]  # and not an empty file


def test_a_copy_has_the_same_content_and_another_clip_has_not(tmp_path: Path, frames: np.ndarray) -> None:
    path = film(tmp_path / "a.mp4", frames)
    shutil.copyfile(path, tmp_path / "b.mp4")
    other = film(tmp_path / "c.mp4", natural_frames(40, 96, 128, seed=2))
    a, b, c = (fingerprint(clip(each)) for each in (path, tmp_path / "b.mp4", other))
    assert replace(a, clip_id="") == replace(b, clip_id="")
    assert a.content != c.content and a.perceptual != c.perceptual


def test_clips_that_fade_in_from_black_do_not_share_content(tmp_path: Path, frames: np.ndarray) -> None:
    black = np.zeros_like(frames[:1])
    one = film(tmp_path / "a.mp4", np.concatenate([black, frames]))
    other = film(tmp_path / "b.mp4", np.concatenate([black, natural_frames(40, 96, 128, seed=2)]))
    assert fingerprint(clip(one)).content != fingerprint(clip(other)).content
    dark = film(tmp_path / "c.mp4", np.repeat(black, 40, axis=0))
    assert fingerprint(clip(dark)).perceptual == ""


def moving(seed: int) -> np.ndarray:
    """Four seconds of one of many scenes: blots that drift over each other, uint8 `[40, 96, 128, 3]`."""
    rng = np.random.default_rng(seed)
    frames = np.full((40, 96, 128, 3), rng.uniform(60, 190, 3), np.uint8)
    for _ in range(12):
        place, step, colour = (
            rng.uniform(0, 110, 2),
            rng.uniform(-1.5, 1.5, 2),
            rng.uniform(0, 255, 3).tolist(),
        )
        for number, frame in enumerate(frames):
            at = np.round(place + number * step).astype(int).tolist()
            cv2.circle(frame, at, 14, colour, -1)
    return frames


@pytest.mark.parametrize("seconds", [0.8, 3.0, 6.0])
def test_a_title_that_clips_share_makes_no_copies_of_them(tmp_path: Path, seconds: float) -> None:
    card = title(round(10 * seconds), 96, 128)
    people = [moving(seed) for seed in range(12)]
    found = [
        fingerprint(
            clip(film(tmp_path / f"{number}.mp4", np.concatenate([card, shown]), crf="0", preset="fast"))
        )
        for number, shown in enumerate(people)
    ]
    assert len({each.content for each in found}) == 12
    assert len({each.opening for each in found}) == 1 and found[0].opening
    assert list(pairs([each.perceptual for each in found])) == []


@pytest.mark.parametrize("seconds", [0.8, 3.0, 6.0])
def test_a_copy_behind_a_title_is_found(tmp_path: Path, seconds: float) -> None:
    people = [moving(seed) for seed in range(12)]
    plain, titled = [], []
    for number, shown in enumerate(people):
        card = title(round(10 * seconds), 96, 128, f"PART {number}")
        plain.append(fingerprint(clip(film(tmp_path / f"{number}.mp4", shown))).perceptual)
        longer = film(tmp_path / f"{number} titled.mp4", np.concatenate([card, shown]), crf="30")
        titled.append(fingerprint(clip(longer)).perceptual)
    assert nearest(titled, plain) == {number: number for number in range(12)}


def test_a_still_video_has_a_fingerprint_of_its_beginning(tmp_path: Path) -> None:
    found = fingerprint(clip(film(tmp_path / "a.mp4", title(60, 96, 128))))
    assert not found.error and found.frames == 60 and found.perceptual


def test_a_file_is_opened_again_only_when_it_changed(
    tmp_path: Path, tiny_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = list(registry.datasets.get("procedural_tiny").clips(tiny_root))[:6]
    paths = [tmp_path / f"{number}.mp4" for number in range(6)]
    for path, each in zip(paths, listed, strict=True):
        shutil.copyfile(each.path, path)
    clips = [clip(path) for path in paths]
    first = read(clips, folder=tmp_path / "cache")
    assert list(first) == [each.id for each in clips] and not any(each.error for each in first.values())
    told, size = paths[0].stat(), paths[0].stat().st_size
    with monkeypatch.context() as unread:
        unread.setattr("harness.data.fingerprints.fingerprint", None)
        assert read(clips, folder=tmp_path / "cache") == first
    paths[0].write_bytes(b"\0" * size)
    os.utime(paths[0], ns=(told.st_atime_ns, told.st_mtime_ns))  # of the same size and date
    again = read(clips, folder=tmp_path / "cache")
    assert again[clips[0].id].error and again[clips[1].id] == first[clips[1].id]
    shutil.copyfile(listed[0].path, paths[0])
    os.utime(paths[0], ns=(told.st_atime_ns, told.st_mtime_ns + 10**9))
    assert read(clips, folder=tmp_path / "cache") == first  # an error is not kept


def test_what_was_read_before_an_interruption_is_kept(
    tmp_path: Path, tiny_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Interrupted(fingerprints.Progress):
        def advance(self, count: int = 1, note: str = "") -> None:
            super().advance(count, note)
            if self._done == 5:
                raise KeyboardInterrupt

    clips = list(registry.datasets.get("procedural_tiny").clips(tiny_root))[:12]
    asked: list[str] = []
    with monkeypatch.context() as patched:
        patched.setattr(fingerprints, "Progress", Interrupted)
        with pytest.raises(KeyboardInterrupt):
            read(clips, folder=tmp_path)
    read_one = fingerprints.fingerprint
    monkeypatch.setattr(fingerprints, "fingerprint", lambda each: asked.append(each.id) or read_one(each))
    assert len(read(clips, folder=tmp_path)) == 12
    assert len(asked) == 7


def test_a_cache_that_is_no_database_is_named_and_set_aside(
    tmp_path: Path, tiny_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "fingerprints.sqlite").write_text("not a database, but a text of some length" * 40)
    clips = list(registry.datasets.get("procedural_tiny").clips(tiny_root))[:1]
    assert not read(clips, folder=tmp_path)[clips[0].id].error
    assert "set aside as fingerprints.sqlite.set-aside-1" in capsys.readouterr().err


EDIT = "UPDATE prints SET print = replace(print, '\"size\": ', '\"size\": 1' || substr(?, 1, 0))"


@pytest.mark.parametrize(
    "text",
    [
        *("[]", "3", "no JSON", '{"size": "much"}', "edited", '{"clip_id": "", "size": 1, "facts": [1]}'),
        *(
            f'{{"clip_id": "", "size": 1, "facts": {{"frames": {value}}}}}'
            for value in ("[1]", "{}", "1e999")
        ),
    ],
)
def test_an_edited_fingerprint_is_said_and_made_again(
    text: str, tmp_path: Path, tiny_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clips = list(registry.datasets.get("procedural_tiny").clips(tiny_root))[:2]
    before = read(clips, folder=tmp_path)
    with closing(sqlite3.connect(tmp_path / "fingerprints.sqlite")) as base, base:
        base.execute("UPDATE prints SET print = ?" if text != "edited" else EDIT, (text,))
    assert read(clips, folder=tmp_path) == before
    assert "2 clips" in capsys.readouterr().err
    assert read(clips, folder=tmp_path) == before
    assert "looked at again" not in capsys.readouterr().err
