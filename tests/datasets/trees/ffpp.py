"""FaceForensics++ in miniature: a pair of videos a split, two methods that share file names."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from tests.datasets.trees.planting import plant, write

PAIRS = {"train": ("000", "003"), "val": ("011", "805"), "test": ("953", "974")}
METHODS = ("Deepfakes", "FaceSwap")


def build(root: Path, clips: Sequence[Path], compression: str = "c23") -> None:
    """Six originals, six fakes by each of two methods, and the masks of one, which are no clips."""
    for split, pair in PAIRS.items():
        write(root / "splits" / f"{split}.json", json.dumps([pair]))
    orders = [order for one, other in PAIRS.values() for order in ((one, other), (other, one))]
    names = [f"original_sequences/youtube/{compression}/videos/{target}.mp4" for target, _ in orders]
    for method in METHODS:
        folder = f"manipulated_sequences/{method}/{compression}/videos"
        names += [f"{folder}/{target}_{source}.mp4" for target, source in orders]
    plant(root, [*names, "manipulated_sequences/Deepfakes/masks/videos/000_003.mp4"], clips)


TREES = {f"ffpp_{each}": partial(build, compression=each) for each in ("raw", "c23", "c40")}
