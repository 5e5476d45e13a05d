"""UADFV: 49 YouTube videos and one early face swap of each."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from harness.registry import dataset
from harness.trees import files, need
from harness.types import FAKE, REAL, Clip

NAMES = {"real": re.compile(r"(?P<number>\d{4})"), "fake": re.compile(r"(?P<number>\d{4})_fake")}
"""Folder -> how its files are named, without `.mp4`."""


@dataset(
    "uadfv",
    about="UADFV: 49 YouTube videos and a FakeApp swap of each; test only",
    crop="face",
    official={"test/real": 49, "test/FakeApp": 49},
)
def uadfv(root: Path) -> Iterator[Clip]:
    """`real/NNNN.mp4` and `fake/NNNN_fake.mp4`, all test: the authors give no split (Yang et al., 2019).

    A fake and its original have the same number, hence the same target and footage; whose face was put on
    it the files do not say. With 98 clips, an AUC of 0.94 is good to about 0.05 either way. Files that are
    named otherwise are not the dataset's and are not listed.
    """
    need(root, "uadfv", list(NAMES))
    for folder, pattern in NAMES.items():
        for path in files(root / folder, {".mp4"}):
            if named := pattern.fullmatch(path.stem):
                yield _clip(path, f"uadfv/{named['number']}")


def _clip(path: Path, video: str) -> Clip:
    forged = path.parent.name == "fake"
    return Clip(
        id=f"uadfv/{path.parent.name}/{path.stem}",
        path=path,
        label=FAKE if forged else REAL,
        split="test",
        manipulation="FakeApp" if forged else None,
        target=video,
        attributes={"footage": video},
    )
