"""`gapbench eval`: run a matrix, or clips of one's own, and print the leaderboard."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from typing import Any

from harness import timing
from harness.cli.options import (
    Adder,
    add_device,
    add_face_model,
    add_oracle,
    add_part,
    add_results,
    add_retrain,
    add_tracking,
    add_video_reader,
)
from harness.cli.own_clips import add_own, matrix_named
from harness.cli.report import last_run, publish_board, usable, write_report
from harness.evaluation.matrix import load_matrix
from harness.progress import say, show
from harness.records import Row
from harness.types import (
    CROPS,
    FACE_POLICIES,
    FACE_POLICY,
    NO_FACE_POLICIES,
    NO_FACE_POLICY,
    HarnessError,
)

MOST_NAMED = 4
"""Cells without a score that are named in one line."""


def add_eval(command: Adder) -> None:
    """The arguments of `gapbench eval`."""
    evaluate = command(
        "eval", "run a matrix and print its leaderboard", "gapbench eval cross-dataset --dry-run"
    )
    evaluate.add_argument(
        "matrix",
        nargs="?",
        help="a matrix, a .toml file, or clips of your own: a folder, a .csv or a .parquet file",
    )
    evaluate.add_argument(
        "--dry-run", action="store_true", help="only say what would be done, and what is missing"
    )
    add_retrain(evaluate)
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
        "--test",
        action="append",
        default=[],
        metavar="NAME=PATH",
        help="a folder or file of clips under a name of its own, or a dataset; again for more on one board",
    )
    own.add_argument(
        *("--perturbation", "-p"),
        action="append",
        default=[],
        metavar="NAME",
        help="e.g. jpeg-3; again for more",
    )
    own.add_argument(
        "--train", action="store_true", help="train a detector that is named and not trained here"
    )
    own.add_argument(
        "--unseen-people",
        action="store_true",
        help="leave out test clips of people, and of recordings, that the training clips show too",
    )
    own.add_argument("--crop", choices=CROPS, help="part of the frame that is shown (default: the face)")
    own.add_argument(
        "--no-face",
        choices=NO_FACE_POLICIES,
        help=f"what a clip without a face counts as (default: {NO_FACE_POLICY})",
    )
    own.add_argument(
        "--faces",
        choices=FACE_POLICIES,
        help=f"who of several people is judged (default: {FACE_POLICY}, at each moment)",
    )
    add_part(own)
    add_own(own)
    add_face_model(evaluate)
    add_video_reader(evaluate)
    evaluate.add_argument("--no-publish", action="store_true", help="leave MLflow alone")
    add_oracle(evaluate)
    add_device(evaluate)
    add_results(evaluate)
    add_tracking(evaluate)


def run_eval(options: Namespace) -> int:
    """Run a matrix: plan, train, score, cost, tables, MLflow. Where a run left nothing to do, say so."""
    from harness.cli.seal import unbroken

    anew = options.dry_run or options.retrain or options.rescore
    sealed = None if anew else unbroken(options)
    if sealed is None:
        return _run(options)
    left = options.results if options.no_publish else f"{options.results} and MLflow"
    show(f"\n{sealed.printed}\n\nfinished before: nothing was left to do, {left} are as that run left them")
    return 0


def _run(options: Namespace) -> int:
    from harness.cli.seal_writer import SealWriter

    clock = timing.begin()
    with timing.spent("start"):
        witness = SealWriter(options)
        named = matrix_named(options)
        matrix = load_matrix(named)
        usable(options.results, written=True)
        from harness.evaluation.plan import plan_matrix
        from harness.evaluation.plan_table import describe_plan
        from harness.evaluation.run import run_plan
        from harness.runtime.device import device_of

        anew = (options.retrain, options.rescore, options.train)
        plan = plan_matrix(matrix, device_of(options.device), *anew)
        show(describe_plan(plan))
    if options.dry_run:
        return 0
    witness.planned(plan)
    if not plan.cells:
        raise HarnessError(f"matrix {matrix.name}: every cell is absent: {plan.reasons}")
    run_plan(plan)
    with timing.spent("tables and plots"):
        board = last_run(named)
        printed = [write_report(board, options), plan.differs]
        witness.reported(plan, board, "\n\n".join(filter(None, printed)))
    with timing.spent("publish"):
        code = 0 if options.no_publish else publish_board(board, options)
    show("\n".join(timing.told(clock.taken(), clock.beside)))
    unscored = [row for row in board.rows if row.failed + sum(_faceless(row)) == row.clips]
    if unscored or plan.lost:
        return _not_measured(unscored, plan) or code
    if code == 0:
        witness.ended()
    return code


def _not_measured(unscored: Sequence[Row], plan: Any) -> int:
    """Say which cells have no score, after everything else was written; some of them are exit code 3."""
    lost = [f"{name} is absent ({plan.absent[name]})" for name in plan.lost]
    named = ", ".join(f"{row.cell} ({_why_unscored(row)})" for row in unscored[:MOST_NAMED])
    named += f" and {len(unscored) - MOST_NAMED} more" if len(unscored) > MOST_NAMED else ""
    if len(unscored) == len(plan.cells):
        raise HarnessError("; ".join([f"no clip could be scored: {named}", *lost]))
    many = f"no clip could be scored in {len(unscored)} of {len(plan.cells)} cells: {named}"
    say(f"gapbench: {'; '.join([*[many] * bool(unscored), *lost])}; the rest is as printed")
    return 3


def _faceless(row: Row) -> tuple[int, int]:
    """How many real and fake clips have a score that no detector gave: no face was found in them."""
    return row.counts.get("faceless", (0, 0))


def _why_unscored(row: Row) -> str:
    return str(row.provenance.get("failure") or f"no face was found in any of {row.clips} clips")
