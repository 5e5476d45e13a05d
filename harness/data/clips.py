"""Which clips a cell uses: the listing of a dataset, its parts, and what changes when they do."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness import registry
from harness.data.location import near_miss
from harness.data.people import with_people
from harness.data.splits import split_up
from harness.files import clips_digest, digest
from harness.guard.clip_bounds import NO_FAILURE, reason_of
from harness.trees import clip_content, clip_stamp
from harness.types import FAKE, READING, REAL, Clip, HarnessError, parts_of, unknown


@dataclass(frozen=True, slots=True)
class Subset:
    """A dataset, or a part of it: `name`, `name-manipulation` (without it), `name:manipulation` (only it).

    After the colon there may also be one of the named `parts` of a dataset, and where it has such, a domain
    (the attribute `domain` of its clips): with fakes of a domain come the reals of that domain alone.
    """

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
        return kind != self.left_out and (self.only is None or kind in ("real", self.only, *self._named()))

    def by_domain(self, clips: Sequence[Clip]) -> tuple[str, ...]:
        """The parts that it is tested as where its fakes are of several domains; () where it is tested whole.

        `HarnessError` where it is a part itself.
        """
        domain_of = self._domains()
        domains = sorted({d for clip in self.for_testing(clips) if (d := domain_of(clip))})
        if len(domains) > 1 and (self.only or self.left_out):
            raise HarnessError(
                f"{self.dataset}{':' if self.only else '-'}{self.only or self.left_out} mixes fakes that are"
                f" made of different reals: name a manipulation, or {self.dataset}: and one of"
                f" {', '.join(domains)}"
            )
        return tuple(f"{self.dataset}:{domain}" for domain in domains) if len(domains) > 1 else ()

    def why_absent(self, clips: Sequence[Clip]) -> str:
        """Why it cannot be tested on with these clips of its dataset, where the dataset foresees that.

        None of a named part is here, or fakes of a domain have no reals; "" where it can be.
        """
        hint, domain_of = f"see gapbench data check {self.dataset}", self._domains()
        if self._named() and not any(clip.manipulation in self._named() for clip in clips):
            return f"no clip of it is here; {hint}"
        chosen = self.for_testing(clips)
        domains = sorted({domain for clip in chosen if (domain := domain_of(clip))})
        if not domains or any(clip.label == REAL for clip in chosen):
            return ""
        return (
            f"its fakes are judged against the reals that they are made of ({', '.join(domains)}), and none"
            f" of those is here; {hint}"
        )

    def official(self) -> int:
        """How many test clips the complete set has, of those kinds whose number is known."""
        return sum(
            count
            for key, count in self.entry.official.items()
            if key.startswith("test/") and self.consists_of(key.partition("/")[2])
        )

    def for_training(self, clips: Sequence[Clip]) -> tuple[Clip, ...]:
        """The clips of the training and validation splits."""
        return self._of(clips, ("train", "val"))

    def for_testing(self, clips: Sequence[Clip]) -> tuple[Clip, ...]:
        """The clips of the test split."""
        return self._of(clips, ("test",))

    def _left_out_already(self) -> bool:
        """Whether the manipulation left out is one that the dataset has, but not this copy of it."""
        if self.left_out is None or not registry.datasets.knows(self.dataset):
            return False
        official = self.entry.official
        return self.left_out in {key.partition("/")[2] for key in official}

    def _parts(self) -> Mapping[str, tuple[str, ...]]:
        return self.entry.parts if registry.datasets.knows(self.dataset) else {}

    def _named(self) -> tuple[str, ...]:
        """The manipulations of the part that is named, where it is one."""
        return self._parts().get(self.only, ()) if self.only else ()

    def _domains(self) -> Callable[[Clip], str | None]:
        """Which reals a fake is judged against, and of which a real is; None where all are alike."""
        several = bool(self._parts())
        return lambda clip: (
            str(clip.attributes["domain"]) if several and "domain" in clip.attributes else None
        )

    def _check_name(self, clips: Sequence[Clip]) -> None:
        named, parts, domain_of = self.left_out or self.only, self._parts(), self._domains()
        known = {clip.manipulation for clip in clips if clip.manipulation}
        if named is None or named in known or self._left_out_already():
            return
        if not parts:
            raise HarnessError(
                f"{self.dataset} has no manipulation {named!r} (known: {', '.join(sorted(known)) or 'none'})"
            )
        known |= {*parts, *(domain for clip in clips if (domain := domain_of(clip)))} if self.only else set()
        if named not in known:
            raise unknown(f"part of {self.dataset}", named, known)

    def _of(self, clips: Sequence[Clip], splits: tuple[str, ...]) -> tuple[Clip, ...]:
        self._check_name(clips)
        mine, domain_of = {self.only, *self._named()}, self._domains()

        def is_asked(clip: Clip) -> bool:
            if clip.manipulation == self.left_out and self.left_out is not None:
                return False
            return self.only is None or clip.manipulation in mine or domain_of(clip) in mine

        met = {domain_of(clip) for clip in clips if clip.label == FAKE and is_asked(clip)}
        return tuple(
            clip
            for clip in clips
            if clip.split in splits
            and (is_asked(clip) if clip.label == FAKE else domain_of(clip) in (None, *met))
        )


def tested_as(
    named: Mapping[str, tuple[Subset, Sequence[Clip]]],
) -> tuple[dict[str, tuple[str, ...]], dict[str, str]]:
    """What each test set is tested as, itself or one part a domain, and why some of those cannot be.

    `named`: test set -> the same as a subset, and the clips of its dataset.
    """
    parts = {name: subset.by_domain(clips) or (name,) for name, (subset, clips) in named.items()}
    whys = {
        part: Subset.parse(part).why_absent(clips)
        for name, (_, clips) in named.items()
        for part in parts[name]
    }
    return parts, {part: why for part, why in whys.items() if why}


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
