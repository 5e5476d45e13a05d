"""A few frames in small: what they look like at first sight, and how far apart two clips are."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np

SIDE, FRAMES = 32, 3
"""Three frames of a clip, the brightness of each shrunk to 32 x 32."""
LOWEST = 8
"""Lowest frequencies, down and across, that are seen at first sight."""
FLATTEST = 2.0
"""Standard deviation (of 255) of the brightness below which a frame, like a fade-in, shows nothing."""
MOVES = 0.6
"""Root mean square (of 255 levels) of a clip about its mean picture from which it says how it moves."""
SLACK, MOST, STILL = 0.1, 1.0, 0.4
"""How far apart copies may be: this much more than what moves agrees (its correlation), at most so much, and
so much where nothing moves. In standard deviations of the frame, at the place where they differ most."""
BLOCK = 4
"""A place is 2 x 2 blocks of so many pixels: a quarter of the frame down and across."""
BAR_STEPS, MOST_BAR = 3.0, 0.25
"""Levels (of 255) by which a black bar differs in itself, and the share of a side that one may take."""
DARK = 40.0
"""Brightness (of 255) up to which a bar is black."""


class View(NamedTuple):
    """A part of a frame, from 0 to 1 down and across."""

    top: float = 0.0
    bottom: float = 1.0
    left: float = 0.0
    right: float = 1.0


WHOLE = View()
CUT = tuple(View(cut / 2, 1 - cut / 2, cut / 2, 1 - cut / 2) for cut in (0.05, 0.1, 0.15, 0.2))
UPPER = View(bottom=0.8)
SEEN_AS = ((WHOLE, WHOLE), *((view, WHOLE) for view in CUT), *((WHOLE, view) for view in CUT), (UPPER, UPPER))
"""What of one clip is compared with what of the other."""


WHOLE = View()


def flat(frame: np.ndarray) -> bool:
    """Whether a frame uint8 `[H, W, 3]` is nearly one brightness."""
    return bool(small(frame).std() < FLATTEST)


def small(frame: np.ndarray) -> np.ndarray:
    """The brightness of an RGB frame uint8 `[H, W, 3]` in small: uint8 `[SIDE, SIDE]`."""
    grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
    return cv2.resize(grey, (SIDE, SIDE), interpolation=cv2.INTER_AREA)


def apart(one: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How far clips `[N, FRAMES, SIDE, SIDE]` are apart in the worst place, and how far copies may be."""
    moves = [(clip - clip.mean(axis=1, keepdims=True)).reshape(len(clip), -1) for clip in (one, other)]
    length = [np.sqrt(np.einsum("nk,nk->n", each, each) / each.shape[1]) for each in moves]
    both = np.einsum("nk,nk->n", *moves) / moves[0].shape[1]
    alike = both / np.maximum(length[0] * length[1], 1e-6)
    allowed = np.where(np.maximum(*length) >= MOVES, np.minimum(alike + SLACK, MOST), STILL)
    return differences(one, other).max(axis=(1, 2, 3)), allowed


def differences(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Root mean square difference of each place of frames `[N, FRAMES, SIDE, SIDE]`: `[N, FRAMES, 7, 7]`.

    In standard deviations of the frame, after its mean.
    """
    return places_of(_blocks((_toned(one) - _toned(other)) ** 2))


def places_of(squared: np.ndarray) -> np.ndarray:
    """Root mean square difference of each place, from that of blocks `[N, FRAMES, 8, 8]`, squared."""
    down = squared[:, :, 1:] + squared[:, :, :-1]
    found: np.ndarray = np.sqrt((down[..., 1:] + down[..., :-1]) / 4)
    return found


def toned_blocks(shown: np.ndarray, view: View) -> np.ndarray:
    """Means of the blocks of a view of clips, toned: `[N, FRAMES, 8, 8]`; no more apart than these."""
    return _blocks(_toned(part(shown, view)))


def _blocks(level: np.ndarray) -> np.ndarray:
    side = SIDE // BLOCK
    means: np.ndarray = level.reshape(*level.shape[:2], side, BLOCK, side, BLOCK).mean(axis=(3, 5))
    return means


def _toned(shown: np.ndarray) -> np.ndarray:
    level = shown.astype(np.float32)
    level = level - level.mean(axis=(2, 3), keepdims=True)
    toned: np.ndarray = level / np.maximum(level.std(axis=(2, 3), keepdims=True), FLATTEST)
    return toned


def first_sight(shown: np.ndarray, view: View) -> tuple[np.ndarray, np.ndarray]:
    """Lowest frequencies of middle frames and of what moves, in a view of clips `[N, FRAMES, SIDE, SIDE]`.

    Of length 1; 0 where nothing moves in the whole frame. `[N, LOWEST**2]` and `[N, FRAMES * LOWEST**2]`.
    """
    moving = shown - shown.mean(axis=1, keepdims=True, dtype=np.float32)
    down, across = _transform(view)
    low = (down @ moving @ across.T).reshape(len(shown), -1)
    low[np.einsum("nfhw,nfhw->n", moving, moving) < MOVES**2 * moving[0].size] = 0
    return frequencies(shown[:, FRAMES // 2], view), _unit(low)


def frequencies(frames: np.ndarray, view: View) -> np.ndarray:
    """Lowest frequencies of a view of frames `[N, SIDE, SIDE]`, the higher the heavier: `[N, LOWEST**2]`."""
    down, across = _transform(view)
    steps = np.arange(LOWEST)
    weight = np.hypot(steps[:, None], steps).astype(np.float32)
    return _unit((down @ frames.astype(np.float32) @ across.T * weight).reshape(len(frames), -1))


def _unit(vectors: np.ndarray) -> np.ndarray:
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.divide(vectors, length, out=np.zeros_like(vectors), where=length > 0)


def part(shown: np.ndarray, view: View) -> np.ndarray:
    """A view of small frames `[..., SIDE, SIDE]`, enlarged to their size: float32."""
    level = shown.astype(np.float32)
    if view == WHOLE:
        return level
    cut: np.ndarray = _stretched(view.top, view.bottom) @ level @ _stretched(view.left, view.right).T
    return cut


@lru_cache(1024)
def _stretched(start: float, end: float) -> np.ndarray:
    """Rows of this part of a side, from 0 to 1, as a mixture of its rows: `[SIDE, SIDE]`."""
    at = np.clip(SIDE * start + (np.arange(SIDE) + 0.5) * (end - start) - 0.5, 0, SIDE - 1)
    return np.maximum(0, 1 - np.abs(at[:, None] - np.arange(SIDE))).astype(np.float32)


@lru_cache(1024)
def _transform(view: View) -> tuple[np.ndarray, np.ndarray]:
    """The lowest cosines down and across this part of a frame: `[LOWEST, SIDE]` each."""
    step, at = np.arange(LOWEST)[:, None], np.arange(SIDE)
    cosines = np.cos(np.pi * step * (at + 0.5) / SIDE).astype(np.float32)
    return cosines @ _stretched(view.top, view.bottom), cosines @ _stretched(view.left, view.right)


def barred(shown: np.ndarray) -> np.ndarray:
    """Which clips uint8 `[N, FRAMES, SIDE, SIDE]` may have bars, at two ends: bool `[N]`."""
    found = np.zeros(len(shown), bool)
    for ends in (shown[:, :, [0, -1]], shown[..., [0, -1]].transpose(0, 1, 3, 2)):
        darkest, brightest = ends.min(axis=(1, 3)), ends.max(axis=(1, 3))
        found |= ((brightest <= DARK) & (brightest - darkest <= BAR_STEPS)).all(axis=1)
    return found


def without_bars(shown: np.ndarray) -> View:
    """What is between black bars as wide at both ends, in small frames `[FRAMES, SIDE, SIDE]`."""
    top, bottom = _bar(shown), _bar(shown[:, ::-1])
    left, right = _bar(shown.transpose(0, 2, 1)), _bar(shown.transpose(0, 2, 1)[:, ::-1])
    down, across = min(top, bottom) / SIDE, min(left, right) / SIDE
    return View(down, 1 - down, across, 1 - across)


def _bar(shown: np.ndarray) -> float:
    """Rows of a black bar at the top, with what it covers of the row after it; 0 for none."""
    level = shown.astype(np.float32)
    dark = ((np.ptp(level, axis=(0, 2)) <= BAR_STEPS) & (level.max(axis=(0, 2)) <= DARK)).tolist()
    rows = dark.index(False) if False in dark else 0
    if not 0 < rows <= MOST_BAR * SIDE:
        return 0.0
    black = level[:, 0].mean()
    edge, next_ = (float(np.sqrt(((level[:, row] - black) ** 2).mean())) for row in (rows, rows + 1))
    return rows + min(1.0, max(0.0, 1 - edge / max(next_, 1e-6)))
