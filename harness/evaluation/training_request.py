"""What `gapbench train` was asked for as a recipe's name, and what is said before a training begins."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from harness.contracts import DatasetEntry, DetectorEntry, changed_recipe
from harness.data.clips import Subset
from harness.data.people import offer, with_people
from harness.data.splits import Split, counted, split_up
from harness.evaluation.contestants import contestant_of
from harness.tables import WIDTH
from harness.training.batches import chosen_clips
from harness.training.job import TrainingJob
from harness.training.starting import DIGITS
from harness.types import Clip, HarnessError
from harness.weights import find_imported


def recipe_asked(
    entry: DetectorEntry, data: DatasetEntry, base: str | None, changes: Mapping[str, Any]
) -> str:
    """The name of the recipe, with its changes (word of `contracts.CHANGES` -> value); proven to be one.

    Without `base` it is the one for the dataset: `procedural` for an embedded one, else `published`; a
    detector that has no recipe of that name is trained by its first.
    """
    usual = "procedural" if data.embedded else "published"
    chosen = base or (usual if usual in entry.recipes else next(iter(entry.recipes)))
    name = changed_recipe(chosen, changes)
    entry.recipe(name)
    return name


def start_of(name: str, entry: DetectorEntry) -> str:
    """The digits by which a recipe names the weights to start from: imported, or trained here."""
    imported = find_imported(name)
    if imported is not None:
        detector, sha256 = imported.detector, imported.sha256
    elif "@" in name:
        weights = contestant_of(name, "cpu").weights
        if weights is None:
            raise HarnessError(f"{name} has no weights to start from")
        detector, sha256 = weights.detector, weights.sha256
    else:
        raise HarnessError(
            f"--start-from {name} names no weights on this machine: write {entry.name}@TRAINED_ON for weights"
            f" trained here, or bring a file first: gapbench weights import {name} --detector {entry.name}"
        )
    if detector != entry.name:
        raise HarnessError(
            f"{name} holds weights of {detector}, not of {entry.name}: nothing can start from them"
        )
    return sha256[:DIGITS]


def training_part(clips: Sequence[Clip], name: str, present: bool, limit: int | None) -> Split:
    """The clips of the splits train and val that a recipe takes of them (`Recipe.present`, `Recipe.limit`).

    Where only those that are there are taken and none of them is a validation clip, training clips become
    that, as with clips of one's own.
    """
    used = chosen_clips(clips, present, limit)
    if present and {clip.split for clip in used} == {"train"}:
        return split_up(used, name)
    return Split(used, "")


def told(job: TrainingJob, data: DatasetEntry, clips: Sequence[Clip]) -> list[str]:
    """What will be trained on what, a line each; `clips` are all that the dataset lists."""
    recipe = job.recipe
    start = "ImageNet weights" if recipe.pretrained else "a random start"
    start = f"weights {recipe.start}" if recipe.start else start
    said = [
        f"{job.recipe_name}: {recipe.size} px, {recipe.frames} frames of a clip, {recipe.epochs} epochs,"
        f" {recipe.batch} clips a step, learning rate {recipe.learning_rate:g}, from {start}",
        f"{counted(job.clips)}; crop {job.crop}",
    ]
    lines = [*zip(("recipe", "clips"), said, strict=True)]
    if data.root is not None:
        raw = with_people(tuple(data.clips(data.root)), data.people_from, data.name)
        how = split_up(raw, data.name, data.alike).said or "as stated"
        lines.append(("splits", f"{how}; {_kept(clips)}"))
        lines += [("note", line) for line in filter(None, [offer(clips)])]
    else:
        part = Subset.parse(job.trained_on).for_training(tuple(clips))
        how = training_part(part, data.name, recipe.present, recipe.limit).said
        lines += [("splits", how)] if how else []
    return [textwrap.fill(f"{title:11}{text}", WIDTH, subsequent_indent=" " * 11) for title, text in lines]


def _kept(clips: Sequence[Clip]) -> str:
    tests = sum(clip.split == "test" for clip in clips)
    return f"its {tests:,} test clips are kept for gapbench eval" if tests else "it has no test clips"
