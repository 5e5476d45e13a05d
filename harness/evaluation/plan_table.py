"""What a plan would do here, as text for the terminal; nothing is trained or scored for it."""

from __future__ import annotations

from collections.abc import Mapping

from harness import registry
from harness.data.audit.findings import findings_of
from harness.data.clips import absent_files, content_of, identity_of
from harness.data.people import offer
from harness.evaluation.contestants import Contestant, Trained
from harness.evaluation.estimate import Shown, scoring_estimate, training_estimate
from harness.evaluation.plan import Plan, test_set
from harness.evaluation.run import cell_jobs, contestant, training_job
from harness.files import home
from harness.tables import Table, plain, wrapped
from harness.training.train import find_weights
from harness.types import Cell, Clip


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
    lines += _not_there(plan) + _own(plan) + _fetched(plan) + _not_compared(plan)
    lines += _known(plan) + _estimates(plan, ready)
    lines += [wrapped(f"absent: {name}: {why}") for name, why in plan.absent.items()]
    return "\n".join(lines)


def _known(plan: Plan) -> list[str]:
    """What check and audit found out about the clips that are tested or trained on."""
    lines = []
    for name in plan.datasets:
        if name in plan.clips:
            lines += known_lines(registry.datasets.get(name), plan.clips[name], plan.matrix.data.get(name))
    return [wrapped(line) for line in lines]


def known_lines(entry: registry.DatasetEntry, clips: tuple[Clip, ...], root: str | None = None) -> list[str]:
    """What check and audit found out about a set that was brought, and the commands not asked yet."""
    if entry.embedded:
        return []
    found = findings_of(entry.name, content_of(clips, entry), identity_of(clips, entry))
    lines = [f"{entry.name}: {line}" for line in found.lines]
    asked = "; ".join(found.recommended(root))
    return lines + [f"{entry.name}: not asked yet: {asked}"] * bool(asked)


def _estimates(plan: Plan, ready: Mapping[Trained, Contestant | None]) -> list[str]:
    """What the training and scoring that is left will take; nothing of a set that is still to be made."""
    said = []
    for trained, found in ready.items():
        if found is None and plan.listed(str(trained[1])):
            said.append(training_estimate(training_job(plan, trained)))
    for name in filter(plan.listed, _tests(plan)):
        shown = []
        for trained, found in ready.items():
            left = _left(plan, trained, found, name)
            entry = registry.detectors.get(trained[0])
            recipe = found.recipe if found else entry.recipe(plan.matrix.recipe_for(str(trained[1])))
            frames = found.frames if found else recipe.frames if recipe else 0
            shown += [Shown(entry, recipe, frames, left)] * bool(left)
        test = test_set(plan, name)
        said.append(scoring_estimate(name, test.clips, test.crop, shown, plan.runtime))
    return [wrapped(line) for line in said if line]


def _own(plan: Plan) -> list[str]:
    """Which clips of a set of the user's are judged, and what its names could tell."""
    lines = []
    for name in dict.fromkeys(plan.subset(cell.tested_on).dataset for cell in plan.cells):
        clips, entry = plan.clips.get(name, ()), registry.datasets.get(name)
        tests = sum(clip.split == "test" for clip in clips)
        if entry.embedded or entry.official:
            continue
        if tests < len(clips):
            kept = f"the other {len(clips) - tests:,} are for training"
            lines.append(f"{name}: its {tests:,} test clips are judged; {kept}")
        lines += [f"{name}: {line}" for line in filter(None, [offer(clips)])]
    return [wrapped(line) for line in lines]


def _fetched(plan: Plan) -> list[str]:
    """What has to be fetched before the plan can be run."""
    trained = [(registry.detectors.get(each[0]), str(each[1])) for each in plan.trained if plan.trains(each)]
    wanted = [e.name for e, on in trained if e.recipe(plan.matrix.recipe_for(on)).pretrained]
    names = ", ".join(dict.fromkeys(wanted))
    return [wrapped(f"ImageNet weights are fetched by timm before training: {names}")] if names else []


def _not_there(plan: Plan) -> list[str]:
    """Clips that are listed and have no file."""
    counts = {name: absent_files(clips) for name, clips in plan.clips.items()}
    what = (
        "and are left out" if plan.matrix.present else "and will count as failed (--present leaves them out)"
    )
    return [
        f"{name}: {count:,} of {len(plan.clips[name]):,} files are not there {what}"
        for name, count in counts.items()
        if count
    ]


def _not_compared(plan: Plan) -> list[str]:
    """What weights were trained on and is not here, so that shared footage cannot be looked for."""
    claims = {each[0]: each[1] for each in plan.trained if each[1] and not plan.trains(each)}
    unseen = [
        f"{detector} is said to be trained on {on}" for detector, on in claims.items() if not plan.listed(on)
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
    if not plan.trains(trained):
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
    left = _left(plan, trained, found, test)
    return f"{left} to score" if left else f"{len(_cells(plan, trained, test))} finished"


def _cells(plan: Plan, trained: Trained, test: str) -> list[Cell]:
    return [c for c in plan.cells if c.tested_on == test and (c.detector, c.trained_on, c.seed) == trained]


def _left(plan: Plan, trained: Trained, found: Contestant | None, test: str) -> int:
    """How many cells of a detector on a test set are still to be scored."""
    if found is None or not plan.listed(test):
        return len(_cells(plan, trained, test))
    return sum(job.due for job in cell_jobs(plan, {trained: found}, test)[1])
