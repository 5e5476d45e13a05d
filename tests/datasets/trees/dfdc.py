"""DFDC in miniature: two training parts of which one holds the other's originals, and the test folder."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from tests.datasets.trees.planting import plant, write

PARTS = {
    "dfdc_train_part_0": {
        "aaaaaaaaaa.mp4": {"label": "REAL", "split": "train", "original": None},
        "bbbbbbbbbb.mp4": {"label": "FAKE", "split": "train", "original": "aaaaaaaaaa.mp4"},
        "cccccccccc.mp4": {"label": "FAKE", "split": "train", "original": "dddddddddd.mp4"},
    },
    "dfdc_train_part_10": {
        "dddddddddd.mp4": {"label": "REAL", "split": "train", "original": None},
        "eeeeeeeeee.mp4": {"label": "FAKE", "split": "train", "original": "dddddddddd.mp4"},
    },
}
TESTED = {
    "ffffffffff.mp4": {"augmentations": {}, "is_fake": 0},
    "gggggggggg.mp4": {"augmentations": {"blur": 1}, "is_fake": 1},
    "hhhhhhhhhh.mp4": {"augmentations": {}, "is_fake": 1},
}


def build(root: Path, clips: Sequence[Path]) -> None:
    """Five training clips in two parts, three test clips, and a video that is in no list."""
    for folder, listed in {**PARTS, "test": TESTED}.items():
        write(root / folder / "metadata.json", json.dumps(listed))
        plant(root / folder, listed, clips)
    plant(root / "test", ["zzzzzzzzzz.mp4"], clips)


TREES = {"dfdc": build}
