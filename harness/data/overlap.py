"""Which test clips show footage, or people, that training clips show: such a test asks what was taught."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from harness.data.fingerprints import Fingerprint
from harness.data.perceptual_hash import nearest, resembling
from harness.types import Clip

HOWS = {
    "id": "the same clip",
    "footage": "same recording",
    "content": "same frames",
    "near copy": "near copy",
    "sequence": "another part of the same video",
    "identity": "same person",
    "picture": "same picture or place",
}
"""How two clips may share something, surest first, and as it is said."""

Prints = Mapping[str, Fingerprint]


@dataclass(frozen=True, slots=True)
class Shared:
    """A test clip, and a training clip it shares something with."""

    test_clip: Clip
    train_clip: Clip
    how: str
    """A key of `HOWS`."""


def shared(train: Sequence[Clip], test: Sequence[Clip], prints: Prints | None = None) -> list[Shared]:
    """The test clips that share footage with a training clip, each once, in their order, with the surest how.

    By id, by the attribute `footage` (`sequence`, where only a part of it is shown), and where fingerprints
    are given by the content of several frames and by what these look like: see `perceptual_hash` for what
    that finds and misses. What is merely one picture or place (`alike`) is not among them.
    """
    found = _by(lambda clip: [clip.id], "id", train, test)
    left = [clip for clip in test if clip.id not in found]
    found |= _by(_part_of_footage, "footage", train, left)
    if prints is not None:
        known = prints
        left = [clip for clip in test if clip.id not in found]
        found |= _by(lambda clip: _content(known, clip), "content", train, left)
        left = [clip for clip in test if clip.id not in found]
        found |= copies(train, left, known)
    return [found[clip.id] for clip in test if clip.id in found and not _only_parts(found[clip.id])]


def sequences(train: Sequence[Clip], test: Sequence[Clip]) -> list[Shared]:
    """The test clips that show another part of a video of which training clips show a part."""
    same = _by(_part_of_footage, "footage", train, test)
    found = _by(footage_of, "sequence", train, [clip for clip in test if clip.id not in same])
    return [found[clip.id] for clip in test if clip.id in found]


def identities(train: Sequence[Clip], test: Sequence[Clip]) -> list[Shared]:
    """The test clips in which somebody is seen, as target or source, whom a training clip shows too."""
    found = _by(_people, "identity", train, test)
    return [found[clip.id] for clip in test if clip.id in found]


def strangers(train: Sequence[Clip], test: Sequence[Clip]) -> tuple[Clip, ...]:
    """The test clips that share no person and no recording with a training clip, as far as they name them."""
    met = {each.test_clip.id for each in identities(train, test)}
    met |= set(_by(footage_of, "footage", train, test))
    return tuple(clip for clip in test if clip.id not in met)


def people_met(train: Sequence[Clip], test: Sequence[Clip]) -> str:
    """How many test clips show how many people of the training clips, in one line; "" where none does.

    "31 of 518 test clips show people whom training clips show too (12 people), e.g. X and Y; 5 name nobody".
    Only people that clips name, as `target` or `source`, can be found.
    """
    found, parts = identities(train, test), sequences(train, test)
    if not found:
        return ""
    nobody = sum(not _people(clip) for clip in test)
    show = "shows" if len(found) == 1 else "show"
    unnamed = f"; {nobody:,} name{'s' if nobody == 1 else ''} nobody" if nobody else ""
    people = counted_people(train, test)
    more = f"; {len(parts):,} of them in another part of the same video" if parts else ""
    return (
        f"{len(found):,} of {len(test):,} test clips {show} people whom training clips show too ({people}), "
        f"e.g. {found[0].test_clip.id} and {found[0].train_clip.id}{unnamed}{more}"
    )


def counted_people(train: Sequence[Clip], test: Sequence[Clip]) -> str:
    """How many people both lists name, in words: `1 person`, `12 people`."""
    both = {name for clip in train for name in _people(clip)} & {n for clip in test for n in _people(clip)}
    return "1 person" if len(both) == 1 else f"{len(both):,} people"


def copies(train: Sequence[Clip], test: Sequence[Clip], prints: Prints) -> dict[str, Shared]:
    """The test clips that look like a copy of a training clip, with the nearest one, by id."""
    hashes = [[_hash(prints, clip) for clip in clips] for clips in (test, train)]
    pairs = nearest(*hashes)
    return {test[mine].id: Shared(test[mine], train[other], "near copy") for mine, other in pairs.items()}


def why(found: Sequence[Shared], clips: int | None = None) -> str:
    """Why a cell is not ranked, in one line; `clips` is the number of test clips. "" where nothing is shared.

    "12 of 518 test clips share footage with the training clips, e.g. X and Y (same recording)"
    """
    if not found:
        return ""
    first, of = found[0], f" of {clips}" if clips is not None else ""
    what = "people" if all(each.how == "identity" for each in found) else "footage"
    noun, verb = ("clip", "shares") if len(found) == 1 and of in ("", " of 1") else ("clips", "share")
    return (
        f"{len(found)}{of} test {noun} {verb} {what} with the training clips, "
        f"e.g. {first.test_clip.id} and {first.train_clip.id} ({HOWS[first.how]})"
    )


def alike(
    train: Sequence[Clip], test: Sequence[Clip], prints: Prints, known: Sequence[Shared]
) -> list[Shared]:
    """The test clips that show a picture or place of a training clip, and no footage of it.

    A title in front, a studio, the same footage played faster: nothing is unranked by it. Each once.
    `known` is what `shared` found.
    """
    found_before = {each.test_clip.id for each in known}
    left = [clip for clip in test if clip.id not in found_before]
    found = _by(lambda clip: _opening(prints, clip), "picture", train, left)
    left = [clip for clip in left if clip.id not in found]
    hashes = [[_hash(prints, clip) for clip in clips] for clips in (left, train)]
    for mine, other in resembling(*hashes).items():
        found[left[mine].id] = Shared(left[mine], train[other], "picture")
    return [found[clip.id] for clip in test if clip.id in found]


def told(train: Sequence[Clip], test: Sequence[Clip], prints: Prints, known: Sequence[Shared]) -> str:
    """What test clips have in common with training clips that takes them out of no rank; "" where nothing.

    `people_met`, and "; 7 of 40 test clips show a picture or place of the training clips, e.g. X and Y".
    """
    found = alike(train, test, prints, [*known, *sequences(train, test)])
    places = (
        f"{len(found):,} of {len(test):,} test clips {'shows' if len(found) == 1 else 'show'} a picture or "
        f"place of the training clips, e.g. {found[0].test_clip.id} and {found[0].train_clip.id}"
        if found
        else ""
    )
    return "; ".join(filter(None, (people_met(train, test), places)))


def footage_of(clip: Clip) -> list[str]:
    """The global name of the recording a clip shows, where its dataset gives one."""
    footage = clip.attributes.get("footage")
    return [str(footage)] if footage else []


def _only_parts(pair: Shared) -> bool:
    """Whether two clips look alike because they are other parts of one video."""
    footage = footage_of(pair.test_clip)
    return pair.how == "near copy" and bool(footage) and footage == footage_of(pair.train_clip)


def _part_of_footage(clip: Clip) -> list[str]:
    """The part that a clip shows of a recording that is cut into several, else the recording."""
    part = clip.attributes.get("sequence")
    return [str(part)] if part else footage_of(clip)


def _content(prints: Prints, clip: Clip) -> list[str]:
    found = prints.get(clip.id)
    return [found.content] if found is not None and found.content else []


def _opening(prints: Prints, clip: Clip) -> list[str]:
    found = prints.get(clip.id)
    return [found.opening] if found is not None and found.opening else []


def _hash(prints: Prints, clip: Clip) -> str:
    found = prints.get(clip.id)
    return found.perceptual if found is not None else ""


def _people(clip: Clip) -> list[str]:
    return [str(name) for name in (clip.target, clip.source) if name is not None]


def _by(
    names: Callable[[Clip], Iterable[str]], how: str, train: Sequence[Clip], test: Sequence[Clip]
) -> dict[str, Shared]:
    """The test clips that have a name in common with a training clip, by id."""
    first: dict[str, Clip] = {}
    for clip in train:
        for name in names(clip):
            first.setdefault(name, clip)
    found: dict[str, Shared] = {}
    for clip in test:
        for name in names(clip):
            if name in first:
                found.setdefault(clip.id, Shared(clip, first[name], how))
    return found
