"""DeeperForensics-1.0: paid actors swapped onto the videos of FaceForensics++."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from harness.datasets._ffpp_footage import videos_of

from harness.registry import dataset
from harness.trees import Stored, need, read_lines
from harness.types import FAKE, REAL, SPLITS, Clip, HarnessError

VARIANTS = (
    "end_to_end",
    *(f"end_to_end_level_{level}" for level in range(1, 6)),
    *(f"end_to_end_mix_{count}_distortions" for count in (2, 3, 4)),
    "end_to_end_random_level",
    "reenact_postprocess",
)
"""The first is what the field calls DeeperForensics; those between are distorted copies of it."""
REALS = "original_sequences/youtube/c23/videos"
NAME = re.compile(r"(?P<target>\d{3})_(?P<actor>[MW]\d+)\.(?:mp4|MP4)")
OFFICIAL = {
    f"{split}/{kind}": count
    for split, count in zip(SPLITS, (703, 96, 201), strict=True)
    for kind in ("real", *VARIANTS)
}


@dataset(
    "deeperforensics",
    about="DeeperForensics-1.0: paid actors swapped onto FaceForensics++ c23, which is the real class",
    crop="face",
    official=OFFICIAL,
)
def deeperforensics(root: Path) -> Iterator[Clip]:
    """The clips of `lists/splits/{train,val,test}.txt`, in every variant that exists.

    `manipulated_videos/<variant>/<target>_<actor>.mp4` shows FaceForensics++ video <target> with the face
    of <actor> (Jiang et al., CVPR 2020). Each variant is a manipulation; `deeperforensics:end_to_end` is
    the usual test set. In the distorted variants only the fakes are distorted, which tells the classes
    apart.

    Real are the FaceForensics++ c23 videos of the same numbers, in the same splits: the user links or
    copies them to `original_sequences/youtube/c23/videos` under this root. `source_videos` are actors in
    a studio, not the real class, and are never listed.
    """
    folders = [f"manipulated_videos/{variant}" for variant in VARIANTS]
    need(root, "deeperforensics", folders)
    if not (root / REALS).is_dir():
        raise HarnessError(
            f"dataset deeperforensics: {root} has no {REALS}; its real class is FaceForensics++ c23, not "
            f"source_videos: ln -s FACEFORENSICS/original_sequences {root / 'original_sequences'}"
        )
    splits = _splits(root / "lists" / "splits")
    stored = Stored()
    for target, split in {target: split for (target, _), split in splits.items()}.items():
        yield _real(stored(root / REALS / f"{target}.mp4"), split)
    for folder in folders:
        if (root / folder).is_dir():
            for (target, actor), split in splits.items():
                yield _fake(stored(root / folder / f"{target}_{actor}.mp4"), split, target, actor)


def _splits(folder: Path) -> dict[tuple[str, str], str]:
    """(target video, actor) -> split, sorted within each split; a target keeps to one split."""
    splits: dict[tuple[str, str], str] = {}
    split_of: dict[str, str] = {}
    for split in SPLITS:
        file = folder / f"{split}.txt"
        for line in sorted(line.strip() for line in read_lines(file) if line.strip()):
            named = NAME.fullmatch(line)
            if named is None:
                raise HarnessError(f"{file}: {line!r} is not <target>_<actor>.mp4, e.g. 000_W004.mp4")
            target = named["target"]
            if split_of.setdefault(target, split) != split:
                raise HarnessError(
                    f"{file}: video {target} is in the list {split_of[target]}.txt too, "
                    "so its original has no one split"
                )
            splits[target, named["actor"]] = split
    return splits


def _real(path: Path, split: str) -> Clip:
    person, _, shown = videos_of(f"ffpp/{path.stem}", None, f"ffpp/{path.stem}")
    return Clip(
        id=f"deeperforensics/youtube/{path.stem}",
        path=path,
        label=REAL,
        split=split,
        target=person,
        attributes=shown,
    )


def _fake(path: Path, split: str, target: str, actor: str) -> Clip:
    person, _, shown = videos_of(f"ffpp/{target}", None, f"ffpp/{target}")
    return Clip(
        id=f"deeperforensics/{path.parent.name}/{path.stem}",
        path=path,
        label=FAKE,
        split=split,
        manipulation=path.parent.name,
        target=person,
        source=f"deeperforensics/{actor}",
        attributes=shown,
    )
