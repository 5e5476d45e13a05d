"""A detector's AUC as the files are, and after every clip, real or fake, went through the same treatment.

The face is cut out and resized to one size, loses the detail that the coarsest clips lack, and is encoded as
JPEG. Size and coding then differ little between the classes; a detector that lives on them falls.
How well sharpness alone tells the classes, before and after, says how far that was reached.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np

from harness.data.audit.detail import coarsest, detail_of, lot_of, sharpness_of, with_no_more_than
from harness.data.audit.record import Counterfactual, Estimate
from harness.evaluation.contestants import Contestant
from harness.guard.clip_bounds import named_failure
from harness.metrics.bootstrap import graph_of
from harness.metrics.classification import auc
from harness.metrics.intervals import bounds, resampled
from harness.metrics.weighted import auc_statistic
from harness.progress import Progress
from harness.runtime.device import score_clips
from harness.types import FAKE, REAL, Clip, HarnessError
from harness.video.clip_views import Need, show
from harness.video.frames import crop_and_fit
from harness.video.views import shown_whole

SIDE = 256
"""Pixels of the side that every cut is resized to before it is encoded."""
QUALITY = 75
TREATMENT = (
    f"cut as the detector sees it, resized to {SIDE} px, of every fineness no more detail than the coarsest"
    f" clips of both classes have (by lot down to a quarter), JPEG of quality {QUALITY} with 4:2:0 colours"
)
BATCH = 16
READERS = 2

Views = tuple[np.ndarray, np.ndarray]
"""A clip as it is and as it is cut for the treatment, each uint8 `[T, S, S, 3]`."""


def treated(pixels: np.ndarray) -> np.ndarray:
    """Frames uint8 `[T, H, W, 3]` RGB, each through JPEG in memory."""
    how = [cv2.IMWRITE_JPEG_QUALITY, QUALITY]
    how += [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420]
    frames = []
    for frame in pixels:
        _, coded = cv2.imencode(".jpg", cv2.cvtColor(frame, cv2.COLOR_RGB2BGR), how)
        frames.append(np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR_RGB)))
    return np.stack(frames)


def views_of(clip: Clip, crop: str, frames: int, size: int) -> Views | str:
    """A clip as the detector sees it, and cut for the treatment; or why it cannot be shown."""
    as_is: Need = ("clean", 0, frames, size)
    cut: Need = ("clean", 0, frames, SIDE)
    shown = show(clip, crop, list(dict.fromkeys((as_is, cut))))
    if shown.error is not None:
        return shown.error
    try:
        with named_failure(f"{clip.path.name}: cutting it"):
            before, after = (shown_whole(shown.views[need][0]) for need in (as_is, cut))
            return before, after
    except HarnessError as error:
        return str(error)


def after_treatment(clip_id: str, cut: np.ndarray, most: np.ndarray, size: int) -> np.ndarray:
    """A cut clip treated, and as the detector sees it: `most` is what the coarsest clips have (`detail`)."""
    alike = with_no_more_than(cut, most * lot_of(clip_id))
    return crop_and_fit(treated(alike), "none", None, size)


def before_and_after(
    contestant: Contestant, name: str, clips: Sequence[Clip], which: str, crop: str, world: str
) -> Counterfactual:
    """The AUC of a detector before and after the treatment, on the clips that could be shown.

    `which` says in words what clips these are; both classes must be among them. The bounds are those of
    the node bootstrap, the difference's by the same draws on both sides.
    """
    details = [
        detail_of(cut)
        for batch in _views(clips, crop, contestant, f"detail of {world}")
        for _, (_, cut) in batch
    ]
    most = coarsest(details) if details else np.zeros(0)
    kept: list[Clip] = []
    scores: list[np.ndarray] = []
    sharpness: list[tuple[float, float]] = []
    for batch in _views(clips, crop, contestant, f"counterfactual {name}"):
        before = [view for _, (view, _) in batch]
        after = [after_treatment(clip.id, cut, most, contestant.size) for clip, (_, cut) in batch]
        kept += [clip for clip, _ in batch]
        scores.append(np.stack([_scores(contestant, side) for side in (before, after)]))
        sharpness += zip(map(sharpness_of, before), map(sharpness_of, after), strict=True)
    label = np.array([clip.label for clip in kept], dtype=np.int64)
    if not (label == REAL).any() or not (label == FAKE).any():
        raise HarnessError(f"{name}: no clip of both classes could be shown to it")
    numbers = _estimates(kept, label, np.concatenate(scores, axis=1), world)
    counts = (int((label == REAL).sum()), int((label == FAKE).sum()), len(clips) - len(kept))
    told = [auc(label, one) for one in np.transpose(sharpness)]
    return Counterfactual(name, TREATMENT, which, *counts, *numbers, *(max(one, 1 - one) for one in told))


def _views(
    clips: Sequence[Clip], crop: str, contestant: Contestant, what: str
) -> Iterator[list[tuple[Clip, Views]]]:
    """The clips that could be shown with their views, in their order, a batch at a time; none is empty."""
    with Progress(what, len(clips)) as progress, ThreadPoolExecutor(READERS) as pool:
        for start in range(0, len(clips), BATCH):
            batch = clips[start : start + BATCH]
            views = pool.map(lambda clip: views_of(clip, crop, contestant.frames, contestant.size), batch)
            shown = [
                (clip, pair) for clip, pair in zip(batch, views, strict=True) if not isinstance(pair, str)
            ]
            if shown:
                yield shown
            progress.advance(len(batch))


def _scores(contestant: Contestant, batch: Sequence[np.ndarray]) -> np.ndarray:
    """P(fake) of each clip, the mean over its frames."""
    said = score_clips(contestant.detector, np.stack(batch), contestant.runtime)
    return said.mean(axis=1, dtype=np.float64)


def _estimates(
    clips: Sequence[Clip], label: np.ndarray, scores: np.ndarray, world: str
) -> tuple[Estimate, Estimate, Estimate]:
    """Before, after and the difference, from scores `[2, N]`."""
    graph = graph_of(
        label, [c.target for c in clips], [c.source for c in clips], [c.id for c in clips], world
    )
    drawn = resampled(graph, {str(side): auc_statistic(label, scores[side]) for side in (0, 1)})
    values = [auc(label, scores[side]) for side in (0, 1)]
    before, after = (
        Estimate(value, *(round(bound, 12) for bound in bounds(drawn[str(side)])))
        for side, value in enumerate(values)
    )
    apart = Estimate(values[1] - values[0], *bounds(drawn["1"] - drawn["0"]))
    return before, after, apart
