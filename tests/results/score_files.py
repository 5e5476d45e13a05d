"""Files of scores made elsewhere, and what is read from them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from harness.records import Board, Row
from harness.results.external_scores import board_from_scores
from harness.results.score_file import Scores, read_scores, wording


def scored(count: int = 40, draw: int = 0, **columns: Any) -> pd.DataFrame:
    """As many real as fake clips, the fakes a little higher."""
    rng = np.random.default_rng(draw)
    label = np.arange(count) % 2
    score = 1 / (1 + np.exp(-rng.normal(1.2 * label - 0.6, 1)))
    table = pd.DataFrame({"clip_id": [f"{k:04d}" for k in range(count)], "label": label, "score": score})
    return table.assign(**columns)


def kept(table: pd.DataFrame, name: str = "scores.csv") -> Path:
    """The table as a file."""
    path = Path(name)
    if path.suffix == ".parquet":
        table.to_parquet(path)
    else:
        table.to_csv(path, index=False, sep="\t" if path.suffix == ".tsv" else ",")
    return path


def read(
    table: pd.DataFrame, columns: Sequence[str] = (), labels: str | None = None, name: str | None = None
) -> Scores:
    return read_scores(kept(table), wording(columns, labels, name))


def board(table: pd.DataFrame, threshold: float | None = None) -> Board:
    return board_from_scores(read(table), threshold)[0]


def only(table: pd.DataFrame, threshold: float | None = None) -> Row:
    (row,) = board(table, threshold).rows
    return row


def refused(what: str, text: str) -> None:
    """The message is one line that says so."""
    assert what in text and text.isprintable(), text


def beyond_ranks(notes: Sequence[str]) -> list[str]:
    """The notes besides the one on what a rank needs."""
    return [note for note in notes if not note.startswith("to be ranked")]
