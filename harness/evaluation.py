"""Score the cells of a matrix: decode a clip once, perturb it, crop it, show it to every detector.

The stages (`perturb`, `needed_counts`, `show`) are pure functions; `score_dataset` runs them over the
clips of one test set, in the order dataset -> clip -> perturbation -> detector. Shards are fixed
ranges of clips and batches never cross them, so a resumed run equals an uninterrupted one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from harness import decoding, registry, video
from harness.files import digest, file_digest, file_name, seed_of, versions
from harness.places import finder, located
from harness.progress import Progress
from harness.scoring import place, score_clips
from harness.store import CellFile
from harness.training import load_detector
from harness.types import (
    FACE_CROPS,
    NO_FACE_POLICIES,
    NO_FACE_POLICY,
    PROTOCOL,
    Cell,
    Clip,
    HarnessError,
    Prediction,
    Recipe,
    Runtime,
    Weights,
)

BATCHES_A_SHARD = 4
READERS = 2


@dataclass(frozen=True)
class Contestant:
    """A detector that scores: fixed, or with the recipe and weights it was trained to."""

    entry: registry.DetectorEntry
    runtime: Runtime
    recipe: Recipe | None = None
    weights: Weights | None = None

    @cached_property
    def detector(self) -> Any:
        """The detector on its device, built or loaded when first asked for."""
        if self.weights is not None:
            return place(load_detector(self.weights, self.entry), self.runtime)
        return place(self.entry.make(self.recipe), self.runtime)

    def release(self) -> None:
        """Let go of the detector; it is loaded again when asked for."""
        vars(self).pop("detector", None)

    @property
    def frames(self) -> int:
        """Frames of a clip it scores."""
        return self.recipe.frames if self.recipe else int(self.detector.frames)

    @property
    def size(self) -> int:
        """Side of its input, in pixels."""
        return self.recipe.size if self.recipe else int(self.detector.size)

    @property
    def sha256(self) -> str:
        """Digest of what makes its scores: weights and source."""
        weights = self.weights.sha256 if self.weights else self.entry.identity or None
        return digest([file_digest(Path(self.entry.file)), weights])


@dataclass(frozen=True)
class TestSet:
    """The clips of one test set and how they are shown to detectors."""

    __test__ = False

    name: str
    clips: tuple[Clip, ...]
    crop: str
    identity: str
    """Digest of ids, labels and dataset version."""
    content: str
    """Digest that also changes with the files."""
    no_face: str = NO_FACE_POLICY
    """What is said of a clip without a face (`NO_FACE_POLICIES`); it matters to the crop `face` alone."""


@dataclass(frozen=True)
class Job:
    """One cell to score, its detector and where its predictions go."""

    cell: Cell
    contestant: Contestant
    file: CellFile
    meta: Mapping[str, Any] = field(default_factory=dict)


def cell_file(cell: Cell, contestant: Contestant, test: TestSet, folder: Path) -> CellFile:
    """Where a cell's predictions are kept: its key covers all that would change them."""
    key = digest(
        {
            "detector": contestant.sha256,
            "clips": test.content,
            "frames": contestant.frames,
            "preprocessing": [preprocessing(contestant, test.crop), shown_how(test)],
            "perturbation": perturbation_identity(cell.perturbation, cell.severity),
            "runtime": [cell.runtime.device.partition(":")[0], cell.runtime.precision, cell.runtime.batch],
            "seed": cell.seed,
            "protocol": PROTOCOL,
            "versions": versions(),
        }
    )
    entry, tested, condition = (file_name(part) for part in (cell.entry, cell.tested_on, cell.condition))
    return CellFile(folder / entry / tested / condition, key)


def preprocessing(contestant: Contestant, crop: str) -> dict[str, Any]:
    """What happens to frames between the file and the detector."""
    sources = [file_digest(Path(str(module.__file__))) for module in (video, decoding)]
    return {"video": sources, "crop": crop, "size": contestant.size}


def shown_how(test: TestSet) -> dict[str, Any]:
    """What rows must agree in to be compared: how the clips of a test set come before a detector."""
    found: dict[str, Any] = {"crop": test.crop, "sampling": "centres of equal parts"}
    if test.crop in FACE_CROPS:
        found["margin"] = video.BOX_MARGIN
    if test.crop == "face":
        found |= {"faces": finder().identity, "no_face": test.no_face}
    return found


def perturbation_identity(name: str, severity: int) -> list[Any] | None:
    """What makes the pixels of a condition: parameter, version and source file; None for clean."""
    if severity == 0:
        return None
    entry = registry.perturbations.get(name)
    return [name, entry.parameter(severity), entry.version, file_digest(Path(entry.file))]


def perturb(frames: np.ndarray, clip_id: str, name: str, severity: int) -> np.ndarray:
    """The frames `[T, H, W, 3]` under a condition; the draw depends on the clip, never on the detector."""
    if severity == 0:
        return frames
    entry = registry.perturbations.get(name)
    rng = np.random.default_rng(seed_of(clip_id, name, severity, PROTOCOL))
    with _named_failure(f"{name}-{severity} on {clip_id}"):
        changed = entry.apply(frames, entry.parameter(severity), rng)
    if changed.shape != frames.shape or changed.dtype != np.uint8:
        raise HarnessError(f"{name} changed the shape or type of the frames of {clip_id}")
    return changed


@contextmanager
def _named_failure(what: str) -> Iterator[None]:
    """Turn whatever a plug-in raises into one line that names it."""
    try:
        yield
    except HarnessError:
        raise
    except Exception as error:
        reason = (str(error).splitlines() or [""])[0]
        raise HarnessError(f"{what} failed: {type(error).__name__}: {reason}") from error


@dataclass(frozen=True)
class Shown:
    """What the detectors get to see of one clip."""

    tensors: Mapping[tuple[str, int, int, int], np.ndarray]
    """(perturbation, severity, frames, size) -> uint8 `[T, S, S, 3]`; empty when the clip failed."""
    indices: Mapping[int, tuple[int, ...]]
    """Frame count -> which frames of the file were taken."""
    error: str | None = None
    faceless: bool = False
    """Whether the error is that it was read, and no face was found in it."""


Need = tuple[str, int, int, int]


def show(clip: Clip, crop: str, needs: Sequence[Need]) -> Shown:
    """Read a clip once and prepare every view of it that is needed; a clip that cannot be read is said so."""
    counts = sorted({frames for _, _, frames, _ in needs})
    try:
        read = video.read_frames(clip.path, counts)
    except HarnessError as error:
        return Shown({}, {}, str(error))
    try:
        places = {count: video.boxes_of(clip.attributes, crop, read.take(count)[1]) for count in counts}
        _check_boxes(places.values(), read.pixels.shape[1:3])
    except HarnessError as error:
        return Shown({}, {}, f"{clip.path.name}: {error}", str(error) == video.NO_FACE)
    tensors: dict[Need, np.ndarray] = {}
    for name, severity in dict.fromkeys((need[0], need[1]) for need in needs):
        pixels = perturb(read.pixels, clip.id, name, severity)
        for need in needs:
            if need[:2] == (name, severity):
                taken, _ = read.take(need[2], pixels)
                tensors[need] = video.crop_and_fit(taken, crop, places[need[2]], need[3])
    return Shown(tensors, {count: read.take(count)[1] for count in counts})


def _check_boxes(places: Iterable[Sequence[video.Box] | None], shape: tuple[int, ...]) -> None:
    """Refuse a box that lies wholly outside its frame: what is cut there is no face."""
    height, width = shape
    for x, y, w, h in (box for boxes in places if boxes for box in boxes):
        if x >= width or y >= height or x + w <= 0 or y + h <= 0:
            raise HarnessError(
                f"the face box [{x:g}, {y:g}, {w:g}, {h:g}] lies outside the {width}x{height} frame"
            )


def score_dataset(test: TestSet, jobs: Sequence[Job]) -> int:
    """Score every unfinished cell of one test set and keep the predictions; returns the frames scored."""
    pending = [job for job in jobs if not job.file.finished()]
    if not pending:
        return 0
    test = replace(test, clips=located(test.clips, test.crop, test.name))
    shards = shard_ranges(len(test.clips), pending[0].cell.runtime.batch)
    missing = {shard: [job for job in pending if not job.file.shard_finished(*shard)] for shard in shards}
    left = {shard: jobs for shard, jobs in missing.items() if jobs}
    scored = 0
    clips = sum(stop - start for start, stop in left)
    with Progress(f"score {test.name}", clips) as progress, ThreadPoolExecutor(READERS) as readers:
        for shard, unscored in left.items():
            scored += _score_shard(test, unscored, shard, readers, progress)
    for job in pending:
        job.file.finish(shards, job.meta)
    return scored


def shard_ranges(clips: int, batch: int) -> list[tuple[int, int]]:
    """The fixed ranges of clips that are scored and kept together."""
    length = batch * BATCHES_A_SHARD
    return [(start, min(start + length, clips)) for start in range(0, clips, length)]


def _score_shard(
    test: TestSet,
    jobs: Sequence[Job],
    shard: tuple[int, int],
    readers: ThreadPoolExecutor,
    progress: Progress,
) -> int:
    needs = sorted({_need(job) for job in jobs})
    clips = test.clips[slice(*shard)]
    said: list[list[Prediction]] = [[] for _ in jobs]
    scored = 0
    for batch, views in _read_ahead(clips, jobs[0].cell.runtime.batch, test.crop, needs, readers):
        for number, job in enumerate(jobs):
            predictions = score_batch(batch, views, job, test.no_face)
            scored += sum(len(prediction.frame_indices) for prediction in predictions)
            said[number] += predictions
        progress.advance(len(batch))
    for job, predictions in zip(jobs, said, strict=True):
        job.file.write_shard(shard[0], clips, predictions)
    return scored


def _read_ahead(
    clips: Sequence[Clip], size: int, crop: str, needs: Sequence[Need], readers: ThreadPoolExecutor
) -> Iterator[tuple[Sequence[Clip], list[Shown]]]:
    """Batches of clips with their views, the next batch being read while this one is scored."""

    def read(batch: Sequence[Clip]) -> list[Future[Shown]]:
        return [readers.submit(show, clip, crop, needs) for clip in batch]

    batches = [clips[start : start + size] for start in range(0, len(clips), size)]
    ahead = read(batches[0])
    for batch, following in zip(batches, [*batches[1:], None], strict=True):
        views = [future.result() for future in ahead]
        ahead = read(following) if following is not None else []
        yield batch, views


def score_batch(
    batch: Sequence[Clip], views: Sequence[Shown], job: Job, no_face: str = NO_FACE_POLICY
) -> list[Prediction]:
    """The predictions of one detector for a batch of clips; failed clips are counted, not scored.

    What is said of a clip without a face is the policy's, and noted.
    """
    need = _need(job)
    readable = [view.tensors[need] for view in views if view.error is None]
    scores = np.empty((0, 1))
    if readable:
        with _named_failure(f"{job.cell.entry} on a batch from {batch[0].id}"):
            scores = score_clips(job.contestant.detector, np.stack(readable), job.cell.runtime)
    rest = iter(scores)
    return [
        _unscored(clip, view, no_face)
        if view.error is not None
        else _prediction(clip, next(rest), view.indices[need[2]])
        for clip, view in zip(batch, views, strict=True)
    ]


def _unscored(clip: Clip, view: Shown, no_face: str) -> Prediction:
    said = NO_FACE_POLICIES[no_face] if view.faceless else None
    if said is None:
        return Prediction(clip.id, clip.label, None, error=view.error)
    return Prediction(clip.id, clip.label, said, note=f"{video.NO_FACE}: {no_face}")


def _prediction(clip: Clip, scores: np.ndarray, indices: tuple[int, ...]) -> Prediction:
    frame_scores = tuple(float(score) for score in scores)
    return Prediction(clip.id, clip.label, float(np.mean(scores, dtype=np.float64)), frame_scores, indices)


def _need(job: Job) -> Need:
    return (job.cell.perturbation, job.cell.severity, job.contestant.frames, job.contestant.size)


def judge_files(
    paths: Sequence[Path], contestant: Contestant, crop: str, box: Sequence[float] | None = None
) -> list[Prediction]:
    """The predictions for files of unknown label, one by one (their label is set to 0 and means nothing)."""
    cell = Cell(contestant.entry.name, None, "files", runtime=contestant.runtime)
    job = Job(cell, contestant, CellFile(Path(), ""))
    facts = {"box": list(box)} if box else {}
    clips = [Clip(id=str(path), path=path, label=0, split="test", attributes=facts) for path in paths]
    clips = list(located(clips, crop, "files"))
    return [score_batch([clip], [show(clip, crop, [_need(job)])], job, "exclude")[0] for clip in clips]
