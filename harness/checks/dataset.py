"""The promises of a dataset, each tried by one function; the first line of its docstring is the promise."""

from __future__ import annotations

import itertools
import math
import numbers
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from harness.checks.finding import require
from harness.contracts import DatasetEntry
from harness.trees import IMAGES
from harness.types import CROPS, FAKE, REAL, SPLITS, Clip
from harness.video.frames import read_frames

CLIPS_READ = 6
"""Clips that are decoded, spread over the list."""
FILES_MIRRORED = 20_000
"""Files under the root above which the list is not tried on empty ones."""
LISTS_COPIED_BYTES = 32 * 2**20
"""Size above which a file is no list of clips, whatever its ending."""


@dataclass
class DatasetTrial:
    """A dataset under test, with its clips once they are listed."""

    entry: DatasetEntry
    root: Path
    clips: list[Clip] = field(default_factory=list)

    @cached_property
    def sampled(self) -> list[Clip]:
        """A few clips, evenly spread over the list."""
        count = min(CLIPS_READ, len(self.clips))
        return [self.clips[(2 * part + 1) * len(self.clips) // (2 * count)] for part in range(count)]

    def read(self, clip: Clip) -> np.ndarray:
        """Two frames of a clip."""
        return read_frames(clip.path, (2,)).pixels


def lists_clips_lazily(trial: DatasetTrial) -> None:
    """It lists its clips one by one, as an iterator, and finds at least one."""
    if trial.entry.prepare is not None:
        trial.entry.prepare(trial.root)
    listed = trial.entry.clips(trial.root)
    require(isinstance(listed, Iterator), f"it gave a {type(listed).__name__}, not an iterator")
    trial.clips = list(listed)
    require(trial.clips, "it lists no clip")
    strange = [clip for clip in trial.clips if not isinstance(clip, Clip)]
    require(not strange, f"it lists a {type(strange[:1][0]).__name__ if strange else ''}, not a Clip")


def lists_the_same_again(trial: DatasetTrial) -> None:
    """Listed again, the clips are the same, in the same order."""
    require(list(trial.entry.clips(trial.root)) == trial.clips, "the second list differs from the first")


def ids_are_unique_everywhere(trial: DatasetTrial) -> None:
    """Ids are unique, and begin with the dataset's name and a slash: they never meet another's."""
    seen: set[str] = set()
    for clip in trial.clips:
        require(clip.id not in seen, f"two clips have the id {clip.id!r}")
        require(
            clip.id.startswith(f"{trial.entry.name}/"),
            f"the id {clip.id!r} does not begin with {trial.entry.name + '/'!r}",
        )
        seen.add(clip.id)


def labels_are_real_or_fake(trial: DatasetTrial) -> None:
    """A label is REAL (0) or FAKE (1), as a whole number."""
    for clip in trial.clips:
        good = type(clip.label) is int and clip.label in (REAL, FAKE)
        require(good, f"{clip.id}: the label is {clip.label!r}, not 0 (real) or 1 (fake)")


def only_fakes_name_a_manipulation(trial: DatasetTrial) -> None:
    """A fake names the manipulation that made it; a real clip names none."""
    for clip in trial.clips:
        if clip.label == REAL:
            require(
                clip.manipulation is None, f"{clip.id} is real but names manipulation {clip.manipulation!r}"
            )
        else:
            require(clip.manipulation, f"{clip.id} is fake but names no manipulation")


def splits_are_known(trial: DatasetTrial) -> None:
    """A split is train, val or test."""
    for clip in trial.clips:
        require(clip.split in SPLITS, f"{clip.id}: the split is {clip.split!r} (known: {', '.join(SPLITS)})")


def the_test_split_has_both_classes(trial: DatasetTrial) -> None:
    """The test split holds real and fake clips: without both there is no AUC."""
    labels = {clip.label for clip in trial.clips if clip.split == "test"}
    for label, word in ((REAL, "real"), (FAKE, "fake")):
        require(label in labels, f"the test split has no {word} clip")


def identities_keep_to_one_split(trial: DatasetTrial) -> str | None:
    """No target or source is in two splits of an embedded dataset; in any other they are counted and said."""
    splits: dict[str, set[str]] = {}
    for clip in trial.clips:
        for identity in (clip.target, clip.source):
            if identity is not None:
                splits.setdefault(identity, set()).add(clip.split)
    crossing = sorted(identity for identity, found in splits.items() if len(found) > 1)
    if not crossing:
        return None
    said = f"{len(crossing)} of {len(splits)} identities are in several splits, e.g. {crossing[0]!r}"
    require(not trial.entry.embedded, said)
    return f"{said}, as its authors split it"


def clips_can_be_read(trial: DatasetTrial) -> None:
    """A few clips, spread over the list, can be decoded."""
    for clip in trial.sampled:
        trial.read(clip)


def boxes_lie_in_the_frame(trial: DatasetTrial) -> None:
    """With the crop `boxes`, every clip has a `box` [x, y, w, h] in pixels that lies inside its frame."""
    require(trial.entry.crop in CROPS, f"unknown crop {trial.entry.crop!r}")
    if trial.entry.crop != "boxes":
        return
    for clip in trial.clips:
        box = clip.attributes.get("box")
        require(_is_box(box), f"{clip.id}: box is {box!r}, not [x, y, w, h] with w and h above 0")
    for clip in trial.sampled:
        height, width = trial.read(clip).shape[1:3]
        x, y, w, h = clip.attributes["box"]
        require(
            x + w <= width and y + h <= height,
            f"{clip.id}: box {[x, y, w, h]} reaches out of the {width}x{height} frame",
        )


def _is_box(box: Any) -> bool:
    if not isinstance(box, Sequence) or isinstance(box, str) or len(box) != 4:
        return False
    if not all(isinstance(side, numbers.Real) and math.isfinite(side) for side in box):
        return False
    return min(box[0], box[1]) >= 0 and min(box[2], box[3]) > 0


def listing_opens_no_clip(trial: DatasetTrial) -> str | None:
    """The list is the same when every clip is an empty file: labels and ids never come from pixels."""
    endings = {clip.path.suffix for clip in trial.clips}
    if any(clip.path.is_dir() for clip in trial.sampled):
        endings |= IMAGES
    files = list(itertools.islice(_files(trial.root), FILES_MIRRORED + 1))
    if len(files) > FILES_MIRRORED:
        return f"not tried: more than {FILES_MIRRORED} files"
    with tempfile.TemporaryDirectory() as folder:
        # Beside the empty files the same ones as they are: a list may hold absolute paths.
        whole, mirror = Path(folder, "whole", trial.root.name), Path(folder, "empty", trial.root.name)
        for file in files:
            for top in (whole, mirror):
                (top / file.relative_to(trial.root)).parent.mkdir(parents=True, exist_ok=True)
            (whole / file.relative_to(trial.root)).symlink_to(file.absolute())
            place = mirror / file.relative_to(trial.root)
            large = file.stat().st_size > LISTS_COPIED_BYTES
            if file != trial.root and (large or file.suffix in endings):
                place.touch()
            else:
                shutil.copyfile(file, place)
        wanted, listed = (
            [(clip.id, clip.label, clip.split) for clip in trial.entry.clips(top)] for top in (whole, mirror)
        )
    require(
        listed == wanted,
        f"{len(wanted)} clips are listed, but {len(listed)} or others when the files are empty",
    )
    return None


def _files(root: Path) -> Iterator[Path]:
    """The root itself where it is a file, else all files below it; a link that leads back up is left out."""
    if root.is_file():
        yield root
        return
    for at, below, names in os.walk(root, followlinks=True):
        above = {os.path.realpath(parent) for parent in (Path(at), *Path(at).parents)}
        below[:] = [name for name in below if os.path.realpath(os.path.join(at, name)) not in above]
        yield from (file for name in names if (file := Path(at, name)).is_file())


def making_it_again_changes_nothing(trial: DatasetTrial) -> None:
    """An embedded dataset that is already made is not made again."""
    before = _stamps(trial.root)
    assert trial.entry.prepare is not None
    trial.entry.prepare(trial.root)
    require(_stamps(trial.root) == before, "making it again wrote or removed files")


def _stamps(root: Path) -> dict[str, tuple[int, int]]:
    files = [path for path in root.rglob("*") if path.is_file()]
    return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in files}


DATASET_CHECKS = (
    lists_the_same_again,
    ids_are_unique_everywhere,
    labels_are_real_or_fake,
    only_fakes_name_a_manipulation,
    splits_are_known,
    the_test_split_has_both_classes,
    identities_keep_to_one_split,
    clips_can_be_read,
    boxes_lie_in_the_frame,
    listing_opens_no_clip,
)
