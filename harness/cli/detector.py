"""The commands about one detector: train it, judge files with it, measure what it costs."""

from __future__ import annotations

import dataclasses
import json
from argparse import Namespace
from pathlib import Path
from typing import Any

from harness.cli.options import (
    Adder,
    add_device,
    add_face_model,
    add_part,
    add_retrain,
    add_video_reader,
    box,
    natural,
    positive,
    rate,
)
from harness.cli.own_clips import add_own, trained_on_of
from harness.files import file_digest, home
from harness.guard.output import json_to
from harness.progress import say, show, tell
from harness.tables import wrapped
from harness.types import (
    CROPS,
    FACE_CROPS,
    FACE_POLICIES,
    FACE_POLICY,
    HarnessError,
    Prediction,
    Runtime,
)


def add_train(command: Adder) -> None:
    """The arguments of `gapbench train`."""
    train = command("train", "train a detector", "gapbench train xception --on procedural_lab")
    train.add_argument("detector")
    train.add_argument(
        "--on",
        required=True,
        metavar="DATASET|FOLDER|FILE",
        help="a dataset (dataset-manipulation leaves one out), or clips of your own: a folder or a list",
    )
    train.add_argument("--seed", type=natural, default=0)
    recipe = train.add_argument_group("the recipe, and what of it is changed (the weights' name says so)")
    recipe.add_argument("--recipe", help="default: procedural for embedded datasets, else published")
    recipe.add_argument("--epochs", type=positive, help="passes over the training clips, at most")
    recipe.add_argument("--size", type=positive, metavar="PX", help="side of the input")
    recipe.add_argument("--clips", type=positive, metavar="N", help="training clips, at most")
    recipe.add_argument("--batch", type=positive, metavar="N", help="clips in one step")
    recipe.add_argument("--learning-rate", type=rate, metavar="RATE", help="peak, of the new layers")
    recipe.add_argument(
        "--start-from", metavar="WEIGHTS", help="weights to go on from: imported, or DETECTOR@TRAINED_ON"
    )
    add_part(recipe)
    own = train.add_argument_group("for clips of your own")
    add_own(own)
    own.add_argument("--crop", choices=CROPS, help="part of the frame that is shown (default: the face)")
    add_face_model(train)
    add_retrain(train)
    add_video_reader(train)
    add_device(train)


def add_predict(command: Adder) -> None:
    """The arguments of `gapbench predict`."""
    predict = command(
        "predict", "judge videos or images", "gapbench predict xception@procedural_lab clip.mp4 --json"
    )
    predict.add_argument("detector", help="DETECTOR@TRAINED_ON[~RECIPE][#SEED], or a fixed detector")
    predict.add_argument("files", nargs="+", type=Path, metavar="FILE")
    predict.add_argument(
        "--crop",
        choices=("face", "center", "none"),
        help="part of the frame that is shown (default: as it learnt)",
    )
    add_face_model(predict)
    add_video_reader(predict)
    predict.add_argument(
        "--box", type=box, metavar="X,Y,W,H", help="face box in pixels: crop 1.3 x around it"
    )
    predict.add_argument(
        "--faces",
        choices=FACE_POLICIES,
        default=FACE_POLICY,
        help="who of several people is judged: the largest there at a moment, each (the mean), or the max",
    )
    predict.add_argument("--json", action="store_true", help="print JSON")
    add_device(predict)


def add_cost(command: Adder) -> None:
    """The arguments of `gapbench cost`."""
    cost = command(
        "cost", "measure speed and memory of a detector", "gapbench cost xception --recipe procedural"
    )
    cost.add_argument("detector")
    cost.add_argument(
        "--recipe", default="published", help="gives the input size and frames (default: published)"
    )
    cost.add_argument("--precision", choices=("fp32", "bf16", "auto"), default="fp32")
    add_device(cost)


CHANGED = {
    **{name: name for name in ("epochs", "size", "clips", "batch", "present", "limit")},
    "lr": "learning_rate",
}
"""Word in a recipe's name -> the option of `train` that changes it."""
WORTH_FOLDING = 8
"""Files for which BatchNorm is folded, at least: to prove it takes as long as judging two."""


def run_train(options: Namespace) -> int:
    """Train one detector, or say that its weights are there already."""
    from harness import registry
    from harness.data.clips import Subset, list_clips
    from harness.data.location import root_of, why_no_folder
    from harness.evaluation.contestants import full_name
    from harness.evaluation.estimate import training_estimate
    from harness.evaluation.plan_table import known_lines
    from harness.evaluation.run import cut_as, make_job, weights_for
    from harness.evaluation.training_request import recipe_asked, start_of, told
    from harness.runtime.device import device_of
    from harness.training.train import find_weights

    entry = registry.detectors.get(options.detector)
    if not entry.trainable:
        raise HarnessError(f"{entry.name} is a fixed detector: there is nothing to train")
    trained_on = trained_on_of(options)
    data = registry.datasets.get(Subset.parse(trained_on).dataset)
    changes = {word: getattr(options, name) for word, name in CHANGED.items()}
    changes["from"] = start_of(options.start_from, entry) if options.start_from else None
    recipe = recipe_asked(entry, data, options.recipe, changes)
    absent = why_no_folder(data)
    if absent:
        raise HarnessError(f"{data.name} is absent: {absent}")
    clips = {data.name: list_clips(data, root_of(data))}
    job = make_job(entry, recipe, trained_on, clips, options.seed, device_of(options.device))
    job = cut_as(job, options.crop or job.crop)
    known = known_lines(data, clips[data.name])
    for line in (*told(job, data, clips[data.name]), *known):
        show(line)
    if options.retrain or find_weights(job, home() / "weights") is None:
        show(wrapped(training_estimate(job)))
    weights = weights_for(job, options.retrain)
    tell(f"weights    {weights.path}")
    tell(f"threshold  {weights.threshold:.4f} ({weights.threshold_source})")
    best = max((epoch["val_auc"] for epoch in weights.curve), default=None)
    if best is not None:
        tell(f"val AUC    {best:.4f} (best of {len(weights.curve)} epochs)")
    tell(f"use it     gapbench predict {full_name(weights)} FILE")
    if any(clip.split == "test" for clip in clips[data.name]):
        shown = "" if job.crop == data.crop else f" --crop {job.crop}"
        tell(f"judge it   gapbench eval {trained_on} --detector {full_name(weights)}{shown}")
    return 0


def run_predict(options: Namespace) -> int:
    """Judge files with a fixed detector or with stored weights."""
    from harness.data.given import clips_given
    from harness.evaluation.contestants import contestant_of
    from harness.evaluation.engine import judge_files
    from harness.runtime.device import device_of

    found = contestant_of(options.detector, device_of(options.device))
    files, assumed = clips_given(options.files)
    found = dataclasses.replace(found, folded=len(files) >= WORTH_FOLDING)
    crop = "boxes" if options.box else options.crop or _crop_of(found)
    facts = _facts(found, crop)
    said: list[Prediction] = []
    for line in assumed:
        say(line)
    if options.faces != FACE_POLICY and crop != "face" and not any(file.is_dir() for file in files):
        say(f"note: --faces {options.faces} changes nothing here: with --crop {crop} no face is looked for")
    for one in judge_files(files, found, crop, options.box, options.faces):
        said.append(one)
        if not options.json:
            tell(_line(one, facts["threshold"]))
    if options.json:
        judged = [_judged(one, facts["threshold"]) for one in said]
        told = json.dumps({"detector": options.detector, **facts, "files": judged}, indent=1)
        show(told, stream=json_to())
    else:
        shown = f"crop {crop}, {found.frames} frames of {found.size} px"
        threshold = "none" if facts["threshold"] is None else f"{facts['threshold']:.4f}"
        tell(f"threshold {threshold} ({facts['threshold_source']}); {shown}")
        if found.weights:
            tell(f"weights {found.weights.path}")
    for warning in facts["warnings"]:
        say(f"warning: {warning}")
    failed = [one for one in said if one.score is None]
    if failed:
        raise HarnessError(
            f"{len(failed)} of {len(said)} files could not be judged; first: {failed[0].error}"
        )
    return 0


def _line(said: Prediction, threshold: float | None) -> str:
    """What is printed of one file."""
    if said.score is None:
        return f"{said.clip_id}: {said.error}"
    line = f"{said.clip_id}: {_judged(said, threshold)['verdict'] or '-'}  P(fake) {said.score:.4f}"
    if said.looked is None or (said.seen == said.looked and said.people == 1):
        return line
    people = "1 person" if said.people == 1 else f"{said.people} people"
    return f"{line}  (face in {said.seen} of {said.looked} frames, {people})"


def _crop_of(found: Any) -> str:
    """How a detector wants to see files where nobody says: as it was trained; imported weights want faces."""
    if found.weights is None:
        return "face" if found.entry.identity else "center"
    trained = str(found.weights.provenance.get("crop", "center"))
    return "center" if trained == "boxes" else trained


def _facts(found: Any, crop: str) -> dict[str, Any]:
    """What a judgement rests on, and what makes it doubtful."""
    from harness.contracts import stated_selection

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
        "boxes": [list(box) for box in said.boxes],
        "seen": said.seen,
        "looked": said.looked,
        "people": said.people,
        "error": said.error,
    }


def run_cost(options: Namespace) -> int:
    """Measure and print what a detector costs on this machine."""
    from harness.report.costs import describe_cost
    from harness.runtime.cost_process import measured_cost

    wish = Runtime(options.device, options.precision)
    show(describe_cost(measured_cost(options.detector, options.recipe, wish)))
    return 0
