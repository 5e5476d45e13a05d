"""The commands that read stored scores: numbers from them, and the scores themselves as a table."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from harness.cli.options import Adder, share
from harness.cli.report import last_run, usable
from harness.evaluation.matrix import known_matrices
from harness.guard.names import csv_text
from harness.progress import say, show, tell
from harness.records import Board
from harness.types import HarnessError


def add_metrics(command: Adder) -> None:
    """The arguments of `gapbench metrics`."""
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
    metrics.add_argument(
        "--frames-of",
        choices=("clip", "none"),
        help="whether rows are frames of clips, where their ids do not make that clear",
    )
    metrics.add_argument("--name", help="name of the detector and the test set where no column says it")
    metrics.add_argument(
        "--threshold", type=share, help="decision threshold on the score, fixed before the test"
    )
    metrics.add_argument("--prevalence", type=share, help="share of fakes that PPV is stated for")
    metrics.add_argument("--csv", action="store_true", help="print the rows as CSV, not the tables")
    metrics.add_argument("--results", type=Path, metavar="FOLDER", help="write tables and plots there too")


def add_predictions(command: Adder) -> None:
    """The arguments of `gapbench predictions`."""
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


OF_A_FILE = ("map", "name", "threshold", "prevalence", "labels", "frames_of", "results")
"""Flags of `metrics` that say something of a file of scores."""


def run_metrics(options: Namespace) -> int:
    """Every number of a matrix that was run here, or of a file of scores from any detector."""
    from harness.report import leaderboard
    from harness.results.external_scores import board_from_scores
    from harness.results.score_file import read_scores, wording
    from harness.types import PREVALENCE

    if options.predictions is None:
        if options.matrix is None:
            raise HarnessError("say what to measure: a matrix, or --predictions FILE")
        stray = next((flag for flag in OF_A_FILE if getattr(options, flag) not in (None, [])), None)
        if stray is not None:
            raise HarnessError(f"--{stray.replace('_', '-')} is for a file of scores: --predictions FILE")
        show(_csv(last_run(options.matrix)), end="")
        return 0
    if options.matrix is not None:
        raise HarnessError(f"give the matrix {options.matrix!r} or --predictions, not both")
    prevalence = PREVALENCE if options.prevalence is None else options.prevalence
    if not 0 < prevalence < 1:
        raise HarnessError(f"--prevalence {prevalence:g} is not above 0 and below 1")
    if options.results is not None:
        usable(options.results)
    said = wording(options.map, options.labels, options.name, options.frames_of)
    scores = read_scores(options.predictions, said)
    board, notes = board_from_scores(scores, options.threshold, prevalence)
    if options.results is not None:
        _spare_matrices(board.matrix, options.results)
        _spare_the_file(options.predictions, board.matrix, options.results)
    for note in notes:
        say(f"note: {note}")
    written = []
    if options.results is not None:
        written = leaderboard.write_board(board, options.results)
    show(_csv(board) if options.csv else leaderboard.terminal(board) + "\n", end="")
    for file in written:
        say(f"wrote {file}")
    if all(row.failed == row.clips for row in board.rows):
        raise HarnessError(f"no clip has a score in {options.predictions.name}")
    return 0


def run_predictions(options: Namespace) -> int:
    """Write the stored predictions of a matrix as a table that any program reads."""
    from harness.results.exported_scores import exportable, exported, write_scores

    exportable(options.to)
    table = exported(last_run(options.matrix), options.cell)
    write_scores(table, options.to)
    tell(f"wrote {options.to} ({len(table)} predictions)")
    return 0


def _csv(board: Board) -> str:
    from harness.results.rows import rows_table

    return csv_text(rows_table(board.rows))


def _spare_the_file(predictions: Path, name: str, results: Path) -> None:
    """Refuse to write tables over the very scores they are of."""
    if predictions.resolve().parent == results.resolve() and predictions.name.startswith(name):
        raise HarnessError(
            f"the tables in {results} would stand in for {predictions.name}; give --results another folder"
        )


def _spare_matrices(name: str, results: Path) -> None:
    """Refuse a name under which the tables of a matrix would be overwritten."""
    from harness.results.predictions import record_path

    if name in known_matrices() or record_path(name).is_file():
        raise HarnessError(
            f"{results / name}.md is for the matrix {name}; rename the file of scores, or leave out --results"
        )
