"""FakeAVCeleb in miniature, with the quirks of its table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tests.datasets.trees.planting import plant, write

HEADER = "source,target1,target2,method,category,type,race,gender,path,"
"""As in the release: the file's name is called `path`, and its folder nothing."""
WHERE = "African,men"
ROWS = (
    ("id00076,-,-,real,A", "RealVideo-RealAudio", "00109.mp4"),
    ("id00166,-,-,real,A", "RealVideo-RealAudio", "00010.mp4"),
    ("id00076,-,-,rtvc,B", "RealVideo-FakeAudio", "00109_fake.mp4"),
    ("id00076,id00166,-,faceswap,C", "FakeVideo-RealAudio", "00109_id00166_2hNQnKGz7oc.mp4"),
    ("id00166,id00076,-,wav2lip,D", "FakeVideo-FakeAudio", "00010_id00076_wavtolip.mp4"),
    ("id00166,id00076,3,faceswap-wav2lip,D", "FakeVideo-FakeAudio", "00010_3_id00076_wavtolip.mp4"),
    ("id00166,id00076,-,fsgan-wav2lip,D", "FakeVideo-FakeAudio", "00010_id00076_wavtolip.mp4"),
)
"""The last names a file that another row names too, as 22 rows of the real table do."""


def build(root: Path, clips: Sequence[Path]) -> None:
    """Three clips whose video is real, one of them with a forged voice, and three forged ones."""
    lines, names = [HEADER], {}
    for facts, kind, name in ROWS:
        folder = f"{kind}/African/men/{facts.split(',')[0]}"
        lines.append(f"{facts},{kind},{WHERE},{name},FakeAVCeleb/{folder}")
        names[f"{folder}/{name}"] = None
    write(root / "meta_data.csv", "\n".join(lines) + "\n")
    plant(root, names, clips)


TREES = {"fakeavceleb": build}
