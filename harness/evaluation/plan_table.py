"""What a plan would do here, as text for the terminal; nothing is trained or scored for it."""

from __future__ import annotations

from harness import registry
from harness.data.clips import absent_files
from harness.evaluation.contestants import Contestant, Trained
from harness.evaluation.plan import Plan
from harness.evaluation.run import cell_jobs, contestant, training_job
from harness.files import home
from harness.tables import Table, plain, wrapped
from harness.training.train import find_weights


def describe_plan(plan: Plan) -> str:
    """What a matrix will do here: what is to be made, trained and scored, finished, or absent."""
    matrix = plan.matrix
    conditions = ", ".join(dict.fromkeys(cell.condition for cell in plan.cells))
    lines = [
        f"matrix {matrix.name}: {len(plan.cells)} cells on {plan.runtime.device}, "
        f"{plan.runtime.precision}, batches of {plan.runtime.batch} clips",
    ]
    lines += [wrapped(f"conditions: {conditions}")] * bool(plan.cells)
    lines += [f"to make: {name}" for name in plan.datasets if name not in plan.clips]
    ready = {trained: _ready(plan, trained) for trained in plan.trained}
    table = tuple(_plan_line(plan, trained, found) for trained, found in ready.items())
    if table:
        lines += ["", plain(Table("Plan", ("detector", "weights", *_tests(plan)), table))]
    lines += [wrapped(f"{name}: {said}") for name, said in plan.listing.items() if said]
    lines += _not_there(plan) + _fetched(plan) + _not_compared(plan)
    lines += [wrapped(f"absent: {name}: {why}") for name, why in plan.absent.items()]
    return "\n".join(lines)


def _fetched(plan: Plan) -> list[str]:
    """What has to be fetched before the plan can be run."""
    entries = [(registry.detectors.get(detector), on) for detector, on, _ in plan.trained if on]
    trained = [(entry, on) for entry, on in entries if entry.trainable]
    wanted = [e.name for e, on in trained if e.recipe(plan.matrix.recipe_for(on)).pretrained]
    names = ", ".join(dict.fromkeys(wanted))
    return [wrapped(f"ImageNet weights are fetched by timm before training: {names}")] if names else []


def _not_there(plan: Plan) -> list[str]:
    """Clips that are listed and have no file."""
    counts = {name: absent_files(clips) for name, clips in plan.clips.items()}
    return [
        f"{name}: {count:,} of {len(plan.clips[name]):,} files are not there; see gapbench data check {name}"
        for name, count in counts.items()
        if count
    ]


def _not_compared(plan: Plan) -> list[str]:
    """What imported weights were trained on and is not here, so that shared footage cannot be looked for."""
    claims = {detector: on for detector, on, _ in plan.trained if on}
    unseen = [
        f"{detector} is said to be trained on {on}"
        for detector, on in claims.items()
        if not registry.detectors.get(detector).trainable and not plan.listed(on)
    ]
    if not unseen:
        return []
    return [
        wrapped(f"{'; '.join(unseen)}: that is not here, so footage it shares with test sets is not found")
    ]


def _tests(plan: Plan) -> list[str]:
    return list(dict.fromkeys(cell.tested_on for cell in plan.cells))


def _ready(plan: Plan, trained: Trained) -> Contestant | None:
    """The detector of a row if nothing needs to be made or trained for it."""
    if not registry.detectors.get(trained[0]).trainable:
        return contestant(plan, trained)
    try:
        job = training_job(plan, trained)
    except KeyError:  # its dataset is still to be made
        return None
    weights = None if plan.retrain else find_weights(job, home() / "weights")
    return Contestant(job.entry, plan.runtime, job.recipe, weights) if weights else None


def _plan_line(plan: Plan, trained: Trained, found: Contestant | None) -> tuple[str, ...]:
    name = next(cell.entry for cell in plan.cells if (cell.detector, cell.trained_on, cell.seed) == trained)
    fixed = found is not None and found.weights is None
    weights = "fixed" if fixed else "to train" if found is None else "found"
    return (name, weights, *(_cells_left(plan, trained, found, test) for test in _tests(plan)))


def _cells_left(plan: Plan, trained: Trained, found: Contestant | None, test: str) -> str:
    cells = [c for c in plan.cells if c.tested_on == test and (c.detector, c.trained_on, c.seed) == trained]
    if found is None or not plan.listed(test):
        return f"{len(cells)} to score"
    _, jobs = cell_jobs(plan, {trained: found}, test)
    left = sum(job.due for job in jobs)
    return f"{left} to score" if left else f"{len(cells)} finished"
