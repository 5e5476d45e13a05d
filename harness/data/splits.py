"""Clips of which nobody says the split: train, val and test by groups that share people or footage."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from harness.files import seed_of
from harness.types import FAKE, REAL, SPLITS, Clip, HarnessError

T = TypeVar("T")
SHARES: Mapping[str, float] = {"train": 0.7, "val": 0.15, "test": 0.15}
"""Share of the clips of each class that each split should have."""
SEED = 0
"""Of the split: another training seed trains on the same clips."""
LARGEST = 0.5
"""Share of the clips in one group, linked by anybody seen, above which only who is the target links them."""


@dataclass(frozen=True, slots=True)
class Split:
    """Clips with their splits, and how those came about."""

    clips: tuple[Clip, ...]
    said: str
    """What was split by what, in one line; empty where all splits were stated."""


def split_up(clips: Sequence[Clip], name: str, alike: Mapping[str, str] | None = None) -> Split:
    """Give clips of one's own the splits that a training needs and nobody stated, the same every time.

    Stated splits stay. Without a training clip all are split; without a validation clip, one is made of
    training clips. Clips that share people or footage, or look like copies (`look_alike`), stay together,
    and each split has both classes; where that cannot be had it is a `HarnessError`.
    """
    stated = Counter(clip.split for clip in clips)
    if stated["train"] and stated["val"]:
        return Split(tuple(clips), "")
    if stated["val"]:
        raise HarnessError(
            f"{name} states clips of the split val and none of train: nothing can be trained on it"
        )
    among = ("train", "val") if stated["train"] else SPLITS
    open_ = [clip for clip in clips if clip.split in among]
    groups, how = _groups(open_, alike or {})
    chosen = _assigned(groups, among, name)
    made = tuple(replace(clip, split=chosen.get(clip.id, clip.split)) for clip in clips)
    what = (
        "the validation clips are taken from the training clips"
        if stated["train"]
        else "nobody states splits"
    )
    return Split(made, f"{what}: split by {how} into {counted(made)}, the same every time")


def counted(clips: Iterable[Clip]) -> str:
    """`70 train (35 real, 35 fake), 15 val (...)`: how many clips there are of each split and class."""
    found = Counter((clip.split, clip.label) for clip in clips)
    parts = [
        f"{found[split, REAL] + found[split, FAKE]:,} {split}"
        f" ({found[split, REAL]:,} real, {found[split, FAKE]:,} fake)"
        for split in SPLITS
        if found[split, REAL] + found[split, FAKE]
    ]
    return ", ".join(parts)


def look_alike(clips: Sequence[Clip], name: str) -> dict[str, str]:
    """Id of a clip -> the first id of those that look like copies of it; both without the name of their set.

    Files that are new are read for it (`fingerprints.read`). A clip that is like no other is left out.
    """
    from harness.data import fingerprints, perceptual_hash  # decoders, where a training needs them alone

    prints = fingerprints.read(clips, name)
    inner = [clip.id.partition("/")[2] for clip in clips]
    shown = [prints[clip.id] for clip in clips]
    links: list[list[object]] = [[each.content or None] for each in shown]
    for one, other in perceptual_hash.pairs([each.perceptual for each in shown]):
        links[one].append((one, other))
        links[other].append((one, other))
    groups = _linked(list(range(len(clips))), links)
    return {inner[place]: inner[group[0]] for group in groups if len(group) > 1 for place in group}


def _groups(clips: Sequence[Clip], alike: Mapping[str, str]) -> tuple[list[list[Clip]], str]:
    """Clips that must not be parted, and what holds them together, in words."""
    known = [[clip.target, clip.source, clip.attributes.get("footage")] for clip in clips]
    looks = [alike.get(clip.id.partition("/")[2]) for clip in clips]
    named = any(each is not None for names in known for each in names)
    by_all = _linked(
        clips,
        [[*names, ("looks", look)] if look else names for names, look in zip(known, looks, strict=True)],
    )
    what = " and ".join(["people and footage"] * named + ["looks"] * any(looks))
    if len(by_all) == len(clips):
        return by_all, "clip (nothing says which show one person or recording)"
    if _parted(by_all, clips):
        return by_all, f"{what} ({len(by_all):,} groups)"
    by_people = _linked(clips, known)
    if _parted(by_people, clips):
        return by_people, f"people and footage ({len(by_people):,} groups; most clips look alike)"
    by_target = _linked(clips, [[clip.target, clip.attributes.get("footage")] for clip in clips])
    return by_target, (
        f"the person whose body is seen ({len(by_target):,} groups; faces put on it link nearly all clips,"
        " so the same face may be in two splits)"
    )


def _parted(groups: Sequence[Sequence[Clip]], clips: Sequence[Clip]) -> bool:
    return max(map(len, groups)) <= LARGEST * len(clips)


def _linked(clips: Sequence[T], names: Sequence[Sequence[object]]) -> list[list[T]]:
    """Clips, or whatever has these names, in groups that have no name in common with each other."""
    above = list(range(len(clips)))

    def top(place: int) -> int:
        while above[place] != place:
            above[place] = above[above[place]]
            place = above[place]
        return place

    first: dict[object, int] = {}
    for place, named in enumerate(names):
        for each in (each for each in named if each is not None):
            above[top(place)] = top(first.setdefault(each, place))
    found: dict[int, list[T]] = defaultdict(list)
    for place, clip in enumerate(clips):
        found[top(place)].append(clip)
    return list(found.values())


def _assigned(groups: Sequence[Sequence[Clip]], among: Sequence[str], name: str) -> dict[str, str]:
    """Split of each clip by id: large groups first, each to the split that lacks most of what is in it."""
    total = Counter(clip.label for group in groups for clip in group)
    shares = {split: SHARES[split] / sum(SHARES[each] for each in among) for split in among}
    left = {(split, label): shares[split] * total[label] for split in among for label in (REAL, FAKE)}
    found: dict[str, str] = {}
    for group in sorted(groups, key=lambda group: (-len(group), _drawn(group))):
        has = Counter(clip.label for clip in group)
        lack = {
            split: sum(n * left[split, label] / (shares[split] * total[label]) for label, n in has.items())
            for split in among
        }
        split = max(among, key=lambda each: lack[each])
        for label, n in has.items():
            left[split, label] -= n
        found |= {clip.id: split for clip in group}
    have = {(found[clip.id], clip.label) for group in groups for clip in group}
    for split in among:
        for label, word in ((REAL, "real"), (FAKE, "fake")):
            if (split, label) not in have:
                raise HarnessError(
                    f"{name} cannot be split into {', '.join(among)}: its {sum(total.values())} clips are"
                    f" {len(groups)} groups that must stay whole: {split} would have no {word} clip;"
                    " state the splits (folders train, val, test, or a column split)"
                )
    return found


def _drawn(group: Sequence[Clip]) -> int:
    """Where a group stands among groups as large: by chance, and the same wherever its clips lie."""
    return seed_of("split", SEED, *sorted(clip.id.partition("/")[2] for clip in group))
