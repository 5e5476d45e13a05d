"""Reading real files: which frames come out is proven by numbers planted in the pixels."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from harness.types import HarnessError
from harness.video.frames import box_of, crop_and_fit, read_frames, sample_indices
from tests.video.films import (
    HEIGHT,
    WIDTH,
    cut,
    numbered,
    numbers_in,
    trim_without_encoding,
    write_video,
)


def reason(path: Path, frames: int = 4) -> str:
    with pytest.raises(HarnessError) as error:
        read_frames(path, [frames])
    text = str(error.value)
    assert "\n" not in text
    assert path.name in text
    return text


def test_sampling_takes_the_centres_of_equal_parts():
    assert sample_indices(60, 4) == [7, 22, 37, 52]
    assert sample_indices(100, 1) == [50]
    assert sample_indices(5, 5) == [0, 1, 2, 3, 4]


def test_sampling_repeats_evenly_when_the_clip_is_short():
    assert sample_indices(3, 6) == [0, 0, 1, 1, 2, 2]
    assert sample_indices(1, 4) == [0, 0, 0, 0]
    assert sample_indices(2, 5) == [0, 0, 1, 1, 1]


@pytest.mark.parametrize(("total", "frames"), [(0, 4), (-1, 4), (5, 0)])
def test_nothing_can_be_sampled_from_nothing(total, frames):
    with pytest.raises(HarnessError, match="cannot sample"):
        sample_indices(total, frames)


@pytest.mark.parametrize("gop", [1, 12, 250])
@pytest.mark.parametrize("reordered", [0, 2])
def test_frames_come_from_the_whole_clip_and_are_the_ones_named(tmp_path, gop, reordered):
    path = write_video(tmp_path / "clip.mp4", 60, gop=gop, reordered=reordered)
    frames = read_frames(path, [4])
    assert frames.total == 60
    assert frames.indices == (7, 22, 37, 52)
    assert numbers_in(frames.pixels) == [7, 22, 37, 52]
    assert frames.pixels.shape == (4, HEIGHT, WIDTH, 3)
    assert frames.pixels.dtype == np.uint8
    assert frames.pixels.flags.c_contiguous


@pytest.mark.parametrize(
    ("suffix", "codec"),
    [
        (".mkv", "libx264"),
        (".webm", "libvpx-vp9"),
        (".mp4", "libx265"),
        (".avi", "libx264"),
        (".avi", "mpeg4"),
        (".ts", "libx264"),
        (".mpg", "mpeg2video"),
    ],
)
@pytest.mark.parametrize("count", [1, 4])
def test_other_containers_and_codecs_give_the_frames_named_too(tmp_path, suffix, codec, count):
    frames = read_frames(write_video(tmp_path / f"clip{suffix}", 40, codec=codec), [count])
    assert frames.total == 40
    assert numbers_in(frames.pixels) == sample_indices(40, count)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize("x264", ["open-gop=1", "intra-refresh=1", "interlaced=1"])
def test_key_frames_that_decoding_cannot_begin_at_do_not_shift_the_frames(tmp_path, suffix, x264):
    path = write_video(tmp_path / f"clip{suffix}", 60, gop=5, reordered=2, x264=x264)
    for count in (1, 2, 4, 10):
        assert numbers_in(read_frames(path, [count]).pixels) == sample_indices(60, count)


def test_one_decoding_serves_several_frame_counts(tmp_path):
    frames = read_frames(write_video(tmp_path / "clip.mp4", 60), [4, 6, 10])
    assert list(frames.indices) == sorted(set(frames.indices))
    assert set(frames.indices) == {index for count in (4, 6, 10) for index in sample_indices(60, count)}
    assert numbers_in(frames.pixels) == list(frames.indices)


def test_a_short_clip_is_decoded_once_a_frame(tmp_path):
    frames = read_frames(write_video(tmp_path / "clip.mp4", 3), [6])
    assert (frames.indices, frames.total) == ((0, 1, 2), 3)
    assert numbers_in(frames.pixels) == [0, 1, 2]


def test_a_clip_of_one_frame_is_read(tmp_path):
    frames = read_frames(write_video(tmp_path / "clip.mp4", 1, first=5), [4])
    assert (frames.indices, frames.total) == ((0,), 1)
    assert numbers_in(frames.pixels) == [5]


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".webp", ".jpg", ".JPEG"])
def test_a_still_image_is_a_clip_of_one_frame_in_rgb(tmp_path, suffix):
    picture = np.full((40, 60, 3), (200, 90, 30), np.uint8)
    path = tmp_path / f"still{suffix}"
    assert cv2.imwrite(str(path), picture[..., ::-1])
    frames = read_frames(path, [3])
    assert (frames.total, frames.indices, frames.pixels.shape) == (1, (0,), (1, 40, 60, 3))
    assert np.abs(frames.pixels.astype(int) - picture).max() <= 8


def test_video_colours_are_rgb_not_bgr(tmp_path):
    with av.open(str(tmp_path / "red.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        red = np.full((64, 64, 3), (220, 30, 20), np.uint8)
        container.mux(stream.encode(av.VideoFrame.from_ndarray(red, format="rgb24")))
        container.mux(stream.encode(None))
    assert np.abs(read_frames(tmp_path / "red.mp4", [1]).pixels.astype(int) - red).max() < 12


def test_four_threads_read_four_files_without_mixing_them(tmp_path):
    paths = [write_video(tmp_path / f"{i}.mp4", 30, first=50 * i) for i in range(4)] * 6
    with ThreadPoolExecutor(4) as pool:
        read = list(pool.map(lambda path: numbers_in(read_frames(path, [3]).pixels), paths))
    assert read == [[50 * i + k for k in (5, 15, 25)] for i in range(4)] * 6


@pytest.mark.parametrize("share", [0.999, 0.9, 0.6, 0.3, 0.1])
def test_a_cut_mp4_whose_header_is_whole_is_an_error_not_a_shorter_clip(tmp_path, share):
    path = cut(write_video(tmp_path / "cut.mp4", 60), share)
    assert "of 60 frames are there" in reason(path)


@pytest.mark.parametrize("suffix", [".mkv", ".avi"])
def test_other_containers_cut_in_the_middle_are_errors(tmp_path, suffix):
    path = cut(write_video(tmp_path / f"cut{suffix}", 60, reordered=0), 0.6)
    assert "are there" in reason(path)


def test_a_cut_mp4_without_its_header_is_an_error(tmp_path):
    with av.open(str(tmp_path / "late.mp4"), "w") as container:  # the header goes to the end
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for number in range(20):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(numbered(number), format="rgb24")))
        container.mux(stream.encode(None))
    assert "not a readable video" in reason(cut(tmp_path / "late.mp4", 0.7))


@pytest.mark.parametrize("gop", [12, 250])
def test_a_frame_whose_data_is_overwritten_is_an_error(tmp_path, gop):
    path = write_video(tmp_path / "overwritten.mp4", 60, gop=gop)
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 20_000] = bytes(20_000)
    path.write_bytes(data)
    assert "cannot be decoded" in reason(path, frames=20)


@pytest.mark.parametrize("frames", [1, 4, 40])
@pytest.mark.parametrize("trimmed", [5, 15])
@pytest.mark.parametrize("reordered", [0, 2])
def test_a_clip_trimmed_without_encoding_shows_what_a_player_shows(tmp_path, reordered, trimmed, frames):
    whole = write_video(tmp_path / "whole.mp4", 40, reordered=reordered)
    read = read_frames(trim_without_encoding(whole, tmp_path / "trimmed.mp4", trimmed), [frames])
    assert read.total == 40 - trimmed
    assert numbers_in(read.pixels) == [index + trimmed for index in read.indices]


def write_sound(path: Path) -> None:
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=8000)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        sound.rate = 8000
        container.mux(stream.encode(sound))
        container.mux(stream.encode(None))


def write_playlist(path: Path) -> None:
    write_video(path.parent / "other.mp4", 5)
    path.write_text("ffconcat version 1.0\nfile other.mp4\n")


BROKEN = {
    "empty.mp4": (lambda path: path.write_bytes(b""), "the file is empty"),
    "empty.png": (lambda path: path.write_bytes(b""), "the file is empty"),
    "text.mp4": (lambda path: path.write_text("not a video\n" * 200), "not a readable video"),
    "text.jpg": (lambda path: path.write_text("not an image\n" * 200), "not a readable image"),
    "zeros.mp4": (lambda path: path.write_bytes(bytes(5000)), "not a readable video"),
    "folder.mp4": (lambda path: path.mkdir(), "the folder holds no image"),
    "folder.png": (lambda path: path.mkdir(), "the folder holds no image"),
    "missing.mp4": (lambda path: None, "No such file"),
    "missing.png": (lambda path: None, "No such file"),
    "sound.mp4": (write_sound, "no video stream"),
    "playlist.mp4": (write_playlist, "not a readable video"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_file_that_is_no_clip_is_an_error_in_one_line(tmp_path, name, capfd):
    make, expected = BROKEN[name]
    make(tmp_path / name)
    assert expected in reason(tmp_path / name)
    assert capfd.readouterr() == ("", "")


def test_a_png_is_read_whatever_was_imported_first(tmp_path):
    cv2.imwrite(str(tmp_path / "still.png"), numbered(5))
    line = (
        "import sys, pathlib; from harness.video import decoding, frames;"
        "print(frames.read_frames(pathlib.Path(sys.argv[1]), [1]).pixels.shape)"
    )
    run = subprocess.run(
        [sys.executable, "-c", line, str(tmp_path / "still.png")], capture_output=True, text=True, check=False
    )
    assert run.stdout.strip() == f"(1, {HEIGHT}, {WIDTH}, 3)", run.stderr


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".bmp"])
def test_a_cut_image_is_an_error_not_half_a_face(tmp_path, suffix):
    path = tmp_path / f"cut{suffix}"
    cv2.imwrite(str(path), numbered(3))
    assert "not a readable image" in reason(cut(path, 0.7))


def test_no_frames_asked_for_is_an_error(tmp_path):
    with pytest.raises(HarnessError, match="no frame count"):
        read_frames(write_video(tmp_path / "clip.mp4", 3), [])


def marked(height: int, width: int) -> np.ndarray:
    """One frame whose red channel is the row and whose green channel is the column."""
    frame = np.zeros((1, height, width, 3), np.uint8)
    frame[..., 0] = np.arange(height)[:, None]
    frame[..., 1] = np.arange(width)
    return frame


def test_the_centre_crop_is_the_largest_centred_square():
    cropped = crop_and_fit(marked(60, 100), "center", None, 60)
    assert np.array_equal(cropped, marked(60, 100)[:, :, 20:80])


def test_no_crop_keeps_the_whole_frame_and_fits_it():
    assert crop_and_fit(marked(60, 100), "none", None, 32).shape == (1, 32, 32, 3)
    assert np.array_equal(crop_and_fit(marked(64, 64), "none", None, 64), marked(64, 64))


def test_the_box_crop_is_a_square_of_1_3_times_the_longer_side():
    cropped = crop_and_fit(marked(120, 160), "boxes", [[60, 40, 20, 40]], 52)
    assert np.array_equal(cropped, marked(120, 160)[:, 34:86, 44:96])


def test_a_box_at_the_border_is_shifted_inside():
    cropped = crop_and_fit(marked(120, 160), "boxes", [[-10, 100, 40, 40]], 52)
    assert np.array_equal(cropped, marked(120, 160)[:, 68:120, 0:52])


def test_a_box_larger_than_the_frame_repeats_edge_pixels():
    cropped = crop_and_fit(marked(40, 160), "boxes", [[60, 5, 40, 40]], 52)
    assert np.array_equal(cropped[0, :, 0, 0], np.clip(np.arange(52) - 1, 0, 39))
    assert np.array_equal(cropped[0, 0, :, 1], np.arange(54, 106))


@pytest.mark.parametrize("box", [None, [1, 2, 3], [0, 0, 0, 10], [0, 0, float("nan"), 10]])
def test_a_box_crop_without_a_box_is_an_error(box):
    with pytest.raises(HarnessError, match="face box"):
        box_of({"box": box}, (40, 40))


def test_each_frame_is_cut_around_its_own_box():
    pair = np.concatenate([marked(120, 160)] * 2)
    cropped = crop_and_fit(pair, "face", [[10, 10, 40, 40], [60, 40, 20, 40]], 52)
    assert np.array_equal(cropped[0], marked(120, 160)[0, 4:56, 4:56])
    assert np.array_equal(cropped[1], marked(120, 160)[0, 34:86, 44:96])


def test_the_images_of_a_folder_are_its_frames_in_the_order_of_their_numbers(tmp_path):
    for number in (10, 2, 1, 33):
        cv2.imwrite(str(tmp_path / f"frame{number}.png"), numbered(number)[..., ::-1])
    (tmp_path / "notes.txt").write_text("no frame")
    found = read_frames(tmp_path, [4, 2])
    assert (numbers_in(found.pixels), found.total) == ([1, 2, 10, 33], 4)
    assert numbers_in(read_frames(tmp_path, [2]).pixels) == [2, 33]


def test_a_folder_without_an_image_is_an_error(tmp_path):
    (tmp_path / "notes.txt").write_bytes(b"")
    with pytest.raises(HarnessError, match="holds no image"):
        read_frames(tmp_path, [1])


def test_frames_of_a_folder_may_differ_in_size_as_crops_of_a_face_do(tmp_path):
    for name, side in (("1.png", 20), ("2.png", 30)):
        cv2.imwrite(str(tmp_path / name), np.zeros((side, side, 3), np.uint8))
    found = read_frames(tmp_path, [2])
    assert [picture.shape for picture in found.pictures] == [(20, 20, 3), (30, 30, 3)]
    with pytest.raises(HarnessError, match=r"differ in size \(20x20, 30x30"):
        found.pixels  # noqa: B018


def test_frames_that_are_used_as_they_are_decoded_are_the_same_and_none_is_kept(tmp_path):
    for path in (write_video(tmp_path / "clip.mp4", 40), write_video(tmp_path / "clip.avi", 40)):
        used: dict[int, np.ndarray] = {}
        totals = set()

        def use(index, frame, total, used=used, totals=totals):
            used[index] = frame.copy()
            totals.add(total)

        kept, handed = read_frames(path, [4, 6]), read_frames(path, [4, 6], use=use)
        assert tuple(sorted(used)) == kept.indices == handed.indices
        assert np.array_equal(np.stack([used[index] for index in kept.indices]), kept.pixels)
        assert (len(handed.pictures), totals) == (0, {40})


def test_an_unknown_crop_is_an_error():
    with pytest.raises(HarnessError, match="unknown crop 'centre'"):
        crop_and_fit(marked(40, 40), "centre", None, 32)
