"""Who is to be seen in a clip: faces followed from frame to frame, not through a cut or into somebody else.

Frames belong to one shot while the picture stays alike; a shot to which the film cuts back goes on. A face is
followed within its shot while it stays near and looks alike. On real clips (100 of HiDF, 32 frames each)
neighbouring frames differed by at most 17 levels and .13 of their colours, frames of two clips by at least 24
and .20 (99 of 100); neighbouring faces of one person by at most 14 and .13 (99 of 100), those of two by at
least 24 and .29 (95 of 100).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np

from harness.types import HarnessError
from harness.video.face_finder import Face, Finder, Look
from harness.video.frames import Frames, read_frames, sample_indices

FRAMES = 16
"""Evenly spaced frames of a clip that are looked at, at least; where more are scored, all those."""
REACH = 2.0
"""Boxes are enlarged so much before their overlap is taken: a face may move by its own width."""
LINKED = 0.3
"""Least overlap (intersection over union, enlarged) of one face in two frames; it bounds growth too."""
CUT = (20.0, 0.15)
"""Two frames belong to two shots where both differ by more: levels (mean), share of the colours."""
ANOTHER = (20.0, 0.2)
"""The same of two faces that are not one person's."""
STAYED = (14.0, 0.13)
"""Two faces at one place, before and after a cut, are one person's where both are at most this (of the real
people of HiDF 2 of 1,225 pairs are)."""
BINS = 8
"""Colours are counted in so many steps of each channel."""
LEAST_SEEN = 1 / 8
"""Share of the scored frames in which a face must be seen; a clip of fewer is one without a face. A person
who is seen in fewer frames does not count where another is seen in more."""

Spot = tuple[float, float, float, float]
FARTHEST = 2.0**24
"""Pixels from the corner of a picture that a kept face lies at most."""
"""[x, y, w, h] of a face in pixels of the clean frame; it may reach beyond it."""
Person = Mapping[int, Spot]
"""Frame of the file -> where a person's face is seen in it."""


class Sight(NamedTuple):
    """A face in one of the frames that were looked at."""

    face: Face
    portrait: np.ndarray


Trail = dict[int, Sight]
"""Place of a look -> what is seen there of one person."""


@dataclass(frozen=True, slots=True)
class Faces:
    """Who is to be seen in the frames of a clip that are scored; false where nobody is."""

    scored: tuple[int, ...]
    """Frames of the file, 0-based, ascending."""
    main: Person
    """At each moment the largest of the people who are there; where that face is hidden there is none."""
    people: tuple[Person, ...]
    """Everybody, the largest first; somebody seen only in between the scored frames is an empty one."""

    def __bool__(self) -> bool:
        return bool(self.main)

    def of(self, policy: str) -> tuple[Person, ...]:
        """Who is shown to a detector under a policy (`types.FACE_POLICIES`)."""
        return (self.main,) if policy == "largest" else tuple(filter(None, self.people))

    def near(self, indices: Iterable[int]) -> list[Spot]:
        """Where the face is nearest in time, in any frames of the file."""
        seen = sorted(self.main)
        return [self.main[min(seen, key=lambda at: abs(at - index))] for index in indices]

    def to_json(self) -> str:
        """The record as one line of JSON."""
        people = [[[index, *spot] for index, spot in person.items()] for person in (self.main, *self.people)]
        return json.dumps({"scored": self.scored, "people": people}, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Faces:
        """The record written by `to_json`; anything else is a `HarnessError`."""
        try:
            said = json.loads(text)
            main, *people = (
                {int(index): (float(x), float(y), float(w), float(h)) for index, x, y, w, h in person}
                for person in said["people"]
            )
            found = cls(tuple(int(index) for index in said["scored"]), main, tuple(people))
        except (ValueError, TypeError, KeyError, OverflowError) as error:
            raise HarnessError(f"not a stored record of faces: {text[:60]!r}") from error
        spots = [spot for person in (main, *people) for spot in person.values()]
        if not all(abs(side) <= FARTHEST for spot in spots for side in spot):  # nor for NaN
            raise HarnessError("a stored record of faces has one that is in no picture")
        if not set(found.main) <= set(found.scored):
            raise HarnessError("a stored record of faces has one in a frame that is not scored")
        return found


def find_faces(path: Path, finder: Finder, counts: Iterable[int]) -> dict[int, Faces]:
    """Who is seen in a clip, for each number of evenly spaced frames that are scored.

    Each frame is looked at once. What is found for a count does not depend on the other counts. An unreadable
    clip is a `HarnessError`.
    """
    looks: dict[int, Look] = {}

    def look(index: int, frame: np.ndarray, _: int) -> None:
        if index not in looks:
            looks[index] = finder.look(frame)

    wanted = sorted(set(counts))
    read = read_frames(path, {*wanted, FRAMES} if min(wanted) < FRAMES else wanted, use=look)
    return {count: _found(looks, read, count) for count in wanted}


def _found(looks: Mapping[int, Look], read: Frames, count: int) -> Faces:
    scored = sample_indices(read.total, count)
    also = sample_indices(read.total, FRAMES) if count < FRAMES else []
    seen = sorted({*scored, *also})
    return follow({index: looks[index] for index in seen}, sorted(set(scored)))


def follow(looks: Mapping[int, Look], scored: Sequence[int]) -> Faces:
    """Who is seen in the scored frames, from what was seen in these and in others.

    The largest has the greatest area, summed over the frames in which it is seen.
    """
    order = sorted(looks)
    seen = [looks[index] for index in order]
    shots = [(shot, follow_faces(seen, shot)) for shot in _shots(seen)]
    everybody = [trail for _, trails in shots for trail in trails]
    often = [trail for trail in everybody if len(trail) >= LEAST_SEEN * len(order)]
    people = sorted(often or everybody, key=_area, reverse=True)
    main: dict[int, Spot] = {}
    for shot, trails in shots:
        those = [trail for trail in people if any(trail is other for other in trails)]
        for place in shot:
            there = next((trail for trail in those if min(trail) <= place <= max(trail)), {})
            if place in there and order[place] in scored:
                main[order[place]] = there[place].face[:4]
    if not main or len(main) < LEAST_SEEN * len(scored):
        return Faces(tuple(scored), {}, ())
    spots = [
        {order[place]: sight.face[:4] for place, sight in sorted(trail.items()) if order[place] in scored}
        for trail in _joined(people, seen)
    ]
    return Faces(tuple(scored), dict(sorted(main.items())), tuple(spots))


def _joined(trails: Sequence[Trail], looks: Sequence[Look]) -> list[Trail]:
    """The trails, the largest first, those of somebody who stays while the picture around changes as one."""
    joined: list[Trail] = []
    for trail in trails:
        same = next((at for at, other in enumerate(joined) if _stays(other, trail, looks)), None)
        if same is None:
            joined.append(trail)
        else:
            joined[same] = {**joined[same], **trail}
    return sorted(joined, key=_area, reverse=True)


def _stays(one: Trail, other: Trail, looks: Sequence[Look]) -> bool:
    """Whether two trails of different shots are one person's: where they meet, same place and same looks."""
    if one.keys() & other.keys():
        return False
    near, far = min(product(one, other), key=lambda places: abs(places[0] - places[1]))
    before, after = one[near], other[far]
    shared = _overlap(_relative(before.face, looks[near]), _relative(after.face, looks[far]))
    apart = _apart(before.portrait, after.portrait), _colours_apart(before.portrait, after.portrait)
    return shared >= LINKED and apart[0] <= STAYED[0] and apart[1] <= STAYED[1]


def _area(trail: Trail) -> float:
    return sum(sight.face.w * sight.face.h for sight in trail.values())


def _shots(looks: Sequence[Look]) -> list[list[int]]:
    """The places of the looks, shot by shot: one whose picture returns goes on."""
    shots: list[list[int]] = []
    for place, look in enumerate(looks):
        alike = [shot for shot in shots if not _differ(looks[shot[-1]].picture, look.picture, CUT)]
        if alike:
            min(alike, key=lambda shot: _apart(looks[shot[-1]].picture, look.picture)).append(place)
        else:
            shots.append([place])
    return shots


def follow_faces(looks: Sequence[Look], shot: Sequence[int]) -> list[Trail]:
    """Faces of the frames of one shot joined into trails.

    Each face joins at most one trail and each trail takes at most one face of a frame, greatest overlap
    first. A face that was hidden for a while goes on where it was last seen; one that looks unlike it there
    is another person's.
    """
    trails: list[Trail] = []
    last: list[int] = []
    for place in shot:
        look = looks[place]
        sights = [Sight(*pair) for pair in zip(look.faces, look.portraits, strict=True)]
        pairs = []
        for trail, at in product(range(len(trails)), range(len(sights))):
            before = trails[trail][last[trail]]
            shared = _overlap(_relative(before.face, looks[last[trail]]), _relative(sights[at].face, look))
            if shared >= LINKED and not _differ(before.portrait, sights[at].portrait, ANOTHER):
                pairs.append((-shared, trail, at))
        free = set(range(len(sights)))
        for _, trail, at in sorted(pairs):
            if at in free and last[trail] != place:
                trails[trail][place] = sights[at]
                last[trail] = place
                free.remove(at)
        trails += [{place: sights[at]} for at in sorted(free)]
        last += [place] * len(free)
    return trails


def _relative(face: Face, look: Look) -> Spot:
    """The box in widths and heights of its frame: frames of a folder may differ in size."""
    height, width = look.shape
    return face.x / width, face.y / height, face.w / width, face.h / height


def _overlap(one: Spot, other: Spot) -> float:
    """Intersection over union of the boxes enlarged around their centres."""
    shared = 1.0
    for at in (0, 1):
        sides = one[at + 2], other[at + 2]
        apart = abs(one[at] + sides[0] / 2 - other[at] - sides[1] / 2)
        reach = REACH * sum(sides) / 2 - apart
        shared *= max(0.0, min(reach, REACH * sides[0], REACH * sides[1]))
    return shared / (REACH**2 * (one[2] * one[3] + other[2] * other[3]) - shared)


def _differ(one: np.ndarray, other: np.ndarray, limits: tuple[float, float]) -> bool:
    """Whether two small pictures differ by more than both limits: levels, and share of the colours."""
    return _apart(one, other) > limits[0] and _colours_apart(one, other) > limits[1]


def _apart(one: np.ndarray, other: np.ndarray) -> float:
    """Mean difference of two small pictures, in levels."""
    return float(np.abs(one.astype(np.float32) - other).mean())


def _colours_apart(one: np.ndarray, other: np.ndarray) -> float:
    """Half the summed difference of two colour histograms: 0 alike, 1 nothing in common."""
    counts = [
        np.bincount((picture // (256 // BINS)).reshape(-1, 3) @ (BINS**2, BINS, 1), minlength=BINS**3)
        for picture in (one.astype(np.int64), other.astype(np.int64))
    ]
    return float(np.abs(counts[0] - counts[1]).sum() / (2 * counts[0].sum()))
