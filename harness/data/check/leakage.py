"""Clips of a dataset that are there twice, and what its splits share with each other and other datasets."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence

from harness.data import overlap
from harness.data.fingerprints import Fingerprint
from harness.data.overlap import Shared
from harness.data.problems import Problem
from harness.types import Clip

Prints = Mapping[str, Fingerprint]

APART = (("test", ("train", "val")), ("val", ("train",)))
"""Each split, and those that no clip of it may have anything in common with."""
SEVERITY = {
    "id": "error",
    "footage": "warning",
    "content": "error",
    "near copy": "warning",
    "sequence": "warning",
}
"""What a clip shared with the training clips is, by how it was found."""
SAID = {
    "id": "also among the {}",
    "footage": "same recording as {}; what is trained on these is not ranked on them",
    "content": "same first frame as {}, to the bit",
    "near copy": "by their looks copies of {}",
    "sequence": "other parts of the videos of {}; --unseen-people (in matrices unseen_people) omits them",
}


def doubles(clips: Sequence[Clip], prints: Prints) -> Iterator[Problem]:
    """Clips that begin with the same decoded frame: of both labels, in two splits, or merely twice."""
    groups: dict[str, list[Clip]] = defaultdict(list)
    for clip in clips:
        # What shows a single colour is told as that.
        if clip.id in prints and prints[clip.id].content and prints[clip.id].perceptual:
            groups[prints[clip.id].content].append(clip)
    twice = [group for group in groups.values() if len(group) > 1]
    torn = [same for group in twice for same in _same_throughout(group, prints) if _of(same, "label") > 1]
    leaked = [group for group in twice if _of(group, "split") > 1]
    merely = [group for group in twice if group not in torn and group not in leaked]
    if torn:
        said = f"the same frames are labelled both real and fake, {_times(torn)}"
        yield Problem("error", "content with both labels", said, _lines(torn, _as_labelled), _ids(torn))
    if leaked:
        said = f"clips of several splits begin with the very same frame, {_times(leaked)}"
        yield Problem(
            "error", "content in two splits", said, _lines(leaked, lambda clip: clip.id), _ids(leaked)
        )
    if merely:
        said = f"clips of one split begin with the very same frame, {_times(merely)}"
        yield Problem("warning", "content twice", said, _lines(merely, lambda clip: clip.id), _ids(merely))


def between_splits(clips: Sequence[Clip], prints: Prints) -> Iterator[Problem]:
    """What the splits of a dataset share: recordings, near copies, people."""
    for split, against in APART:
        these = [clip for clip in clips if clip.split == split]
        those = [clip for clip in clips if clip.split in against]
        # The same content in two splits is said by `doubles`, however else two clips are related.
        shared = [each for each in overlap.shared(those, these, prints) if each.how != "content"]
        shared += overlap.sequences(those, these)
        names = " and ".join(each for each in against if any(clip.split == each for clip in those))
        yield from _said(shared, f"{len(these):,} {split} clips", f"{names} clips", "as its authors split it")
        yield from _people(those, these, split, f"{names} clips", ", as its authors split it")


def between_datasets(
    clips: Sequence[Clip], prints: Prints, others: Mapping[str, Sequence[Clip]]
) -> Iterator[Problem]:
    """What the test clips share with the training and validation clips of other datasets."""
    these = [clip for clip in clips if clip.split == "test"]
    for name, listed in others.items():
        those = [clip for clip in listed if clip.split != "test"]
        shared = overlap.shared(those, these, prints) + overlap.sequences(those, these)
        yield from _said(shared, f"{len(these):,} test clips", f"training clips of {name}", "")
        yield from _people(those, these, "test", f"training clips of {name}", "")


def _said(shared: Sequence[Shared], these: str, those: str, excuse: str) -> Iterator[Problem]:
    for how, severity in SEVERITY.items():
        found = [each for each in shared if each.how == how]
        if found:
            tail = f" ({excuse})" if excuse and how in ("footage", "sequence") else ""
            said = f"{len(found):,} of {these}: {SAID[how].format(those)}{tail}"
            pairs = [(each.test_clip, each.train_clip) for each in found]
            yield Problem(severity, f"{how} shared", said, tuple(map(_pair, found)), _ids(pairs))


def _people(
    those: Sequence[Clip], these: Sequence[Clip], split: str, whose: str, excuse: str
) -> Iterator[Problem]:
    found = overlap.identities(those, these)
    if found:
        number = overlap.counted_people(those, these)
        said = f"{len(found):,} of {len(these):,} {split} clips: same people as in {whose} ({number}){excuse}"
        yield Problem("warning", "people shared", said, tuple(map(_pair, found)))


def _same_throughout(group: Sequence[Clip], prints: Prints) -> list[list[Clip]]:
    """The clips of a group that also look the same later: a forgery may begin with an untouched frame."""
    alike: dict[str, list[Clip]] = defaultdict(list)
    for clip in group:
        alike[prints[clip.id].perceptual].append(clip)
    return list(alike.values())


def _times(groups: Sequence[object]) -> str:
    return "once" if len(groups) == 1 else f"{len(groups):,} times"


def _of(group: Sequence[Clip], what: str) -> int:
    return len({getattr(clip, what) for clip in group})


def _lines(groups: Sequence[Sequence[Clip]], name: Callable[[Clip], str]) -> tuple[str, ...]:
    return tuple(" = ".join(map(name, group)) for group in groups)


def _ids(groups: Sequence[Sequence[Clip]]) -> tuple[str, ...]:
    return tuple(clip.id for group in groups for clip in group)


def _as_labelled(clip: Clip) -> str:
    return f"{clip.id} ({('real', 'fake')[clip.label]})"


def _pair(each: Shared) -> str:
    return f"{each.test_clip.id} and {each.train_clip.id}"
