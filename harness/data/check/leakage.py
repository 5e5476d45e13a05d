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
    "picture": "warning",
}
"""What a clip shared with the training clips is, by how it was found."""
SAID = {
    "id": "also among the {}",
    "footage": "same recording as {}; what is trained on these is not ranked on them",
    "content": "same frames as {}, to the bit",
    "near copy": "by their looks copies of {}",
    "sequence": "other parts of the videos of {}; --unseen-people (in matrices unseen_people) omits them",
    "picture": "the same picture or place as in {} (a title, a studio, other footage of a scene); nothing is "
    "unranked by it",
}
LOOKED_FOR = (
    "Copies are looked for by three frames of the first three seconds, behind a still title: re-encoded, "
    "resized, mirrored, cut all round by up to a fifth, with black bars or a line of text at the bottom. A "
    "copy is missed that was cut off-centre, turned by more than a few degrees, begun later, played faster "
    "or slower, or put into a larger picture; a moving intro of over three seconds that clips share makes "
    "them look like copies."
)
"""What a search for copies finds and misses."""


def doubles(clips: Sequence[Clip], prints: Prints) -> Iterator[Problem]:
    """Clips of the same frames: of both labels, in two splits, or merely twice; and of the same first one."""
    # What shows a single colour is told as that.
    seen = [clip for clip in clips if clip.id in prints and prints[clip.id].perceptual]
    twice = _alike(seen, lambda clip: prints[clip.id].content)
    torn = [group for group in twice if _of(group, "label") > 1]
    leaked = [group for group in twice if _of(group, "split") > 1]
    merely = [group for group in twice if group not in torn and group not in leaked]
    if torn:
        said = f"the same frames are labelled both real and fake, {_times(torn)}"
        yield Problem("error", "content with both labels", said, _lines(torn, _as_labelled), _ids(torn))
    if leaked:
        said = f"clips of several splits show the very same frames, {_times(leaked)}"
        yield Problem(
            "error", "content in two splits", said, _lines(leaked, lambda clip: clip.id), _ids(leaked)
        )
    if merely:
        said = f"clips of one split show the very same frames, {_times(merely)}"
        yield Problem("warning", "content twice", said, _lines(merely, lambda clip: clip.id), _ids(merely))
    known = {clip.id: prints[clip.id].content for group in twice for clip in group}
    opened = [
        group
        for group in _alike(seen, lambda clip: prints[clip.id].opening)
        if len({known.get(clip.id, clip.id) for clip in group}) > 1
    ]
    if opened:
        said = f"different clips begin with the very same picture, like a title, {_times(opened)}"
        yield Problem("note", "picture twice", said, _lines(opened, lambda clip: clip.id), _ids(opened))


def between_splits(clips: Sequence[Clip], prints: Prints) -> Iterator[Problem]:
    """What the splits of a dataset share: recordings, near copies, people."""
    for split, against in APART:
        these = [clip for clip in clips if clip.split == split]
        those = [clip for clip in clips if clip.split in against]
        # The same content in two splits is said by `doubles`, however else two clips are related.
        known = [*overlap.shared(those, these, prints), *overlap.sequences(those, these)]
        shared = [each for each in known if each.how != "content"]
        shared += overlap.alike(those, these, prints, known)
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
        shared = [*overlap.shared(those, these, prints), *overlap.sequences(those, these)]
        shared += overlap.alike(those, these, prints, shared)
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


def _alike(clips: Sequence[Clip], name: Callable[[Clip], str]) -> list[list[Clip]]:
    """The clips of which several have one name."""
    groups: dict[str, list[Clip]] = defaultdict(list)
    for clip in clips:
        if name(clip):
            groups[name(clip)].append(clip)
    return [group for group in groups.values() if len(group) > 1]


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
