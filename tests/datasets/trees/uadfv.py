"""UADFV in miniature: three videos and their swaps, with the folders of frames that come along."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tests.datasets.trees.planting import plant, write


def build(root: Path, clips: Sequence[Path]) -> None:
    """Three real and three fake videos; `frames` and notes are no clips."""
    numbers = ("0000", "0001", "0048")
    reals = [f"real/{number}.mp4" for number in numbers]
    plant(root, reals + [f"fake/{number}_fake.mp4" for number in numbers], clips)
    write(root / "fake" / "frames" / "0000_fake" / "000.png", "a frame")


TREES = {"uadfv": build}
