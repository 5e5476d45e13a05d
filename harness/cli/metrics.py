"""The commands that read stored scores: numbers from them, and the scores themselves as a table."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from harness.cli.report import last_run, usable
from harness.evaluation.matrix import known_matrices
from harness.files import writing
from harness.metrics.thresholds import PREVALENCE
from harness.progress import say
from harness.report import leaderboard
from harness.results.external_scores import CELL, board_of
from harness.results.predictions import read_predictions, record_path
from harness.results.score_file import COLUMNS, Wording, read_scores
from harness.results.standing import rows_table
from harness.types import Board, Cell, HarnessError, unknown

EXPORTED = (*CELL, "split", "clip_id", "label", "score", "manipulation", "target", "source", "error")
"""Columns of exported predictions, which `gapbench metrics --predictions` reads as they are."""

OF_A_FILE = ("map", "name", "threshold", "prevalence", "labels", "results")
"""Flags of `metrics` that say something of a file of scores."""


def run_metrics(options: Namespace) -> int:
    """Every number of a matrix that was run here, or of a file of scores from any detector."""
    if options.predictions is None:
        if options.matrix is None:
            raise HarnessError("say what to measure: a matrix, or --predictions FILE")
        stray = next((flag for flag in OF_A_FILE if getattr(options, flag) not in (None, [])), None)
        if stray is not None:
            raise HarnessError(f"--{stray} is for a file of scores: --predictions FILE")
        print(_csv(last_run(options.matrix)), end="")
        return 0
    if options.matrix is not None:
        raise HarnessError(f"give the matrix {options.matrix!r} or --predictions, not both")
    prevalence = PREVALENCE if options.prevalence is None else options.prevalence
    if not 0 < prevalence < 1:
        raise HarnessError(f"--prevalence {prevalence:g} is not above 0 and below 1")
    if options.results is not None:
        usable(options.results)
    scores = read_scores(options.predictions, wording(options.map, options.labels, options.name))
    board, notes = board_of(scores, options.threshold, prevalence)
    if options.results is not None:
        _spare_matrices(board.matrix, options.results)
        _spare_the_file(options.predictions, board.matrix, options.results)
    for note in notes:
        say(f"note: {note}")
    written = []
    if options.results is not None:
        written = leaderboard.write_board(board, options.results)
    print(_csv(board) if options.csv else leaderboard.terminal(board) + "\n", end="")
    for file in written:
        say(f"wrote {file}")
    return 0


def run_predictions(options: Namespace) -> int:
    """Write the stored predictions of a matrix as a table that any program reads."""
    exportable(options.to)
    table = exported(last_run(options.matrix), options.cell)
    write_scores(table, options.to)
    print(f"wrote {options.to} ({len(table)} predictions)")
    return 0


def wording(columns: Sequence[str], labels: str | None, name: str | None) -> Wording:
    """The wording that flags state: `columns` as `score=prob`, `labels` as `real's,fake's`."""
    found: dict[str, str] = {}
    for text in columns:
        ours, _, theirs = (part.strip() for part in text.partition("="))
        if not ours or not theirs:
            raise HarnessError(f"--map {text!r} is not COLUMN=THEIRS, as in --map score=prob")
        if ours not in COLUMNS:
            raise unknown("column", ours, COLUMNS)
        if ours in found:
            raise HarnessError(f"--map says twice what {ours!r} is: {found[ours]!r} and {theirs!r}")
        found[ours] = theirs
    words = None if labels is None else tuple(part.strip().lower() for part in labels.split(","))
    if words is not None and (len(words) != 2 or not all(words) or words[0] == words[1]):
        raise HarnessError(f"--labels {labels!r} is not REAL,FAKE, as in --labels pristine,swapped")
    return Wording(found, None if words is None else (words[0], words[1]), name)


def exported(board: Board, cell: str | None = None) -> pd.DataFrame:
    """The stored predictions of a board as one table (`EXPORTED`), with the validation rows of its entries.

    `cell` names one cell by its text, e.g. `xception@lab/wild/clean`; the validation rows of its
    detector come with it. `HarnessError` for an unknown cell, and where predictions are missing.
    """
    names = [str(row.cell) for row in board.rows]
    if cell is not None and cell not in names:
        raise unknown("cell", cell, names)
    parts: list[pd.DataFrame] = []
    for entry in board.entries:
        rows = [row for row in entry.rows if cell in (None, str(row.cell))]
        for row in rows:
            if str(row.cell) not in board.predictions:
                raise HarnessError(f"no stored predictions of {row.cell}")
            parts.append(_told(board.predictions[str(row.cell)], row.cell, "test"))
        if rows and entry.validation is not None:
            seen = Cell(entry.detector, entry.trained_on, entry.trained_on or "", seed=entry.seed)
            parts.append(_told(entry.validation, seen, "val"))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=list(EXPORTED))


def write_scores(table: pd.DataFrame, path: Path) -> None:
    """Write exported predictions as `.csv` or `.parquet`, whole or not at all."""
    exportable(path)
    with writing(path) as temporary:
        if path.suffix == ".csv":
            table.to_csv(temporary, index=False, lineterminator="\n")
        else:
            table.to_parquet(temporary, index=False)


def exportable(path: Path) -> None:
    """Refuse a file to write whose name ends in neither `.csv` nor `.parquet`, or that is a folder."""
    if path.suffix not in (".csv", ".parquet"):
        raise HarnessError(f"predictions are written as .csv or .parquet, not as {path.name!r}")
    if path.is_dir():
        raise HarnessError(f"{path} is a folder; name a file in it")


def _told(path: Path, cell: Cell, split: str) -> pd.DataFrame:
    predictions, _ = read_predictions(path)
    said = {name: getattr(cell, name) for name in CELL} | {"split": split}
    table = predictions.assign(**{name: [value] * len(predictions) for name, value in said.items()})
    return table[list(EXPORTED)]


def _csv(board: Board) -> str:
    return rows_table(board.rows).to_csv(index=False, lineterminator="\n")


def _spare_the_file(predictions: Path, name: str, results: Path) -> None:
    """Refuse to write tables over the very scores they are of."""
    if predictions.resolve().parent == results.resolve() and predictions.name.startswith(name):
        raise HarnessError(
            f"the tables in {results} would stand in for {predictions.name}; give --results another folder"
        )


def _spare_matrices(name: str, results: Path) -> None:
    """Refuse a name under which the tables of a matrix would be overwritten."""
    if name in known_matrices() or record_path(name).is_file():
        raise HarnessError(
            f"{results / name}.md is for the matrix {name}; rename the file of scores, or leave out --results"
        )
