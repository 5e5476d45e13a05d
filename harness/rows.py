"""Stored predictions -> rows -> the board of a matrix; every number is derived here, without torch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.files import home, read_json
from harness.metrics import measure
from harness.store import read_predictions, record_path, weights_from
from harness.types import Board, Cell, Cost, Entry, HarnessError, Row, Runtime

MADE_BY = ("commit", "dirty", "versions")
"""Provenance of the predictions themselves: what scored them, not what reads them now."""


def row_of(path: Path, said: Mapping[str, Any]) -> Row:
    """The numbers of a finished cell: its stored predictions, and what the record says of the cell."""
    predictions, stored = read_predictions(path)
    cell = Cell(**{**said["cell"], "runtime": Runtime(**said["cell"]["runtime"])})
    found = measure(predictions, said["provenance"]["threshold"])
    made = {name: value for name, value in stored.get("provenance", {}).items() if name in MADE_BY}
    provenance = {**said["provenance"], **made, "interval_method": found.interval_methods.get("auc")}
    return Row(cell, found.clips, found.failed, found.metrics, found.intervals, found.reasons, provenance)


def load_board(matrix: str) -> Board:
    """The last run of a matrix, every number recomputed from its stored predictions."""
    path = record_path(matrix)
    if not path.is_file():
        raise HarnessError(f"nothing was measured for matrix {matrix!r} here; run: gapbench eval {matrix}")
    record = read_json(path)
    files: dict[str, Path] = {}
    entries = [_entry(said, files) for said in record["entries"]]
    return Board(
        matrix=record["matrix"],
        matrix_sha256=record["matrix_sha256"],
        matrix_toml=record["matrix_toml"],
        about=record["about"],
        entries=tuple(entry for entry in entries if entry.rows),
        absent=record["absent"],
        predictions=files,
        environment=record["environment"],
    )


def _entry(said: dict[str, Any], files: dict[str, Path]) -> Entry:
    rows = []
    for kept in said["cells"]:
        path = home() / kept["file"]
        row = row_of(path, kept)
        files[str(row.cell)] = path
        rows.append(row)
    weights = weights_from(said["weights"]) if said["weights"] else None
    cost = Cost(**said["cost"]) if said["cost"] else None
    return Entry(said["detector"], said["trained_on"], said["seed"], tuple(rows), cost, weights)
