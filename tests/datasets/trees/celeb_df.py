"""Celeb-DF in miniature: its list says 1 for real and has no final newline."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tests.datasets.trees.planting import plant, write

TESTED = {
    "Celeb-real": ("id0_0001",),
    "YouTube-real": ("00170",),
    "Celeb-synthesis": ("id0_id1_0001", "id1_id0_0002"),
}
OTHERS = {
    "Celeb-real": ("id0_0000", "id1_0002"),
    "YouTube-real": ("00011",),
    "Celeb-synthesis": ("id0_id1_0000", "id1_id0_0000"),
}


def build(root: Path, clips: Sequence[Path]) -> None:
    """Two real and two fake test videos, three real and two fake others."""
    for folder in TESTED:
        plant(root / folder, [f"{stem}.mp4" for stem in TESTED[folder] + OTHERS[folder]], clips)
    lines = [
        f"{0 if folder == 'Celeb-synthesis' else 1} {folder}/{stem}.mp4"
        for folder, stems in TESTED.items()
        for stem in stems
    ]
    write(root / "List_of_testing_videos.txt", "\n".join(lines))


TREES = {"celeb_df_v1": build, "celeb_df_v2": build}
