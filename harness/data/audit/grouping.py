"""Which clips are never divided between folds: what shares a person, a recording, a name or a picture.

A fake and the real clip it was made from say nearly the same about themselves. Where the one is learned from
and the other is judged, the classifier is sure of the wrong class, and a shortcut looks like chance.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from harness.data.audit.fact_table import FOLDS
from harness.data.people import recordings_by_name
from harness.data.perceptual_hash import nearest, pairs
from harness.types import FAKE, REAL, Clip

GIANT = 1 / FOLDS
"""Share of the clips from which on one group is too large, and fewer things join clips."""

Links = Iterable[tuple[int, int]]
"""Pairs of clips, by number."""


@dataclass(frozen=True, slots=True)
class Grouping:
    """The group of each clip, and what is known of which fake was made from which real clip."""

    groups: np.ndarray
    """int `[N]`."""
    said: str
    """What a group is."""
    loose: np.ndarray
    """bool `[N]`: fakes that name neither target nor footage and are in no group with a real clip."""


def unnamed(clips: Sequence[Clip]) -> bool:
    """Whether some clip names neither target nor footage, so that its name and its look are asked."""
    return not all(map(_named, clips))


def grouping_of(clips: Sequence[Clip], hashes: Sequence[str] = ()) -> Grouping:
    """The groups of clips by what they name, and by name and look where some name nothing.

    `hashes` are the perceptual hashes of the clips (`perceptual_hash.hash_of`), "" where there is none;
    without any nothing is joined by its look. Clips joined by target, source or footage are one group. Where
    some name neither target nor footage, a fake also joins the real clip whose name its own holds, and
    clips that look the same are joined. One group may not hold a fifth of the clips. Where it would, sources
    join nobody (in Celeb-DF everybody was swapped with everybody). If that is not enough, as in a studio with
    one background, a fake that has no real clip by then joins the one that looks most like it, and nothing
    else is joined by its look: so no two real clips are, and each group stays small.
    """
    names: Links = ()
    alike: Links = ()
    if unnamed(clips):
        names = _by_name(clips)
        alike = list(pairs(hashes)) if hashes else []
    most = max(GIANT * len(clips), 1)
    for with_source in (True, False):
        groups = _joined(clips, with_source, [*names, *alike])
        if np.bincount(groups).max() <= most:
            return _told(clips, groups, with_source, names, alike, "looking the same")
    for with_source in (True, False):
        groups = _joined(clips, with_source, names)
        left = [k for k in np.flatnonzero(_without_real(clips, groups)).tolist() if not _named(clips[k])]
        closest = _most_alike(clips, hashes, left)
        groups = _joined(clips, with_source, [*names, *closest])
        if np.bincount(groups).max() <= most:
            return _told(clips, groups, with_source, names, closest, "each fake with its most alike real")
    return _told(clips, _joined(clips, False, ()), False, (), (), "")


def _told(
    clips: Sequence[Clip], groups: np.ndarray, with_source: bool, names: Links, alike: Links, how: str
) -> Grouping:
    """The grouping with its description."""
    named = sum(map(_named, clips))
    loose = _without_real(clips, groups) & np.array([not _named(clip) for clip in clips])
    by = ["target, source or footage" if with_source else "target or footage"] if named else []
    counted = ((names, "name"), (alike, f"look, {how}"))
    for links, what in counted:
        count = len({one for pair in links for one in pair})
        if count:
            by.append(f"{what} ({count:,} clips)")
    if not by:
        return Grouping(groups, "single clips, for nobody is named and none look the same", loose)
    said = f"clips joined by {'; '.join(by)}"
    if named < len(clips):
        said += f"; {len(clips) - named:,} of {len(clips):,} clips name neither target nor footage"
    return Grouping(groups, said, loose)


def _named(clip: Clip) -> bool:
    return bool(clip.target or clip.attributes.get("footage"))


def _without_real(clips: Sequence[Clip], groups: np.ndarray) -> np.ndarray:
    """bool `[N]`: fakes in whose group there is no real clip."""
    label = np.array([clip.label for clip in clips])
    return (label == FAKE) & ~np.isin(groups, groups[label == REAL])


def _by_name(clips: Sequence[Clip]) -> list[tuple[int, int]]:
    """Each fake with the real clip whose name its own holds, unless several are called so."""
    reals: dict[tuple[str, ...], list[int]] = {}
    held = recordings_by_name(clips)
    for number, clip in enumerate(clips):
        if clip.label == REAL:
            reals.setdefault(held[clip.id], []).append(number)
    links = []
    for number, clip in enumerate(clips):
        these = reals.get(held[clip.id], []) if clip.label == FAKE and held[clip.id] else []
        links += [(number, these[0])] if len(these) == 1 else []
    return links


def _most_alike(clips: Sequence[Clip], hashes: Sequence[str], fakes: Sequence[int]) -> list[tuple[int, int]]:
    """Each of these fakes with the real clip that looks most like it, if one looks the same."""
    if not hashes or not fakes:
        return []
    reals = [number for number, clip in enumerate(clips) if clip.label == REAL]
    found = nearest([hashes[k] for k in fakes], [hashes[k] for k in reals])
    return [(int(fakes[mine]), reals[other]) for mine, other in found.items()]


def _joined(clips: Sequence[Clip], with_source: bool, links: Links) -> np.ndarray:
    """The number of the group of each clip, int `[N]`: joined by what they name and by links."""
    above: dict[tuple[str, str], tuple[str, str]] = {}

    def top(name: tuple[str, str]) -> tuple[str, str]:
        while above.setdefault(name, name) != name:
            above[name] = above[above[name]]
            name = above[name]
        return name

    for clip in clips:
        shown = [("person", clip.target), ("footage", clip.attributes.get("footage"))]
        shown += [("person", clip.source)] if with_source else []
        for kind, name in shown:
            if name is not None:
                above[top((kind, str(name)))] = top(("clip", clip.id))
    for one, other in links:
        above[top(("clip", clips[one].id))] = top(("clip", clips[other].id))
    tops = [top(("clip", clip.id)) for clip in clips]
    numbers = {name: number for number, name in enumerate(dict.fromkeys(tops))}
    return np.array([numbers[name] for name in tops])
