"""Clips of which nobody says the split: train, val and test by groups that share people or footage."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from harness.files import seed_of
from harness.types import FAKE, REAL, SPLITS, Clip, HarnessError

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


def split_up(clips: Sequence[Clip], name: str) -> Split:
    """Give clips of one's own the splits that a training needs and nobody stated, the same every time.

    Stated splits stay. Without a training clip all are split; without a validation clip, one is made of
    training clips. Clips that share people or footage stay together, and each split has both classes;
    where that cannot be had it is a `HarnessError`.
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
    groups, how = _groups(open_)
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


def _groups(clips: Sequence[Clip]) -> tuple[list[list[Clip]], str]:
    """Clips that must not be parted, and what holds them together, in words."""
    by_all = _linked(clips, [[clip.target, clip.source, clip.attributes.get("footage")] for clip in clips])
    if len(by_all) == len(clips):
        return by_all, "clip (nothing says which show one person or recording)"
    if max(map(len, by_all)) <= LARGEST * len(clips):
        return by_all, f"people and footage ({len(by_all):,} groups)"
    by_target = _linked(clips, [[clip.target, clip.attributes.get("footage")] for clip in clips])
    return by_target, (
        f"the person whose body is seen ({len(by_target):,} groups; faces put on it link nearly all clips,"
        " so the same face may be in two splits)"
    )


def _linked(clips: Sequence[Clip], names: Sequence[Sequence[object]]) -> list[list[Clip]]:
    """The clips in groups that have no name in common with each other."""
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
    found: dict[int, list[Clip]] = defaultdict(list)
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
