"""The frames of a folder come in the order of time, face by face, without the masks that lie beside them."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from harness.video.frame_folder import frame_files, frame_tracks
from harness.video.frames import read_frames


def names(*found):
    return [path.stem for path in found]


@pytest.mark.parametrize(
    "ordered",
    [
        ["1", "2", "10", "33"],
        ["0_0", "10_0", "20_0", "100_0"],
        ["frame2", "frame10"],
        ["000_003_frame9", "000_003_frame12"],
        ["vid1_frame0002_face0", "vid1_frame0011_face0"],
        ["0_0", "0_1", "10_0", "10_1"],
        ["img", "img2", "img10"],
    ],
)
def test_frames_are_ordered_by_their_number_then_by_the_face(tmp_path, ordered):
    for name in sorted(ordered):
        (tmp_path / f"{name}.png").write_bytes(b"")
    assert names(*frame_files(tmp_path)) == ordered


def test_masks_beside_frames_are_no_frames(tmp_path):
    for name in ("0", "0_mask", "1", "1-Mask", "unmasked2"):
        (tmp_path / f"{name}.png").write_bytes(b"")
    assert names(*frame_files(tmp_path)) == ["0", "1", "unmasked2"]


@pytest.mark.parametrize(
    ("listed", "tracks"),
    [
        pytest.param(["0_0", "0_1", "5_0", "5_1"], [["0_0", "5_0"], ["0_1", "5_1"]], id="two faces"),
        pytest.param(["0_1", "5_1", "9_1", "5_2"], [["0_1", "5_1", "9_1"], ["5_2"]], id="a face that comes"),
        pytest.param(["0_0", "5_0"], [["0_0", "5_0"]], id="one face"),
        pytest.param(["1_0", "2_7", "3_4"], [["1_0", "2_7", "3_4"]], id="no faces but moments"),
        pytest.param(["1", "2_copy"], [["1", "2_copy"]], id="names of two kinds"),
    ],
)
def test_several_faces_a_frame_are_several_tracks(tmp_path, listed, tracks):
    for name in listed:
        (tmp_path / f"{name}.png").write_bytes(b"")
    assert [names(*track) for track in frame_tracks(tmp_path)] == tracks


def test_a_folder_with_several_faces_is_read_as_one_of_them(tmp_path):
    for frame, face, level in ((0, 0, 10), (1, 0, 20), (2, 0, 30), (0, 1, 200), (2, 1, 210)):
        cv2.imwrite(str(tmp_path / f"{frame}_{face}.png"), np.full((8, 8 + face, 3), level, np.uint8))
    main, other = (read_frames(tmp_path, [3], track=track) for track in (0, 1))
    assert [int(picture[0, 0, 0]) for picture in main.pictures] == [10, 20, 30]
    assert [int(picture[0, 0, 0]) for picture in other.pictures] == [200, 210]
    assert (main.total, main.tracks, other.total) == (3, 2, 2)
