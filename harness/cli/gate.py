"""The commands of the gate: compare the last run of a matrix with what was accepted, or accept it."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from harness.cli.options import Adder, add_results
from harness.files import write_whole
from harness.gate.verdicts import Verdict, exit_code, junit, markdown_summary, verdict_table
from harness.progress import say, show, tell
from harness.types import HarnessError


def add_gate(command: Adder) -> None:
    """The arguments of `gapbench gate`."""
    gate = command("gate", "compare a matrix with what was accepted", "gapbench gate smoke --junit gate.xml")
    gate.add_argument("matrix")
    gate.add_argument("--junit", type=Path, metavar="FILE", help="write the verdicts as JUnit XML")
    gate.add_argument(
        "--summary", type=Path, metavar="FILE", help="append the verdicts as Markdown, for a CI job page"
    )
    gate.add_argument(
        "--allow-inconclusive", action="store_true", help="exit with 0 where too few clips decide"
    )
    add_results(gate)


def add_accept(command: Adder) -> None:
    """The arguments of `gapbench accept`."""
    accept = command("accept", "accept a matrix as it is now, for the gate", "gapbench accept smoke")
    accept.add_argument("matrix")
    add_results(accept)


def run_gate(options: Namespace) -> int:
    """Compare a matrix with what was accepted; the exit code says the verdict that matters most."""
    from harness.cli.report import last_run, usable
    from harness.evaluation.matrix import load_matrix
    from harness.gate.accepted import lacking
    from harness.gate.cost_budgets import RELATIVE
    from harness.gate.judge import judge_board
    from harness.report.leaderboard import cost_table

    usable(options.results)
    board, margins = last_run(options.matrix), load_matrix(options.matrix).gate
    kinds = [".csv", ".parquet", *(["-cost.csv"] if RELATIVE.keys() & margins.keys() else [])]
    missing = lacking(options.results, board.matrix, kinds)
    if missing is None:
        verdicts = judge_board(board, options.results, margins, cost_table(board))
        show(verdict_table(verdicts))
    else:
        why = f"nothing is accepted: {missing} is missing; to accept: gapbench accept {options.matrix}"
        verdicts = [Verdict(board.matrix, "accepted", "incomparable", why)]
        tell(why)
    code = exit_code(verdicts, options.allow_inconclusive)
    unwritten = _report(board.matrix, verdicts, options)
    for reason in unwritten:
        say(f"gapbench: {reason}")
    return code or (2 if unwritten else 0)  # a verdict is not lost with its report


def run_accept(options: Namespace) -> int:
    """Make the rows, costs and predictions of the last run what later runs are compared with."""
    from harness.cli.report import last_run, usable
    from harness.gate.accepted import accept
    from harness.report.leaderboard import cost_table

    usable(options.results)
    board = last_run(options.matrix)
    for path in accept(board, cost_table(board), options.results):
        tell(f"accepted: {path}")
    return 0


def _report(matrix: str, verdicts: Sequence[Verdict], options: Namespace) -> list[str]:
    """Write what was asked for: JUnit XML, whole; Markdown, added to what is there. What could not be."""
    allowed = options.allow_inconclusive
    failed = []
    if options.junit:
        try:
            write_whole(options.junit, junit(matrix, verdicts, allowed))
        except HarnessError as error:
            failed.append(str(error))
    if options.summary:
        try:
            options.summary.parent.mkdir(parents=True, exist_ok=True)
            with options.summary.open("a", encoding="utf-8") as file:
                before = "\n" if file.tell() else ""
                file.write(before + markdown_summary(matrix, verdicts, allowed))
        except OSError as error:
            failed.append(f"cannot write {options.summary}: {error.strerror}")
    return failed
