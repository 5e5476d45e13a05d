"""Forward passes that fit: smaller ones, or fewer detectors in memory, where a GPU's memory runs out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from harness.evaluation.cell_keys import Job
from harness.evaluation.contestants import Contestant
from harness.guard.clip_bounds import named_failure
from harness.progress import say
from harness.runtime.device import Score, start_scoring
from harness.types import HarnessError
from harness.video.clip_views import Need, Shown
from harness.video.views import View, lots, put_back


class Passes:
    """Begins forward passes and makes them smaller where memory does not hold them."""

    def __init__(self, contestants: Sequence[Contestant]) -> None:
        self.contestants = contestants
        self.most: dict[int, int] = {}
        """Id of a contestant -> clips that were found to fit into one pass."""
        self.worked: set[int] = set()
        """Ids of the contestants who scored some clip."""

    def said(self, job: Job, views: Sequence[View], single: bool) -> list[np.ndarray]:
        """What a detector says of some views, waited for; `single`: each distinct frame is shown once."""
        return put_back((lot, self.start(job, lot.batch)()) for lot in lots(views, single))

    def score_grey(self, job: Job) -> bool:
        """Whether a detector scores a clip that shows nothing: then clips that it fails on are at fault."""
        frames, size = job.contestant.frames, job.contestant.size
        try:
            with named_failure(job.cell.entry):
                self.start(job, np.full((1, frames, size, size, 3), 127, np.uint8))()
        except HarnessError:
            return False
        return True

    def start(self, job: Job, clips: Any, score: Score | None = None) -> Callable[[], np.ndarray]:
        """Begin to score clips, in as few passes as memory allows; returns what waits for the scores.

        One clip that does not fit, even without the other detectors, is a `HarnessError`.
        """
        while True:
            most = min(self.most.get(id(job.contestant), len(clips)), len(clips))
            begun = self._tried(job, clips, most, score)
            if begun is not None:
                return begun
            self._back_off(job, most)  # not while the error is handled: it holds what did not fit

    def _tried(self, job: Job, clips: Any, most: int, score: Score | None) -> Callable[[], np.ndarray] | None:
        # Not sliced where all fit: features are shared between those who are shown the same tensor.
        shown = (
            [clips] if most == len(clips) else [clips[at : at + most] for at in range(0, len(clips), most)]
        )
        try:
            parts = [start_scoring(job.contestant.detector, part, job.cell.runtime, score) for part in shown]
        except torch.OutOfMemoryError:
            return None
        return lambda: np.concatenate([part() for part in parts])

    def _back_off(self, job: Job, tried: int) -> None:
        """Halve the pass; when one clip alone does not fit, let go of the other detectors, once."""
        torch.cuda.empty_cache()
        if tried > 1:
            self.most[id(job.contestant)] = tried // 2
            say(f"{job.cell.entry}: {tried} clips do not fit into memory at once; going on with {tried // 2}")
            return
        others = [one for one in self.contestants if one is not job.contestant and one.resident]
        if not others:
            raise HarnessError(
                f"{job.cell.entry}: one clip does not fit into the memory of {job.cell.runtime.device}"
            )
        for other in others:
            other.release()
        torch.cuda.empty_cache()


def without_failing(
    passes: Passes, job: Job, need: Need, single: bool, shown: Sequence[Shown], error: HarnessError
) -> tuple[list[Shown], list[np.ndarray]]:
    """The clips of a batch that a detector failed on, and the scores of those that it scores one by one.

    The others are failed clips. Where it fails on all, scored none before, and fails on a grey one too, the
    fault is its own, and `error` is raised.
    """
    found: list[Shown] = []
    for one in shown:
        try:
            with named_failure(job.cell.entry):
                passes.said(job, one.views.get(need, ()), single)
            found.append(one)
        except HarnessError as failed:
            found.append(replace(one, error=str(failed), views={}))
    left = [view for one in found for view in one.views.get(need, ())]
    if not left and id(job.contestant) not in passes.worked and not passes.score_grey(job):
        raise error
    with named_failure(f"{job.cell.entry} on what is left of a batch"):
        return found, passes.said(job, left, single)


def raised(error: HarnessError) -> Sequence[np.ndarray]:
    """Raise what went wrong as scores were begun, when they are asked for."""
    raise error
