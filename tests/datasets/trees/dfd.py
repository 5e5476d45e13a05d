"""Google's DeepFakeDetection in miniature, where FaceForensics++ keeps it, in two compressions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tests.datasets.trees.planting import plant

REALS = ("01__exit_phone_room", "01__kitchen_pan", "02__exit_phone_room")
FAKES = ("01_02__exit_phone_room__YVGY8LOK", "02_01__exit_phone_room__0XUW13RW")


def build(root: Path, clips: Sequence[Path]) -> None:
    """Three originals of two actors and two swaps, in c23; one original in c40 too."""
    names = [f"original_sequences/actors/c23/videos/{stem}.mp4" for stem in REALS]
    names += [f"manipulated_sequences/DeepFakeDetection/c23/videos/{stem}.mp4" for stem in FAKES]
    plant(root, [*names, f"original_sequences/actors/c40/videos/{REALS[0]}.mp4"], clips)


TREES = {"dfd": build}
