"""The commands about a finished matrix: its tables and plots, MLflow, the MLflow UI."""

from __future__ import annotations

import dataclasses
import os
import subprocess
from argparse import Namespace
from pathlib import Path

from harness.cli.options import Adder, add_oracle, add_results, add_tracking, natural
from harness.evaluation.matrix import load_matrix
from harness.process import keep_freed_memory
from harness.progress import say, show, tell
from harness.records import Board
from harness.types import HarnessError


def add_report(command: Adder) -> None:
    """The arguments of `gapbench report`."""
    report = command(
        "report", "write tables and plots again from stored predictions", "gapbench report smoke"
    )
    report.add_argument("matrix")
    report.add_argument(
        "--published", action="store_true", help="write them as the board that the project publishes"
    )
    add_oracle(report)
    add_results(report)


def add_publish(command: Adder) -> None:
    """The arguments of `gapbench publish`."""
    publish = command("publish", "publish a finished matrix to MLflow", "gapbench publish smoke")
    publish.add_argument("matrix")
    add_results(publish)
    add_tracking(publish)


def add_ui(command: Adder) -> None:
    """The arguments of `gapbench ui`."""
    ui = command("ui", "open the leaderboards in the MLflow UI", "gapbench ui --port 5000")
    ui.add_argument("--port", type=natural, default=5000)
    add_tracking(ui)


def last_run(name: str) -> Board:
    """The last run of a matrix (a name or a `.toml` file), if it was a run of the matrix as it is now."""
    from harness.results.rows import load_board

    matrix = load_matrix(name)
    keep_freed_memory()  # the draws of many cells would be given back and taken again, cell by cell
    board = load_board(matrix.name, matrix.prevalence)
    if board.matrix_sha256 != matrix.sha256:
        raise HarnessError(f"{matrix.name} has changed since its last run; run: gapbench eval {matrix.name}")
    # What only derived numbers depend on (prevalence, margins, wording) is as the file says now.
    return dataclasses.replace(board, matrix_toml=matrix.toml, about=matrix.about)


def usable(results: Path, written: bool = False) -> None:
    """Refuse a results path that is a file, lies below one, or (`written`) cannot be written to."""
    place = next(place for place in (results, *results.absolute().parents) if os.path.lexists(place))
    if not place.is_dir():
        below = "" if place == results else f" cannot be made: {place}"
        raise HarnessError(f"the results path {results}{below} is a file, not a folder")
    if written and not os.access(place, os.W_OK | os.X_OK):
        raise HarnessError(
            f"the results path {results} cannot be written to; give another one with --results"
        )


def run_report(options: Namespace) -> int:
    """Write the tables and plots of a matrix again."""
    usable(options.results, written=True)
    write_report(last_run(options.matrix), options)
    return 0


def run_publish(options: Namespace) -> int:
    """Publish a finished matrix to MLflow."""
    usable(options.results)
    return publish_board(last_run(options.matrix), options)


def run_ui(options: Namespace) -> int:
    """Serve the MLflow UI on this machine and print the links of the leaderboards."""
    from harness.tracking.publish import leaderboard_links, ui_command

    command, environment = ui_command(options.tracking_uri, options.artifacts, options.port)
    for link in leaderboard_links(options.tracking_uri):
        tell(f"http://127.0.0.1:{options.port}/{link}")
    return subprocess.run(command, env=environment, check=False).returncode


def write_report(board: Board, options: Namespace) -> str:
    """Write tables and plots and print the leaderboard; returns it as it was printed."""
    from harness.gate.reproduction import published_in, reproduced
    from harness.report.leaderboard import terminal, write_board
    from harness.report.published_figures import figures_in

    figures, publishes = figures_in(options.results), getattr(options, "published", False)
    folder = published_in(options.results) if publishes else options.results
    files = write_board(board, folder, figures)
    text = terminal(board, options.oracle, figures)
    show(f"\n{text}\n")
    for file in files:
        tell(f"wrote {file}")
    again = "" if publishes else reproduced(board.matrix, options.results)
    if again:
        show(f"\n{again}")
    return "\n\n".join(filter(None, [text, again]))


def publish_board(board: Board, options: Namespace) -> int:
    try:
        from harness.tracking.publish import publish

        links = publish(board, options.results, options.tracking_uri, options.artifacts)
    except HarnessError as error:
        say(f"gapbench: the results are in {options.results}, but publishing failed: {error}")
        return 5
    where = f"; make ui serves it, the leaderboard is at {links[0]}" if links else ""
    tell(f"published to MLflow{where}")
    return 0
