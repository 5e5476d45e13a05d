"""DF40 in miniature: every nesting of the release, and the reals that come apart."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from tests.datasets.trees.deepfakebench import unroll
from tests.datasets.trees.planting import plant, write

FF_REALS = "FaceForensics++/original_sequences/youtube/c23/frames"


def build(root: Path, clips: Sequence[Path]) -> None:
    """Fakes of three domains, and the reals of each: on official lists, or as a method brings them."""
    write(root / "FaceForensics++" / "test.json", json.dumps([["953", "974"]]))
    listed = "1 Celeb-real/id0_0003.mp4\n1 YouTube-real/00170.mp4\n0 Celeb-synthesis/id0_id1_0003.mp4"
    write(root / "Celeb-DF-v2" / "List_of_testing_videos.txt", listed)
    plant(root, [f"Celeb-DF-v2/{name}.mp4" for name in ("Celeb-real/id0_0003", "YouTube-real/00170")], clips)
    for name, clip in zip(("953", "974", "000"), clips, strict=False):
        unroll(root / FF_REALS / name, clip)
    home = root / "DF40"
    for method in ("simswap", "fomm"):
        unroll(home / method / "ff" / "frames" / "953_974", clips[3])
        unroll(home / method / "cdf" / "frames" / "id0_id1_0003", clips[4])
        unroll(home / method / "ff" / "masks" / "953_974", clips[5])
    unroll(home / "uniface" / "frames" / "974_953", clips[3])
    unroll(home / "e4e" / "e4e" / "ff" / "953", clips[4])
    unroll(home / "DiT" / "cdf" / "Fake_from_Youtube-real" / "00170", clips[5])
    unroll(
        home / "pixart" / "cdf" / "Fake_from_Celeb-real" / "id0_0000",
        clips[6],
        ["Celeb-real_id1_0004_171.png"],
    )
    unroll(home / "sd2.1" / "ff" / "970", clips[7], ["100_340.png", "953_012.png"])
    unroll(home / "StyleGAN3" / "ff" / "953", clips[8], ["seed0001.png", "seed0002.png"])
    unroll(home / "heygen" / "heygen_new" / "fake" / "frames" / "003", clips[6])
    unroll(home / "heygen" / "heygen_new" / "real" / "003", clips[7])
    for method in ("whichfaceisreal", "styleclip"):
        unroll(home / method / method / "fake", clips[8])  # 0.png and 1.png: two stills
        unroll(home / method / method / "real", clips[9])
    unroll(home / "deepfacelab" / "fake" / "frames" / "003", clips[8])
    unroll(home / "deepfacelab" / "real" / "frames" / "003", clips[9])


TREES = {"df40": build}
