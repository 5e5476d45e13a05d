"""Stored predictions as a file of scores: what `gapbench metrics --predictions` reads, and anybody else."""

from __future__ import annotations

import csv
from functools import partial
from pathlib import Path

import pandas as pd

from harness.files import writing
from harness.guard.names import csv as csv_cell
from harness.records import Board
from harness.results.predictions import read_predictions
from harness.results.score_file import CELL, EXPORTED
from harness.types import Cell, HarnessError, unknown

SHOWN = ["manipulation", "target", "source", "error", "note"]
"""Columns of text that somebody else chose; clips keep their ids to the letter."""


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
            parts.append(_as_exported(board.predictions[str(row.cell)], row.cell, "test"))
        if rows and entry.validation is not None:
            seen = Cell(entry.detector, entry.trained_on, entry.trained_on or "", seed=entry.seed)
            parts.append(_as_exported(entry.validation, seen, "val"))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=list(EXPORTED))


def write_scores(table: pd.DataFrame, path: Path) -> None:
    """Write exported predictions as `.csv` or `.parquet`, whole or not at all."""
    exportable(path)
    with writing(path) as temporary:
        if path.suffix == ".csv":
            # unquoted, a carriage return in a name would end its line
            quoted = any("\r" in str(name) for name in table.get("clip_id", ()))
            how = partial(table.to_csv, temporary, index=False, lineterminator="\n")
            how(quoting=csv.QUOTE_NONNUMERIC) if quoted else how()
        else:
            table.to_parquet(temporary, index=False)


def exportable(path: Path) -> None:
    """Refuse a file to write whose name ends in neither `.csv` nor `.parquet`, or that is a folder."""
    if path.suffix not in (".csv", ".parquet"):
        raise HarnessError(f"predictions are written as .csv or .parquet, not as {path.name!r}")
    if path.is_dir():
        raise HarnessError(f"{path} is a folder; name a file in it")


def _as_exported(path: Path, cell: Cell, split: str) -> pd.DataFrame:
    predictions, _ = read_predictions(path)
    said = {name: getattr(cell, name) for name in CELL} | {"split": split}
    table = predictions.assign(**{name: [value] * len(predictions) for name, value in said.items()})
    table[SHOWN] = table[SHOWN].map(csv_cell)  # as they are read again, and no spreadsheet computes them
    return table[list(EXPORTED)]
