"""Small boards, how they are published, and what is then in the store."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pandas as pd

from harness.records import Board, Cost, Entry, Row, Weights
from harness.tracking import publish as tracking
from harness.types import Cell, Recipe

LAB, WILD = "procedural_lab", "procedural_wild"
PROVENANCE = {
    "commit": "c0ffee",
    "dirty": False,
    "weights_sha256": "a" * 64,
    "clips_sha256": "b" * 64,
    "recipe_sha256": "c" * 64,
    "preprocessing_sha256": "d" * 64,
    "threshold": 0.5,
    "threshold_source": "source-val",
    "checkpoint_source": "source-val",
    "protocol": 1,
}


def row(detector: str, tested_on: str, auc: float | None, condition: tuple[str, int] = ("clean", 0)) -> Row:
    cell = Cell(detector, LAB, tested_on, *condition)
    metrics = {"auc": auc, "accuracy": 0.75, "eer": 0.2, "ap": math.nan, "auc:gan": 0.6}
    intervals = {} if auc is None else {"auc": (auc - 0.05, auc + 0.05)}
    return Row(cell, 10, 0, metrics, intervals, {}, PROVENANCE)


def weights(detector: str) -> Weights:
    curve = (
        {"epoch": 1, "train_loss": 0.7, "val_auc": 0.6},
        {"epoch": 2, "train_loss": 0.5, "val_auc": math.nan},
    )
    recipe = Recipe(size=64, frames=4, epochs=2, batch=8, learning_rate=1e-3)
    provenance = {"clips_sha256": "e" * 64}
    return Weights(detector, LAB, 0, "k", Path("w"), "a" * 64, recipe, 0.5, "source-val", curve, provenance)


def board(
    folder: Path, matrix: str = "small", detectors: tuple[str, ...] = ("xception",), auc: float = 0.9
) -> Board:
    """A board with a clean cell in and across datasets, one perturbed and one undefined cell a detector."""
    entries = []
    for detector in detectors:
        rows = (
            row(detector, LAB, auc),
            row(detector, WILD, 0.65),
            row(detector, f"{WILD}:gan", None),
            row(detector, WILD, 0.6, ("blur", 1)),
            row(detector, WILD, 0.55, ("blur", 3)),
        )
        cost = Cost(detector, "a processor", "fp32", 64, 4, 8, 120.0, 8.0, 9.0, None, 1000, None, None)
        entries.append(Entry(detector, LAB, 0, rows, cost, weights(detector)))
    files = {}
    for number, cell in enumerate(row.cell for entry in entries for row in entry.rows):
        files[str(cell)] = folder / f"{number}.parquet"
        if not files[str(cell)].exists():
            pd.DataFrame({"clip_id": ["a", "b"], "label": [0, 1], "score": [0.1, 0.9]}).to_parquet(
                files[str(cell)]
            )
    toml = 'about = "x"\n'
    return Board(
        matrix, "f" * 64, toml, "About <this>.", tuple(entries), {}, files, {"torch": "2", "cores": 2}
    )


def publish(board: Board, store: tuple[str, str], results: Path) -> list[str]:
    return tracking.publish(board, results, *store)


def runs(board: Board, store: tuple[str, str]) -> list[Any]:
    """Every live run of the board's experiment."""
    client = tracking.connect(store[0])
    experiment = client.get_experiment_by_name(f"gapbench-{board.matrix}")
    return [] if experiment is None else list(client.search_runs([experiment.experiment_id]))


def assert_one_complete_run_an_entry(board: Board, store: tuple[str, str]) -> None:
    found = runs(board, store)
    assert sorted(run.info.run_name for run in found) == sorted(entry.name for entry in board.entries)
    assert {run.data.tags["published"] for run in found} == {"complete"}
    assert {run.info.status for run in found} == {"FINISHED"}
    assert {run.data.tags["current"] for run in found} == {"yes"}
