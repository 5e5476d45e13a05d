"""A perceptual hash of a few frames, and which clips of two lists show the same footage by it.

Two clips are copies where three frames agree *everywhere*, and where what moves in one moves in the other:
what stands still behind two people in one studio agrees too, and says nothing. Each is also compared
mirrored, with its borders cut by 5, 10, 15 or 20 %, without black bars, and without the lowest fifth, where
text stands.

Measured on rendered clips of 160 x 160 and filmed ones of 512 x 512, each figure of copies over 209 clips.
Found are all that were re-encoded at CRF 23 to 40, at half or 1.5 times the width, cut all round, mirrored,
or given a line of text; 207 between bars of 12 %, 207 turned by 3 degrees; and 16 of 16 behind a still
title of 1.5 to 6 seconds. Of 718,800 pairs of 1,200 clips of 210 people none is called a copy, and of
11,374 pairs of people in one studio, a face in 5 to 30 % of the frame, 4. Of 649 forgeries 643 count as
copies of the footage they were made from, as they should. Of 32 copies that play at 1.25 or 0.8 times the
speed 18 are found, of 16 begun a second later 2, of 16 cut by 10 % at one side none.

Not looked for: footage that is cut off-centre, played faster or slower, begun later (but for a still title in
front, which `fingerprints` passes by), turned by more than a few degrees, or shown within a larger picture.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Iterator, Sequence

import numpy as np

from harness.data.small_frames import (
    FLATTEST,
    FRAMES,
    LOWEST,
    MOST,
    SIDE,
    SLACK,
    STILL,
    WHOLE,
    View,
    apart,
    barred,
    differences,
    first_sight,
    frequencies,
    part,
    places_of,
    small,
    toned_blocks,
    without_bars,
)

ALIKE = 0.92
"""Correlation of the lowest frequencies of two middle frames from which clips are looked at closely."""
MOVED_ALIKE, LENIENT = 0.2, 0.2
"""The same of what moves, between clips that move; how much further than copies their blocks may be apart."""
STRICTER = 0.2
"""How much nearer copies must be where only the upper part is compared, in which there is less to differ."""
AGREES, PLACE = 0.5, 0.7
"""How far apart a place of two frames may be that shows the same, and the share of all places of their frames
from which two clips that are no copies show one room."""
CHUNK = 2**22
"""Pairs compared at first sight at once (16 MB)."""
MOVING, PAIRS = 2**14, 2**11
"""Pairs whose motion is compared at once, and those looked at closely (25 MB each)."""

CUT = tuple(View(cut / 2, 1 - cut / 2, cut / 2, 1 - cut / 2) for cut in (0.05, 0.1, 0.15, 0.2))
UPPER = View(bottom=0.8)
SEEN_AS = ((WHOLE, WHOLE), *((view, WHOLE) for view in CUT), *((WHOLE, view) for view in CUT), (UPPER, UPPER))
"""What of one clip is compared with what of the other."""
_mirror = np.tile(np.array([1, -1], np.float32), FRAMES * LOWEST**2 // 2)


class _Clips:
    """Small frames of some clips, and what these look like at first sight."""

    def __init__(self, shown: np.ndarray, places: np.ndarray) -> None:
        self.shown = shown
        """uint8 `[N, FRAMES, SIDE, SIDE]`."""
        self.places = places
        """Where each stands in the list, int64 `[N]`."""
        self._views: dict[View, tuple[np.ndarray, np.ndarray]] = {}
        self._blocks: dict[View, np.ndarray] = {}

    def seen(self, view: View) -> tuple[np.ndarray, np.ndarray]:
        """Lowest frequencies of the middle frames and of what moves, of length 1 (0 where nothing moves).

        float32 `[N, LOWEST**2]` and `[N, FRAMES * LOWEST**2]`.
        """
        if view not in self._views:
            steps = range(0, len(self.shown), PAIRS)
            parts = [first_sight(self.shown[start : start + PAIRS], view) for start in steps]
            low, moving = (np.concatenate(each) for each in zip(*parts, strict=True))
            self._views[view] = low, moving
        return self._views[view]

    def blocks(self, view: View) -> np.ndarray:
        """Means of the blocks, float32 `[N, FRAMES, 8, 8]` (`toned_blocks`)."""
        if view not in self._blocks:
            steps = range(0, len(self.shown), PAIRS)
            parts = [toned_blocks(self.shown[start : start + PAIRS], view) for start in steps]
            self._blocks[view] = np.concatenate(parts)
        return self._blocks[view]

    def without_bars(self) -> _Clips:
        """Those that have black bars, without these."""
        views = {place: without_bars(self.shown[place]) for place in np.flatnonzero(barred(self.shown))}
        kept = [place for place, view in views.items() if view != WHOLE]
        cut = [part(self.shown[[place]], views[place]).round().astype(np.uint8) for place in kept]
        shown = np.concatenate([self.shown[:0], *cut])
        return _Clips(shown, self.places[kept])


def hash_of(frames: Sequence[np.ndarray]) -> str:
    """The hash of up to three RGB frames uint8 `[H, W, 3]`; "" where all are flat.

    A flat frame, or one that is not there, counts as a repetition of one that shows something.
    """
    shown = [frame for frame in map(small, frames[:FRAMES]) if frame.std() >= FLATTEST]
    if not shown:
        return ""
    shown += [shown[len(shown) // 2]] * (FRAMES - len(shown))
    return b64encode(np.stack(shown).tobytes()).decode()


def nearest(these: Sequence[str], those: Sequence[str]) -> dict[int, int]:
    """For each place in `these` that has a copy among `those`: the place of the nearest one.

    Hashes as of `hash_of`; an empty one is like nothing. 10,000 by 10,000 take some seconds.
    """
    here, there = _known(these), _known(those)
    best: dict[int, tuple[float, int]] = {}
    for one, other, views in (
        (here, there, SEEN_AS),
        (here.without_bars(), there, SEEN_AS[:1]),
        (here, there.without_bars(), SEEN_AS[:1]),
    ):
        for places, to, far in _copies(one, other, views):
            for place, at, much in zip(places.tolist(), to.tolist(), far.tolist(), strict=True):
                best[place] = min(best.get(place, (much, at)), (much, at))
    return {place: best[place][1] for place in sorted(best)}


def pairs(hashes: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Every two places of one list whose clips look the same, the earlier first; see `nearest`."""
    clips = _known(hashes)
    barred = clips.without_bars()
    cut, found = set(barred.places.tolist()), set()
    for places, to, _ in _copies(clips, clips, SEEN_AS, later=True):
        for pair in zip(places.tolist(), to.tolist(), strict=True):
            if not cut.isdisjoint(pair):
                found.add(pair)
            yield pair
    for places, to, _ in _copies(barred, clips, SEEN_AS[:1]):
        for one, other in zip(places.tolist(), to.tolist(), strict=True):
            pair = min(one, other), max(one, other)
            if one != other and pair not in found:
                found.add(pair)
                yield pair


def resembling(these: Sequence[str], those: Sequence[str]) -> dict[int, int]:
    """For each place in `these` that shows a picture or a place that one of `those` shows: that one's place.

    The first or the middle frame agrees everywhere, or most of all frames agrees: a title, a studio, the same
    footage at another speed; copies are among them. Looked at are the clip whose middle frame is nearest and
    the one whose first frame is.
    """
    here, there = _known(these), _known(those)
    found: dict[int, int] = {}
    if not len(here.places) or not len(there.places):
        return found
    step = max(1, min(PAIRS, CHUNK // len(there.places)))
    for frame in (FRAMES // 2, 0):
        mine, theirs = (frequencies(clips.shown[:, frame], WHOLE) for clips in (here, there))
        for start in range(0, len(mine), step):
            columns = (mine[start : start + step] @ theirs.T).argmax(axis=1)
            differ = differences(here.shown[start : start + step], there.shown[columns])
            alike = differ[:, frame].max(axis=(1, 2)) <= AGREES
            alike |= (differ <= AGREES).mean(axis=(1, 2, 3)) >= PLACE
            for row in np.flatnonzero(alike).tolist():
                found.setdefault(int(here.places[start + row]), int(there.places[columns[row]]))
    return found


def _known(hashes: Sequence[str]) -> _Clips:
    """What the hashes that are not empty hold."""
    places = np.array([place for place, text in enumerate(hashes) if text], dtype=np.int64)
    data = b64decode("".join(hashes[place] for place in places))
    return _Clips(np.frombuffer(data, np.uint8).reshape(-1, FRAMES, SIDE, SIDE), places)


def _copies(
    here: _Clips, there: _Clips, views: Sequence[tuple[View, View]], later: bool = False
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Places of copies in the one list and in the other, and how far they are apart, each two clips once.

    `later`: of one list, the second after the first.
    """
    if not len(here.places) or not len(there.places):
        return
    step = max(1, CHUNK // len(there.places))
    for start in range(0, len(here.places), step):
        parts = [
            found
            for one, other in views
            for mirrored in (False, True)
            for found in _near(here, there, (one, other, mirrored), slice(start, start + step), later)
        ]
        if parts:
            rows, columns, far = map(np.concatenate, zip(*parts, strict=True))
            order = np.lexsort((far, columns, rows))
            rows, columns, far = rows[order], columns[order], far[order]
            first = np.append(True, (np.diff(rows) != 0) | (np.diff(columns) != 0))[: len(rows)]
            yield here.places[rows[first]], there.places[columns[first]], far[first]


def _near(
    here: _Clips, there: _Clips, how: tuple[View, View, bool], rows: slice, later: bool
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Rows, columns and how far they are apart of the clips that are copies, seen in this way."""
    view, viewed, mirrored = how
    low, other_low = here.seen(view)[0], there.seen(viewed)[0]
    turn = _mirror if mirrored else np.ones_like(_mirror)
    begin = rows.start if later else 0
    alike = np.flatnonzero(low[rows] * turn[: LOWEST**2] @ other_low[begin:].T >= ALIKE)
    found, to = alike // (len(other_low) - begin) + rows.start, alike % (len(other_low) - begin) + begin
    if later:
        found, to = found[to > found], to[to > found]
    kept = [
        _likely(here, there, how, found[at : at + MOVING], to[at : at + MOVING])
        for at in range(0, len(found), MOVING)
    ]
    if kept:
        found, to = found[np.concatenate(kept)], to[np.concatenate(kept)]
    for at in range(0, len(found), PAIRS):
        one, other = found[at : at + PAIRS], to[at : at + PAIRS]
        seen = part(here.shown[one], view)
        far, allowed = apart(seen[..., ::-1] if mirrored else seen, part(there.shown[other], viewed))
        same = far <= (np.minimum(allowed - STRICTER, STILL) if view == UPPER else allowed)
        yield one[same], other[same], far[same]


def _likely(
    here: _Clips,
    there: _Clips,
    how: tuple[View, View, bool],
    rows: np.ndarray,
    columns: np.ndarray,
) -> np.ndarray:
    """Which pairs are looked at closely, by what moves in them and by their blocks: bool `[pairs]`."""
    view, viewed, mirrored = how
    one, other = here.seen(view)[1][rows], there.seen(viewed)[1][columns]
    still = ~(one.any(axis=1) & other.any(axis=1))
    alike = np.einsum("nk,nk->n", one * _mirror if mirrored else one, other)
    likely = still | (alike >= MOVED_ALIKE)
    rows, columns = rows[likely], columns[likely]
    if len(rows) <= PAIRS:  # as many are soon looked at
        return likely
    blocks = here.blocks(view)[rows]
    far = places_of(((blocks[..., ::-1] if mirrored else blocks) - there.blocks(viewed)[columns]) ** 2)
    allowed = np.where(still, MOST, np.minimum(alike + SLACK + LENIENT, MOST))[likely]
    likely[likely] = far.max(axis=(1, 2, 3)) <= allowed
    return likely
