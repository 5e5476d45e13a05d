"""The background is measured beside the face, and shows how its file was encoded."""

from __future__ import annotations

from pathlib import Path

import cv2

from harness.data.audit.background_facts import background_facts
from harness.video.people import Faces
from tests.data.audit.pictures import a_clip, noise


def test_what_is_under_the_face_changes_no_fact_and_what_is_beside_it_does(tmp_path: Path) -> None:
    picture = noise(0, 10)
    inside, outside = picture.copy(), picture.copy()
    inside[48:112, 48:112] = 0
    outside[:16, :16] = 0
    said = []
    for name, pixels in (("plain", picture), ("inside", inside), ("outside", outside)):
        cv2.imwrite(str(tmp_path / f"{name}.png"), pixels)
        clip = a_clip(tmp_path / f"{name}.png", attributes={"box": [55, 55, 50, 50]})
        said.append(background_facts(clip))
    assert said[0].boxed and said[0].facts == said[1].facts != said[2].facts


def test_a_found_face_is_covered_and_without_any_box_the_middle(tmp_path: Path) -> None:
    seen = Faces((0,), {0: (0.0, 0.0, 30.0, 30.0)}, ())
    picture = noise(0, 10)
    picture[60:100, 60:100] = 0
    cv2.imwrite(str(tmp_path / "clip.png"), picture)
    tracked = background_facts(a_clip(tmp_path / "clip.png", attributes={"faces": {4: None, 3: seen}}))
    central = background_facts(a_clip(tmp_path / "clip.png"))
    assert tracked.boxed and not central.boxed
    assert tracked.facts["black pixels"] > 0.05 and central.facts["black pixels"] == 0


def test_blocking_grain_and_lost_detail_are_seen(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "fine.png"), noise(0, 12))
    cv2.imwrite(str(tmp_path / "coarse.jpg"), noise(0, 12), [cv2.IMWRITE_JPEG_QUALITY, 15])
    fine, coarse = (background_facts(a_clip(tmp_path / name)).facts for name in ("fine.png", "coarse.jpg"))
    assert coarse["8 px blocking across"] > fine["8 px blocking across"] + 0.1
    assert coarse["luma grain, middle tiles"] < fine["luma grain, middle tiles"] - 0.3
    assert coarse["empty part of band 11-14"] > fine["empty part of band 11-14"] + 0.3


def test_frames_of_a_size_each_have_a_background(tmp_path: Path) -> None:
    for number in range(3):
        cv2.imwrite(str(tmp_path / f"{number}.png"), noise(number, 10)[: 160 - 16 * number])
    found = background_facts(a_clip(tmp_path))
    assert found.facts["contrast of red"] > 5 and "change between frames" not in found.facts
