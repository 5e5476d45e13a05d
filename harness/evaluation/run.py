"""Run what was planned: make data, train what is missing, score, measure cost, keep the record."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

from harness import registry
from harness.contracts import stated_selection
from harness.data.clips import Subset, content_of, identity_of, list_clips, partial
from harness.environment import revision, versions
from harness.evaluation.cell_keys import Job, TestSet, cell_file, shown_how
from harness.evaluation.contestants import Contestant, Trained, full_name
from harness.evaluation.engine import score_dataset
from harness.evaluation.plan import (
    Plan,
    check_subsets,
    coverage,
    find_shared,
    or_left_out,
    shown_as,
    test_set,
)
from harness.evaluation.record import (
    Finished,
    earlier_timing,
    keep_record,
    trained_of,
    what_differs,
    without_places,
)
from harness.evaluation.training_request import training_part
from harness.files import digest, home, plain, shown_place
from harness.guard.clip_bounds import named_failure
from harness.progress import say
from harness.records import Cost, Weights
from harness.runtime.cost_process import cost_of
from harness.runtime.device import prepare_process
from harness.timing import current, spent
from harness.training.job import TrainingJob, stated
from harness.training.train import build, find_weights, frames_of, train
from harness.types import FACE_POLICY, PROTOCOL, Cell, Clip, HarnessError, entry_parts, set_and_recipe
from harness.video.decoding import reader_named
from harness.video.face_tracks import finder, located

LATER = ("passes", "present", "limit", "start")
"""Fields of a recipe that are part of what is compared only where they are stated."""


def run_plan(plan: Plan) -> Path:
    """Do what is left to do and keep the record of the run; returns the record's path."""
    started = time.monotonic()
    to_make = [name for name in plan.datasets if name not in plan.clips]
    prepare_process()
    with spent("making clips"):
        for name in [name for name in plan.datasets if registry.datasets.get(name).embedded]:
            plan.clips[name] = list_clips(registry.datasets.get(name), plan.root(name))
    plan.tests.clear()  # what is trained on is known now, and with it whose clips are left out
    check_subsets(plan)
    plan.shared = find_shared(plan) | _split_anew(plan)
    made = time.monotonic()
    contestants = _contestants(plan)
    ready = time.monotonic()  # scoring starts
    scored, jobs = _score(plan, contestants)
    checked, validations = _score_validation(plan, contestants)
    scored += checked
    seconds = time.monotonic() - ready
    plan.differs = what_differs(contestants.values(), [*jobs, *validations.values()])
    if plan.differs:
        say(plan.differs)
    for found in contestants.values():
        found.release()  # so that a detector is measured on a machine that does nothing else
    if plan.runtime.device != "cpu":
        torch.cuda.empty_cache()
    with spent("cost"):
        costs = {trained: _cost(found) for trained, found in contestants.items()}
    timing: dict[str, Any] = dict(earlier_timing(plan.matrix))
    if to_make:
        timing["made_s"] = made - started
    if scored:
        timing |= {"scoring_s": seconds, "frames_scored": scored}
        timing |= {"stages_s": current().taken(), "readers_s": dict(current().beside)}
    weights = [found.weights for found in contestants.values() if found.weights]
    timing["training_s"] = sum(float(each.provenance.get("seconds", 0.0)) for each in weights)
    done = Finished(contestants, costs, jobs, validations, _tested(plan))
    return keep_record(plan.matrix, without_places(plan.absent, plan.root), done, timing)


def _contestants(plan: Plan) -> dict[Trained, Contestant]:
    """The detectors, trained first where weights are missing; one that cannot be had is left out."""
    found: dict[Trained, Contestant] = {}
    for trained in plan.trained:
        with or_left_out(plan, trained):
            found[trained] = contestant(plan, trained)
    for name in dict.fromkeys(cell.tested_on for cell in plan.cells):
        for job in cell_jobs(plan, found, name)[1]:
            trained = trained_of(job)
            if job.due and trained in found:
                with or_left_out(plan, trained), named_failure(job.cell.entry):
                    job.contestant.detector  # noqa: B018 - built now: its file may be lost or damaged
                if trained not in plan.trained:
                    del found[trained]
    if not found:
        raise HarnessError(f"matrix {plan.matrix.name}: every cell is absent: {plan.reasons}")
    return found


def _cost(found: Contestant) -> Cost | None:
    """What a detector costs, None where that cannot be measured: its scores are not lost with it."""
    try:
        return cost_of(found.entry, found.recipe, found.runtime)
    except HarnessError as error:
        say(f"the cost of {found.entry.name} is not known: {error}")
        return None


def _tested(plan: Plan) -> dict[str, dict[str, Any]]:
    """What is known of the datasets that were tested on, so that their audits are found."""
    found = {}
    tested: dict[str, set[Subset]] = {}
    for cell in plan.cells:
        tested.setdefault(plan.subset(cell.tested_on).dataset, set()).add(plan.subset(cell.tested_on))
    for name, parts in tested.items():
        entry = registry.datasets.get(name)
        found[name] = {
            "clips_sha256": identity_of(plan.clips[name], entry),
            "brought": not entry.embedded,
            "content_sha256": content_of(plan.clips[name], entry),
            "coverage": coverage(plan, name),
            "root": shown_place(Path(plan.matrix.data[name])) if name in plan.matrix.data else None,
            "partial": partial(parts, plan.clips[name]) or _chosen(plan, name),
            "listing": plan.listing.get(name, ""),
        }
    return found


def _chosen(plan: Plan, dataset: str) -> str:
    """How many of the listed test clips were asked for, where the matrix takes not all; else empty."""
    asked = ["those that are there"] * plan.matrix.present
    asked += [f"at most {plan.matrix.limit}"] * (plan.matrix.limit is not None)
    named = [name for name in plan.tests if plan.subset(name).dataset == dataset]
    used = {clip.id for name in named for clip in plan.tests[name].clips}
    listed = {clip.id for name in named for clip in plan.subset(name).for_testing(plan.clips[dataset])}
    return f"{len(used):,} of {len(listed):,} test clips ({', '.join(asked)})" if asked else ""


def training_job(plan: Plan, trained: Trained) -> TrainingJob:
    """The training that a matrix needs for one of its rows."""
    detector, trained_on, seed = trained
    if trained_on is None:
        raise HarnessError(f"{detector} is not trained")
    entry = registry.detectors.get(detector)
    recipe, device = plan.matrix.recipe_for(trained_on), plan.runtime.device
    job = make_job(entry, recipe, trained_on, plan.clips, seed, device)
    return cut_as(job, plan.crop(plan.subset(trained_on).dataset))


def make_job(
    entry: registry.DetectorEntry,
    recipe: str,
    trained_on: str,
    clips: Mapping[str, tuple[Clip, ...]],
    seed: int,
    device: str,
) -> TrainingJob:
    """A training of one detector on a dataset or on a part of it."""
    subset, chosen = Subset.parse(trained_on), entry.recipe(recipe)
    data, (trained_on, _) = subset.entry, set_and_recipe(trained_on)
    part = subset.for_training(clips[subset.dataset])
    used = training_part(part, data.name, chosen.present, chosen.limit).clips
    facts = (used, data.crop, content_of(used, data), seed, device)
    return TrainingJob(entry, chosen, trained_on, *facts, recipe_name=recipe)


def cut_as(job: TrainingJob, crop: str) -> TrainingJob:
    """The training with frames cut in that way, by the face finder of this machine where faces are cut."""
    return replace(job, crop=crop, faces=digest(finder().identity) if crop == "face" else "")


def weights_for(job: TrainingJob, again: bool = False) -> Weights:
    """The weights of a training, trained now unless they are there; `again` makes them anew even then."""
    reader_named()  # a wrong one is an error now, not of each clip
    found = None if again else find_weights(job, home() / "weights")
    if found is not None:
        return found
    if job.recipe.pretrained:
        build(job)  # fetches what it starts from, or says that it cannot, before faces are found
    clips = located(job.clips, job.crop, f"{job.trained_on} (training)", frames_of(job.recipe))
    return train(replace(job, clips=clips), home() / "weights", again)


def contestant(plan: Plan, trained: Trained) -> Contestant:
    """The detector of a row, trained first if its weights are missing."""
    entry = registry.detectors.get(trained[0])
    if weights := plan.weights.get(trained):
        return Contestant(entry, plan.runtime, weights.recipe, weights)
    if not entry.trainable:
        return plan.fixed.get(entry.name) or Contestant(entry, plan.runtime)
    job = training_job(plan, trained)
    return Contestant(entry, plan.runtime, job.recipe, weights_for(job, plan.retrain))


def cell_jobs(plan: Plan, contestants: Mapping[Trained, Contestant], name: str) -> tuple[TestSet, list[Job]]:
    """A test set and the cells measured on it, whose detectors are at hand."""
    test = test_set(plan, name)
    jobs = []
    for cell in plan.cells:
        found = contestants.get((cell.detector, cell.trained_on, cell.seed))
        if cell.tested_on == name and found is not None:
            jobs.append(_job(plan, cell, found, test, "predictions"))
    return test, jobs


def _job(plan: Plan, cell: Cell, found: Contestant, test: TestSet, folder: str) -> Job:
    file = cell_file(cell, found, test, home() / folder)
    return Job(cell, found, file, _meta(plan, cell, found, test), plan.rescore)


def _score(plan: Plan, contestants: dict[Trained, Contestant]) -> tuple[int, list[Job]]:
    scored = 0
    done: list[Job] = []
    for name in dict.fromkeys(cell.tested_on for cell in plan.cells):
        here, jobs = _scored(plan, contestants, name)
        scored += here
        done += jobs
    return scored, [job for job in done if trained_of(job) in contestants]


def _scored(plan: Plan, contestants: dict[Trained, Contestant], name: str) -> tuple[int, list[Job]]:
    """Frames scored on a test set, and its cells; a detector that fails is left out, the others go on."""
    while True:
        test, jobs = cell_jobs(plan, contestants, name)
        try:
            return score_dataset(test, jobs), jobs
        except HarnessError as error:
            failed = [each for each in contestants if error.entry and entry_parts(error.entry) == each]
            if not failed or len(contestants) == 1:
                raise
            with or_left_out(plan, failed[0]):
                raise
            del contestants[failed[0]]


def _score_validation(
    plan: Plan, contestants: Mapping[Trained, Contestant]
) -> tuple[int, dict[Trained, Job]]:
    """Score the clean validation split of what each detector was trained on, to set operating points by."""
    scored = 0
    done: dict[Trained, Job] = {}
    for name in dict.fromkeys(str(trained[1]) for trained, found in contestants.items() if found.weights):
        if not plan.listed(name):  # weights that are named, of a set that is not here
            continue
        clips = tuple(clip for clip in plan.training(name) if clip.split == "val")
        test = shown_as(plan, f"{name} (validation)", plan.subset(name).entry, clips)
        jobs = []
        for trained, found in contestants.items():
            if trained[1] == name and found.weights and _on_these_clips(plan, trained):
                cell = Cell(trained[0], name, set_and_recipe(name)[0], seed=trained[2], runtime=plan.runtime)
                jobs.append(_job(plan, cell, found, test, "validation"))
                done[trained] = jobs[-1]
        scored += score_dataset(test, jobs)
    return scored, done


def _split_anew(plan: Plan) -> dict[tuple[str | None, str], str]:
    """(trained on, tested on) -> why nobody knows which test clips were trained on: their set has changed."""
    found: dict[tuple[str | None, str], str] = {}
    for trained in plan.weights:
        on = str(trained[1])
        mine = [cell for cell in plan.cells if plan.subset(cell.tested_on).dataset == plan.subset(on).dataset]
        if mine and plan.subset(on).entry.splits and not _on_these_clips(plan, trained):
            why = f"the clips of {plan.subset(on).dataset} have changed since, and with them which are tests"
            found |= {(trained[1], cell.tested_on): why for cell in mine}
    return found


def _on_these_clips(plan: Plan, trained: Trained) -> bool:
    """Whether weights that are named learnt the clips that their set lists now; all others did."""
    weights = plan.weights.get(trained)
    if weights is None:
        return True
    try:
        now = training_job(plan, trained).clips_sha256
    except HarnessError:  # its recipe is no more
        return False
    if now != weights.provenance.get("clips_sha256", now):
        say(f"{full_name(weights)} learnt other clips than are listed now, so no operating points are known")
        return False
    return True


def _meta(plan: Plan, cell: Cell, found: Contestant, test: TestSet) -> dict[str, Any]:
    """What is stored with the predictions: the cell and its provenance."""
    commit, dirty = revision()
    weights = found.weights
    provenance = {
        "commit": commit,
        "dirty": dirty,
        "protocol": PROTOCOL,
        "weights_sha256": weights.sha256 if weights else found.entry.identity or None,
        "clips_sha256": test.identity,
        "recipe": asdict(found.recipe) if found.recipe else None,
        "recipe_sha256": digest(_training_of(plan, cell, found)),
        "crop": test.crop,
        "no_face": test.no_face if test.crop == "face" else None,
        **({"faces": test.faces} if test.crop == "face" and test.faces != FACE_POLICY else {}),
        "preprocessing_sha256": digest(shown_how(test)),
        "coverage": coverage(plan, cell.tested_on),
        "shared_footage": plan.shared.get((cell.trained_on, cell.tested_on)),
        "shared_people": plan.people.get((cell.trained_on, cell.tested_on)),
        "footage_compared": cell.trained_on is None or plan.listed(cell.trained_on),
        **selection_of(found),
        "versions": versions(),
    }
    return {"cell": asdict(cell), "provenance": provenance}


def selection_of(found: Contestant) -> dict[str, Any]:
    """The decision threshold of a detector, and where it and the checkpoint came from."""
    if found.weights is not None:
        source = found.weights.threshold_source
        return {"threshold": found.weights.threshold, "threshold_source": source, "checkpoint_source": source}
    return stated_selection(found.detector, found.entry.name)


def _training_of(plan: Plan, cell: Cell, found: Contestant) -> list[Any]:
    """What makes a detector the same detector on another machine; imported weights are what they are."""
    if found.entry.identity:
        return [found.entry.name, found.entry.identity, cell.trained_on]
    recipe = plain(found.recipe)
    for name in set(LATER) - set(stated(found.recipe)) if found.recipe else ():  # as before recipes had them
        del recipe[name]
    changed = [found.entry.version] if found.entry.version != "1" else []
    return [found.entry.name, *changed, recipe, _trained_identity(plan, cell)]


def _trained_identity(plan: Plan, cell: Cell) -> str | None:
    """What the weights were trained on, as it is compared between machines: never file bytes."""
    name = cell.trained_on
    if name is None or not plan.listed(name):  # of a fixed detector, and not here
        return None
    if name not in plan.identities:
        plan.identities[name] = identity_of(plan.training(name), plan.subset(name).entry)
    return plan.identities[name]
