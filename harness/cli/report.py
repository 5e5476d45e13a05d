"""The last run of a matrix, as the commands that read results ask for it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from harness.evaluation.matrix import load_matrix
from harness.process import keep_freed_memory
from harness.results.rows import load_board
from harness.types import Board, HarnessError


def last_run(name: str) -> Board:
    """The last run of a matrix (a name or a `.toml` file), if it was a run of the matrix as it is now."""
    matrix = load_matrix(name)
    keep_freed_memory()  # the draws of many cells would be given back and taken again, cell by cell
    board = load_board(matrix.name, matrix.prevalence)
    if board.matrix_sha256 != matrix.sha256:
        raise HarnessError(f"{matrix.name} has changed since its last run; run: gapbench eval {matrix.name}")
    # What only derived numbers depend on (prevalence, margins, wording) is as the file says now.
    return dataclasses.replace(board, matrix_toml=matrix.toml, about=matrix.about)


def usable(results: Path) -> None:
    """Refuse a results path that is a file."""
    if results.exists() and not results.is_dir():
        raise HarnessError(f"the results path {results} is a file, not a folder")
