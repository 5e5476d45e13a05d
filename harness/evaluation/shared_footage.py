"""Which cells of a matrix would test detectors on recordings they were trained on."""

from __future__ import annotations

from harness import registry
from harness.data.location import Subset
from harness.evaluation.plan import Plan
from harness.types import Clip


def find_shared(plan: Plan) -> dict[tuple[str | None, str], str]:
    """(trained on, tested on) -> which test clips show footage of the training clips, where any do.

    Compared are ids, footage names, and what clips show (fingerprints, read once and kept). Two embedded
    datasets are not compared: their clips are rendered apart, and the conformance suite proves it.
    """
    pairs = dict.fromkeys((cell.trained_on, cell.tested_on) for cell in plan.cells)
    sets = [(pair, *_clips_of(plan, *pair)) for pair in pairs if _comparable(plan, *pair)]
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
    names = [Subset.parse(text).dataset for text in (trained_on, tested_on)]
    here = all(name in plan.clips for name in names)
    return here and not all(registry.datasets.get(name).embedded for name in names)


def _clips_of(
    plan: Plan, trained_on: str | None, tested_on: str
) -> tuple[tuple[Clip, ...], tuple[Clip, ...]]:
    train, test = Subset.parse(str(trained_on)), Subset.parse(tested_on)
    return train.for_training(plan.clips[train.dataset]), test.for_testing(plan.clips[test.dataset])
