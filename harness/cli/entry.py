"""The command line: `gapbench COMMAND`. Each command is a function `run_<command>` of this floor."""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import NoReturn

from harness import __version__
from harness.types import CROPS, NO_FACE_POLICIES, NO_FACE_POLICY, HarnessError, unknown

EPILOG = """exit codes: 0 done; 1 worse, or a check found errors; 2 bad input; 3 inconclusive;
4 incomparable or nothing accepted; 5 results are safe, publishing failed; 70 a bug; 130 interrupted"""


ROOMS = {
    **{"gate": "gate", "accept": "gate", "metrics": "metrics", "predictions": "metrics"},
    **{"data": "data", "weights": "weights"},
}
"""Module of a command's function, where it is not `eval`."""

VARIABLES = {"face_model": "GAPBENCH_YUNET", "video_reader": "GAPBENCH_VIDEO_READER"}
"""Options that set an environment variable, so that child processes know of them too."""

Adder = Callable[[str, str, str], argparse.ArgumentParser]
"""(name, what it does, example) -> the parser of that command."""


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line instead of printing the usage."""

    def error(self, message: str) -> NoReturn:
        raise HarnessError(f"{message} (see: {self.prog} --help)")


def parser() -> argparse.ArgumentParser:
    """The parser of the whole command line."""
    top = _Parser(
        prog="gapbench",
        description="Measures how far a deepfake detector falls when the forgery is one it has never seen.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"gapbench {__version__}")
    top.add_argument(
        "--plugin", action="append", default=[], metavar="FILE", help="import a plug-in file first"
    )
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True, parser_class=_Parser)

    def command(name: str, what: str, example: str) -> argparse.ArgumentParser:
        return commands.add_parser(
            name,
            help=what,
            description=f"{what[0].upper()}{what[1:]}.",
            epilog=f"example: {example}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )

    _add_running(command)
    _add_bringing(command)
    _add_reading(command)
    return top


def _add_running(command: Adder) -> None:
    ls = command("ls", "list what is registered and what is on this machine", "gapbench ls datasets")
    ls.add_argument("kind", nargs="?", choices=("detectors", "datasets", "perturbations", "matrices"))

    check = command("check", "check that a plug-in keeps its contract", "gapbench check xception")
    check.add_argument("name")
    check.add_argument("--root", type=Path, help="folder of a dataset that is not embedded")

    train = command("train", "train a detector", "gapbench train xception --on procedural_lab")
    train.add_argument("detector")
    train.add_argument(
        "--on", required=True, metavar="DATASET", help="dataset, or dataset-manipulation to leave one out"
    )
    train.add_argument("--recipe", help="default: procedural for embedded datasets, else published")
    train.add_argument("--seed", type=_natural, default=0)
    _add_retrain(train)
    _add_video_reader(train)
    _add_device(train)

    evaluate = command(
        "eval", "run a matrix and print its leaderboard", "gapbench eval cross-dataset --dry-run"
    )
    evaluate.add_argument(
        "matrix", help="a matrix, a .toml file, or clips of your own: a folder, a .csv or a .parquet file"
    )
    evaluate.add_argument(
        "--dry-run", action="store_true", help="only say what would be done, and what is missing"
    )
    _add_retrain(evaluate)
    evaluate.add_argument("--rescore", action="store_true", help="score anew what is scored already")
    own = evaluate.add_argument_group("for clips of your own")
    own.add_argument(
        *("--detector", "-d"),
        action="append",
        default=[],
        metavar="NAME",
        help="who judges them; again for more",
    )
    own.add_argument(
        *("--perturbation", "-p"),
        action="append",
        default=[],
        metavar="NAME",
        help="e.g. jpeg-3; again for more",
    )
    own.add_argument("--crop", choices=CROPS, help="part of the frame that is shown (default: the face)")
    own.add_argument(
        "--no-face",
        choices=NO_FACE_POLICIES,
        help=f"what a clip without a face counts as (default: {NO_FACE_POLICY})",
    )
    _add_face_model(evaluate)
    _add_video_reader(evaluate)
    evaluate.add_argument("--no-publish", action="store_true", help="leave MLflow alone")
    _add_oracle(evaluate)
    _add_device(evaluate)
    _add_results(evaluate)
    _add_tracking(evaluate)

    predict = command(
        "predict", "judge videos or images", "gapbench predict xception@procedural_lab clip.mp4 --json"
    )
    predict.add_argument("detector", help="DETECTOR@TRAINED_ON[#SEED], or a fixed detector")
    predict.add_argument("files", nargs="+", type=Path, metavar="FILE")
    predict.add_argument(
        "--crop",
        choices=("face", "center", "none"),
        help="part of the frame that is shown (default: as it learnt)",
    )
    _add_face_model(predict)
    _add_video_reader(predict)
    predict.add_argument(
        "--box", type=_box, metavar="X,Y,W,H", help="face box in pixels: crop 1.3 x around it"
    )
    predict.add_argument("--json", action="store_true", help="print JSON")
    _add_device(predict)

    cost = command(
        "cost", "measure speed and memory of a detector", "gapbench cost xception --recipe procedural"
    )
    cost.add_argument("detector")
    cost.add_argument(
        "--recipe", default="published", help="gives the input size and frames (default: published)"
    )
    cost.add_argument("--precision", choices=("fp32", "bf16", "auto"), default="fp32")
    _add_device(cost)


def _add_bringing(command: Adder) -> None:
    data = command("data", "bring a dataset, check it, audit it", "gapbench data set ffpp_c23 /data/ffpp")
    actions = data.add_subparsers(dest="action", metavar="ACTION", required=True, parser_class=_Parser)

    place = actions.add_parser("set", help="say where a dataset lies (written to data.toml)")
    place.add_argument("dataset")
    place.add_argument("folder", type=Path, metavar="PATH")

    check = actions.add_parser("check", help="what is wrong with it: counts, files, clips, overlaps")
    check.add_argument("name", nargs="*", metavar="DATASET", help="default: all that are on this machine")
    check.add_argument("--matrix", help="also look for what its training and test sets share")
    check.add_argument("--root", type=Path, metavar="PATH", help="where it lies, for this once")
    check.add_argument("--html", type=Path, metavar="FILE", help="where the page goes")

    audit = actions.add_parser("audit", help="can real and fake be told apart without looking at the face?")
    audit.add_argument("dataset")
    audit.add_argument("--root", type=Path, metavar="PATH", help="where it lies, for this once")
    audit.add_argument(
        "--counterfactual", metavar="DETECTOR", help="AUC before and after both classes are encoded alike"
    )
    audit.add_argument(
        "--clips", type=_natural, default=1000, help="clips of a class at most (default: 1000)"
    )
    audit.add_argument("--seed", type=_natural, default=0)
    for one in (check, audit):
        _add_face_model(one)

    weights = command(
        "weights",
        "import published weights",
        "gapbench weights import Meso4_DF.h5 --detector meso4 --threshold 0.5 --selected fixed",
    )
    shelved = weights.add_subparsers(dest="action", metavar="ACTION", required=True, parser_class=_Parser)
    shelved.add_parser("ls", help="list what was imported")
    bring = shelved.add_parser("import", help="bring a file of weights; no code in it is ever run")
    bring.add_argument("file", type=Path)
    bring.add_argument(
        "--detector", required=True, help="whose weights they are, e.g. meso4 or timm:resnet50"
    )
    bring.add_argument("--name", help="what they are called from now on (default: from the file's name)")
    bring.add_argument("--format", help="default: by the file's ending and the detector")
    bring.add_argument("--trained-on", metavar="DATASET", help="what they were trained on, if that is known")
    bring.add_argument("--threshold", type=_share, help="decision threshold published with them")
    bring.add_argument(
        "--selected",
        choices=("fixed", "unknown"),
        default="unknown",
        help="fixed: they were chosen before any clip they will be tested on was looked at",
    )
    bring.add_argument("--size", type=_natural, help="side of the input in pixels (default: as published)")
    bring.add_argument(
        "--frames", type=_natural, help="frames of a clip that are scored (default: as published)"
    )
    bring.add_argument("--replace", action="store_true", help="replace weights of that name")


def _add_face_model(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--face-model",
        type=Path,
        metavar="FILE",
        help="YuNet's ONNX file (default: $GAPBENCH_YUNET, else fetched)",
    )


def _add_retrain(command: argparse.ArgumentParser) -> None:
    command.add_argument("--retrain", action="store_true", help="train anew what is trained already")


def _add_video_reader(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--video-reader",
        metavar="NAME",
        help="library that reads videos (default: $GAPBENCH_VIDEO_READER, else the fastest exact one)",
    )


def _add_reading(command: Adder) -> None:
    _add_metrics(command)
    predictions = command(
        "predictions",
        "write stored predictions as a table that anyone reads",
        "gapbench predictions export cross-dataset --to scores.csv",
    )
    predictions.add_argument("action", choices=("export",))
    predictions.add_argument("matrix")
    predictions.add_argument(
        "--cell", help="only this cell, e.g. xception@procedural_lab/procedural_wild/clean"
    )
    predictions.add_argument(
        "--to", type=Path, required=True, metavar="FILE", help="a .csv or .parquet file to write"
    )

    gate = command("gate", "compare a matrix with what was accepted", "gapbench gate smoke --junit gate.xml")
    gate.add_argument("matrix")
    gate.add_argument("--junit", type=Path, metavar="FILE", help="write the verdicts as JUnit XML")
    gate.add_argument(
        "--summary", type=Path, metavar="FILE", help="append the verdicts as Markdown, for a CI job page"
    )
    gate.add_argument(
        "--allow-inconclusive", action="store_true", help="exit with 0 where too few clips decide"
    )
    _add_results(gate)

    accept = command("accept", "accept a matrix as it is now, for the gate", "gapbench accept smoke")
    accept.add_argument("matrix")
    _add_results(accept)

    report = command(
        "report", "write tables and plots again from stored predictions", "gapbench report smoke"
    )
    report.add_argument("matrix")
    _add_oracle(report)
    _add_results(report)

    publish = command("publish", "publish a finished matrix to MLflow", "gapbench publish smoke")
    publish.add_argument("matrix")
    _add_results(publish)
    _add_tracking(publish)

    ui = command("ui", "open the leaderboards in the MLflow UI", "gapbench ui --port 5000")
    ui.add_argument("--port", type=_natural, default=5000)
    _add_tracking(ui)


def _add_metrics(command: Adder) -> None:
    metrics = command(
        "metrics",
        "every number of a matrix as CSV, or the report on a file of scores of any detector",
        "gapbench metrics --predictions scores.csv --map score=prob --threshold 0.5",
    )
    metrics.add_argument("matrix", nargs="?", help="a matrix that was run here")
    metrics.add_argument(
        "--predictions", type=Path, metavar="FILE", help="CSV or Parquet: clip_id, label, score, ..."
    )
    metrics.add_argument(
        "--map", action="append", default=[], metavar="OURS=THEIRS", help="a column that has another name"
    )
    metrics.add_argument(
        "--labels", metavar="REAL,FAKE", help="what the file calls them (default: 0 and 1, real and fake)"
    )
    metrics.add_argument("--name", help="name of the detector and the test set where no column says it")
    metrics.add_argument(
        "--threshold", type=_share, help="decision threshold on the score, fixed before the test"
    )
    metrics.add_argument("--prevalence", type=_share, help="share of fakes that PPV is stated for")
    metrics.add_argument("--csv", action="store_true", help="print the rows as CSV, not the tables")
    metrics.add_argument("--results", type=Path, metavar="FOLDER", help="write tables and plots there too")


def _add_oracle(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--oracle", action="store_true", help="also print what choosing on the test clips would have claimed"
    )


def _add_device(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--device", default="auto", help="cpu, cuda or cuda:N (default: cuda where there is one)"
    )


def _add_results(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--results", type=Path, default=Path("results"), help="folder of tables (default: results)"
    )


def _add_tracking(command: argparse.ArgumentParser) -> None:
    uri = os.environ.get("MLFLOW_TRACKING_URI", "sqlite:///mlflow.db")
    stated = "MLflow store (default: $MLFLOW_TRACKING_URI, else sqlite:///mlflow.db)"
    command.add_argument("--tracking-uri", default=uri, help=stated)
    command.add_argument(
        "--artifacts", default="mlartifacts", help="folder or URI of artifacts (default: mlartifacts)"
    )


def _natural(text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number") from None
    if number < 0:
        raise argparse.ArgumentTypeError(f"{number} is below 0")
    return number


def _share(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 to 1")
    return number


def _box(text: str) -> list[float]:
    try:
        box = [float(part) for part in text.split(",")]
    except ValueError:
        box = []
    if len(box) != 4 or min(box[2:]) <= 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not X,Y,WIDTH,HEIGHT in pixels")
    return box


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        options = _parsed(given)
        from harness import registry

        for file in options.plugin:
            registry.load_file(Path(file))
        for name, variable in VARIABLES.items():
            if getattr(options, name, None):
                os.environ[variable] = str(getattr(options, name))
        room = import_module(f"harness.cli.{ROOMS.get(options.command, 'eval')}")
        return int(getattr(room, f"run_{options.command}")(options))
    except HarnessError as error:
        print(f"gapbench: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(
            "gapbench: interrupted; what is finished is kept, the same command goes on from there",
            file=sys.stderr,
        )
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception:  # noqa: BLE001 - not 1, which is a verdict: a bug is no regression
        traceback.print_exc()
        print(
            "gapbench: this is a bug in GapBench or in a plug-in; what is finished is kept", file=sys.stderr
        )
        return 70


def _parsed(given: list[str]) -> argparse.Namespace:
    top = parser()
    known = next(action.choices for action in top._actions if isinstance(action, argparse._SubParsersAction))
    words = iter(given)
    for word in words:
        if word == "--plugin":
            next(words, None)
        elif not word.startswith("-"):
            if word not in known:
                raise unknown("command", word, known)
            break
    return top.parse_args(given)
