"""Which clips a cell uses: the listing of a dataset, its parts, and what changes when they do."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness import registry
from harness.data.location import near_miss
from harness.data.people import with_people
from harness.data.splits import split_up
from harness.files import clips_digest, digest
from harness.guard.clip_bounds import NO_FAILURE, reason_of
from harness.trees import clip_content, clip_stamp
from harness.types import READING, REAL, Clip, HarnessError, parts_of


@dataclass(frozen=True, slots=True)
class Subset:
    """A dataset, or a part of it: `name`, `name-manipulation` (without it), `name:manipulation` (only it)."""

    dataset: str
    left_out: str | None = None
    only: str | None = None

    @classmethod
    def parse(cls, text: str) -> Subset:
        """The subset a matrix or a command names; `HarnessError` on a malformed name."""
        name, left_out, only = parts_of(text)
        if "" in (left_out, only):
            raise HarnessError(f"{text!r} names no manipulation")
        return cls(name, left_out, only)

    @property
    def entry(self) -> registry.DatasetEntry:
        """The dataset, as it is registered; `HarnessError` for one that nobody registered."""
        return registry.datasets.get(self.dataset)

    def consists_of(self, kind: str) -> bool:
        """Whether clips of a kind, `real` or a manipulation, are part of it."""
        return kind != self.left_out and (self.only is None or kind in ("real", self.only))

    def for_training(self, clips: tuple[Clip, ...]) -> tuple[Clip, ...]:
        """The clips of the training and validation splits."""
        return self._of(clips, ("train", "val"))

    def for_testing(self, clips: tuple[Clip, ...]) -> tuple[Clip, ...]:
        """The clips of the test split."""
        return self._of(clips, ("test",))

    def _left_out_already(self) -> bool:
        """Whether the manipulation left out is one that the dataset has, but not this copy of it."""
        if self.left_out is None or not registry.datasets.knows(self.dataset):
            return False
        official = self.entry.official
        return self.left_out in {key.partition("/")[2] for key in official}

    def _of(self, clips: tuple[Clip, ...], splits: tuple[str, ...]) -> tuple[Clip, ...]:
        named = self.left_out or self.only
        known = {clip.manipulation for clip in clips if clip.manipulation}
        if named and named not in known and not self._left_out_already():
            raise HarnessError(
                f"{self.dataset} has no manipulation {named!r} (known: {', '.join(sorted(known)) or 'none'})"
            )
        return tuple(
            clip
            for clip in clips
            if clip.split in splits
            and (self.only is None or clip.label == REAL or clip.manipulation == self.only)
            and (self.left_out is None or clip.manipulation != self.left_out)
        )


def list_clips(entry: registry.DatasetEntry, root: Path) -> tuple[Clip, ...]:
    """All clips of a dataset; an embedded one is made first. No clip at all is a `HarnessError`."""
    if entry.prepare is not None:
        entry.prepare(root)
    try:
        clips = tuple(entry.clips(root))
    except OSError as error:
        raise HarnessError(f"{entry.name}: cannot list {error.filename or root}: {error.strerror}") from error
    except HarnessError as error:
        raise HarnessError(f"{error}{near_miss(entry, root)}") from error
    except NO_FAILURE:
        raise
    except BaseException as error:
        raise HarnessError(f"{entry.name} cannot list its clips: {reason_of(error)}") from error
    if not clips:
        raise HarnessError(f"{entry.name}: no clip under {root}{near_miss(entry, root)}")
    counted: set[str] = set()
    for clip in clips:
        if clip.id in counted:
            raise HarnessError(f"{entry.name}: two clips have the id {clip.id!r}")
        counted.add(clip.id)
    return arranged(entry, clips)


def arranged(entry: registry.DatasetEntry, clips: Sequence[Clip]) -> tuple[Clip, ...]:
    """Clips of one's own with the people that names tell and the splits that nobody states, if asked."""
    told = with_people(clips, entry.people_from, entry.name)
    return split_up(told, entry.name, entry.alike).clips if entry.splits else told


def partial(parts: Collection[Subset], clips: Iterable[Clip]) -> str:
    """How many of the official test clips of a dataset are listed, of each kind of which some are missing.

    Asked of the kinds that its `parts` consist of; a manipulation of which none lies here is missing, too.
    """
    counted = Counter(clip.manipulation or "real" for clip in clips if clip.split == "test")
    said = []
    for key, wanted in next(iter(parts)).entry.official.items():
        split, _, kind = key.partition("/")
        asked = any(part.consists_of(kind) for part in parts)
        if split == "test" and asked and counted[kind] < wanted:
            said.append(f"{counted[kind]} of {wanted} {kind}")
    return f"{', '.join(said)} clips" if said else ""


def absent_files(clips: Iterable[Clip]) -> int:
    """How many listed clips have no file."""
    return sum(not os.path.exists(clip.path) for clip in clips)


def identity_of(clips: tuple[Clip, ...], entry: registry.DatasetEntry) -> str:
    """sha256 (hex) of what is compared: ids, labels, splits and the dataset's version."""
    return clips_digest(clips, f"{entry.name} {entry.version}")


def content_of(clips: tuple[Clip, ...], entry: registry.DatasetEntry) -> str:
    """sha256 (hex) that also changes with the user's files and with all that is said of the clips.

    Clips of one's own that were named are known by what is in their files, so that their folder may move.
    """
    if entry.embedded:
        return identity_of(clips, entry)
    said = [[clip.target, clip.source, {**clip.attributes, "faces": None}] for clip in clips]
    known = clip_stamp if entry.root is None else clip_content
    return digest([identity_of(clips, entry), said, [known(clip.path) for clip in clips], READING])
