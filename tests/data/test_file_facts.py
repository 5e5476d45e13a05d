"""A file says how it was made without showing a picture, or is told by name."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from harness.datasets.procedural.planted import EXPORT
from PIL import Image

from harness.data.file_facts import Facts, container_facts
from harness.types import HarnessError


def test_a_video_says_how_it_was_encoded(tiny_root: Path, planted: Path) -> None:
    tiny, exported = (
        container_facts(sorted(root.glob("**/fake/**/*.mp4"))[-1])
        for root in (tiny_root, planted / "exported")
    )
    assert (tiny["codec"], tiny["width"], tiny["frames"], tiny["frames a second"]) == ("h264", 160, 8, 12)
    assert tiny["duration"] == pytest.approx(8 / 12)
    assert (tiny["x264 rc"], exported["x264 crf"], exported["x264 rc"]) == (
        "cbr",
        float(EXPORT["crf"]),
        "crf",
    )
    assert tiny["encoder tag"] == "none" and "Lavf" in str(exported["encoder tag"])
    assert tiny["frames between key frames"] in (8, 12, 24) and tiny["bytes per pixel"] > 0


def test_a_still_image_says_how_it_was_compressed(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    pixels = Image.fromarray(rng.integers(0, 255, (40, 60, 3), dtype=np.uint8))
    pixels.save(tmp_path / "fine.jpg", quality=95, subsampling=0)
    pixels.save(tmp_path / "coarse.JPG", format="JPEG", quality=40, progressive=True)
    pixels.save(tmp_path / "exact.png")
    fine, coarse, exact = (
        container_facts(tmp_path / name) for name in ("fine.jpg", "coarse.JPG", "exact.png")
    )
    assert fine["JPEG luma quantisation"] < coarse["JPEG luma quantisation"]  # type: ignore[operator]
    assert (fine["JPEG subsampling"], coarse["JPEG subsampling"]) == ("4:4:4", "4:2:0")
    assert (fine["JPEG progressive"], coarse["JPEG progressive"]) == ("no", "yes")
    assert fine["JPEG tables"] != coarse["JPEG tables"]
    assert (exact["format"], exact["frames"], exact["width"], exact["aspect ratio"]) == ("PNG", 1, 60, 1.5)
    assert "JPEG subsampling" not in exact


def test_a_folder_of_frames_is_described_by_its_first(tmp_path: Path) -> None:
    for number in (2, 10):
        cv2.imwrite(str(tmp_path / f"{number}.png"), np.full((32, 32, 3), number, np.uint8))
    facts = container_facts(tmp_path)
    assert (facts["format"], facts["frames"]) == ("folder of PNG", 2)
    assert facts["size in bytes"] == (tmp_path / "2.png").stat().st_size


@pytest.mark.parametrize("name", ["cut.mp4", "cut.jpg", "cut.png"])
def test_an_unreadable_file_is_told_by_name(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"no such thing")
    with pytest.raises(HarnessError, match=name):
        container_facts(tmp_path / name)
    with pytest.raises(HarnessError, match="nowhere"):
        container_facts(tmp_path / f"nowhere-{name}")


def test_a_video_without_pictures_is_told(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "sound.mp4"), "w") as container:
        stream = container.add_stream("aac", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with pytest.raises(HarnessError, match=r"sound\.mp4: has no video stream"):
        container_facts(tmp_path / "sound.mp4")


def test_an_image_says_its_depth_its_camera_and_how_it_is_turned(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 2**16, (20, 20, 3), dtype=np.uint16)
    cv2.imwrite(str(tmp_path / "deep.png"), pixels)
    cv2.imwrite(str(tmp_path / "flat.png"), (pixels >> 8).astype(np.uint8))
    deep, flat = (container_facts(tmp_path / f"{name}.png") for name in ("deep", "flat"))
    assert (deep["PNG bit depth"], flat["PNG bit depth"]) == (16, 8)
    exif = Image.Exif()
    exif[0x010F], exif[0x0112] = "Canon", 6
    picture = Image.fromarray((pixels >> 8).astype(np.uint8))
    picture.save(tmp_path / "shot.jpg", exif=exif, quality=75, comment=b"made by hand")
    picture.save(tmp_path / "best.jpg", quality=100)
    shot, best = (container_facts(tmp_path / name) for name in ("shot.jpg", "best.jpg"))
    assert (shot["EXIF Make"], shot["rotation"], shot["metadata comment"]) == ("Canon", "6", "made by hand")
    assert (shot["JPEG quality"], best["JPEG quality"], best["rotation"]) == (75, 100, "none")


def test_a_video_says_its_sound_its_pixels_and_how_it_is_turned(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "a.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=10, options={"crf": "31", "refs": "2"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.sample_aspect_ratio = Fraction(4, 3)
        stream.set_display_rotation(90)
        sound = container.add_stream("aac", rate=8000)
        for _ in range(4):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 90, np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        heard = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        heard.sample_rate = 8000
        container.mux(sound.encode(heard))
        container.mux([*stream.encode(None), *sound.encode(None)])
    facts = container_facts(tmp_path / "a.mp4")
    assert (facts["sound"], facts["sound rate"], facts["pixel aspect"]) == ("aac", 8000, "4/3")
    assert abs(float(facts["rotation"])) == 90
    assert (facts["encoder settings"], facts["x264 crf"], facts["x264 ref"]) == ("x264", 31, 2)
    assert str(facts["x264 build"]).isdigit() and facts["x264 chroma_qp_offset"] in (0.0, -2.0)


def test_a_file_says_when_it_was_made_and_which_long_words_are_alike(tmp_path: Path) -> None:
    def film(name: str, **metadata: str) -> Facts:
        with av.open(str(tmp_path / name), "w") as container:
            container.metadata.update(metadata)
            stream = container.add_stream("libx264", rate=10)
            stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 90, np.uint8), format="rgb24")
            container.mux([*stream.encode(frame), *stream.encode(None)])
        return container_facts(tmp_path / name)

    long = "made with care " * 10
    one = film("a.mp4", creation_time="2019-05-04T03:02:01Z", comment=long)
    other, third = film("b.mp4", comment=long), film("c.mp4", comment=f"{long}!")
    assert one["creation year"] == 2019 and "creation year" not in other
    assert one["metadata comment"] == other["metadata comment"] != third["metadata comment"]
    assert long not in str(one)
    exif = Image.Exif()
    exif[0x0132] = "2021:12:01 10:00:00"
    Image.new("RGB", (8, 8)).save(tmp_path / "a.jpg", exif=exif)
    assert container_facts(tmp_path / "a.jpg")["creation year"] == 2021


@pytest.mark.skipif("libx265" not in av.codecs_available, reason="this PyAV has no libx265")
def test_the_settings_of_x265_are_read_too(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "a.mp4"), "w") as container:
        stream = container.add_stream("libx265", rate=10, options={"crf": "29"})
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        for _ in range(3):
            frame = av.VideoFrame.from_ndarray(np.full((64, 64, 3), 90, np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    facts = container_facts(tmp_path / "a.mp4")
    assert facts["encoder settings"] == "x265" and facts["x265 crf"] == 29
