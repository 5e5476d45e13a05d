"""A manifest in miniature: a CSV file beside the clips it lists."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tests.datasets.trees.planting import plant, write

LINES = """path,label,split,manipulation,target,source,box,camera
clips/a.mp4,real,test,,anna,,,phone
clips/b.mp4,FAKE,Test,swap,anna,bert,"[1, 2, 30, 40]",
./clips/c.mp4,0,,,bert,,1;2;30;40,phone
clips/d.mp4,1,,,,,,

clips/e.mp4,Fake,train,swap,bert,anna,,
clips/f.mp4,0,val,,carl,,,
"""


def build(root: Path, clips: Sequence[Path]) -> None:
    """Six clips; the manifest says little of some of them."""
    write(root / "manifest.csv", LINES)
    plant(root, [f"clips/{letter}.mp4" for letter in "abcdef"], clips)


TREES = {"manifest": build}
