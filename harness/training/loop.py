"""The epochs of a training: steps, learning rate, validation, and a checkpoint after an epoch."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import numpy as np
import torch
from sklearn.metrics import roc_auc_score
from torch import Tensor, nn

from harness.files import seed_of
from harness.guard.clip_bounds import named_failure
from harness.progress import Progress
from harness.runtime.device import autocast, on_device, score_clips, torch_device, uploaded
from harness.timing import spent
from harness.training.augmentation import chosen
from harness.training.batches import Draw, Footage
from harness.training.checkpoint import Course, Progressed, need_room, resumed, save
from harness.types import HarnessError, Recipe, Runtime
from harness.video.views import lots, put_back, scores_frames_singly, scores_of_view

RESTART_EPOCHS = 10
WARM_UP = 0.1
FLOOR_RATE = 1e-6
"""Learning rate below which `cosine-restarts` does not fall."""

TOGETHER = 0.5
"""Share of the epochs in which clips of the same footage share a batch, where a dataset says which do.

A network without any training finds what a forgery changes much sooner beside its original. Later epochs
shuffle freely: through BatchNorm, a clip beside its original is easier to judge than the same clip alone.
"""
MOST_IMAGES = 256
"""Frames in one forward pass of validation, at most; without a limit it needs more memory than training."""
CHECKPOINT_SECONDS = 30.0
"""What a killed training loses at most, besides the epoch it was in: writing takes as long as some steps."""
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
STATISTICS_FRAMES = 384
"""Training frames over which BatchNorm statistics are averaged before each validation."""

Batch = tuple[np.ndarray, np.ndarray]
"""Pixels uint8 `[B, T, S, S, 3]` and labels `[B]`."""


def learn(course: Course, train: Footage, val: Footage) -> Progressed:
    """Train to the end of the recipe, from the checkpoint if there is one; the best epoch is in `best`."""
    detector = on_device(course.detector, course.runtime)
    optimizer = _optimizer(detector, course.recipe)
    need_room(course)
    state = resumed(course, optimizer)
    if course.made not in state.made:
        state.made.append(course.made)
    steps = max(1, len(train) // course.recipe.batch)
    left = course.recipe.epochs - state.epoch
    saved = time.monotonic()
    with Progress(course.title, max(0, left) * steps, "step") as progress:
        while state.epoch < course.recipe.epochs and not _patience_is_over(state, course.recipe):
            started = time.monotonic()
            loss = _epoch(course, optimizer, train, state.epoch, progress)
            _settle_statistics(course, train, state.epoch)
            with spent("forward"):
                scores = scores_of(detector, val, course.runtime)
            auc = validation_auc(scores, val.labels)
            state.epoch += 1
            state.curve.append(
                {
                    "epoch": state.epoch,
                    "train_loss": loss,
                    "val_auc": auc,
                    "seconds": time.monotonic() - started,
                }
            )
            if auc > state.best_auc:
                state.best_auc, state.best_epoch = auc, state.epoch
                state.best = {name: tensor.clone() for name, tensor in detector.state_dict().items()}
            if time.monotonic() - saved >= CHECKPOINT_SECONDS:
                save(course, optimizer, state)
                saved = time.monotonic()
            progress.advance(0, f"epoch {state.epoch}: loss {loss:.3f}, validation AUC {auc:.3f}")
    return state


def _epoch(
    course: Course, optimizer: torch.optim.Optimizer, footage: Footage, epoch: int, progress: Progress
) -> float:
    """One pass over the training clips; the mean loss."""
    recipe, detector = course.recipe, course.detector
    device = torch_device(course.runtime.device)
    rng = np.random.default_rng(seed_of("batches", course.seed, epoch))
    torch.manual_seed(seed_of("dropout", course.seed, epoch) % 2**63)
    steps = max(1, len(footage) // recipe.batch)
    losses = []
    detector.train()
    draw = _draw(course, together=epoch < TOGETHER * recipe.epochs)
    with closing(footage.batches(draw, rng)) as batches:
        for step, (clips, labels) in enumerate(_waited_for(batches)):
            _set_rate(optimizer, recipe, epoch * steps + step, steps)
            optimizer.zero_grad(set_to_none=True)
            with named_failure(f"{course.title}: step {step + 1} of epoch {epoch + 1}"):
                losses.append(_gradient(course, uploaded(clips, device), uploaded(labels, device)))
                with spent("optimizer"):
                    if recipe.clip_norm is not None:
                        nn.utils.clip_grad_norm_(detector.parameters(), recipe.clip_norm)
                    optimizer.step()
            progress.advance(1, f"epoch {epoch + 1}: loss {losses[-1]:.3f}")
    mean = float(np.mean(losses))
    if not math.isfinite(mean):
        raise HarnessError(
            f"{course.title}: the loss of epoch {epoch + 1} is {mean}; lower the learning rate"
        )
    return mean


def _gradient(course: Course, clips: Tensor, labels: Tensor) -> float:
    """Add up the gradient of the mean loss of these clips, in the passes of the recipe; returns that loss."""
    whole = 0.0
    parts = min(course.recipe.passes, len(clips))
    for shown, called in zip(clips.tensor_split(parts), labels.tensor_split(parts), strict=True):
        with spent("forward"), autocast(torch_device(course.runtime.device), course.runtime.precision):
            loss = course.detector.loss(shown, called)
            if parts > 1:
                loss = loss * (len(shown) / len(clips))
        with spent("backward"):
            loss.backward()
            whole += float(loss.detach())
    return whole


def _waited_for(batches: Iterator[Batch]) -> Iterator[Batch]:
    """The same batches; the time until each is there is counted."""
    while True:
        with spent("waiting for batches"):
            batch = next(batches, None)
        if batch is None:
            return
        yield batch


def _settle_statistics(course: Course, footage: Footage, epoch: int) -> None:
    """Replace the running BatchNorm statistics by plain averages over some training batches.

    Running averages lag behind weights that still move fast: with the few steps of a small training
    a network that fits its batches can score at chance in evaluation mode (Wu and Johnson 2021).
    """
    norms = [module for module in course.detector.modules() if isinstance(module, NORMS)]
    if not norms:
        return
    momenta = [norm.momentum for norm in norms]
    device = torch_device(course.runtime.device)
    rng = np.random.default_rng(seed_of("statistics", course.seed, epoch))
    course.detector.eval()
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a cumulative average
        norm.train()
    seen = 0
    with closing(footage.batches(_draw(course, together=False), rng)) as batches:
        for clips, _ in _waited_for(batches):
            with (
                named_failure(f"{course.title}: a batch of epoch {epoch + 1}"),
                spent("forward"),
                torch.no_grad(),
                autocast(device, course.runtime.precision),
            ):
                course.detector.score(uploaded(clips, device))
            seen += clips.shape[0] * clips.shape[1]
            if seen >= STATISTICS_FRAMES:
                break
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum


def _draw(course: Course, together: bool) -> Draw:
    """A clip-based detector sees all the frames of a clip that it will see when it scores."""
    recipe = course.recipe
    frames = recipe.frames if getattr(course.detector, "clip_based", False) else recipe.train_frames
    return Draw(recipe.batch, frames, chosen(recipe.augment), together)


def _optimizer(detector: Any, recipe: Recipe) -> torch.optim.Optimizer:
    groups = detector.parameter_groups()
    rates = {"backbone": recipe.learning_rate * recipe.backbone_rate}
    return torch.optim.Adam(
        [
            {"params": parameters, "peak": rates.get(name, recipe.learning_rate)}
            for name, parameters in groups.items()
            if parameters
        ],
        lr=recipe.learning_rate,
        weight_decay=recipe.weight_decay,
        fused=True,
    )


def _set_rate(optimizer: torch.optim.Optimizer, recipe: Recipe, step: int, steps: int) -> None:
    for group in optimizer.param_groups:
        group["lr"] = rate_at(recipe.schedule, group["peak"], step, steps, recipe.epochs)


def rate_at(schedule: str, peak: float, step: int, steps: int, epochs: int) -> float:
    """Learning rate of a step (0-based over the whole training) of `epochs` epochs of `steps` steps."""
    if schedule == "constant":
        return peak
    if schedule == "cosine":
        total = steps * epochs
        rising = max(1, round(WARM_UP * total))
        if step < rising:
            return peak * (step + 1) / rising
        return peak * 0.5 * (1 + math.cos(math.pi * (step - rising) / max(1, total - rising)))
    if schedule == "cosine-restarts":
        period = RESTART_EPOCHS * steps
        floor = min(FLOOR_RATE, peak)
        return floor + (peak - floor) * 0.5 * (1 + math.cos(math.pi * (step % period) / period))
    raise HarnessError(f"unknown schedule {schedule!r} (known: constant, cosine, cosine-restarts)")


def scores_of(detector: nn.Module, footage: Footage, runtime: Runtime) -> np.ndarray:
    """P(fake) `[clips]` of each clip: the mean of its frame scores."""
    detector.eval()
    batch = max(1, min(runtime.batch, MOST_IMAGES // footage.frames))
    single: bool | None = None
    scores: list[np.floating] = []
    for start in range(0, len(footage), batch):
        views = footage.views(start, start + batch)
        for view in views:
            if single is None and view.short:
                single = scores_frames_singly(lambda clips: score_clips(detector, clips, runtime), view)
        with named_failure(f"{type(detector).__name__} on validation clips"):
            shown = lots(views, bool(single))
            said = put_back((lot, score_clips(detector, lot.batch, runtime)) for lot in shown)
        scores += [
            scores_of_view(view, one, bool(single))[0].mean() for view, one in zip(views, said, strict=True)
        ]
    return np.array(scores)


def validation_auc(scores: np.ndarray, labels: np.ndarray) -> float:
    """Area under the ROC curve over clips."""
    return float(roc_auc_score(labels, scores))


def _patience_is_over(state: Progressed, recipe: Recipe) -> bool:
    return recipe.patience is not None and state.epoch - state.best_epoch >= recipe.patience
