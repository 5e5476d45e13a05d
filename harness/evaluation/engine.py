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
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from harness.evaluation.cell_keys import Job, TestSet
from harness.evaluation.clip_views import Need, Shown, named_failure, show
from harness.evaluation.contestants import Contestant
from harness.evaluation.forward_passes import Passes
from harness.process import in_order, usable_cores
from harness.progress import Progress
from harness.results.predictions import CellFile
from harness.runtime.device import Score, clips_a_pass, prepare_process, start_scoring, torch_device, uploaded
from harness.runtime.shared_features import shared_scores
from harness.timing import spent
from harness.types import NO_FACE_POLICIES, Cell, Clip, Prediction
from harness.video.face_tracks import located
from harness.video.frames import NO_FACE

BATCHES_A_SHARD = 4
BYTES_AHEAD = 2**28
"""Views of clips that are read ahead, in bytes, at most."""
MOST_READERS = 16
BATCHES_IN_FLIGHT = 8
"""Batches, one a cell, that a GPU is still working on when the next clips are gathered."""

Size = tuple[int, int]
"""(frames, side in pixels) of what a detector is shown; those with the same share tensors."""


def score_dataset(test: TestSet, jobs: Sequence[Job]) -> int:
    """Score every unfinished cell of one test set and keep the predictions; returns the frames scored."""
    pending = [job for job in jobs if job.due]
    if not pending:
        return 0
    for job in pending:
        if job.again:
            job.file.keep_only(job.made)
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
        scored = _Run(test, pending, progress).over(left) if left else 0
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

    @cached_property
    def by_need(self) -> dict[Need, list[tuple[int, Job]]]:
        """View of a clip -> the jobs that need it, with their places."""
        found: dict[Need, list[tuple[int, Job]]] = {}
        for number, job in enumerate(self.jobs):
            found.setdefault(need_of(job), []).append((number, job))
        return dict(sorted(found.items()))

    @property
    def done(self) -> bool:
        said = sum(len(predictions) for predictions in self.said.values())
        return said == len(self.jobs) * len(self.clips)

    def write(self) -> None:
        for number, job in enumerate(self.jobs):
            told = self.said[number], self.differences.get(number), job.made
            job.file.write_shard(self.start, self.clips, *told)
        self.said = {}  # it is on disk, and a run over many clips has many shards


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
        contestants = list({id(job.contestant): job.contestant for job in jobs}.values())
        self.passes = Passes(contestants)
        with spent("building detectors"):
            for one in contestants:
                with named_failure(one.entry.name):
                    one.detector  # noqa: B018 - loaded now, so that it does not count as scoring
            self.shared = _shared(contestants)
        self.writing: list[Future[None]] = []

    def over(self, shards: Sequence[_Shard]) -> int:
        """Score the shards and return how many frames that were."""
        wanted = ((clip, list(shard.by_need)) for shard in shards for clip in shard.clips)
        bytes_a_clip = max(sum(t * s * s * 3 for _, _, t, s in shard.by_need) for shard in shards)
        workers = max(1, min(MOST_READERS, usable_cores()))
        ahead = max(workers, min(2 * len(shards[0].clips), BYTES_AHEAD // bytes_a_clip))
        views = in_order(lambda pair: show(pair[0], self.test.crop, pair[1]), wanted, workers, ahead)
        with ThreadPoolExecutor(1) as writer, closing(views):
            for shard in shards:
                self._shard(shard, views, writer)
            self._take(0, writer)
            with spent("write"):
                for written in self.writing:
                    written.result()
        return self.scored

    def _shard(self, shard: _Shard, views: Iterator[Shown], writer: ThreadPoolExecutor) -> None:
        held: dict[Size, list[Shown]] = {size: [] for size in {need[2:] for need in shard.by_need}}
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
        for need, wanted in shard.by_need.items():
            if need[2:] != size:
                continue
            networks = any(isinstance(job.contestant.detector, nn.Module) for _, job in wanted)
            with spent("batch"), named_failure(f"a batch from {clips[0].id}"):
                batch = np.stack([view.tensors[need] for view in readable]) if readable else None
                shown = uploaded(batch, self.device) if batch is not None and networks else None
            for number, job in wanted:
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


def _shared(contestants: Sequence[Contestant]) -> dict[int, Score]:
    """Id of a contestant -> how it scores from features that others of its size share."""
    found: dict[int, Score] = {}
    plain = [one for one in contestants if not one.runtime.compile]
    for size in {(one.frames, one.size) for one in plain}:
        same = [one for one in plain if (one.frames, one.size) == size]
        if len(same) > 1:
            scores = shared_scores(same)
            found |= {id(one): score for one, score in zip(same, scores, strict=True) if score is not None}
    return found


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
