"""What a matrix asks of this machine: which cells can be run, which clips they need, and what is missing."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness import registry
from harness.data import left_out
from harness.data.clips import Subset, content_of, identity_of, list_clips
from harness.data.location import root_of, why_no_folder
from harness.evaluation.cell_keys import TestSet
from harness.evaluation.contestants import Trained
from harness.evaluation.matrix import Matrix
from harness.progress import say
from harness.runtime.device import resolve_precision
from harness.types import Cell, Clip, HarnessError, Runtime
from harness.video.decoding import reader_named
from harness.video.face_tracks import faces_missing


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
    shared: dict[tuple[str | None, str], str] = field(default_factory=dict)
    """(trained on, tested on) -> which test clips show footage that was trained on, once it is known."""
    identities: dict[str, str] = field(default_factory=dict)
    """Digests of training sets, once they were asked for."""
    subsets: dict[str, Subset] = field(default_factory=dict)
    """The datasets, or parts of them, that cells name, once they were asked for."""
    tests: dict[str, TestSet] = field(default_factory=dict)
    """Test sets, once they were asked for."""
    retrain: bool = False
    """Whether weights that are there are made anew."""
    rescore: bool = False
    """Whether predictions that are there are made anew."""
    listing: dict[str, str] = field(default_factory=dict)
    """Dataset -> which files under its root are no clips, and what was taken for frames, if any."""
    differs: str = ""
    """What of the results was made with something else than there is now, once that is known."""

    @property
    def datasets(self) -> list[str]:
        """Datasets the cells need, in order; imported weights do not need what they were trained on."""
        named = [on for detector, on, _ in self.trained if on and trains(detector)]
        named += dict.fromkeys(cell.tested_on for cell in self.cells)
        return list(dict.fromkeys(self.subset(text).dataset for text in named))

    @property
    def known(self) -> list[str]:
        """Datasets worth listing where they are here: also those that imported weights were trained on."""
        claimed = [self.subset(on).dataset for _, on, _ in self.trained if on]
        return list(dict.fromkeys([*self.datasets, *claimed]))

    def crop(self, dataset: str) -> str:
        """How the clips of a dataset are cut: as the matrix says, else as the dataset does."""
        return self.matrix.crop.get(dataset) or registry.datasets.get(dataset).crop

    @property
    def trained(self) -> list[Trained]:
        """The detectors with what they are trained on, in order; one leaderboard row each."""
        return list(dict.fromkeys((cell.detector, cell.trained_on, cell.seed) for cell in self.cells))

    def subset(self, name: str) -> Subset:
        """The dataset, or part of one, that a cell names."""
        if name not in self.subsets:
            self.subsets[name] = Subset.parse(name)
        return self.subsets[name]

    def listed(self, name: str) -> bool:
        """Whether the clips of what a cell names are known; those of a dataset still to be made are not."""
        return self.subset(name).dataset in self.clips

    def training(self, name: str) -> tuple[Clip, ...]:
        """The clips of the splits train and val of what a cell names as trained on."""
        return self.subset(name).for_training(self.clips[self.subset(name).dataset])

    def testing(self, name: str) -> tuple[Clip, ...]:
        """The clips of the split test of what a cell names as tested on."""
        return self.subset(name).for_testing(self.clips[self.subset(name).dataset])

    def root(self, dataset: str) -> Path:
        """The folder of a dataset."""
        return root_of(registry.datasets.get(dataset), self.matrix.data)


def plan_matrix(matrix: Matrix, device: str, retrain: bool = False, rescore: bool = False) -> Plan:
    """Find out what can be run here; makes, trains and scores nothing. Unknown names are a `HarnessError`."""
    reader_named()
    runtime = Runtime(device, resolve_precision(matrix.precision, device), matrix.batch, matrix.compile)
    plan = Plan(matrix, runtime, matrix.cells(runtime), {}, retrain=retrain, rescore=rescore)
    for kind, names in _needed(plan):
        plan.absent |= {
            name: f"its file cannot be imported: {kind.broken()[name]}"
            for name in names
            if name in kind.broken()
        }
    for name in [name for name in plan.datasets if name not in plan.absent]:
        _look_for(plan, registry.datasets.get(name))
    for name in [name for name in plan.known if name not in plan.clips and name not in plan.absent]:
        _list_claimed(plan, name)
    trainable = {name for name in dict.fromkeys(cell.detector for cell in plan.cells) if trains(name)}
    plan.cells = [cell for cell in plan.cells if not _names(plan, cell, trainable) & plan.absent.keys()]
    for detector, trained_on, _ in plan.trained:
        if trained_on and registry.detectors.get(detector).trainable:
            registry.detectors.get(detector).recipe(matrix.recipe_for(trained_on))
    check_subsets(plan)
    return plan


def _needed(plan: Plan) -> list[tuple[registry.Registry[Any], list[str]]]:
    """What the cells need of each registry."""
    return [
        (registry.detectors, sorted({cell.detector for cell in plan.cells})),
        (registry.datasets, sorted(plan.datasets)),
        (registry.perturbations, sorted({cell.perturbation for cell in plan.cells if cell.severity})),
    ]


def trains(detector: str) -> bool:
    """Whether a detector is trained here; a broken one is not."""
    broken = detector in registry.detectors.broken()
    return not broken and registry.detectors.get(detector).trainable


def _list_claimed(plan: Plan, name: str) -> None:
    """List what imported weights were trained on, if it is here, to find footage shared with test clips."""
    if name not in registry.datasets.names():
        return
    entry = registry.datasets.get(name)
    if why_no_folder(entry, plan.matrix.data) is None and plan.root(name).exists():
        with contextlib.suppress(HarnessError):  # an embedded one that is not made yet
            plan.clips[name] = tuple(entry.clips(plan.root(name)))
            plan.listing[name] = left_out.told(entry, plan.root(name), plan.clips[name])


def _names(plan: Plan, cell: Cell, trainable: Collection[str]) -> set[str]:
    """The plug-ins without which a cell cannot be run."""
    sets = [cell.tested_on, *([cell.trained_on] if cell.trained_on and cell.detector in trainable else [])]
    return {cell.detector, cell.perturbation, *(plan.subset(text).dataset for text in sets)}


def _look_for(plan: Plan, entry: registry.DatasetEntry) -> None:
    """List a dataset that is here; note one that is absent, empty or unreadable."""
    if entry.embedded:
        _list_if_made(plan, entry)
        return
    reason = why_no_folder(entry, plan.matrix.data)
    if reason is None:
        try:
            clips = plan.clips[entry.name] = list_clips(entry, plan.root(entry.name))
            plan.listing[entry.name] = left_out.told(entry, plan.root(entry.name), clips)
        except HarnessError as error:
            reason = f"{error}; see gapbench data check {entry.name}"
    if reason is None and plan.crop(entry.name) == "face":
        reason = faces_missing()
    if reason:
        plan.absent[entry.name] = reason


def check_subsets(plan: Plan) -> None:
    """Refuse, before anything is trained, a test or training set that the listed clips do not give."""
    for name in dict.fromkeys(cell.tested_on for cell in plan.cells):
        if plan.listed(name):
            test_set(plan, name)
    trained = [(detector, on) for detector, on, _ in plan.trained if on]
    for name in dict.fromkeys(on for detector, on in trained if trains(detector)):
        if plan.listed(name) and {clip.split for clip in plan.training(name)} != {"train", "val"}:
            raise HarnessError(f"{name} cannot be trained on: it needs clips in both splits, train and val")
    for detector, name in trained:
        if not trains(detector) and plan.listed(name):
            _check_claim(plan, detector, name)


def _check_claim(plan: Plan, detector: str, claimed: str) -> None:
    try:
        plan.training(claimed)
    except HarnessError as error:
        raise HarnessError(f"what {detector} is said to be trained on cannot be: {error}") from error


def _list_if_made(plan: Plan, entry: registry.DatasetEntry) -> None:
    try:
        plan.clips[entry.name] = tuple(entry.clips(plan.root(entry.name)))
    except HarnessError:
        say(f"{entry.name} will be made first (no download)")


def test_set(plan: Plan, name: str) -> TestSet:
    """The clips of a test set."""
    if name not in plan.tests:
        clips = plan.testing(name)
        if not clips:
            have = Counter(clip.split for clip in plan.clips[plan.subset(name).dataset])
            others = ", ".join(f"{count:,} of {split}" for split, count in have.items())
            raise HarnessError(f"{name} has no test clip (it has {others or 'none at all'})")
        plan.tests[name] = shown_as(plan, name, plan.subset(name).entry, clips)
    return plan.tests[name]


def shown_as(plan: Plan, name: str, entry: registry.DatasetEntry, clips: tuple[Clip, ...]) -> TestSet:
    digests = identity_of(clips, entry), content_of(clips, entry)
    return TestSet(name, clips, plan.crop(entry.name), *digests, plan.matrix.no_face)


def find_shared(plan: Plan) -> dict[tuple[str | None, str], str]:
    """(trained on, tested on) -> which test clips show footage of the training clips, where any do.

    Compared are ids, footage names, and what clips show (fingerprints, read once and kept). Two embedded
    datasets are not compared: their clips are rendered apart, and the conformance suite proves it.
    """
    pairs = dict.fromkeys((cell.trained_on, cell.tested_on) for cell in plan.cells)
    sets = [
        (pair, plan.training(str(pair[0])), plan.testing(pair[1]))
        for pair in pairs
        if _comparable(plan, *pair)
    ]
    if not sets:
        return {}
    from harness.data import fingerprints, overlap  # decoders, for real clips alone

    every = {clip.id: clip for _, train, test in sets for clip in (*train, *test)}
    prints = fingerprints.read(list(every.values()), f"matrix {plan.matrix.name}")
    found = {pair: overlap.shared(train, test, prints) for pair, train, test in sets}
    tested = {pair: len(test) for pair, _, test in sets}
    return {pair: overlap.why(shared, tested[pair]) for pair, shared in found.items() if shared}


def _comparable(plan: Plan, trained_on: str | None, tested_on: str) -> bool:
    if trained_on is None:
        return False
    names = (trained_on, tested_on)
    here = all(plan.listed(name) for name in names)
    return here and not all(plan.subset(name).entry.embedded for name in names)
