"""Whatever ending is listed is read, and masks beside images are no images."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from PIL import Image

from harness import registry
from harness.data.given import clips_given
from harness.trees import IMAGES, VIDEOS, clip_content, files, files_below, frames_in, masks_beside, walk
from harness.types import HarnessError
from harness.video.frames import read_frames

AS = {".jfif": ".jpg", ".jpe": ".jpg", ".dib": ".bmp"}
"""Ending -> the one under which the same is written."""
CODECS = {".wmv": "wmv2", ".asf": "wmv2", ".flv": "flv1", ".vob": "mpeg2video", ".mpg": "mpeg1video"}
CODECS |= {".mpeg": "mpeg1video", ".mpe": "mpeg1video", ".webm": "libvpx", ".ogv": "libvpx", ".gif": "gif"}
FORMATS = {".asf": "asf", ".divx": "avi", ".f4v": "mp4", ".m2ts": "mpegts", ".mts": "mpegts", ".ogv": "ogg"}
FORMATS |= {".mpe": "mpeg", ".qt": "mov", ".wmv": "asf"}
PIXELS = {".gif": "rgb8"}


def picture() -> np.ndarray:
    return cv2.GaussianBlur(np.random.default_rng(0).integers(0, 255, (64, 96, 3), np.uint8), (0, 0), 4)


@pytest.mark.parametrize("ending", sorted(IMAGES))
def test_an_image_of_every_listed_ending_is_read(ending: str, tmp_path: Path) -> None:
    path, seen = tmp_path / f"a{ending.upper()}", picture()
    if ending == ".avif":  # OpenCV writes it only where it was built to
        Image.fromarray(seen).save(path, "AVIF", quality=100)
    else:
        shown = cv2.cvtColor(seen, cv2.COLOR_RGB2GRAY) if ending == ".pgm" else seen[..., ::-1]
        path.write_bytes(cv2.imencode(AS.get(ending, ending), shown)[1].tobytes())
    pixels = read_frames(path, [1]).pixels[0]
    assert pixels.shape == seen.shape
    assert np.abs(pixels.astype(int) - seen).mean() < 10


@pytest.mark.parametrize("ending", sorted(VIDEOS))
def test_a_video_of_every_listed_ending_is_read(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"a{ending.upper()}"
    with av.open(str(path), "w", format=FORMATS.get(ending)) as film:
        stream = film.add_stream(CODECS.get(ending, "mpeg4" if ending != ".flv" else "flv1"), rate=25)
        stream.width, stream.height, stream.pix_fmt = 96, 64, PIXELS.get(ending, "yuv420p")
        for shift in range(4):
            frame = av.VideoFrame.from_ndarray(np.roll(picture(), 8 * shift, 1), format="rgb24")
            film.mux(stream.encode(frame.reformat(format=stream.pix_fmt)))
        film.mux(stream.encode())
    assert read_frames(path, [4]).pixels.shape == (4, 64, 96, 3)


def test_masks_beside_images_are_told_by_name_and_number() -> None:
    names = ["000.png", "001.png", "000_mask.png", "mask_001.png", "surgical_mask.png", "Mask002.png"]
    assert masks_beside(names) == {"000_mask.png", "mask_001.png"}
    assert masks_beside(["1_mask.png", "2_mask.png"]) == set()


def test_masks_in_a_folder_of_frames_are_no_frames(tmp_path: Path) -> None:
    for number in range(3):
        for name, level in ((f"{number}.png", 10 * number), (f"{number}_mask.png", 255)):
            cv2.imwrite(str(tmp_path / name), np.full((8, 8, 3), level, np.uint8))
    assert [path.name for path in frames_in(tmp_path)] == ["0.png", "1.png", "2.png"]
    assert read_frames(tmp_path, [3]).pixels[:, 0, 0, 0].tolist() == [0, 10, 20]


def test_links_that_lead_in_a_circle_are_files_that_are_not_there(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "a.mp4").write_bytes(b"x")
    for number in range(4):
        (tmp_path / "below" / f"up{number}").symlink_to("..")
        (tmp_path / f"self{number}").symlink_to(f"self{number}")
    (tmp_path / "loop.mp4").symlink_to("loop.mp4")
    assert list(walk(tmp_path)) == [tmp_path / "loop.mp4", tmp_path / "below" / "a.mp4"]
    assert files(tmp_path) == [tmp_path / "loop.mp4"]


def listings(folder: Path) -> list[Callable[[], list[Path]]]:
    entry = registry.datasets.get("folder")
    return [
        lambda: list(walk(folder)),
        lambda: list(files_below(folder)),
        lambda: [clip.path for clip in entry.clips(folder)],
        lambda: clips_given([folder])[0],
    ]


@pytest.mark.parametrize("number", range(4))
@pytest.mark.parametrize("letters", [1, 8])
def test_however_deep_folders_lie_in_folders_the_clips_beside_them_are_listed(
    number: int, letters: int, tmp_path: Path
) -> None:
    for name in ("real", "fake"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.mp4").write_bytes(b"x")
    at = os.open(tmp_path / "real", os.O_RDONLY)
    for _ in range(1200):
        os.mkdir("d" * letters, dir_fd=at)
        below = os.open("d" * letters, os.O_RDONLY, dir_fd=at)
        os.close(at)
        at = below
    os.close(at)
    listed = listings(tmp_path)[number]()
    subprocess.run(["rm", "-rf", tmp_path / "real" / ("d" * letters)], check=True)
    assert sorted(listed) == [tmp_path / name / "a.mp4" for name in ("fake", "real")]


@pytest.mark.parametrize("number", range(4))
def test_folders_that_all_lead_to_each_other_are_not_walked_in_every_way(number: int, tmp_path: Path) -> None:
    names = [f"{kind}{k}" for kind in ("real", "fake") for k in range(7)]
    for name in names:
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.mp4").write_bytes(b"x")
        for other in names:
            (tmp_path / name / f"to-{other}").symlink_to(f"../{other}")
    begun = time.monotonic()
    try:
        assert len(listings(tmp_path)[number]()) == len(names)
    except HarnessError as error:
        assert "in over 1,000 ways" in str(error)  # noqa: PT017 - either will do
    assert time.monotonic() - begun < 60


def test_a_pipe_has_no_content(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mp4")
    assert clip_content(tmp_path / "pipe.mp4") is None
    (tmp_path / "frames").mkdir()
    os.mkfifo(tmp_path / "frames" / "000.png")
    assert clip_content(tmp_path / "frames") is None
