"""Stored predictions -> rows -> the board of a matrix; every number is derived here, without torch."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from harness.data.audit.record import read_audit
from harness.files import home, read_json
from harness.metrics.measure import Terms, measure
from harness.metrics.thresholds import DRIFT_RATES, PREVALENCE, limits_of
from harness.results.predictions import read_predictions, record_path, weights_from
from harness.types import DOUBT, RANKED, Board, Cell, Cost, Entry, HarnessError, Row, Runtime, parts_of

MADE_BY = ("commit", "dirty", "versions", "fp32_difference", "made")
"""Provenance of the predictions themselves: what scored them, not what reads them now."""


def row_of(path: Path, said: Mapping[str, Any], terms: Terms | None = None) -> Row:
    """The numbers of a finished cell: its stored predictions, and what the record says of the cell."""
    predictions, stored = read_predictions(path)
    cell = Cell(**{**said["cell"], "runtime": Runtime(**said["cell"]["runtime"])})
    made = {name: value for name, value in stored.get("provenance", {}).items() if name in MADE_BY}
    return made_row(cell, predictions, {**said["provenance"], **made}, terms or Terms())


def made_row(cell: Cell, predictions: pd.DataFrame, provenance: Mapping[str, Any], terms: Terms) -> Row:
    """The row of a cell from its predictions; `provenance` holds its threshold and where that came from.

    Unless checkpoint and threshold are known to come from elsewhere than the test clips, the threshold
    is not used: an accuracy at a threshold of unknown origin promises what nobody can check.
    """
    row = Row(cell, 0, 0, {}, provenance=provenance)
    unsaid = "" if row.selection in RANKED else f"checkpoint or threshold: {row.selection}"
    world = parts_of(cell.tested_on)[0]
    terms = dataclasses.replace(terms, world=world, no_decisions=unsaid)
    found = measure(predictions, provenance.get("threshold"), terms)
    told = {"interval_method": found.method, "identities": found.identities}
    failures = predictions["error"].dropna()
    if len(failures):
        told["failure"] = str(failures.iloc[0])
    if "note" in predictions:
        told["faceless"] = int(predictions["note"].notna().sum())
    return Row(
        *(cell, found.clips, found.failed, found.metrics, found.intervals, found.reasons),
        provenance={**provenance, **told},
        draws=found.draws,
    )


def terms_from(validation: pd.DataFrame | None, prevalence: float) -> Terms:
    """What rows of an entry rest on besides their predictions; `validation` are those of its val split."""
    if validation is None:
        why = dict.fromkeys(DRIFT_RATES, "no validation predictions")
        return Terms(no_limits=why, prevalence=prevalence)
    scored = validation[validation["score"].notna()]
    label, score = (scored[name].to_numpy() for name in ("label", "score"))
    limits, why = limits_of(label, score)
    return Terms(limits, why, prevalence)


def load_board(matrix: str, prevalence: float | None = None) -> Board:
    """The last run of a matrix, every number recomputed from its stored predictions.

    `prevalence` replaces the share of fakes that the run was to state the PPV for.
    """
    path = record_path(matrix)
    if not path.is_file():
        raise HarnessError(f"nothing was measured for matrix {matrix!r} here; run: gapbench eval {matrix}")
    record = read_json(path)
    files: dict[str, Path] = {}
    stated = prevalence or record.get("prevalence", PREVALENCE)
    entries = [_entry(said, files, stated) for said in record["entries"]]
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
        partial={
            name: str(said["partial"]) for name, said in record.get("tested", {}).items() if said["partial"]
        },
    )


def _shortcut(dataset: str, said: Mapping[str, Any]) -> str | None:
    """What the audit of a dataset warns of; None where one that was brought has no audit of these clips."""
    audit = read_audit(dataset, said["clips_sha256"])
    if audit is None:
        return None if said["brought"] else ""
    return audit.warning or (f"{DOUBT}{audit.doubt}" if audit.doubt else "")


def _entry(said: dict[str, Any], files: dict[str, Path], prevalence: float) -> Entry:
    validation = home() / said["validation"]["file"] if said.get("validation") else None
    terms = terms_from(read_predictions(validation)[0] if validation else None, prevalence)
    rows = []
    for kept in said["cells"]:
        path = home() / kept["file"]
        row = row_of(path, kept, terms)
        files[str(row.cell)] = path
        rows.append(row)
    weights = weights_from(said["weights"]) if said["weights"] else None
    cost = Cost.read(said["cost"]) if said["cost"] else None
    facts = (said["detector"], said["trained_on"], said["seed"], tuple(rows))
    return Entry(*facts, cost, weights, validation)
