"""Runs the cells of a test set in one pass: each clip is decoded once for all conditions and all detectors.

Threads read, perturb and crop a bounded number of clips ahead; this thread gathers the views of a few clips
and shows them to every detector that needs them, and one more thread writes. Shards are fixed ranges of clips
and batches never cross them, so a resumed run equals an uninterrupted one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from harness.evaluation.cell_keys import Job, TestSet
from harness.evaluation.contestants import Contestant
from harness.evaluation.forward_passes import Passes, raised, without_failing
from harness.evaluation.said import Conditions, predictions_of
from harness.guard.clip_bounds import named_failure
from harness.process import in_order, usable_cores
from harness.progress import Progress
from harness.results.predictions import CellFile
from harness.runtime.device import Score, clips_a_pass, prepare_process, start_scoring, torch_device, uploaded
from harness.runtime.shared_features import shared_scores
from harness.timing import spent
from harness.types import FACE_POLICY, Cell, Clip, HarnessError, Prediction
from harness.video.clip_views import Condition, Need, Shown, show
from harness.video.face_tracks import located
from harness.video.views import Lot, View, lots, put_back, scores_frames_singly

BATCHES_A_SHARD = 4
BYTES_AHEAD = 2**28
"""Views of clips that are read ahead, in bytes, at most."""
MOST_READERS = 16
FILES_AHEAD = 4
"""Files whose faces are looked for at a time, where each is judged as soon as it can be."""
ENOUGH = 64
"""Clips of which a perturbation that fails on every one of them is given up."""
BATCHES_IN_FLIGHT = 8
"""Batches, one a cell, that a GPU is still working on when the next clips are gathered."""

Size = tuple[int, int]
"""(frames, side in pixels) of what a detector is shown; those with the same share tensors."""


def score_dataset(test: TestSet, jobs: Sequence[Job]) -> int:
    """Score every unfinished cell of one test set and keep the predictions; returns the frames scored."""
    pending = []
    for job in jobs:
        if job.due:
            pending.append(job)
        else:
            job.file.clear_joined()
    if not pending:
        return 0
    ranges = shard_ranges(len(test.clips), pending[0].cell.runtime.batch)
    for job in pending:
        job.file.clear_the_way(ranges)
        if job.again:
            job.file.keep_only(job.made)
    with spent("finding faces"):
        counts = {job.contestant.frames for job in pending}
        test = replace(test, clips=located(test.clips, test.crop, test.name, counts))
    shards = [
        _Shard(test.clips[a:b], a, [job for job in pending if not job.file.shard_finished(a, b)])
        for a, b in ranges
    ]
    left = [shard for shard in shards if shard.jobs]
    scored, useless = 0, dict[Condition, str]()
    with Progress(f"score {test.name}", sum(len(shard.clips) for shard in left)) as progress:
        if left:
            run = _Run(test, pending, progress)
            scored = run.over(left)
            useless = run.conditions.useless()
    with spent("write"):
        for job in pending:
            if need_of(job)[:2] not in useless:
                job.file.finish([(shard.start, shard.start + len(shard.clips)) for shard in shards], job.meta)
    if useless:
        raise _given_up(useless, pending)
    return scored


def _given_up(useless: Mapping[Condition, str], jobs: Sequence[Job]) -> HarnessError:
    """The error of perturbations that failed on every clip; what was kept of their cells is removed."""
    for job in jobs:
        if need_of(job)[:2] in useless:
            job.file.clear()
    return HarnessError(next(iter(useless.values())))


@contextmanager
def _blamed(job: Job) -> Iterator[None]:
    """Whatever fails here is the fault of one detector: the others can go on without it."""
    try:
        yield
    except HarnessError as error:
        error.entry = job.cell.entry
        raise


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
    scores: Callable[[], Sequence[np.ndarray]]
    """What was said of each view, in the order of the clips."""
    single: bool = False
    """Whether each distinct frame was shown once (`lots`)."""
    fp32: Callable[[], np.ndarray] | None = None
    """Scores of the first view in fp32, where the job's are mixed and nobody compared them yet."""


class _Run:
    """One pass over a test set."""

    def __init__(self, test: TestSet, jobs: Sequence[Job], progress: Progress) -> None:
        self.test, self.progress = test, progress
        self.scored = 0
        self.device = torch_device(jobs[0].cell.runtime.device)
        self.begun: deque[_Begun] = deque()
        self.conditions = Conditions(test.name)
        self.single: dict[int, bool] = {}
        """Id of a contestant -> whether it scores frame by frame, of those who met a clip of few frames."""
        contestants = list({id(job.contestant): job.contestant for job in jobs}.values())
        self.passes = Passes(contestants)
        with spent("building detectors"):
            for job in {id(job.contestant): job for job in jobs}.values():
                one = job.contestant
                with _blamed(job), named_failure(one.entry.name):
                    one.detector  # noqa: B018 - loaded now, so that it does not count as scoring
            self.shared = _shared(contestants)
        self.writing: list[Future[None]] = []

    def over(self, shards: Sequence[_Shard]) -> int:
        """Score the shards and return how many frames that were."""
        wanted = ((clip, list(shard.by_need)) for shard in shards for clip in shard.clips)
        bytes_a_clip = max(sum(t * s * s * 3 for _, _, t, s in shard.by_need) for shard in shards)
        workers = max(1, min(MOST_READERS, usable_cores()))
        ahead = max(workers, min(2 * len(shards[0].clips), BYTES_AHEAD // bytes_a_clip))
        crop, policy = self.test.crop, self.test.faces
        views = in_order(lambda pair: show(pair[0], crop, pair[1], policy), wanted, workers, ahead)
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
            self.conditions.note(shard.by_need, view)
            if useless := self.conditions.useless(ENOUGH):
                raise _given_up(useless, shard.jobs)
            for size, gathered in held.items():
                gathered.append(view.of(size))
                if len(gathered) == clips_a_pass(*size, runtime) or place + 1 == len(shard.clips):
                    self._batch(shard, size, shard.clips[place + 1 - len(gathered) : place + 1], gathered)
                    gathered.clear()
                    self._take(BATCHES_IN_FLIGHT if self.device.type == "cuda" else 0, writer)
            self.progress.advance()

    def _batch(self, shard: _Shard, size: Size, clips: Sequence[Clip], gathered: Sequence[Shown]) -> None:
        """Show a batch of clips, under each condition, to every detector that sees clips of that size."""
        for need, wanted in shard.by_need.items():
            if need[2:] != size:
                continue
            views = [view for shown in gathered for view in shown.views.get(need, ())]
            made: dict[bool, list[tuple[Lot, Any]]] = {}
            for number, job in wanted:
                single = self._single(job, views)
                if single not in made:
                    networks = any(isinstance(job.contestant.detector, nn.Module) for _, job in wanted)
                    with spent("batch"), named_failure(f"a batch from {clips[0].id}"):
                        made[single] = [
                            (lot, uploaded(lot.batch, self.device) if networks else None)
                            for lot in lots(views, single)
                        ]
                with spent("forward"):
                    begun = _Begun(shard, number, clips, list(gathered), list, single)
                    self.begun.append(self._begin(begun, made[single]))

    def _single(self, job: Job, views: Sequence[View]) -> bool:
        """Whether a job is shown each distinct frame of these views once; tried on one of few frames."""
        short = next((view for view in views if view.short), None)
        if short is None:
            return False
        who = id(job.contestant)
        if who not in self.single:
            start = self.passes.start
            with suppress(HarnessError), named_failure(job.cell.entry):  # whose fault it is, scoring shows
                self.single[who] = scores_frames_singly(lambda clips: start(job, clips)(), short)
        return self.single.get(who, False)

    def _begin(self, begun: _Begun, shown: Sequence[tuple[Lot, Any]]) -> _Begun:
        """The batch with its scores under way, for which `shown` holds the views, and on the device."""
        job = begun.shard.jobs[begun.number]
        network = isinstance(job.contestant.detector, nn.Module)
        given = [(lot, tensor if network else lot.batch) for lot, tensor in shown]
        fp32 = None
        try:
            with named_failure(f"{job.cell.entry} on a batch from {begun.clips[0].id}"):
                score = self.shared.get(id(job.contestant))
                waiting = [(lot, self.passes.start(job, batch, score)) for lot, batch in given]
                mixed = job.cell.runtime.precision != "fp32"
                if given and mixed and begun.number not in begun.shard.differences:
                    begun.shard.differences[begun.number] = 0.0
                    plain = replace(job.cell.runtime, precision="fp32")
                    fp32 = start_scoring(job.contestant.detector, given[0][1][:1], plain)
        except HarnessError as error:
            return replace(begun, scores=partial(raised, error))
        return replace(begun, scores=lambda: put_back((lot, wait()) for lot, wait in waiting), fp32=fp32)

    def _take(self, most: int, writer: ThreadPoolExecutor) -> None:
        """Take the scores of the oldest batches until at most that many are left; write what is complete."""
        while len(self.begun) > most:
            batch = self.begun.popleft()
            job = batch.shard.jobs[batch.number]
            what = f"{job.cell.entry} on a batch from {batch.clips[0].id}"
            shown = batch.views
            with _blamed(job), spent("forward"):
                try:
                    with named_failure(what):
                        scores = batch.scores()
                        if scores and batch.fp32 is not None:
                            apart = float(np.abs(batch.fp32()[0] - scores[0]).max())
                            batch.shard.differences[batch.number] = apart
                except HarnessError as error:
                    batch.shard.differences.pop(batch.number, None)
                    need, single = need_of(job), batch.single
                    shown, scores = without_failing(self.passes, job, need, single, shown, error)
            self.passes.worked |= {id(job.contestant)} if scores else set()
            said = predictions_of(batch.clips, shown, scores, need_of(job), self.test, batch.single)
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


def need_of(job: Job) -> Need:
    """The view of a clip that a cell needs."""
    return (job.cell.perturbation, job.cell.severity, job.contestant.frames, job.contestant.size)


def judge_files(
    paths: Sequence[Path],
    contestant: Contestant,
    crop: str,
    box: Sequence[float] | None = None,
    policy: str = FACE_POLICY,
) -> Iterator[Prediction]:
    """The predictions for files of unknown label, each as it is made (their label is 0 and means nothing).

    `policy` says who of several people is judged (`types.FACE_POLICIES`).
    """
    prepare_process()
    cell = Cell(contestant.entry.name, None, "files", runtime=contestant.runtime)
    job = Job(cell, contestant, CellFile(Path(), ""))
    facts = {"box": list(box)} if box else {}
    clips = [Clip(id=str(path), path=path, label=0, split="test", attributes=facts) for path in paths]
    test = TestSet("files", tuple(clips), crop, "", "", "exclude", policy)
    passes, need = Passes([contestant]), need_of(job)
    single: bool | None = None
    few = [clips[start : start + FILES_AHEAD] for start in range(0, len(clips), FILES_AHEAD)]
    for clip in (clip for some in few for clip in located(some, crop, "", [contestant.frames])):
        shown = show(clip, crop, [need], policy)
        views = shown.views.get(need, ())
        scores: Sequence[np.ndarray] = ()
        try:
            with named_failure(f"{contestant.entry.name} on {clip.id}"):
                for view in views:
                    if single is None and view.short:
                        single = scores_frames_singly(lambda frames: passes.start(job, frames)(), view)
                scores = passes.said(job, views, bool(single))
        except HarnessError as error:
            if not passes.score_grey(job):
                raise
            shown = replace(shown, error=str(error), views={})
        yield from predictions_of([clip], [shown], scores, need, test, bool(single))
