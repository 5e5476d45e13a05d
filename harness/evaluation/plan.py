"""What a matrix asks of this machine: which cells can be run, which clips they need, and what is missing."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from harness import registry
from harness.contracts import clips_of_recipe
from harness.data import left_out, overlap
from harness.data.clips import Subset, absent_files, content_of, identity_of, list_clips, tested_as
from harness.data.location import root_of, why_no_folder
from harness.evaluation.cell_keys import TestSet
from harness.evaluation.contestants import Contestant, Trained, full_name, weights_named
from harness.evaluation.matrix import Matrix
from harness.evaluation.training_request import training_part
from harness.guard.clip_bounds import named_failure
from harness.progress import say
from harness.records import Weights
from harness.runtime.device import resolve_precision
from harness.training.batches import chosen_clips
from harness.types import Cell, Clip, HarnessError, Runtime, entry_parts
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
    people: dict[tuple[str | None, str], str] = field(default_factory=dict)
    """(trained on, tested on) -> how many test clips show people of the training clips, once it is known."""
    covered: dict[str, tuple[int, int]] = field(default_factory=dict)
    """What is tested on -> how many of its files are here, and how many should be, once it was asked for."""
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
    lost: list[str] = field(default_factory=list)
    """Detectors that cannot be had here; why is in `absent`."""
    weights: dict[Trained, Weights] = field(default_factory=dict)
    """Weights that the matrix names, as they are stored."""
    fixed: dict[str, Contestant] = field(default_factory=dict)
    """Fixed detectors, built once."""
    differs: str = ""
    """What of the results was made with something else than there is now, once that is known."""

    @property
    def reasons(self) -> str:
        """Why what is absent is absent, in one line."""
        return "; ".join(dict.fromkeys(self.absent.values()))

    @property
    def datasets(self) -> list[str]:
        """Datasets the cells need, in order; imported weights do not need what they were trained on."""
        named = [str(trained[1]) for trained in self.trained if self.trains(trained)]
        named += dict.fromkeys(cell.tested_on for cell in self.cells)
        return list(dict.fromkeys(self.subset(text).dataset for text in named))

    @property
    def known(self) -> list[str]:
        """Datasets worth listing where they are here: also those that imported weights were trained on."""
        claimed = [self.subset(on).dataset for _, on, _ in self.trained if on]
        return list(dict.fromkeys([*self.datasets, *claimed]))

    def trains(self, trained: Trained) -> bool:
        """Whether a detector needs what it is trained on; fixed ones and weights that are named do not."""
        return trained[1] is not None and trained not in self.weights and trains(trained[0])

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
        """The clips of the splits train and val of what a cell names as trained on, as recipes takes them."""
        clips = self.subset(name).for_training(self.clips[self.subset(name).dataset])
        asked = clips_of_recipe(self.matrix.recipe_for(name))
        return training_part(clips, self.subset(name).dataset, *asked).clips

    def testing(self, name: str) -> tuple[Clip, ...]:
        """The clips of the split test of what a cell names as tested on, as the matrix takes them."""
        clips = self.subset(name).for_testing(self.clips[self.subset(name).dataset])
        if self.matrix.unseen_people:
            learnt = [str(trained[1]) for trained in self.trained if trained[1] and self.listed(trained[1])]
            for on in dict.fromkeys(learnt):
                clips = overlap.strangers(self.training(on), clips)
        return chosen_clips(clips, self.matrix.present, self.matrix.limit)

    def root(self, dataset: str) -> Path:
        """The folder of a dataset."""
        return root_of(registry.datasets.get(dataset), self.matrix.data)


def plan_matrix(
    matrix: Matrix, device: str, retrain: bool = False, rescore: bool = False, train: bool = False
) -> Plan:
    """Find out what can be run here; makes, trains and scores nothing. Unknown names are a `HarnessError`.

    So are weights that the matrix names and that are not here, unless they may be trained: `train`.
    """
    reader_named()
    runtime = Runtime(device, resolve_precision(matrix.precision, device), matrix.batch, matrix.compile)
    plan = Plan(matrix, runtime, matrix.cells(runtime), {}, retrain=retrain, rescore=rescore)
    _look_up(plan, registry.detectors, {cell.detector for cell in plan.cells})
    _find_named(plan, train)
    _look_up(plan, registry.datasets, set(plan.datasets))
    _look_up(plan, registry.perturbations, {cell.perturbation for cell in plan.cells if cell.severity})
    for name in [name for name in plan.datasets if name not in plan.absent]:
        _look_for(plan, registry.datasets.get(name))
    for name in [name for name in plan.known if name not in plan.clips and name not in plan.absent]:
        _list_claimed(plan, name)
    detectors = list(dict.fromkeys(cell.detector for cell in plan.cells))
    plan.lost = [name for name in detectors if name in plan.absent]
    _look_at_parts(plan)
    plan.cells = [cell for cell in plan.cells if not _names(plan, cell) & plan.absent.keys()]
    _build_fixed(plan)
    for trained in filter(plan.trains, plan.trained):
        registry.detectors.get(trained[0]).recipe(matrix.recipe_for(str(trained[1])))
    check_subsets(plan)
    return plan


def _look_at_parts(plan: Plan) -> None:
    """Test a dataset of several domains on each alone, and note those of which no real is here."""
    here = {cell.tested_on: plan.subset(cell.tested_on) for cell in plan.cells if plan.listed(cell.tested_on)}
    parts, absent = tested_as({name: (part, plan.clips[part.dataset]) for name, part in here.items()})
    cells = [
        replace(cell, tested_on=name)
        for cell in plan.cells
        for name in parts.get(cell.tested_on, [cell.tested_on])
    ]
    plan.cells, plan.absent = list(dict.fromkeys(cells)), plan.absent | absent


def _find_named(plan: Plan, train: bool) -> None:
    """The weights that the matrix names; where `train` is said those that are lacking are trained."""
    lacking = []
    for name in plan.matrix.named:
        detector = entry_parts(name)[0]
        if detector in plan.absent or not registry.detectors.get(detector).trainable:
            continue
        try:
            weights = weights_named(name)
        except HarnessError as error:
            lacking.append(str(error))
            continue
        meant = entry_parts(full_name(weights))
        plan.cells = [
            replace(cell, trained_on=meant[1]) if cell.entry == name else cell for cell in plan.cells
        ]
        if not plan.retrain:
            plan.weights[meant] = weights
    if lacking and not train:
        more = f"; and {len(lacking) - 8:,} more" if len(lacking) > 8 else ""
        raise HarnessError(f"{'; '.join(lacking[:8])}{more}; or give --train")


def _build_fixed(plan: Plan) -> None:
    """Build the detectors that are not trained here, so that a lost file is known before clips are read."""
    for trained in plan.trained:
        if not registry.detectors.get(trained[0]).trainable:
            with or_left_out(plan, trained), named_failure(trained[0]):
                plan.fixed[trained[0]] = Contestant(registry.detectors.get(trained[0]), plan.runtime)
                plan.fixed[trained[0]].frames  # noqa: B018 - built, and can be shown something


@contextlib.contextmanager
def or_left_out(plan: Plan, trained: Trained) -> Iterator[None]:
    """Where a detector cannot be had, its cells are absent with the reason, and the others go on."""
    detector, trained_on, seed = trained
    name = Cell(detector, trained_on, "", seed=seed).entry
    try:
        yield
    except HarnessError as error:
        say(f"{name} is left out: {error}")
        plan.absent[name] = str(error)
        plan.lost.append(name)
        plan.cells = [c for c in plan.cells if (c.detector, c.trained_on, c.seed) != trained]


def _look_up(plan: Plan, kind: registry.Registry[Any], names: set[str]) -> None:
    """Note which of these cannot be had here; a name that nobody knows is a `HarnessError`."""
    plan.absent |= {name: why for name in sorted(names) if (why := kind.why_absent(name))}


def trains(detector: str) -> bool:
    """Whether a detector is trained here; a broken one is not."""
    broken = detector in registry.detectors.broken()
    return not broken and registry.detectors.get(detector).trainable


def _list_claimed(plan: Plan, name: str) -> None:
    """List what imported weights were trained on, if it is here, to find footage shared with test clips."""
    if not registry.datasets.knows(name):
        return
    entry = registry.datasets.get(name)
    if why_no_folder(entry, plan.matrix.data) is None and plan.root(name).exists():
        with contextlib.suppress(HarnessError):  # an embedded one that is not made yet
            root = plan.root(name)
            plan.clips[name] = tuple(entry.clips(root)) if entry.embedded else list_clips(entry, root)
            plan.listing[name] = left_out.told(entry, root, plan.clips[name])


def _names(plan: Plan, cell: Cell) -> set[str]:
    """The plug-ins without which a cell cannot be run."""
    sets = [cell.tested_on]
    if cell.detector not in plan.absent and plan.trains((cell.detector, cell.trained_on, cell.seed)):
        sets.append(str(cell.trained_on))
    return {cell.detector, cell.perturbation, cell.tested_on, *(plan.subset(text).dataset for text in sets)}


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
    for name in dict.fromkeys(str(trained[1]) for trained in plan.trained if plan.trains(trained)):
        if plan.listed(name) and {clip.split for clip in plan.training(name)} != {"train", "val"}:
            raise HarnessError(f"{name} cannot be trained on: it needs clips in both splits, train and val")
    for trained in plan.trained:
        if trained[1] and not plan.trains(trained) and plan.listed(trained[1]):
            _check_claim(plan, trained[0], trained[1])


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


def coverage(plan: Plan, name: str) -> tuple[int, int]:
    """How many test files of what a cell names are here, and how many were listed or official, if more."""
    if name not in plan.covered:
        part = plan.subset(name)
        clips = part.for_testing(plan.clips[part.dataset])
        plan.covered[name] = len(clips) - absent_files(clips), max(len(clips), part.official())
    return plan.covered[name]


def shown_as(plan: Plan, name: str, entry: registry.DatasetEntry, clips: tuple[Clip, ...]) -> TestSet:
    digests = identity_of(clips, entry), content_of(clips, entry)
    return TestSet(name, clips, plan.crop(entry.name), *digests, plan.matrix.no_face, plan.matrix.faces)


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
    from harness.data import fingerprints  # decoders, for real clips alone

    every = {clip.id: clip for _, train, test in sets for clip in (*train, *test)}
    prints = fingerprints.read(list(every.values()), f"matrix {plan.matrix.name}")
    found = {pair: overlap.shared(train, test, prints) for pair, train, test in sets}
    told = {pair: overlap.told(train, test, prints, found[pair]) for pair, train, test in sets}
    plan.people = {pair: said for pair, said in told.items() if said}
    tested = {pair: len(test) for pair, _, test in sets}
    return {pair: overlap.why(shared, tested[pair]) for pair, shared in found.items() if shared}


def _comparable(plan: Plan, trained_on: str | None, tested_on: str) -> bool:
    if trained_on is None:
        return False
    names = (trained_on, tested_on)
    here = all(plan.listed(name) for name in names)
    return here and not all(plan.subset(name).entry.embedded for name in names)
