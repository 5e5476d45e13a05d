"""The DFDC preview in miniature: an original and two fakes in each of its two splits."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from tests.datasets.trees.planting import plant, write

LISTED = {
    "original_videos/100/100_A_001.mp4": ("real", "train", "100", None),
    "original_videos/200/200_A_001.mp4": ("real", "test", "200", None),
    "method_A/200_100_A/200_100_A_001.mp4": ("fake", "train", "100", "200"),
    "method_B/200_100_A/200_100_A_001.mp4": ("fake", "train", "100", "200"),
    "method_A/300_200_A/300_200_A_001.mp4": ("fake", "test", "200", "300"),
    "method_B/300_200_A/300_200_A_001.mp4": ("fake", "test", "200", "300"),
}


def build(root: Path, clips: Sequence[Path]) -> None:
    """Two originals and four fakes; both methods use the same file names."""
    listed = {
        path: {"label": label, "set": split, "target_id": target, "swapped_id": swapped, "augmentations": []}
        for path, (label, split, target, swapped) in LISTED.items()
    }
    write(root / "dataset.json", json.dumps(listed))
    plant(root, listed, clips)


TREES = {"dfdc_preview": build}
