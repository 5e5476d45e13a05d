"""What a detector is shown of clips: each distinct frame once, and the views of several clips in batches."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

SAME = 1e-3
"""Most by which the score of a frame may depend on how often it is shown: rounding."""


@dataclass(frozen=True)
class View:
    """What a detector gets to see of one person, or of the whole picture, in one clip."""

    frames: np.ndarray
    """uint8 `[D, S, S, 3]`: each frame once, in the order of time."""
    distinct: tuple[int, ...]
    """Which frames of the file they are, 0-based."""
    indices: tuple[int, ...]
    """Those that are scored: a short clip repeats its frames, one without a face in some has fewer."""
    whole: tuple[int, ...]
    """Those that a detector of whole clips is shown, as many as it wants: evenly spaced over `indices`."""
    boxes: Mapping[int, Sequence[float]] = field(default_factory=dict)
    """Frame of the file -> [x, y, w, h] of the face in it, where one is cut out."""

    @property
    def short(self) -> bool:
        """Whether a detector of whole clips is shown some frame more than once."""
        return self.whole != self.distinct

    def repeated(self, indices: Sequence[int]) -> list[int]:
        """Places among the distinct frames of these frames of the file."""
        place = {index: at for at, index in enumerate(self.distinct)}
        return [place[index] for index in indices]


@dataclass(frozen=True)
class Lot:
    """Views of one shape in one batch."""

    places: tuple[int, ...]
    """Where they stand among all views."""
    batch: np.ndarray
    """uint8 `[B, T, S, S, 3]`."""


def lots(views: Sequence[View], single: bool) -> list[Lot]:
    """The views in batches: one, in which each clip has as many frames as the detector wants.

    With `single` distinct frames are shown once each, and there is a batch for each number of them.
    """
    if not views:
        return []
    if not single or not any(view.short for view in views):
        return [Lot(tuple(range(len(views))), np.stack([shown_whole(view) for view in views]))]
    alike: dict[int, list[int]] = {}
    for place, view in enumerate(views):
        alike.setdefault(len(view.distinct), []).append(place)
    return [Lot(tuple(places), np.stack([views[at].frames for at in places])) for places in alike.values()]


def put_back(said: Iterable[tuple[Lot, np.ndarray]]) -> list[np.ndarray]:
    """What was said of the views of each lot, `[B, ...]`, in the order of the views."""
    found: dict[int, np.ndarray] = {}
    for lot, scores in said:
        found.update(zip(lot.places, scores, strict=True))
    return [found[place] for place in range(len(found))]


def shown_whole(view: View) -> np.ndarray:
    """The frames uint8 `[T, S, S, 3]` that a detector of whole clips is shown."""
    return view.frames[view.repeated(view.whole)] if view.short else view.frames


def scores_of_view(view: View, said: np.ndarray, single: bool) -> tuple[np.ndarray, tuple[int, ...]]:
    """The scores of a view, and the frames that they are of or that were shown for them.

    `said` is of its distinct frames (`single`), `[D]`, or of the clip as a whole, `[T]` or `[1]`.
    """
    if not single:
        return said, view.whole
    return said[view.repeated(view.indices)], view.indices


def scores_frames_singly(score: Callable[[np.ndarray], Any], view: View) -> bool:
    """Whether a detector scores each frame by itself, so that equal frames need be shown once.

    Tried on a view that shows a frame more than once: a score a frame, the same however often it is shown.
    """
    whole = np.asarray(score(shown_whole(view)[None]))
    if whole.shape != (1, len(view.whole)) or len(view.whole) == 1:
        return False
    try:
        once = np.asarray(score(view.frames[None]))
    except Exception:  # noqa: BLE001 - it wants as many frames as it said: it is shown them
        return False
    if once.shape != (1, len(view.distinct)):
        return False
    return bool(np.abs(once[0, view.repeated(view.whole)] - whole[0]).max() <= SAME)
