"""Stored predictions -> rows -> the board of a matrix; every number is derived here, without torch."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from harness.data.audit.findings import findings_of
from harness.data.audit.record import read_audit
from harness.metrics.intervals import bounds
from harness.metrics.measure import METRICS, Terms, measure
from harness.metrics.missing import faceless, why_uncovered, why_unjudged
from harness.metrics.thresholds import DRIFT_RATES, limits_of
from harness.records import DOUBT, Board, Cost, Entry, Known, Row
from harness.results.predictions import AGAIN, failed_elsewhere_scored, read_predictions
from harness.results.run_record import read_record
from harness.types import PREVALENCE, RANKED, Cell, HarnessError, Runtime, parts_of, set_and_recipe
from harness.weights import weights_from

MADE_BY = ("commit", "dirty", "versions", "fp32_difference", "made")
"""Provenance of the predictions themselves: what scored them, not what reads them now."""
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
    *(f"{which}{kind}" for which in ("", "failed_", "faceless_") for kind in ("reals", "fakes")),
)
PROVENANCE_COLUMNS = (
    "crop",
    "no_face",
    "faceless",
    "unjudged",
    "coverage",
    "shared_people",
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
    *("auc", "auc_with_face", "ap", "eer", "accuracy", "balanced_accuracy", "tpr", "fpr", "ppv", "brier"),
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


def row_of(
    path: Path, said: Mapping[str, Any], terms: Terms | None = None, wrong: Collection[str] = ()
) -> Row:
    """The numbers of a finished cell: its stored predictions, and what the record says of the cell."""
    predictions, stored = read_predictions(path, said.get("clips_listed"))
    told = stored.get("cell", said["cell"])
    key = stored.get("key", "" if "clips_listed" in said else path.stem)
    if not key.startswith(path.stem) or any(
        told.get(name) != said["cell"][name] for name in CELL_COLUMNS[:6]
    ):
        raise HarnessError(f"stored predictions {path} belong to another cell; score them again: {AGAIN}")
    cell = Cell(**{**said["cell"], "runtime": Runtime(**said["cell"]["runtime"])})
    made = {name: value for name, value in stored.get("provenance", {}).items() if name in MADE_BY}
    return made_row(cell, predictions, {**said["provenance"], **made}, terms or Terms(), wrong)


def made_row(
    cell: Cell,
    predictions: pd.DataFrame,
    provenance: Mapping[str, Any],
    terms: Terms,
    wrong: Collection[str] = (),
) -> Row:
    """The row of a cell from its predictions; `provenance` holds its threshold and where that came from.

    Unless checkpoint and threshold are known to come from elsewhere than the test clips, the threshold
    is not used: an accuracy at a threshold of unknown origin promises what nobody can check.
    """
    row = Row(cell, 0, 0, {}, provenance=provenance)
    unsaid = "" if row.selection in RANKED else f"checkpoint or threshold: {row.selection}"
    world = parts_of(cell.tested_on)[0]
    terms = dataclasses.replace(terms, world=world, no_decisions=unsaid)
    found = measure(predictions, provenance.get("threshold"), terms, wrong)
    told: dict[str, Any] = {"interval_method": found.method, "identities": found.identities}
    why = why_unjudged(*(found.counts[name] for name in ("clips", "failed", "faceless")))
    why = why or why_uncovered(*provenance.get("coverage") or (0, 0))
    if why:
        told["unjudged"] = why
    failures = predictions["error"].dropna()
    if len(failures):
        told["failure"] = str(failures.iloc[0])
    if "note" in predictions:
        told["faceless"] = sum(found.counts["faceless"])
    return Row(
        *(cell, found.clips, found.failed, found.metrics, found.intervals, found.reasons),
        provenance={**provenance, **told},
        draws=found.draws,
        counts=found.counts,
    )


def terms_from(validation: pd.DataFrame | None, prevalence: float) -> Terms:
    """What rows of an entry rest on besides their predictions; `validation` are those of its val split."""
    if validation is None:
        why = dict.fromkeys(DRIFT_RATES, "no validation predictions")
        return Terms(no_limits=why, prevalence=prevalence)
    scored = validation[validation["score"].notna() & ~faceless(validation)]
    label, score = (scored[name].to_numpy() for name in ("label", "score"))
    limits, why = limits_of(label, score)
    return Terms(limits, why, prevalence)


def load_board(matrix: str, prevalence: float | None = None) -> Board:
    """The last run of a matrix, every number recomputed from its stored predictions.

    `prevalence` replaces the share of fakes that the run was to state the PPV for.
    """
    record = read_record(matrix)
    if record is None:
        raise HarnessError(f"nothing was measured for matrix {matrix!r} here; run: gapbench eval {matrix}")
    files: dict[str, Path] = {}
    stated = prevalence or record.get("prevalence", PREVALENCE)
    cells = [kept for said in record["entries"] for kept in said["cells"]]
    wrong = failed_elsewhere_scored({kept["file"]: _place(kept["cell"]) for kept in cells})
    entries = [_entry(said, files, stated, wrong) for said in record["entries"]]
    return Board(
        matrix=record["matrix"],
        matrix_sha256=record["matrix_sha256"],
        matrix_toml=record["matrix_toml"],
        about=record["about"],
        entries=tuple(entry for entry in entries if entry.rows),
        absent=record["absent"],
        predictions=files,
        environment=record["environment"],
        shortcuts={name: _shortcut(name, said) for name, said in record.get("tested", {}).items()},
        known={
            name: _known(name, said, record["entries"]) for name, said in record.get("tested", {}).items()
        },
        partial={
            name: str(said["partial"]) for name, said in record.get("tested", {}).items() if said["partial"]
        },
        listing={name: str(said.get("listing") or "") for name, said in record.get("tested", {}).items()},
        wrong={cell: wrong[str(path)] for cell, path in files.items() if str(path) in wrong},
    )


def _shortcut(dataset: str, said: Mapping[str, Any]) -> str | None:
    """What the audit of a dataset warns of; None where one that was brought has no audit of these clips."""
    audit = read_audit(dataset, said["clips_sha256"], said.get("content_sha256", ""))
    if audit is None:
        return None if said["brought"] else ""
    return audit.warning or (f"{DOUBT}{audit.doubt}" if audit.doubt else "")


def _known(dataset: str, said: Mapping[str, Any], entries: Iterable[Mapping[str, Any]]) -> Known:
    """What a reader has to know of the clips of a dataset: of check, audit and the run itself."""
    found = findings_of(dataset, said.get("content_sha256", ""), said["clips_sha256"])
    present, listed = said.get("coverage") or (0, 0)
    met = {
        f"{kept['cell']['detector']}@{kept['cell']['trained_on']}: {shared}": None
        for entry in entries
        for kept in entry["cells"]
        for name in ("shared_people", "shared_footage")
        if parts_of(kept["cell"]["tested_on"])[0] == dataset and (shared := kept["provenance"].get(name))
    }
    asked = found.recommended(said.get("root")) if said["brought"] and said.get("content_sha256") else ()
    return Known(present, listed, (*met, *found.lines), asked, found.columns)


def _place(cell: Mapping[str, Any]) -> tuple[Any, ...]:
    """What a cell is tested on, and under what."""
    return tuple(cell[name] for name in CELL_COLUMNS[2:5])


def _entry(
    said: dict[str, Any], files: dict[str, Path], prevalence: float, wrong: Mapping[str, frozenset[str]]
) -> Entry:
    validation = Path(said["validation"]["file"]) if said.get("validation") else None
    terms = terms_from(read_predictions(validation)[0] if validation else None, prevalence)
    rows = []
    for kept in said["cells"]:
        path = Path(kept["file"])
        row = row_of(path, kept, terms, wrong.get(kept["file"], ()))
        files[str(row.cell)] = path
        rows.append(row)
    weights = weights_from(said["weights"]) if said["weights"] else None
    cost = Cost.read(said["cost"]) if said["cost"] else None
    facts = (said["detector"], said["trained_on"], said["seed"], tuple(rows))
    return Entry(*facts, cost, weights, validation)


def clean_rows(board: Board) -> list[Row]:
    """The rows of unchanged clips."""
    return [row for row in board.rows if row.cell.severity == 0]


def rows_table(rows: Iterable[Row]) -> pd.DataFrame:
    """One line a cell: every number, its interval and its provenance (`results/README.md` explains each).

    `gap` is the AUC on clean in-dataset clips by the same weights minus this AUC, for cross-dataset
    and cross-manipulation cells; elsewhere None, and `reasons` (JSON) says why, as for every None.
    """
    listed = list(rows)
    parts = sorted({name for row in listed for name in row.metrics if ":" in name})
    of_parts = [column for name in parts for column in (*_counted(name), name, *_bounds_of(name))]
    order = [*CELL_COLUMNS, *NUMBERS, *of_parts, *PROVENANCE_COLUMNS, "reasons"]
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
        if row.cell.tested_on == set_and_recipe(str(row.cell.trained_on))[0]:
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
    for which, sign in (("clips", ""), ("failed", "failed_"), ("faceless", "faceless_")):
        line[f"{sign}reals"], line[f"{sign}fakes"] = row.counts.get(which, (None, None))
    line |= {name: _rounded(row.metrics.get(name)) for name in (*METRICS, *parts)}
    line["gap"] = _rounded(gap)
    for name in parts:
        line |= dict.fromkeys(_counted(name), row.counts.get(name, (None, None))[1])
    for name in (*WITH_INTERVAL, *parts, "auc_delong", "gap"):
        for column, bound in zip(_bounds_of(name), intervals.get(name, (None, None)), strict=True):
            line[column] = _rounded(bound)
    line |= {name: said.get(name) for name in PROVENANCE_COLUMNS}
    present, listed = said.get("coverage") or (None, None)
    line["coverage"] = _rounded(present / listed) if listed else None
    line["threshold"] = _rounded(said.get("threshold"), DIGITS + 2)
    reasons = dict(row.reasons) | ({"gap": why} if why else {})
    line["reasons"] = json.dumps(reasons, sort_keys=True)
    return line


def _bounds_of(name: str) -> tuple[str, ...]:
    return tuple(f"{name}_{end}" for end in BOUNDS)


def _counted(name: str) -> tuple[str, ...]:
    """The column of how many scored fakes the AUC of a manipulation is over; none for another number."""
    return (f"fakes:{name.removeprefix('auc:')}",) if name.startswith("auc:") else ()


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
