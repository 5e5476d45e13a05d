"""FaceForensics++: a thousand YouTube videos, and five forgeries of each, in three compressions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness.datasets._ffpp_footage import videos_of
from harness.datasets._reenacted import REENACTED

from harness.files import read_json
from harness.registry import dataset
from harness.trees import Stored, files, need, read_lines
from harness.types import FAKE, REAL, SPLITS, Clip, HarnessError

METHODS = ("Deepfakes", "Face2Face", "FaceSwap", "NeuralTextures", "FaceShifter")
SHIPPED = Path(__file__).with_name("ffpp_pairs.csv")
"""The official pairs, for those whose copy of the dataset came without its lists."""

REALS = ("original", "originals", "original_sequences", "youtube", "real", "pristine")
"""What flat copies call the folder of real videos, in small letters."""

COMPRESSION = re.compile("(?<![a-z0-9])(raw|c23|c40)(?![a-z0-9])")

ABOUT = "FaceForensics++ {}: YouTube videos and their forgeries by five methods"
OFFICIAL = {
    f"{split}/{kind}": count
    for split, count in zip(SPLITS, (720, 140, 140), strict=True)
    for kind in ("real", *METHODS)
}

Pairs = dict[str, list[tuple[str, str]]]
"""Split -> pairs of video numbers; in each pair, each video is the target of one forgery by each method."""


@dataset("ffpp_raw", about=ABOUT.format("raw"), crop="face", official=OFFICIAL, shares="ffpp_c23")
def ffpp_raw(root: Path) -> Iterator[Clip]:
    """FaceForensics++ without further compression; layout and split as `_clips` says."""
    return _clips(root, "raw")


@dataset("ffpp_c23", about=ABOUT.format("c23"), crop="face", official=OFFICIAL)
def ffpp_c23(root: Path) -> Iterator[Clip]:
    """FaceForensics++ in H.264 at quantiser 23; layout and split as `_clips` says."""
    return _clips(root, "c23")


@dataset("ffpp_c40", about=ABOUT.format("c40"), crop="face", official=OFFICIAL, shares="ffpp_c23")
def ffpp_c40(root: Path) -> Iterator[Clip]:
    """FaceForensics++ in H.264 at quantiser 40; layout and split as `_clips` says."""
    return _clips(root, "c40")


def _clips(root: Path, compression: str) -> Iterator[Clip]:
    """The clips of the official pairs in every folder that exists (Roessler et al., ICCV 2019).

    `original_sequences/youtube/<compression>/videos/TTT.mp4` are real,
    `manipulated_sequences/<method>/<compression>/videos/TTT_SSS.mp4` show video TTT with the face of
    video SSS; or the flat copy that `_layout` knows, under the same ids. The pairs come from
    `splits/{train,val,test}.json` under the root where the user keeps them, else from the table beside
    this file. The methods share file names, so the method is in the id. `target`, `source` and `footage`
    are videos, by the number of their first sequence: 22 of the 977 videos gave more than one, and seven of
    these are divided by the official split. Who is seen in two videos is not published (there are about
    885 people).
    """
    name = f"ffpp_{compression}"
    folders = _layout(root, compression)
    pairs = _pairs(root)
    stored = Stored()
    for kind, folder in folders.items():
        if not folder.is_dir():
            continue
        for split in SPLITS:
            orders = sorted(order for one, other in pairs[split] for order in ((one, other), (other, one)))
            for target, source in orders:
                yield _clip(name, folder, kind, split, target, source, stored)


def _layout(root: Path, compression: str) -> dict[str, Path]:
    """Kind of video -> its folder: as the authors' script lays them out, or of the flat copy.

    The flat copy is c23 unless the name of its folder says another compression.
    """
    official = _official(compression)
    flat = _flat(root)
    if flat and not any((root / folder).exists() for folder in official.values()):
        stated = COMPRESSION.search(root.absolute().name.lower())
        if (stated[0] if stated else "c23") == compression:
            return flat
        raise HarnessError(
            f"dataset ffpp_{compression}: {root} is a flat copy of ffpp_{stated[0] if stated else 'c23'}"
        )
    for other in ("raw", "c23", "c40"):
        there = any((root / folder).exists() for folder in _official(other).values())
        if there and not any((root / folder).exists() for folder in official.values()):
            raise HarnessError(f"dataset ffpp_{compression}: {root} has none of it, but ffpp_{other}")
    need(root, f"ffpp_{compression}", list(official.values()))
    return {kind: root / folder for kind, folder in official.items()}


def _official(compression: str) -> dict[str, str]:
    """Kind of video -> its folder below the root, as the authors' script lays them out."""
    methods = {method: f"manipulated_sequences/{method}/{compression}/videos" for method in METHODS}
    return {"youtube": f"original_sequences/youtube/{compression}/videos", **methods}


def _flat(root: Path) -> dict[str, Path]:
    """Kind of video -> the folder that has its videos directly, in any case; empty where none has the reals.

    The folders of methods may lie in one called `manipulated_sequences`.
    """
    places = [root / "manipulated_sequences", root]
    inside = (path for place in places if place.is_dir() for path in sorted(place.iterdir()))
    below = {path.name.lower(): path for path in inside}
    real = next((below[name] for name in REALS if name in below and files(below[name])), None)
    methods = {method: below.get(method.lower(), root / method) for method in METHODS}
    return {"youtube": real, **methods} if real else {}


def _clip(name: str, folder: Path, kind: str, split: str, target: str, source: str, stored: Stored) -> Clip:
    forged = kind in METHODS
    stem = f"{target}_{source}" if forged else target
    lent = f"ffpp/{source}" if forged and kind not in REENACTED else None
    person, face, shown = videos_of(f"ffpp/{target}", lent, f"ffpp/{target}")
    return Clip(
        id=f"{name}/{kind}/{stem}",
        path=stored(folder / f"{stem}.mp4"),
        label=FAKE if forged else REAL,
        split=split,
        manipulation=kind if forged else None,
        target=person,
        source=face,
        attributes=shown,
    )


def _pairs(root: Path) -> Pairs:
    """The user's lists when any of the three is there, else the shipped table; no video is in two pairs."""
    lists = {split: root / "splits" / f"{split}.json" for split in SPLITS}
    if any(file.exists() for file in lists.values()):
        pairs = {split: _of_list(file) for split, file in lists.items()}
    else:
        rows = [row.split(",") for row in read_lines(SHIPPED)[1:]]
        pairs = {split: [(one, other) for where, one, other in rows if where == split] for split in SPLITS}
    seen: dict[str, str] = {}
    for split, listed in pairs.items():
        for number in (number for pair in listed for number in pair):
            if number in seen:
                raise HarnessError(
                    f"{lists[split]}: video {number} is in two pairs ({seen[number]} and {split}); "
                    "the official lists name every video once"
                )
            seen[number] = split
    return pairs


def _of_list(file: Path) -> list[tuple[str, str]]:
    listed = read_json(file)
    if not isinstance(listed, list) or not listed:
        raise HarnessError(f'{file}: expected a list of pairs such as ["000", "003"]')
    for pair in listed:
        if not (isinstance(pair, list) and len(pair) == 2 and all(map(_is_number, pair))):
            raise HarnessError(
                f'{file}: expected pairs of video numbers such as ["000", "003"], not {pair!r}'
            )
    return [(one, other) for one, other in listed]


def _is_number(text: Any) -> bool:
    return isinstance(text, str) and len(text) == 3 and text.isascii() and text.isdigit()
