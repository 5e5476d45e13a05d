"""Google's DeepFakeDetection: actors in rooms and streets, filmed for the purpose, and swapped."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from harness.registry import dataset
from harness.trees import files, need
from harness.types import FAKE, REAL, Clip

COMPRESSIONS = ("c23", "c40", "raw")
"""Those looked for, in this order; one is used, for a compression that goes with the class is a shortcut."""
REALS = "original_sequences/actors/{}/videos"
FAKES = "manipulated_sequences/DeepFakeDetection/{}/videos"
REAL_NAME = re.compile(r"(?P<target>\d+)__(?P<scene>.+)")
FAKE_NAME = re.compile(r"(?P<target>\d+)_(?P<source>\d+)__(?P<scene>.+)__[A-Z0-9]{8}")


@dataset(
    "dfd",
    about="Google DeepFakeDetection: 28 actors in staged scenes and their face swaps; test only",
    crop="face",
    official={"test/real": 363, "test/DeepFakeDetection": 3068},
    shares="ffpp_c23",
)
def dfd(root: Path) -> Iterator[Clip]:
    """All clips, as test clips: the authors give no split. The root is that of FaceForensics++.

    `original_sequences/actors/<c>/videos/<actor>__<scene>.mp4` are real,
    `manipulated_sequences/DeepFakeDetection/<c>/videos/<target>_<source>__<scene>__XXXXXXXX.mp4` fake.
    The compression <c> is c23 where both classes have it, else c40, else raw, and is part of the id. The
    footage is that of target and scene. Files named otherwise are not the dataset's and are not listed.
    Some scenes show several faces, and the biggest is often not the swapped one.
    """
    need(root, "dfd", [folder.format(each) for each in COMPRESSIONS for folder in (REALS, FAKES)])
    compression = _compression(root)
    for path in files(root / REALS.format(compression), {".mp4"}):
        if named := REAL_NAME.fullmatch(path.stem):
            yield _clip(path, f"{compression}/actors", named)
    for path in files(root / FAKES.format(compression), {".mp4"}):
        if named := FAKE_NAME.fullmatch(path.stem):
            yield _clip(path, f"{compression}/DeepFakeDetection", named)


def _compression(root: Path) -> str:
    """The first compression that both classes have; where none is, the first that one of them has."""
    there = {
        each: sum((root / folder.format(each)).is_dir() for folder in (REALS, FAKES)) for each in COMPRESSIONS
    }
    return max(COMPRESSIONS, key=there.__getitem__)  # the first of equals


def _clip(path: Path, kind: str, named: re.Match[str]) -> Clip:
    parts = named.groupdict()
    forged = "source" in parts
    return Clip(
        id=f"dfd/{kind}/{path.stem}",
        path=path,
        label=FAKE if forged else REAL,
        split="test",
        manipulation="DeepFakeDetection" if forged else None,
        target=f"dfd/{parts['target']}",
        source=f"dfd/{parts['source']}" if forged else None,
        attributes={"footage": f"dfd/{parts['target']}__{parts['scene']}"},
    )
