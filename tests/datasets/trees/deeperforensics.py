"""DeeperForensics-1.0 in miniature, with the FaceForensics++ originals linked into it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tests.datasets.trees.planting import plant, write

LISTED = {"train": "000_W004.mp4", "val": "011_M101.mp4", "test": "953_W136.mp4"}
VARIANTS = ("end_to_end", "end_to_end_level_3")
ACTORS = ("source_videos/W004/light_up/happy/camera_front/W004_light_up_happy_camera_front.mp4",)


def build(root: Path, clips: Sequence[Path]) -> None:
    """Two variants of three swaps, an actor in the studio, and a fourth original, which is in no list."""
    for split, name in LISTED.items():
        write(root / "lists" / "splits" / f"{split}.txt", f"{name}\n")
    swaps = [f"manipulated_videos/{variant}/{name}" for variant in VARIANTS for name in LISTED.values()]
    faceforensics = root.parent / f"{root.name}_faceforensics"
    numbers = [name[:3] for name in LISTED.values()]
    originals = [f"original_sequences/youtube/c23/videos/{number}.mp4" for number in (*numbers, "500")]
    plant(root, [*swaps, *ACTORS], clips)
    plant(faceforensics, originals, clips[::-1])
    (root / "original_sequences").symlink_to(faceforensics / "original_sequences")


TREES = {"deeperforensics": build}
