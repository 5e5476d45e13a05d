"""How long a run will take and what room it will need, said before anything long starts.

It rests on a few clips of each set, which are decoded and timed here and now, and on the speed of each
network where that was measured before. What is not known is said to be that.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness import registry
from harness.data.file_facts import container_facts
from harness.evaluation.engine import BYTES_AHEAD, MOST_READERS
from harness.files import home
from harness.guard.clip_bounds import named_failure
from harness.process import usable_cores
from harness.runtime.cost_process import kept_file, read_cost
from harness.training.batches import limited, split_of
from harness.training.job import TrainingJob
from harness.training.train import POOL
from harness.trees import is_image
from harness.types import Clip, HarnessError, Recipe, Runtime
from harness.video.face_tracks import finder
from harness.video.frames import read_frames

SAMPLED = 4
"""Clips of a set that are looked at, evenly spread over those whose file is there."""
ENOUGH_SECONDS = 2.0
"""After which no further clip of a set is looked at."""
A_STEP = 3.0
"""How often longer a forward and a backward pass take than a forward pass alone, about."""
A_SCORE = 16
"""Bytes that the score of one frame takes in stored predictions, about."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What a few clips of a set told."""

    clips: int
    """How many were looked at."""
    seconds: float
    """Of one core for one of them: decoding, and finding faces where these are shown."""
    video: float
    """Seconds of video in a clip; 0 for a picture."""
    bytes: int
    """Of the decoded frames of the largest of them."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A detector that is to be shown clips, and how often."""

    entry: registry.DetectorEntry
    recipe: Recipe | None
    frames: int
    """Frames of a clip."""
    conditions: int
    """Times that each clip is shown."""


def sampled(clips: Sequence[Clip], frames: int, crop: str) -> Sample | None:
    """A few of the clips, decoded as a run does; None where none of them can be read."""
    here = [clip for clip in clips if os.path.exists(clip.path)]
    step = max(1, len(here) // SAMPLED)
    told: list[tuple[float, float, int]] = []
    for clip in here[step // 2 :: step][:SAMPLED]:
        if sum(seconds for seconds, _, _ in told) > ENOUGH_SECONDS:
            break
        begun = time.monotonic()
        try:
            first: list[np.ndarray] = []
            sizes: list[int] = []

            def use(_: int, frame: np.ndarray, __: int, first: Any = first, sizes: Any = sizes) -> None:
                first += [frame][len(sizes) :]
                sizes.append(frame.nbytes)

            read_frames(clip.path, [frames], use=use)
            seconds = time.monotonic() - begun
            if crop == "face":
                begun = time.monotonic()
                with named_failure(f"{clip.path.name}: looking for faces in it"):
                    finder().detect(first[0])
                seconds += (time.monotonic() - begun) * len(sizes)
            facts = {} if is_image(clip.path) else container_facts(clip.path)
        except HarnessError:  # it is counted where it is scored
            continue
        told.append((seconds, float(facts.get("duration", 0.0)), sum(sizes)))
    if not told:
        return None
    taken, video, held = zip(*told, strict=True)
    return Sample(len(told), sum(taken) / len(told), sum(video) / len(told), max(held))


def scoring_estimate(
    name: str, clips: Sequence[Clip], crop: str, shown: Sequence[Shown], runtime: Runtime
) -> str:
    """What it takes to score the clips of a test set, in one line; empty where nothing is to be scored."""
    if not shown or not clips:
        return ""
    sample = sampled(clips, max(one.frames for one in shown), crop)
    times = sum(one.conditions for one in shown)
    networks, unknown = 0.0, []
    for one in shown:
        speed = _speed(one.entry, one.recipe, runtime)
        networks += len(clips) * one.frames * one.conditions / speed if speed else 0.0
        unknown += [] if speed else [one.entry.name]
    scores = sum(len(clips) * one.frames * one.conditions * A_SCORE for one in shown)
    parts = [
        f"estimate for {name}: {_reading(len(clips), sample)}",
        _networks(networks, unknown, f"{times} times"),
    ]
    return "; ".join([*parts, _memory(sample), f"disk: {_size(scores)} of predictions"])


def training_estimate(job: TrainingJob) -> str:
    """What a training takes, in one line."""
    recipe, runtime = job.recipe, Runtime(job.device, job.precision, job.recipe.batch)
    train = limited(split_of(job.clips, "train"), recipe.clips)
    val = split_of(job.clips, "val")
    pool = max(POOL, recipe.frames, recipe.train_frames)
    sample = sampled(train, pool, job.crop)
    kept = sum(1 if is_image(clip.path) else pool for clip in train)
    kept += sum(1 if is_image(clip.path) else recipe.frames for clip in val)
    room = kept * recipe.size**2 * 3
    speed = _speed(job.entry, recipe, runtime)
    passes = recipe.epochs * (A_STEP * len(train) * recipe.train_frames + len(val) * recipe.frames)
    networks = _networks(passes / speed if speed else 0.0, [] if speed else [job.entry.name], "")
    free = shutil.disk_usage(
        next(each for each in (home(), *home().absolute().parents) if each.exists())
    ).free
    short = ", WHICH IS TOO LITTLE" if free < room else ""
    what = f"estimate for training {job.entry.name} on {job.trained_on}"
    parts = [
        f"{what}: {_reading(len(train) + len(val), sample)}",
        f"at most {recipe.epochs} epochs: {networks}",
    ]
    disk = f"disk: {_size(room)} of frames at most, {_size(free)} free{short}"
    return "; ".join([*parts, _memory(sample), disk])


def _reading(clips: int, sample: Sample | None) -> str:
    if sample is None:
        return f"{clips:,} clips to decode, for how long is not known (none could be read)"
    hours = f" ({_time(clips * sample.video)} of video)" if sample.video else ""
    readers = min(MOST_READERS, usable_cores())
    whole = _time(clips * sample.seconds / readers)
    return (
        f"{clips:,} clips{hours} to decode, about {whole} on {readers} cores"
        f" ({sample.clips} of them took {sample.seconds:.2g} s each)"
    )


def _networks(seconds: float, unknown: Sequence[str], times: str) -> str:
    known = f"networks {times}{' ' if times else ''}about {_time(seconds)} (at speeds measured before)"
    lacking = f"the speed of {', '.join(dict.fromkeys(unknown))} is not measured yet (gapbench cost)"
    return "; ".join([known] * bool(seconds) + [lacking] * bool(unknown))


def _memory(sample: Sample | None) -> str:
    held = min(MOST_READERS, usable_cores()) * (sample.bytes if sample else 0)
    return f"memory: {_size(BYTES_AHEAD + held)} of frames, besides the networks"


def _speed(entry: registry.DetectorEntry, recipe: Recipe | None, runtime: Runtime) -> float | None:
    """Frames a second as they were measured on this machine; None where they were not."""
    kept = kept_file(entry, recipe, runtime)
    try:
        return read_cost(kept).frames_per_second if kept.is_file() else None
    except HarnessError:
        return None


def _time(seconds: float) -> str:
    unit, word = (1, "s") if seconds < 100 else (60, "min") if seconds < 6000 else (3600, "h")
    return f"{seconds / unit:.0f} {word}" if seconds >= 10 * unit else f"{seconds / unit:.1f} {word}"


def _size(count: float) -> str:
    if count < 1e9:
        return "under 1 MB" if count < 1e6 else f"{count / 1e6:.0f} MB"
    return f"{count / 1e9:.1f} GB"
