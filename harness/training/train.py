"""Recipe and training clips in, weights with their provenance out; interrupted training resumes."""

from __future__ import annotations

import dataclasses
import json
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import nn

from harness.contracts import DetectorEntry
from harness.environment import differences, made_with, revision, versions
from harness.files import digest, file_digest, plain, seed_of, swept, write_whole, writing
from harness.guard.clip_bounds import limits_of_clips
from harness.guard.stored import sealed
from harness.metrics.thresholds import best_threshold
from harness.progress import say
from harness.records import Weights
from harness.runtime.device import prepare_process, torch_device
from harness.timing import spent
from harness.training import earlier_keys
from harness.training.batches import Footage, limited, split_of
from harness.training.checkpoint import Course, Progressed
from harness.training.frame_cache import Wanted, read_footage
from harness.training.job import TrainingJob
from harness.training.loop import learn, scores_of
from harness.training.starting import start_from
from harness.types import SCORING, TRAINING, HarnessError, Recipe, Runtime
from harness.weights import put_aside, read_weights, sound_weights

POOL = 16
"""Evenly spaced frames kept of each training clip, at least; every epoch draws from them."""


def find_weights(job: TrainingJob, folder: Path) -> Weights | None:
    """The finished weights of that job, or None if it has not been trained here.

    Those of an earlier way to name them are adopted, those of a detector that has changed since are used if
    every tensor still fits.
    """
    path = job.stem(folder).with_suffix(".json")
    now = file_digest(Path(job.entry.file))
    stored = [path, *sorted(folder.glob(f"{path.stem}-*.json"))]  # also those that were set aside
    found = {record: weights for record in stored if (weights := sound_weights(record))}
    for record, weights in list(found.items()):
        if weights.key != job.key:
            put_aside(record, "belongs to another training")
            del found[record]
        elif weights.provenance.get("source_sha256") == now:
            _clear_done(record, earlier_keys.partial_of(job.stem(folder)))
            return weights
    if path not in found and earlier_keys.adopt_weights(job, folder) is None:
        return None
    weights = found.get(path) or read_weights(path)
    return weights if _fit(weights, job.entry) else None


def _clear_done(record: Path, checkpoint: Path) -> None:
    """Remove the checkpoint that a training was killed beside when it was done; a newer one trains anew."""
    with suppress(OSError):
        if checkpoint.stat().st_mtime_ns <= record.stat().st_mtime_ns:
            checkpoint.unlink()


def _set_aside(stem: Path) -> None:
    """Give finished weights that others will take the place of a name of their own, the record first."""
    record, tensors = stem.with_suffix(".json"), stem.with_suffix(".safetensors")
    if weights := sound_weights(record):
        aside = f"{stem.name}-{weights.sha256[:8]}"
        os.replace(record, stem.with_name(f"{aside}.json"))
        os.replace(tensors, stem.with_name(f"{aside}.safetensors"))


_asked: dict[tuple[str, str], bool] = {}
"""(sha256 of weights, sha256 of their detector's file) -> whether they fit: found out and said once a run."""


def _fit(weights: Weights, entry: DetectorEntry) -> bool:
    """Whether weights fit their detector; only one whose file changed since is asked, and that is said."""
    now = file_digest(Path(entry.file))
    if weights.provenance.get("source_sha256", now) == now:
        return True
    if (weights.sha256, now) not in _asked:
        changed = f"{entry.name} has changed since it was trained on {weights.trained_on}"
        try:
            load_detector(weights, entry)
        except HarnessError as error:
            say(f"{changed}, and is trained again: {error}")
            _asked[weights.sha256, now] = False
        else:
            say(f"{changed}; every tensor of its weights fits, so they are used: --retrain trains anew")
            _asked[weights.sha256, now] = True
    return _asked[weights.sha256, now]


def train(job: TrainingJob, folder: Path, again: bool = False) -> Weights:
    """Train, choose epoch and threshold on the validation split, and store weights and provenance.

    `again` begins anew where an unfinished training was begun with other code, libraries or another device.

    An interrupted training goes on after the last epoch that was kept (one every half minute) and ends in
    the same weights, bit for bit, as an uninterrupted one on the same machine (on a CPU; CUDA kernels may
    differ in the last bits).
    """
    started = time.monotonic()
    torch_device(job.device)
    if not job.entry.trainable:
        raise HarnessError(f"{job.entry.name} is not trained")
    stem = job.stem(folder)
    if job.recipe.passes < 1:
        raise HarnessError(f"{job.entry.name}: a recipe's passes are 1 or more, not {job.recipe.passes}")
    prepare_process()
    torch.manual_seed(seed_of("initialisation", job.seed) % 2**63)
    with spent("building detectors"):
        detector = build(job)
    training, validation = _footage(job, folder.parent / "frames", again)
    runtime = Runtime(job.device, job.precision, job.recipe.batch)
    title = f"training {job.entry.name} on {job.trained_on}"
    earlier_keys.adopt_checkpoint(job, folder)
    checkpoint = earlier_keys.partial_of(stem)
    made = plain(job.made)
    course = Course(detector, job.recipe, runtime, job.seed, checkpoint, title, made, again, job.key)
    state = learn(course, training, validation)
    for footage in (training, validation):
        if differences(footage.made, job.made) and footage.made not in state.made:
            state.made.append(footage.made)  # frames that an earlier training decoded
    course.detector.load_state_dict(state.best)
    with spent("forward"):
        scores = scores_of(course.detector, validation, runtime)
    threshold = best_threshold(scores, validation.labels)
    failed = training.failed + validation.failed
    measured: dict[str, Any] = {"failed": failed, "seconds": time.monotonic() - started}
    if faceless := training.faceless + validation.faceless:
        measured["faceless"] = dict(faceless)
    with spent("write"):
        weights = _store(job, stem, state, threshold, measured)
    checkpoint.unlink(missing_ok=True)
    for path in (checkpoint, weights.path):
        swept(path)
    say(f"{title}: validation AUC {state.best_auc:.3f} after epoch {state.best_epoch} of {state.epoch}")
    return weights


def build(job: TrainingJob) -> nn.Module:
    """A new detector of the recipe.

    Published weights that cannot be had are a `HarnessError`, never a random start in silence; so are the
    weights to start from, where they are not here or do not fit.
    """
    if job.recipe.start:
        return start_from(
            job.recipe.start, job.entry, job.entry.make(dataclasses.replace(job.recipe, pretrained=False))
        )
    try:
        detector: nn.Module = job.entry.make(job.recipe)
    except HarnessError:
        raise
    except Exception as error:
        if not job.recipe.pretrained:
            raise
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise HarnessError(
            f"the published backbone weights of {job.entry.name} cannot be had here, and a random start "
            f"would be another recipe; connect to the network or fill timm's cache ({reason})"
        ) from error
    return detector


def load_detector(weights: Weights, entry: DetectorEntry) -> nn.Module:
    """The trained detector, on the CPU in evaluation mode; every tensor must fit, none may be left over."""
    if entry.name != weights.detector:
        raise HarnessError(f"{weights.path} holds weights of {weights.detector}, not of {entry.name}")
    if not weights.path.is_file():
        raise HarnessError(f"weights {weights.path} do not exist")
    if file_digest(weights.path) != weights.sha256:
        raise HarnessError(
            f"weights {weights.path} are damaged: their sha256 is not the one stored beside them"
        )
    detector: nn.Module = entry.make(dataclasses.replace(weights.recipe, pretrained=False))
    try:
        detector.load_state_dict(safetensors.torch.load_file(weights.path))
    except (safetensors.SafetensorError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise HarnessError(f"weights {weights.path} do not fit {entry.name}: {reason[:200]}") from error
    return detector.eval()


def _footage(job: TrainingJob, folder: Path, again: bool) -> tuple[Footage, Footage]:
    """The training clips and the validation clips of a job; `again`: decoded with what there is now."""
    recipe = job.recipe
    for split in ("train", "val"):
        if not split_of(job.clips, split):
            raise HarnessError(
                f"{job.trained_on} has no clip in its split {split}, so nothing can be trained on it"
            )
    training = limited(split_of(job.clips, "train"), recipe.clips)
    pool, scored = frames_of(recipe)
    content = digest([job.version, job.faces, TRAINING, SCORING, *limits_of_clips().items()])
    decoded = plain(made_with(("training/frame_cache", "video"), [], {}))
    wanted = (
        Wanted(training, pool, recipe.size, job.crop, content, decoded, again),
        Wanted(split_of(job.clips, "val"), scored, recipe.size, job.crop, content, decoded, again),
    )
    return read_footage(wanted[0], folder), read_footage(wanted[1], folder)


def frames_of(recipe: Recipe) -> tuple[int, int]:
    """Frames of a clip that are kept for training, and that are scored for validation."""
    return max(POOL, recipe.frames, recipe.train_frames), recipe.frames


def _store(
    job: TrainingJob, stem: Path, state: Progressed, threshold: float, measured: Mapping[str, Any]
) -> Weights:
    """Write the tensors, then the record that makes them count; what was there is set aside."""
    _set_aside(stem)
    path = stem.with_suffix(".safetensors")
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in state.best.items()}
    with writing(path) as temporary:
        temporary.write_bytes(safetensors.torch.save(tensors))  # whose errors are those of the disk
    commit, dirty = revision()
    provenance = {
        "commit": commit,
        "dirty": dirty,
        "clips_sha256": job.clips_sha256,
        "crop": job.crop,
        "recipe_name": job.recipe_name,
        "source_sha256": file_digest(Path(job.entry.file)),
        "versions": versions(),
        "made": state.made,
        "device": job.device,
        "precision": job.precision,
        "best_epoch": state.best_epoch,
        "val_auc": state.best_auc,
        **measured,
    }
    weights = Weights(
        detector=job.entry.name,
        trained_on=job.trained_on,
        seed=job.seed,
        key=job.key,
        path=path,
        sha256=file_digest(path),
        recipe=job.recipe,
        threshold=threshold,
        threshold_source="source-val",
        curve=tuple(state.curve),
        provenance=provenance,
    )
    said = {**dataclasses.asdict(weights), "path": path.name}
    write_whole(stem.with_suffix(".json"), json.dumps(sealed(said), indent=1))
    return weights
