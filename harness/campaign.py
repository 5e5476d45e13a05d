"""Plan a matrix and run it: make data, train what is missing, score, measure cost, keep the record."""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from harness import registry
from harness.cost import measure_cost
from harness.data import Subset, content_of, how_to_bring, identity_of, list_clips, missing, root_of
from harness.evaluation import Contestant, Job, TestSet, cell_file, preprocessing, score_dataset
from harness.files import digest, file_digest, home, read_json, revision, versions, write_whole
from harness.matrix import Matrix
from harness.progress import say
from harness.record import Finished, Trained, earlier_timing, keep_record
from harness.scoring import resolve_precision
from harness.training import TrainingJob, find_weights, train
from harness.types import PROTOCOL, Cell, Clip, Cost, HarnessError, Runtime


@dataclass
class Plan:
    """What a matrix asks of this machine: its cells, what is absent, and the clips known so far."""

    matrix: Matrix
    runtime: Runtime
    cells: list[Cell]
    """The cells that can be run."""
    absent: dict[str, str]
    """Dataset, detector or perturbation that is not usable here -> why, and what would mend it."""
    clips: dict[str, tuple[Clip, ...]] = field(default_factory=dict)
    """Clips of each dataset; one that is still to be made is not in it."""

    @property
    def datasets(self) -> list[str]:
        """Datasets the cells need, in order."""
        named = [cell.trained_on for cell in self.cells if cell.trained_on]
        named += [cell.tested_on for cell in self.cells]
        return list(dict.fromkeys(Subset.parse(text).dataset for text in named))

    @property
    def trained(self) -> list[Trained]:
        """The detectors with what they are trained on, in order; one leaderboard row each."""
        return list(dict.fromkeys((cell.detector, cell.trained_on, cell.seed) for cell in self.cells))

    def root(self, dataset: str) -> Path:
        """The folder of a dataset."""
        return root_of(registry.datasets.get(dataset), self.matrix.data)


def plan_matrix(matrix: Matrix, device: str) -> Plan:
    """Find out what can be run here; makes, trains and scores nothing. Unknown names are a `HarnessError`."""
    runtime = Runtime(device, resolve_precision(matrix.precision, device), matrix.batch)
    plan = Plan(matrix, runtime, matrix.cells(runtime), {})
    for kind, names in _needed(plan.cells):
        plan.absent |= {
            name: f"its file cannot be imported: {kind.broken()[name]}"
            for name in names
            if name in kind.broken()
        }
    for name in [name for name in plan.datasets if name not in plan.absent]:
        _look_for(plan, registry.datasets.get(name))
    plan.cells = [cell for cell in plan.cells if not _names(cell) & plan.absent.keys()]
    for detector, trained_on, _ in plan.trained:
        if trained_on:
            registry.detectors.get(detector).recipe(matrix.recipe)
    check_subsets(plan)
    return plan


def _needed(cells: Iterable[Cell]) -> list[tuple[registry.Registry[Any], list[str]]]:
    """What the cells need of each registry."""
    listed = list(cells)
    datasets = [Subset.parse(text).dataset for c in listed for text in (c.trained_on, c.tested_on) if text]
    return [
        (registry.detectors, sorted({cell.detector for cell in listed})),
        (registry.datasets, sorted(set(datasets))),
        (registry.perturbations, sorted({cell.perturbation for cell in listed if cell.severity})),
    ]


def _names(cell: Cell) -> set[str]:
    return {name for _, names in _needed([cell]) for name in names}


def _look_for(plan: Plan, entry: registry.DatasetEntry) -> None:
    """List a dataset that is here; note one that is absent, empty or unreadable."""
    if entry.embedded:
        _list_if_made(plan, entry)
        return
    reason = missing(entry, plan.matrix.data)
    if reason is None:
        try:
            plan.clips[entry.name] = list_clips(entry, plan.root(entry.name))
        except HarnessError as error:
            reason = f"{error}; {how_to_bring(entry)}"
    if reason:
        plan.absent[entry.name] = reason


def check_subsets(plan: Plan) -> None:
    """Refuse, before anything is trained, a test or training set that the listed clips do not give."""
    for name in dict.fromkeys(cell.tested_on for cell in plan.cells):
        if Subset.parse(name).dataset in plan.clips:
            test_set(plan, name)
    for name in dict.fromkeys(cell.trained_on for cell in plan.cells if cell.trained_on):
        subset = Subset.parse(name)
        if subset.dataset in plan.clips:
            splits = {clip.split for clip in subset.for_training(plan.clips[subset.dataset])}
            if splits != {"train", "val"}:
                raise HarnessError(
                    f"{name} cannot be trained on: it needs clips in both splits, train and val"
                )


def _list_if_made(plan: Plan, entry: registry.DatasetEntry) -> None:
    try:
        plan.clips[entry.name] = tuple(entry.clips(plan.root(entry.name)))
    except HarnessError:
        say(f"{entry.name} will be made first (no download)")


def run_plan(plan: Plan) -> Path:
    """Do what is left to do and keep the record of the run; returns the record's path."""
    started = time.monotonic()
    to_make = [name for name in plan.datasets if name not in plan.clips]
    for name in to_make:
        plan.clips[name] = list_clips(registry.datasets.get(name), plan.root(name))
    check_subsets(plan)
    made = time.monotonic()
    contestants = {trained: contestant(plan, trained) for trained in plan.trained}
    ready = time.monotonic()  # scoring starts
    scored, jobs = _score(plan, contestants)
    checked, validations = _score_validation(plan, contestants)
    scored += checked
    seconds = time.monotonic() - ready
    for found in contestants.values():
        found.release()  # so that the memory of a detector is measured without the others
    costs = {trained: _cost(found) for trained, found in contestants.items()}
    timing = dict(earlier_timing(plan.matrix))
    if to_make:
        timing["made_s"] = made - started
    if scored:
        timing |= {"scoring_s": seconds, "frames_scored": scored}
    weights = [found.weights for found in contestants.values() if found.weights]
    timing["training_s"] = sum(float(each.provenance.get("seconds", 0.0)) for each in weights)
    return keep_record(plan.matrix, plan.absent, Finished(contestants, costs, jobs, validations), timing)


def training_job(plan: Plan, trained: Trained) -> TrainingJob:
    """The training that a matrix needs for one of its rows."""
    detector, trained_on, seed = trained
    if trained_on is None:
        raise HarnessError(f"{detector} is not trained")
    entry = registry.detectors.get(detector)
    return make_job(entry, plan.matrix.recipe, trained_on, plan.clips, seed, plan.runtime.device)


def make_job(
    entry: registry.DetectorEntry,
    recipe: str,
    trained_on: str,
    clips: Mapping[str, tuple[Clip, ...]],
    seed: int,
    device: str,
) -> TrainingJob:
    """A training of one detector on a dataset or on a part of it."""
    subset = Subset.parse(trained_on)
    data = registry.datasets.get(subset.dataset)
    chosen = subset.for_training(clips[subset.dataset])
    version = content_of(chosen, data)
    return TrainingJob(entry, entry.recipe(recipe), trained_on, chosen, data.crop, version, seed, device)


def contestant(plan: Plan, trained: Trained) -> Contestant:
    """The detector of a row, trained first if its weights are missing."""
    entry = registry.detectors.get(trained[0])
    if not entry.trainable:
        return Contestant(entry, plan.runtime)
    job = training_job(plan, trained)
    weights = find_weights(job, home() / "weights") or train(job, home() / "weights")
    return Contestant(entry, plan.runtime, job.recipe, weights)


def test_set(plan: Plan, name: str) -> TestSet:
    """The clips of a test set."""
    subset = Subset.parse(name)
    entry = registry.datasets.get(subset.dataset)
    clips = subset.for_testing(plan.clips[subset.dataset])
    if not clips:
        raise HarnessError(f"{name} has no test clip")
    return _shown_as(name, entry, clips)


def _shown_as(name: str, entry: registry.DatasetEntry, clips: tuple[Clip, ...]) -> TestSet:
    return TestSet(name, clips, entry.crop, identity_of(clips, entry), content_of(clips, entry))


def cell_jobs(plan: Plan, contestants: Mapping[Trained, Contestant], name: str) -> tuple[TestSet, list[Job]]:
    """A test set and the cells measured on it, whose detectors are at hand."""
    test = test_set(plan, name)
    jobs = []
    for cell in plan.cells:
        found = contestants.get((cell.detector, cell.trained_on, cell.seed))
        if cell.tested_on == name and found is not None:
            meta = _meta(plan, cell, found, test)
            jobs.append(Job(cell, found, cell_file(cell, found, test, home() / "predictions"), meta))
    return test, jobs


def _score(plan: Plan, contestants: Mapping[Trained, Contestant]) -> tuple[int, list[Job]]:
    scored = 0
    done: list[Job] = []
    for name in dict.fromkeys(cell.tested_on for cell in plan.cells):
        test, jobs = cell_jobs(plan, contestants, name)
        scored += score_dataset(test, jobs)
        done += jobs
    return scored, done


def _score_validation(
    plan: Plan, contestants: Mapping[Trained, Contestant]
) -> tuple[int, dict[Trained, Job]]:
    """Score the clean validation split of what each detector was trained on, to set operating points by."""
    scored = 0
    done: dict[Trained, Job] = {}
    for name in dict.fromkeys(trained[1] for trained in contestants if trained[1] is not None):
        subset = Subset.parse(name)
        clips = tuple(clip for clip in subset.for_training(plan.clips[subset.dataset]) if clip.split == "val")
        test = _shown_as(f"{name} (validation)", registry.datasets.get(subset.dataset), clips)
        jobs = []
        for trained, found in contestants.items():
            if trained[1] == name:
                cell = Cell(trained[0], name, name, seed=trained[2], runtime=plan.runtime)
                file = cell_file(cell, found, test, home() / "validation")
                jobs.append(Job(cell, found, file, _meta(plan, cell, found, test)))
                done[trained] = jobs[-1]
        scored += score_dataset(test, jobs)
    return scored, done


def _meta(plan: Plan, cell: Cell, found: Contestant, test: TestSet) -> dict[str, Any]:
    """What is stored with the predictions: the cell and its provenance."""
    commit, dirty = revision()
    weights = found.weights
    provenance = {
        "commit": commit,
        "dirty": dirty,
        "protocol": PROTOCOL,
        "weights_sha256": weights.sha256 if weights else None,
        "clips_sha256": test.identity,
        "recipe": asdict(found.recipe) if found.recipe else None,
        "recipe_sha256": digest([found.entry.name, found.recipe, _trained_identity(plan, cell)]),
        "preprocessing_sha256": digest(preprocessing(found, test.crop)),
        **selection_of(found),
        "versions": versions(),
    }
    return {"cell": asdict(cell), "provenance": provenance}


def selection_of(found: Contestant) -> dict[str, Any]:
    """The decision threshold of a detector, and where it and the checkpoint came from."""
    if found.weights is not None:
        source = found.weights.threshold_source
        return {"threshold": found.weights.threshold, "threshold_source": source, "checkpoint_source": source}
    return registry.stated_selection(found.detector, found.entry.name)


def _trained_identity(plan: Plan, cell: Cell) -> str | None:
    """What the weights were trained on, as it is compared between machines: never file bytes."""
    if cell.trained_on is None:
        return None
    subset = Subset.parse(cell.trained_on)
    clips = subset.for_training(plan.clips[subset.dataset])
    return identity_of(clips, registry.datasets.get(subset.dataset))


def _cost(found: Contestant) -> Cost:
    """The cost of a detector on this machine, measured once and then kept."""
    runtime = found.runtime
    what = [
        found.entry.name,
        file_digest(Path(found.entry.file)),
        found.recipe,
        runtime,
        versions(),
        platform.node(),
    ]
    path = home() / "costs" / f"{found.entry.name}-{digest(what)[:10]}.json"
    if path.is_file():
        return Cost(**read_json(path))
    cost = measure_cost(found.detector, found.entry.name, runtime)
    found.release()
    write_whole(path, json.dumps(asdict(cost), indent=1))
    return cost
