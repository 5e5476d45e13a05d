"""Runs the cells of a test set in one pass: each clip is decoded once for all conditions and all detectors.

Threads read, perturb and crop a bounded number of clips ahead; this thread gathers the views of a few clips
and shows them to every detector that needs them, and one more thread writes. Shards are fixed ranges of clips
and batches never cross them, so a resumed run equals an uninterrupted one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from harness.breakdown import spent
from harness.evaluation import Contestant, Job, TestSet
from harness.features import shared_scores
from harness.places import located
from harness.process import usable_cores
from harness.progress import Progress, say
from harness.scoring import Score, clips_a_pass, prepare_process, start_scoring, torch_device, uploaded
from harness.stages import Need, Shown, named_failure, show
from harness.store import CellFile
from harness.streaming import in_order
from harness.types import NO_FACE_POLICIES, Cell, Clip, HarnessError, Prediction
from harness.video import NO_FACE

BATCHES_A_SHARD = 4
BYTES_AHEAD = 2**28
"""Views of clips that are read ahead, in bytes, at most."""
MOST_READERS = 16
BATCHES_IN_FLIGHT = 8
"""Batches a GPU may have been given before the scores of the first are waited for."""

Size = tuple[int, int]
"""(frames, side in pixels) of what a detector is shown; those with the same share tensors."""


def score_dataset(test: TestSet, jobs: Sequence[Job]) -> int:
    """Score every unfinished cell of one test set and keep the predictions; returns the frames scored."""
    pending = [job for job in jobs if not job.file.finished()]
    if not pending:
        return 0
    with spent("finding faces"):
        test = replace(test, clips=located(test.clips, test.crop, test.name))
    shards = [
        _Shard(
            test.clips[start:stop],
            start,
            [job for job in pending if not job.file.shard_finished(start, stop)],
        )
        for start, stop in shard_ranges(len(test.clips), pending[0].cell.runtime.batch)
    ]
    left = [shard for shard in shards if shard.jobs]
    with Progress(f"score {test.name}", sum(len(shard.clips) for shard in left)) as progress:
        scored = _Run(test, pending, progress).over(left)
    with spent("write"):
        for job in pending:
            job.file.finish([(shard.start, shard.start + len(shard.clips)) for shard in shards], job.meta)
    return scored


def shard_ranges(clips: int, batch: int) -> list[tuple[int, int]]:
    """The fixed ranges of clips that are scored and kept together."""
    length = batch * BATCHES_A_SHARD
    return [(start, min(start + length, clips)) for start in range(0, clips, length)]


@dataclass
class _Shard:
    """A range of clips, the cells that lack it, and what was said of it so far."""

    clips: Sequence[Clip]
    start: int
    jobs: list[Job]
    said: dict[int, list[Prediction]] = field(default_factory=dict)
    """Place among the jobs -> predictions in the order of the clips."""
    differences: dict[int, float] = field(default_factory=dict)
    """Place among the jobs -> how far mixed precision moved the scores of one clip from fp32."""

    @property
    def needs(self) -> list[Need]:
        return sorted({need_of(job) for job in self.jobs})

    @property
    def done(self) -> bool:
        said = sum(len(predictions) for predictions in self.said.values())
        return said == len(self.jobs) * len(self.clips)

    def write(self) -> None:
        for number, job in enumerate(self.jobs):
            job.file.write_shard(self.start, self.clips, self.said[number], self.differences.get(number))


@dataclass(frozen=True)
class _Begun:
    """One batch that one detector was given."""

    shard: _Shard
    number: int
    """Place of the job in its shard."""
    clips: Sequence[Clip]
    views: Sequence[Shown]
    scores: Callable[[], np.ndarray]
    fp32: Callable[[], np.ndarray] | None = None
    """Scores of the first readable clip in fp32, where the job's are mixed and nobody compared them yet."""


class _Run:
    """One pass over a test set."""

    def __init__(self, test: TestSet, jobs: Sequence[Job], progress: Progress) -> None:
        self.test, self.progress = test, progress
        self.scored = 0
        self.device = torch_device(jobs[0].cell.runtime.device)
        self.begun: deque[_Begun] = deque()
        self.passes = Passes([job.contestant for job in jobs])
        self.shared = _shared(jobs)
        self.writing: list[Future[None]] = []

    def over(self, shards: Sequence[_Shard]) -> int:
        """Score the shards and return how many frames that were."""
        wanted = [(clip, shard.needs) for shard in shards for clip in shard.clips]
        bytes_a_clip = max(sum(t * s * s * 3 for _, _, t, s in needs) for _, needs in wanted)
        workers = max(1, min(MOST_READERS, usable_cores()))
        ahead = max(workers, min(2 * len(shards[0].clips), BYTES_AHEAD // bytes_a_clip))
        views = in_order(lambda pair: show(pair[0], self.test.crop, pair[1]), wanted, workers, ahead)
        with ThreadPoolExecutor(1) as writer, closing(views):  # type: ignore[type-var]
            for shard in shards:
                self._shard(shard, views, writer)
            self._take(0, writer)
            with spent("write"):
                for written in self.writing:
                    written.result()
        return self.scored

    def _shard(self, shard: _Shard, views: Iterator[Shown], writer: ThreadPoolExecutor) -> None:
        held: dict[Size, list[Shown]] = {size: [] for size in {need[2:] for need in shard.needs}}
        runtime = shard.jobs[0].cell.runtime
        for place in range(len(shard.clips)):
            with spent("waiting for clips"):
                view = next(views)
            for size, gathered in held.items():
                gathered.append(view.of(size))
                if len(gathered) == clips_a_pass(*size, runtime) or place + 1 == len(shard.clips):
                    self._batch(shard, size, shard.clips[place + 1 - len(gathered) : place + 1], gathered)
                    gathered.clear()
                    self._take(BATCHES_IN_FLIGHT if self.device.type == "cuda" else 0, writer)
            self.progress.advance()

    def _batch(self, shard: _Shard, size: Size, clips: Sequence[Clip], gathered: Sequence[Shown]) -> None:
        """Show a batch of clips, under each condition, to every detector that sees clips of that size."""
        views = list(gathered)
        readable = [view for view in views if view.error is None]
        for need in [need for need in shard.needs if need[2:] == size]:
            with spent("batch"):
                batch = np.stack([view.tensors[need] for view in readable]) if readable else None
                shown = None if batch is None else uploaded(batch, self.device)
            for number, job in enumerate(shard.jobs):
                if need_of(job) == need:
                    with spent("forward"):
                        given = shown if isinstance(job.contestant.detector, nn.Module) else batch
                        self.begun.append(self._begin(shard, number, clips, views, given))

    def _begin(
        self, shard: _Shard, number: int, clips: Sequence[Clip], views: Sequence[Shown], shown: Any
    ) -> _Begun:
        job = shard.jobs[number]
        if shown is None:
            return _Begun(shard, number, clips, views, lambda: np.empty((0, 1)))
        score = self.shared.get(id(job.contestant))
        with named_failure(f"{job.cell.entry} on a batch from {clips[0].id}"):
            scores = self.passes.start(job, shown, score)
            fp32 = None
            if job.cell.runtime.precision != "fp32" and number not in shard.differences:
                shard.differences[number] = 0.0
                plain = replace(job.cell.runtime, precision="fp32")
                fp32 = start_scoring(job.contestant.detector, shown[:1], plain)
        return _Begun(shard, number, clips, views, scores, fp32)

    def _take(self, most: int, writer: ThreadPoolExecutor) -> None:
        """Take the scores of the oldest batches until at most that many are left; write what is complete."""
        while len(self.begun) > most:
            batch = self.begun.popleft()
            job = batch.shard.jobs[batch.number]
            with named_failure(f"{job.cell.entry} on a batch from {batch.clips[0].id}"), spent("forward"):
                scores = batch.scores()
                if batch.fp32 is not None:
                    batch.shard.differences[batch.number] = float(np.abs(batch.fp32()[0] - scores[0]).max())
            said = predictions_of(batch.clips, batch.views, scores, job.contestant.frames, self.test.no_face)
            self.scored += sum(len(prediction.frame_indices) for prediction in said)
            batch.shard.said.setdefault(batch.number, []).extend(said)
            if batch.shard.done:
                self.writing.append(writer.submit(batch.shard.write))
        while self.writing and self.writing[0].done():
            self.writing.pop(0).result()


def _shared(jobs: Sequence[Job]) -> dict[int, Score]:
    """Id of a contestant -> how it scores from features that others of its size share."""
    found: dict[int, Score] = {}
    contestants = list({id(job.contestant): job.contestant for job in jobs}.values())
    for size in {(one.frames, one.size) for one in contestants}:
        same = [one for one in contestants if (one.frames, one.size) == size]
        if len(same) > 1:
            scores = shared_scores([one.detector for one in same])
            found |= {id(one): score for one, score in zip(same, scores, strict=True) if score is not None}
    return found


class Passes:
    """Begins forward passes and makes them smaller where a GPU's memory does not hold them."""

    def __init__(self, contestants: Sequence[Contestant]) -> None:
        self.contestants = list({id(one): one for one in contestants}.values())
        self.most: dict[int, int] = {}
        """Id of a contestant -> clips that were found to fit into one pass."""

    def start(self, job: Job, clips: Any, score: Score | None = None) -> Callable[[], np.ndarray]:
        """Begin to score clips, in as few passes as memory allows; returns what waits for the scores."""
        most = self.most.get(id(job.contestant), len(clips))
        # Not sliced where all fit: features are shared between those who are shown the same tensor.
        shown = (
            [clips] if most >= len(clips) else [clips[at : at + most] for at in range(0, len(clips), most)]
        )
        try:
            parts = [start_scoring(job.contestant.detector, part, job.cell.runtime, score) for part in shown]
        except torch.OutOfMemoryError as error:
            self._back_off(job, min(most, len(clips)), error)
            return self.start(job, clips, score)
        return lambda: np.concatenate([part() for part in parts])

    def _back_off(self, job: Job, tried: int, error: BaseException) -> None:
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
            ) from error
        for other in others:
            other.release()
        torch.cuda.empty_cache()


def predictions_of(
    clips: Sequence[Clip], views: Sequence[Shown], scores: np.ndarray, frames: int, no_face: str
) -> list[Prediction]:
    """What a detector said of a batch of clips; failed clips are counted, not scored.

    `scores` are those of the clips that could be shown, `[n, frames]` or `[n, 1]`. What is said of a clip
    without a face is the policy's, and noted.
    """
    rest = iter(scores)
    return [
        _unscored(clip, view, no_face)
        if view.error is not None
        else _prediction(clip, next(rest), view.indices[frames])
        for clip, view in zip(clips, views, strict=True)
    ]


def _unscored(clip: Clip, view: Shown, no_face: str) -> Prediction:
    said = NO_FACE_POLICIES[no_face] if view.faceless else None
    if said is None:
        return Prediction(clip.id, clip.label, None, error=view.error)
    return Prediction(clip.id, clip.label, said, note=f"{NO_FACE}: {no_face}")


def _prediction(clip: Clip, scores: np.ndarray, indices: tuple[int, ...]) -> Prediction:
    frame_scores = tuple(float(score) for score in scores)
    return Prediction(clip.id, clip.label, float(np.mean(scores, dtype=np.float64)), frame_scores, indices)


def need_of(job: Job) -> Need:
    """The view of a clip that a cell needs."""
    return (job.cell.perturbation, job.cell.severity, job.contestant.frames, job.contestant.size)


def judge_files(
    paths: Sequence[Path], contestant: Contestant, crop: str, box: Sequence[float] | None = None
) -> list[Prediction]:
    """The predictions for files of unknown label, one by one (their label is set to 0 and means nothing)."""
    prepare_process()
    cell = Cell(contestant.entry.name, None, "files", runtime=contestant.runtime)
    job = Job(cell, contestant, CellFile(Path(), ""))
    facts = {"box": list(box)} if box else {}
    clips = located(
        [Clip(id=str(path), path=path, label=0, split="test", attributes=facts) for path in paths],
        *(crop, "files"),
    )
    passes = Passes([contestant])
    said = []
    for clip in clips:
        view = show(clip, crop, [need_of(job)])
        scores = np.empty((0, 1))
        if view.error is None:
            with named_failure(f"{contestant.entry.name} on {clip.id}"):
                scores = passes.start(job, view.tensors[need_of(job)][None])()
        said += predictions_of([clip], [view], scores, contestant.frames, "exclude")
    return said
