"""What a header says is what the decoder finds, and files that only seem to be media say nothing."""

from __future__ import annotations

import io

import cv2
import numpy as np
import pytest
from PIL import Image

from harness.guard.media_headers import declared


@pytest.mark.parametrize("ending", ["png", "jpg", "webp", "bmp", "tiff", "ppm", "hdr", "pgm"])
@pytest.mark.parametrize("size", [(3, 700), (64, 48), (301, 5)])
def test_the_declared_size_is_that_of_the_decoded_picture(ending: str, size: tuple[int, int]) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    data = cv2.imencode(f".{ending}", picture[..., 0] if ending == "pgm" else picture)[1].tobytes()
    said = declared(data)
    assert said is not None and (said.height, said.width) == size and said.pictures == 1
    assert cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR).shape[:2] == size


@pytest.mark.parametrize(
    "how", [{"progressive": True}, {"exif": b"Exif\0\0" + bytes(300)}, {"subsampling": 0}]
)
def test_jpegs_of_other_makes_say_their_size(how: dict[str, object]) -> None:
    file = io.BytesIO()
    Image.new("RGB", (50, 40)).save(file, "JPEG", **how)
    said = declared(file.getvalue())
    assert said is not None and said[:2] == (50, 40) and (said.scans > 1) == ("progressive" in how)


@pytest.mark.parametrize("kind", ["WEBP", "TIFF", "PNG"])
def test_several_pictures_in_one_file_are_told(kind: str) -> None:
    file, other = io.BytesIO(), Image.new("RGB", (16, 16), (9, 9, 9))
    Image.new("RGB", (16, 16)).save(file, kind, save_all=True, append_images=[other])
    said = declared(file.getvalue())
    assert said is not None and said.pictures == 2


@pytest.mark.parametrize("length", [2, 4, 10, 20, 25, 60])
@pytest.mark.parametrize(
    "magic", [b"\x89PNG", b"\xff\xd8\xff\xe0", b"RIFF", b"BM", b"#?", b"II*\0", b"MM\0*", b""]
)
def test_what_ends_too_early_says_nothing_or_a_size(magic: bytes, length: int) -> None:
    for filling in (b"\0", b"\xff", b"\x01"):
        said = declared((magic + filling * length)[:length])
        assert said is None or said.width >= 0
