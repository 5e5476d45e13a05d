"""Rows as one flat table, and the few numbers a leaderboard line is judged by."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from harness.metrics.intervals import bounds
from harness.metrics.measure import METRICS
from harness.types import Entry, Row

Reading = Callable[[Row], Any]
"""What is read off a row: its AUC, or its AUC under each draw."""

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
    "crop",
    "no_face",
    "faceless",
    "fp32_difference",
    "shared_footage",
    "threshold",
    "threshold_source",
    "checkpoint_source",
    "interval_method",
    "identities",
    "recipe_sha256",
    "clips_sha256",
    "preprocessing_sha256",
    "protocol",
    "weights_sha256",
    "commit",
    "dirty",
)
WITH_INTERVAL = (
    *("auc", "ap", "eer", "accuracy", "balanced_accuracy", "tpr", "fpr", "brier"),
    *(name for name in METRICS if "_at_" in name and name != "accuracy_at_half"),
)
"""Metrics of a cell whose 95 % interval is in the table, as `<metric>_lo` and `<metric>_hi`."""

BOUNDS = ("lo", "hi")
NUMBERS = tuple(
    column
    for name in (*METRICS, "auc_delong", "gap")
    for column in (
        *((name,) if name != "auc_delong" else ()),
        *((f"{name}_{end}" for end in BOUNDS) if name in (*WITH_INTERVAL, "auc_delong", "gap") else ()),
    )
)
"""Columns of numbers, each metric followed by the bounds of its interval."""

FIXED_COLUMNS = (*CELL_COLUMNS, *NUMBERS, *PROVENANCE_COLUMNS, "reasons")
"""Columns of every table of rows; those of single manipulations (`auc:<manipulation>` ...) come besides."""

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
    parts = sorted({name for row in listed for name in row.metrics if ":" in name})
    order = [*CELL_COLUMNS, *NUMBERS, *parts, *PROVENANCE_COLUMNS, "reasons"]
    return pd.DataFrame([_line(row, listed, parts) for row in listed], columns=order, dtype=object)


def clean_auc(row: Row) -> float | None:
    """The AUC of a row."""
    return row.metrics.get("auc")


def drawn_auc(row: Row) -> np.ndarray | None:
    """The AUC of a row under each draw, `[draws]`; None where it is not defined."""
    return row.draws.get("auc")


def in_dataset_auc(rows: Iterable[Row], of: Reading = clean_auc) -> Any:
    """Clean AUC of one set of weights on forgeries it was trained on; None when no cell measured it.

    The cell tested on exactly what was trained on, else the mean over the cells of single
    manipulations that were trained on (so for leave-one-out training, the others). `of` reads a row.
    """
    clean = [row for row in ranked_rows(rows) if row.cell.severity == 0 and row.cell.trained_on is not None]
    for row in clean:
        if row.cell.tested_on == row.cell.trained_on:
            return of(row)
    seen = [row for row in clean if row.cell.regime == "in-dataset" and ":" in row.cell.tested_on]
    return mean_of([of(row) for row in seen])


def gap_of(row: Row, rows: Iterable[Row], of: Reading = clean_auc) -> tuple[Any, str]:
    """In-dataset clean AUC of the same weights minus the AUC of this row, or None and why."""
    if row.cell.regime == "fixed":
        return None, "the detector was not trained here"
    if row.shares_footage:
        return None, "test clips show footage that was trained on"
    if row.cell.regime not in CROSS:
        return None, "only for cross-dataset and cross-manipulation cells"
    auc = of(row)
    seen = in_dataset_auc((other for other in rows if _weights_of(other) == _weights_of(row)), of)
    if seen is None:
        return None, "no in-dataset AUC of the same weights"
    return (None, "the AUC is undefined") if auc is None else (seen - auc, "")


def judged_by(entry: Entry, of: Reading = clean_auc) -> dict[str, Any]:
    """The AUCs a leaderboard line is judged by, or the same under each draw; None where one is undefined.

    A mean is None as soon as one AUC under it is undefined, so that nobody gains by failing. A fixed
    detector was trained on none of the sets, so all its clean cells are unseen to it. The worst
    perturbation is the lowest mean over the cells of one perturbation, all severities and test sets.
    """
    unseen = [of(row) for row in unseen_rows(entry)]
    perturbed = [row for row in ranked_rows(entry.rows) if row.cell.severity > 0]
    kinds = dict.fromkeys(row.cell.perturbation for row in perturbed)
    by_kind = [mean_of([of(row) for row in perturbed if row.cell.perturbation == kind]) for kind in kinds]
    seen, mean = in_dataset_auc(entry.rows, of), mean_of(unseen)
    both = seen is not None and mean is not None
    return {
        "auc_unseen_mean": mean,
        "auc_unseen_worst": lowest_of(unseen),
        "auc_in_dataset": seen,
        "auc_gap": seen - mean if both else None,
        "auc_gap_relative": _share_lost(seen, mean) if both else None,
        "auc_robust_mean": mean_of([of(row) for row in perturbed]),
        "auc_robust_worst": lowest_of(by_kind),
    }


def _share_lost(seen: Any, unseen: Any) -> Any:
    """The gap as a share of what the in-dataset AUC has above guessing; None where it has nothing."""
    above = np.asarray(seen) - 0.5
    if np.median(above) <= 0:
        return None
    if above.ndim == 0:
        return (seen - unseen) / float(above)
    return (seen - unseen) / np.where(above > 0, above, np.nan)


def headline(entry: Entry) -> dict[str, float | None]:
    """The numbers of a leaderboard line, costs and counts too; None where not measured or not defined."""
    failed = sum(row.failed > 0 for row in entry.rows)
    cost = entry.cost
    return {
        **judged_by(entry),
        "fps": cost.frames_per_second if cost else None,
        "latency_p50_ms": cost.latency_ms_p50 if cost else None,
        "latency_p90_ms": cost.latency_ms_p90 if cost else None,
        "vram_peak_mib": cost.peak_vram_allocated_mib if cost else None,
        "cells_ok": float(len(entry.rows) - failed),
        "cells_failed": float(failed),
    }


def ranked_rows(rows: Iterable[Row]) -> list[Row]:
    """The rows that may count for a rank: none whose test clips show footage that was trained on."""
    return [row for row in rows if not row.shares_footage]


def unseen_rows(entry: Entry) -> list[Row]:
    """The clean rows of forgeries and footage the entry was not trained on."""
    clean = [row for row in ranked_rows(entry.rows) if row.cell.severity == 0]
    return [row for row in clean if row.cell.regime in CROSS or row.cell.regime == "fixed"]


def _line(row: Row, rows: Sequence[Row], parts: Sequence[str]) -> dict[str, Any]:
    cell, said = row.cell, row.provenance
    gap, why = gap_of(row, rows)
    drawn, _ = gap_of(row, rows, drawn_auc)
    intervals = dict(row.intervals) | ({"gap": bounds(drawn)} if drawn is not None else {})
    line: dict[str, Any] = {name: getattr(cell, name) for name in CELL_COLUMNS[:7]}
    line |= {"runtime": str(cell.runtime), "clips": row.clips, "failed": row.failed}
    line |= {name: _rounded(row.metrics.get(name)) for name in (*METRICS, *parts)}
    line["gap"] = _rounded(gap)
    for name in (*WITH_INTERVAL, "auc_delong", "gap"):
        for end, bound in zip(BOUNDS, intervals.get(name, (None, None)), strict=True):
            line[f"{name}_{end}"] = _rounded(bound)
    line |= {name: said.get(name) for name in PROVENANCE_COLUMNS}
    line["threshold"] = _rounded(said.get("threshold"), DIGITS + 2)
    reasons = dict(row.reasons) | ({"gap": why} if why else {})
    line["reasons"] = json.dumps(reasons, sort_keys=True)
    return line


def _weights_of(row: Row) -> tuple[str, str | None, int]:
    return row.cell.detector, row.cell.trained_on, row.cell.seed


def mean_of(values: Sequence[Any]) -> Any:
    """The mean, or None as soon as one value is None, or when there is none."""
    return None if not values or any(value is None for value in values) else sum(values) / len(values)


def lowest_of(values: Sequence[Any]) -> Any:
    """The lowest, draw by draw for arrays; None as soon as one value is None, or when there is none."""
    if not values or any(value is None for value in values):
        return None
    lowest = np.minimum.reduce([np.asarray(value) for value in values])
    return lowest if lowest.ndim else float(lowest)


def _rounded(value: Any, digits: int = DIGITS) -> float | None:
    return None if value is None else round(float(value), digits) + 0.0  # never -0.0
