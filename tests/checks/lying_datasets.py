"""An honest list of pictures, what becomes of it when one promise is broken, and the check to say so."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2

from harness.contracts import DatasetEntry
from harness.types import FAKE, REAL, Clip

Lister = Callable[[Path], Iterator[Clip]]


def honest_clips(root: Path) -> Iterator[Clip]:
    """Clips of the pictures under the root; the label is in the file's name, the box in none."""
    for number, path in enumerate(sorted(root.glob("*.png"))):
        split, kind, person = path.stem.split("_")
        label = REAL if kind == "real" else FAKE
        yield Clip(
            id=f"pictures/{path.stem}",
            path=path,
            label=label,
            split=split,
            manipulation=None if label == REAL else "dye",
            target=person,
            source=None if label == REAL else f"{person}x",
            attributes={"box": [1 + number % 3, 0, 20, 24.5]},
        )


def changed(change: Callable[[Clip], Clip | None]) -> Lister:
    """The honest list with every clip changed; None leaves one out."""

    def clips(root: Path) -> Iterator[Clip]:
        for clip in honest_clips(root):
            found = change(clip)
            if found is not None:
                yield found

    return clips


def shuffled(root: Path) -> Iterator[Clip]:
    clips = list(honest_clips(root))
    random.shuffle(clips)
    yield from clips


def label_from_pixels(root: Path) -> Iterator[Clip]:
    for clip in honest_clips(root):
        image = cv2.imread(str(clip.path))
        yield replace(clip, label=FAKE if image is not None and image.mean() > 100 else REAL)


def crashes_on_empty_files(root: Path) -> Iterator[Clip]:
    for clip in honest_clips(root):
        if clip.path.stat().st_size == 0:
            raise ValueError("an empty\nfile")
        yield clip


def pictures_entry(clips: Any, **said: Any) -> DatasetEntry:
    """The dataset of the pictures, with that list."""
    return DatasetEntry("pictures", clips, "pictures", **{"crop": "boxes", **said})


def boxed(box: Any) -> DatasetEntry:
    """The dataset with another box on every clip; None for no box at all."""
    return pictures_entry(changed(lambda clip: replace(clip, attributes={} if box is None else {"box": box})))


def embedded(clips: Lister) -> DatasetEntry:
    """The dataset as if it had been made here."""
    return pictures_entry(clips, embedded=True, prepare=lambda root: None)


def makes_it_again(root: Path) -> None:
    """Writes its list whether or not it is there."""
    (root / "list.txt").unlink()
    (root / f"list.txt{random.random()}").write_text("again")
    (root / "list.txt").write_text("again")


def refuses(root: Path) -> None:
    """Cannot make the dataset."""
    raise OSError("disk full")


BAD_DATASETS: list[tuple[DatasetEntry, str]] = [
    (pictures_entry(lambda root: list(honest_clips(root))), "lists_clips_lazily"),
    (pictures_entry(lambda root: iter(())), "lists_clips_lazily"),
    (pictures_entry(lambda root: iter(["a.png"])), "lists_clips_lazily"),
    (pictures_entry(honest_clips, embedded=True, prepare=refuses), "lists_clips_lazily"),
    (pictures_entry(shuffled), "lists_the_same_again"),
    (pictures_entry(changed(lambda clip: replace(clip, id="pictures/1"))), "ids_are_unique_everywhere"),
    (pictures_entry(changed(lambda clip: replace(clip, id=clip.path.stem))), "ids_are_unique_everywhere"),
    (pictures_entry(changed(lambda clip: replace(clip, label=clip.label + 1))), "labels_are_real_or_fake"),
    (pictures_entry(changed(lambda clip: replace(clip, label=bool(clip.label)))), "labels_are_real_or_fake"),
    (
        pictures_entry(changed(lambda clip: replace(clip, manipulation=None))),
        "only_fakes_name_a_manipulation",
    ),
    (
        pictures_entry(changed(lambda clip: replace(clip, manipulation="dye"))),
        "only_fakes_name_a_manipulation",
    ),
    (pictures_entry(changed(lambda clip: replace(clip, split="valid"))), "splits_are_known"),
    (
        pictures_entry(changed(lambda clip: clip if clip.label == FAKE or clip.split == "train" else None)),
        "the_test_split_has_both_classes",
    ),
    (pictures_entry(changed(lambda clip: replace(clip, split="train"))), "the_test_split_has_both_classes"),
    (embedded(changed(lambda clip: replace(clip, target="a"))), "identities_keep_to_one_split"),
    (
        embedded(changed(lambda clip: replace(clip, source="a" if clip.label == FAKE else None))),
        "identities_keep_to_one_split",
    ),
    (
        pictures_entry(changed(lambda clip: replace(clip, path=clip.path.with_suffix(".jpg")))),
        "clips_can_be_read",
    ),
    (
        pictures_entry(changed(lambda clip: replace(clip, path=clip.path.with_name("list.txt")))),
        "clips_can_be_read",
    ),
    (boxed(None), "boxes_lie_in_the_frame"),
    (boxed([1, 2, 3]), "boxes_lie_in_the_frame"),
    (boxed([-1, 2, 3, 4]), "boxes_lie_in_the_frame"),
    (boxed([1, 2, 0, 4]), "boxes_lie_in_the_frame"),
    (boxed([1, 2, float("nan"), 4]), "boxes_lie_in_the_frame"),
    (boxed(["1", "2", "3", "4"]), "boxes_lie_in_the_frame"),
    (boxed([20, 0, 21, 10]), "boxes_lie_in_the_frame"),
    (boxed([0, 20, 10, 13]), "boxes_lie_in_the_frame"),
    (pictures_entry(honest_clips, crop="middle"), "boxes_lie_in_the_frame"),
    (pictures_entry(label_from_pixels), "listing_opens_no_clip"),
    (pictures_entry(crashes_on_empty_files), "listing_opens_no_clip"),
    (
        pictures_entry(honest_clips, embedded=True, prepare=makes_it_again),
        "making_it_again_changes_nothing",
    ),
]
