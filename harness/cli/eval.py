"""What each command of the command line does; heavy imports happen in the command that needs them."""

from __future__ import annotations

import dataclasses
import json
import subprocess
from argparse import Namespace
from pathlib import Path
from typing import Any

from harness import timing
from harness.files import file_digest
from harness.progress import say
from harness.types import FACE_CROPS, HarnessError, Prediction, Runtime, unknown

WORTH_FOLDING = 8
"""Files for which BatchNorm is folded, at least: to prove it takes as long as judging two."""


def run_ls(options: Namespace) -> int:
    """List what is registered, what is broken, and what is on this machine."""
    from harness.cli.plugins import list_kind

    kinds = [options.kind] if options.kind else ["detectors", "datasets", "perturbations", "matrices"]
    print("\n\n".join(list_kind(kind) for kind in kinds))
    return 0


def run_check(options: Namespace) -> int:
    """Check one plug-in by name, in whichever registry knows it."""
    from harness import registry
    from harness.checks import conformance
    from harness.data.location import root_of

    name = options.name
    if name in registry.detectors.names() or ":" in name:
        findings = conformance.check_detector(registry.detectors.get(name))
    elif name in registry.datasets.names():
        entry = registry.datasets.get(name)
        if entry.embedded and options.root:
            raise HarnessError(f"{name} is made by GapBench; --root is for datasets that you bring")
        findings = conformance.check_dataset(entry, options.root or root_of(entry))
    elif name in registry.perturbations.names():
        findings = conformance.check_perturbation(registry.perturbations.get(name))
    else:
        kinds = (registry.detectors, registry.datasets, registry.perturbations)
        broken = {file: why for kind in kinds for file, why in kind.broken().items()}
        if name in broken:
            raise HarnessError(f"{name} cannot be imported: {broken[name]}")
        raise unknown("plug-in", name, [known for kind in kinds for known in kind.names()])
    for finding in findings:
        print(f"{'ok  ' if finding.passed else 'FAIL'}  {finding.check:44} {finding.detail}".rstrip())
    failed = sum(not finding.passed for finding in findings)
    print(f"{name}: {len(findings) - failed} checks passed, {failed} failed")
    return 1 if failed else 0


def run_train(options: Namespace) -> int:
    """Train one detector, or say that its weights are there already."""
    from harness import registry
    from harness.data.location import Subset, list_clips, missing, root_of
    from harness.evaluation.naming import device_of
    from harness.evaluation.run import cut_as, make_job, weights_for

    entry = registry.detectors.get(options.detector)
    if not entry.trainable:
        raise HarnessError(f"{entry.name} is a fixed detector: there is nothing to train")
    data = registry.datasets.get(Subset.parse(options.on).dataset)
    recipe = options.recipe or ("procedural" if data.embedded else "published")
    entry.recipe(recipe)
    absent = missing(data)
    if absent:
        raise HarnessError(f"{data.name} is absent: {absent}")
    clips = {data.name: list_clips(data, root_of(data))}
    job = make_job(entry, recipe, options.on, clips, options.seed, device_of(options.device))
    weights = weights_for(cut_as(job, job.crop), options.retrain)
    print(f"weights    {weights.path}")
    print(f"threshold  {weights.threshold:.4f} ({weights.threshold_source})")
    best = max((epoch["val_auc"] for epoch in weights.curve), default=None)
    if best is not None:
        print(f"val AUC    {best:.4f} (best of {len(weights.curve)} epochs)")
    return 0


def run_eval(options: Namespace) -> int:
    """Run a matrix: plan, train, score, cost, tables, MLflow. Where a run left nothing to do, say so."""
    from harness.cli.seal import unbroken

    anew = options.dry_run or options.retrain or options.rescore
    sealed = None if anew else unbroken(options)
    if sealed is None:
        return _run(options)
    left = options.results if options.no_publish else f"{options.results} and MLflow"
    print(f"\n{sealed.printed}\n\nfinished before: nothing was left to do, {left} are as that run left them")
    return 0


def _run(options: Namespace) -> int:
    from harness.cli.own_clips import matrix_named
    from harness.cli.report import last_run, usable
    from harness.cli.seal_writer import Witness
    from harness.evaluation.matrix import load_matrix

    clock = timing.begin()
    with timing.spent("start"):
        witness = Witness(options)
        named = matrix_named(options)
        matrix = load_matrix(named)
        usable(options.results)
        from harness.cli.plugins import describe_plan
        from harness.evaluation.naming import device_of
        from harness.evaluation.plan import plan_matrix
        from harness.evaluation.run import run_plan

        plan = plan_matrix(matrix, device_of(options.device), options.retrain, options.rescore)
        print(describe_plan(plan), flush=True)
    if options.dry_run:
        return 0
    witness.planned(plan)
    if not plan.cells:
        why = "; ".join(dict.fromkeys(plan.absent.values()))
        raise HarnessError(f"matrix {matrix.name}: every cell is absent: {why}")
    run_plan(plan)
    with timing.spent("tables and plots"):
        board = last_run(named)
        printed = [_write_report(board, options), plan.differs]
        witness.reported(plan, board, "\n\n".join(filter(None, printed)))
    with timing.spent("publish"):
        code = 0 if options.no_publish else _publish(board, options)
    if code == 0:
        witness.ended()
    print("\n".join(timing.told(clock.taken(), clock.beside)))
    return code


def run_predict(options: Namespace) -> int:
    """Judge files with a fixed detector or with stored weights."""
    from harness.evaluation.engine import judge_files
    from harness.evaluation.naming import contestant_of, device_of

    found = contestant_of(options.detector, device_of(options.device))
    found = dataclasses.replace(found, folded=len(options.files) >= WORTH_FOLDING)
    crop = "boxes" if options.box else options.crop or _crop_of(found)
    facts = _facts(found, crop)
    said = judge_files(options.files, found, crop, options.box)
    if options.json:
        judged = [_judged(one, facts["threshold"]) for one in said]
        print(json.dumps({"detector": options.detector, **facts, "files": judged}, indent=1))
    else:
        for one in said:
            verdict = _judged(one, facts["threshold"])["verdict"]
            said_of_it = one.error if one.score is None else f"{verdict or '-'}  P(fake) {one.score:.4f}"
            print(f"{one.clip_id}: {said_of_it}")
        shown = f"crop {crop}, {found.frames} frames of {found.size} px"
        threshold = "none" if facts["threshold"] is None else f"{facts['threshold']:.4f}"
        print(f"threshold {threshold} ({facts['threshold_source']}); {shown}")
        if found.weights:
            print(f"weights {found.weights.path}")
    for warning in facts["warnings"]:
        say(f"warning: {warning}")
    failed = [one for one in said if one.score is None]
    if failed:
        raise HarnessError(
            f"{len(failed)} of {len(said)} files could not be judged; first: {failed[0].error}"
        )
    return 0


def _crop_of(found: Any) -> str:
    """How a detector wants to see files where nobody says: as it was trained; imported weights want faces."""
    if found.weights is None:
        return "face" if found.entry.identity else "center"
    trained = str(found.weights.provenance.get("crop", "center"))
    return "center" if trained == "boxes" else trained


def _facts(found: Any, crop: str) -> dict[str, Any]:
    """What a judgement rests on, and what makes it doubtful."""
    from harness.registry import stated_selection

    weights = found.weights
    if weights is None:
        stated = stated_selection(found.detector, found.entry.name)
        return {**stated, "crop": crop, "weights": found.entry.identity or None, "warnings": []}
    warnings = []
    trained_crop = weights.provenance.get("crop", crop)
    if trained_crop != crop and not {trained_crop, crop} <= set(FACE_CROPS):
        hint = (
            " (give --crop face, or --box)" if trained_crop == "boxes" else f" (give --crop {trained_crop})"
        )
        warnings.append(
            f"trained on crop {trained_crop}, shown {crop}: score and threshold may not fit{hint}"
        )
    if weights.provenance.get("source_sha256", "") not in ("", file_digest(Path(found.entry.file))):
        warnings.append(f"{found.entry.name} has changed since these weights were trained")
    return {
        "threshold": weights.threshold,
        "threshold_source": weights.threshold_source,
        "crop": crop,
        "weights": str(weights.path),
        "warnings": warnings,
    }


def _judged(said: Prediction, threshold: float | None) -> dict[str, Any]:
    verdict = None
    if said.score is not None and threshold is not None:
        verdict = "fake" if said.score >= threshold else "real"
    return {
        "file": said.clip_id,
        "verdict": verdict,
        "score": said.score,
        "frame_scores": list(said.frame_scores),
        "frame_indices": list(said.frame_indices),
        "error": said.error,
    }


def run_cost(options: Namespace) -> int:
    """Measure and print what a detector costs on this machine."""
    from harness.report.costs import describe_cost
    from harness.runtime.cost_process import measured_cost

    wish = Runtime(options.device, options.precision)
    print(describe_cost(measured_cost(options.detector, options.recipe, wish)))
    return 0


def run_report(options: Namespace) -> int:
    """Write the tables and plots of a matrix again."""
    from harness.cli.report import last_run, usable

    usable(options.results)
    _write_report(last_run(options.matrix), options)
    return 0


def run_publish(options: Namespace) -> int:
    """Publish a finished matrix to MLflow."""
    from harness.cli.report import last_run, usable

    usable(options.results)
    return _publish(last_run(options.matrix), options)


def run_ui(options: Namespace) -> int:
    """Serve the MLflow UI on this machine and print the links of the leaderboards."""
    from harness.tracking.publish import leaderboard_links, ui_command

    command, environment = ui_command(options.tracking_uri, options.artifacts, options.port)
    for link in leaderboard_links(options.tracking_uri):
        print(f"http://127.0.0.1:{options.port}/{link}")
    return subprocess.run(command, env=environment, check=False).returncode


def _write_report(board: Any, options: Namespace) -> str:
    """Write tables and plots and print the leaderboard; returns it as it was printed."""
    from harness.report.leaderboard import terminal, write_board
    from harness.report.published_figures import figures_in

    files = write_board(board, options.results)
    text = terminal(board, options.oracle, figures_in(options.results))
    print(f"\n{text}\n")
    print("\n".join(f"wrote {file}" for file in files), flush=True)
    return text


def _publish(board: Any, options: Namespace) -> int:
    try:
        from harness.tracking.publish import publish

        links = publish(board, options.results, options.tracking_uri, options.artifacts)
    except HarnessError as error:
        say(f"gapbench: the results are in {options.results}, but publishing failed: {error}")
        return 5
    where = f"; make ui serves it, the leaderboard is at {links[0]}" if links else ""
    print(f"published to MLflow{where}")
    return 0
