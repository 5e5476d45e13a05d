"""Rows as one flat table, and the few numbers a leaderboard line is judged by."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from statistics import fmean
from typing import Any

import pandas as pd

from harness.types import Entry, Row

METRICS = (
    "auc",
    "ap",
    "eer",
    "accuracy",
    "balanced_accuracy",
    "accuracy_at_half",
    "brier",
    "frame_auc",
)
CELL_COLUMNS = (
    "detector",
    "trained_on",
    "tested_on",
    "perturbation",
    "severity",
    "seed",
    "regime",
    "runtime",
    "clips",
    "failed",
)
PROVENANCE_COLUMNS = (
    "threshold",
    "threshold_source",
    "interval_method",
    "recipe_sha256",
    "clips_sha256",
    "protocol",
    "weights_sha256",
    "commit",
    "dirty",
)
INTERVAL_COLUMNS = ("auc_lo", "auc_hi")
FIXED_COLUMNS = (*CELL_COLUMNS, *METRICS, *INTERVAL_COLUMNS, "gap", *PROVENANCE_COLUMNS, "reasons")
"""Columns of every table of rows; `auc:<manipulation>` come besides."""

DIGITS = 4
"""Decimals of stored numbers; thresholds keep two more."""

BASELINE = "constant"
"""The detector that says 0.5 of everything: the row to beat."""

CROSS = ("cross-dataset", "cross-manipulation")


def rows_table(rows: Iterable[Row]) -> pd.DataFrame:
    """One line a cell: every number, its interval and its provenance (`results/README.md` explains each).

    `gap` is the AUC on clean in-dataset clips by the same weights minus this AUC, for cross-dataset
    and cross-manipulation cells; elsewhere None, and `reasons` (JSON) says why, as for every None.
    """
    listed = list(rows)
    parts = sorted({name for row in listed for name in row.metrics if name.startswith("auc:")})
    order = [
        *CELL_COLUMNS,
        "auc",
        *INTERVAL_COLUMNS,
        *METRICS[1:],
        "gap",
        *parts,
        *PROVENANCE_COLUMNS,
        "reasons",
    ]
    return pd.DataFrame([_line(row, listed, parts) for row in listed], columns=order, dtype=object)


def in_dataset_auc(rows: Iterable[Row]) -> float | None:
    """Clean AUC of one set of weights on forgeries it was trained on; None when no cell measured it.

    The cell tested on exactly what was trained on, else the mean over the cells of single
    manipulations that were trained on (so for leave-one-out training, the others).
    """
    clean = [row for row in rows if row.cell.severity == 0 and row.cell.trained_on is not None]
    for row in clean:
        if row.cell.tested_on == row.cell.trained_on:
            return row.metrics.get("auc")
    seen = [row for row in clean if row.cell.regime == "in-dataset" and ":" in row.cell.tested_on]
    return mean_of([row.metrics.get("auc") for row in seen])


def gap_of(row: Row, rows: Iterable[Row]) -> tuple[float | None, str]:
    """In-dataset clean AUC of the same weights minus the AUC of this row, or None and why."""
    if row.cell.regime == "fixed":
        return None, "the detector was not trained here"
    if row.cell.regime not in CROSS:
        return None, "only for cross-dataset and cross-manipulation cells"
    auc = row.metrics.get("auc")
    seen = in_dataset_auc(other for other in rows if _weights_of(other) == _weights_of(row))
    if seen is None:
        return None, "no in-dataset AUC of the same weights"
    return (None, "the AUC is undefined") if auc is None else (seen - auc, "")


def headline(entry: Entry) -> dict[str, float | None]:
    """The numbers a leaderboard line is judged by; None where not measured or not defined.

    A mean is None as soon as one AUC under it is undefined, so that nobody gains by failing. A fixed
    detector was trained on none of the sets, so all its clean cells are unseen to it.
    """
    unseen = [row.metrics.get("auc") for row in unseen_rows(entry)]
    perturbed = [row.metrics.get("auc") for row in entry.rows if row.cell.severity > 0]
    seen, mean = in_dataset_auc(entry.rows), mean_of(unseen)
    failed = sum(row.failed > 0 for row in entry.rows)
    cost = entry.cost
    return {
        "auc_in_dataset": seen,
        "auc_unseen_mean": mean,
        "auc_unseen_worst": None if mean is None else min(auc for auc in unseen if auc is not None),
        "auc_gap": None if seen is None or mean is None else seen - mean,
        "auc_robust_mean": mean_of(perturbed),
        "fps": cost.frames_per_second if cost else None,
        "latency_p50_ms": cost.latency_ms_p50 if cost else None,
        "latency_p95_ms": cost.latency_ms_p95 if cost else None,
        "vram_peak_mib": cost.peak_vram_allocated_mib if cost else None,
        "cells_ok": float(len(entry.rows) - failed),
        "cells_failed": float(failed),
    }


def unseen_rows(entry: Entry) -> list[Row]:
    """The clean rows of forgeries the entry was not trained on."""
    clean = [row for row in entry.rows if row.cell.severity == 0]
    return [row for row in clean if row.cell.regime in CROSS or row.cell.regime == "fixed"]


def _line(row: Row, rows: Sequence[Row], parts: Sequence[str]) -> dict[str, Any]:
    cell, said = row.cell, row.provenance
    gap, why = gap_of(row, rows)
    low, high = row.intervals.get("auc", (None, None))
    line: dict[str, Any] = {name: getattr(cell, name) for name in CELL_COLUMNS[:7]}
    line |= {"runtime": str(cell.runtime), "clips": row.clips, "failed": row.failed}
    line |= {name: _rounded(row.metrics.get(name)) for name in (*METRICS, *parts)}
    line |= {"auc_lo": _rounded(low), "auc_hi": _rounded(high), "gap": _rounded(gap)}
    line |= {name: said.get(name) for name in PROVENANCE_COLUMNS}
    line["threshold"] = _rounded(said.get("threshold"), DIGITS + 2)
    reasons = dict(row.reasons) | ({"gap": why} if why else {})
    line["reasons"] = json.dumps(reasons, sort_keys=True)
    return line


def _weights_of(row: Row) -> tuple[str, str | None, int]:
    return row.cell.detector, row.cell.trained_on, row.cell.seed


def mean_of(values: Sequence[float | None]) -> float | None:
    """The mean, or None as soon as one value is None, or when there is none."""
    defined = [value for value in values if value is not None]
    return fmean(defined) if defined and len(defined) == len(values) else None


def _rounded(value: Any, digits: int = DIGITS) -> float | None:
    return None if value is None else round(float(value), digits) + 0.0  # never -0.0
