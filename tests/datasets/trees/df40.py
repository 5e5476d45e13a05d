"""DF40 in miniature: methods with videos, folders of frames and stills, and the reals that come apart."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from tests.datasets.trees.deepfakebench import unroll
from tests.datasets.trees.planting import plant, write

FF_REALS = "FaceForensics++/original_sequences/youtube/c23/frames"


def build(root: Path, clips: Sequence[Path]) -> None:
    """Seven fakes of four methods, and five reals: three on official lists, two that methods bring."""
    write(root / "FaceForensics++" / "test.json", json.dumps([["953", "974"]]))
    listed = "1 Celeb-real/id0_0003.mp4\n1 YouTube-real/00170.mp4\n0 Celeb-synthesis/id0_id1_0003.mp4"
    write(root / "Celeb-DF-v2" / "List_of_testing_videos.txt", listed)
    plant(root, [f"Celeb-DF-v2/{name}.mp4" for name in ("Celeb-real/id0_0003", "YouTube-real/00170")], clips)
    for name, clip in zip(("953", "974", "000"), clips, strict=False):
        unroll(root / FF_REALS / name, clip)
    home = root / "DF40"
    for method in ("simswap", "blendface"):
        unroll(home / method / "ff" / "frames" / "953_974", clips[3])
        unroll(home / method / "cdf" / "frames" / "id0_id1_0003", clips[4])
        unroll(home / method / "real" / "953", clips[0])  # the same real, brought by two methods
        unroll(home / method / "ff" / "masks" / "953_974", clips[5])
    plant(home, ["heygen/fake/talk.mp4", "heygen/real/talk.mp4"], clips[6:])
    unroll(home / "MidJourney" / "fake", clips[8])  # 0.png and 1.png: two stills
    unroll(home / "MidJourney" / "real", clips[9])


TREES = {"df40": build}
