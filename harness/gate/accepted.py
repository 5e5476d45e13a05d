"""What was accepted of a matrix: its rows, its costs and, compactly, its predictions.

Three files a matrix in `results/accepted/`: `<matrix>.csv` (rows as `rows_table` makes them, with the
thresholds), `<matrix>-cost.csv`, and `<matrix>.parquet` (one line a cell and clip).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from harness.files import sheet_of, write_whole, writing
from harness.guard.parsed import sized
from harness.guard.regular import regular
from harness.guard.stored import fault_of, opened, sealed, table_digest
from harness.metrics.classification import auc
from harness.records import Board, Row
from harness.results.predictions import META, read_parquet, read_predictions
from harness.results.rows import FIXED_COLUMNS, rows_table
from harness.types import FAKE, REAL, Cell, HarnessError

BESIDE = (".csv", "-cost.csv")
"""The files of which the predictions hold the digests."""
KEY = ("detector", "trained_on", "tested_on", "perturbation", "severity", "seed")
KEPT_PROVENANCE = (
    *("shared_footage", "threshold", "threshold_source", "checkpoint_source"),
    *("recipe_sha256", "clips_sha256", "preprocessing_sha256", "protocol"),
)
LATER = (
    *(
        "fp32_difference",
        "unjudged",
        "coverage",
        "shared_people",
        "base_rate",
        "auc_with_face",
        "auc_with_face_lo",
        "auc_with_face_hi",
    ),
    *("ppv_lo", "ppv_hi", "reals", "fakes"),
    *("failed_reals", "failed_fakes", "faceless_reals", "faceless_fakes"),
)
"""Columns that rows accepted by an earlier version lack, and that are not compared."""
COUNTS = ("severity", "seed", "clips", "failed")
NUMERIC = (*COUNTS, "threshold", "auc", "gap", "accuracy", "auc_lo", "auc_hi")
COST_KEY = ("detector", "device", "precision", "size", "frames")
COST_NUMBERS = ("frames_per_second", "peak_vram_allocated_mib")
WORD = pa.dictionary(pa.int32(), pa.string())
SCHEMA = pa.schema(
    [
        ("cell", WORD),
        ("clip_id", WORD),
        ("label", pa.int8()),
        *((name, WORD) for name in ("manipulation", "target", "source")),
        ("score", pa.float32()),
        ("note", WORD),
    ]
)
"""One line a cell and clip, in the order of the rows; the score of a failed clip is null."""
TYPES = {pa.int8(): pa.types.is_integer, pa.float32(): pa.types.is_floating}
"""Type of a column -> whether another will do."""

SLACK = 1e-4
"""How far an AUC may be from the one in its row: the row's rounding, and nothing else."""


@dataclass(frozen=True, slots=True)
class AcceptedRun:
    """What the gate compares of one run of a matrix: what it accepted, or would accept now."""

    rows: Mapping[str, Row]
    """`Cell.measured` -> its row; only the counts and the provenance in `KEPT_PROVENANCE` are looked at."""
    predictions: Mapping[str, pd.DataFrame]
    """`Cell.measured` -> one line a clip: columns of `SCHEMA` without `cell`. Scores are float32, so that
    what is read back is what was written."""


def accepted_form(board: Board) -> AcceptedRun:
    """What `accept` would keep of a board."""
    rows: dict[str, Row] = {}
    for row in board.rows:
        _once(rows, row, f"matrix {board.matrix}")
    stored = {name: board.predictions[str(row.cell)] for name, row in rows.items()}
    return AcceptedRun(rows, {name: _compact(read_predictions(path)[0]) for name, path in stored.items()})


def accepted_file(results: Path, matrix: str, kind: str = ".csv") -> Path:
    """Where something accepted is kept; `kind` is `.csv`, `-cost.csv` or `.parquet`."""
    return results / "accepted" / f"{matrix}{kind}"


def lacking(results: Path, matrix: str, kinds: Sequence[str] = (".csv", ".parquet")) -> Path | None:
    """The first of the accepted files that is not there; None when all are."""
    files = [accepted_file(results, matrix, kind) for kind in kinds]
    return next((path for path in files if not path.is_file()), None)


def accept(board: Board, costs: pd.DataFrame, results: Path) -> list[Path]:
    """Make a board, and its cost table, what later runs are compared with; returns the files."""
    kept = accepted_form(board)
    files = [accepted_file(results, board.matrix, kind) for kind in (".parquet", ".csv", "-cost.csv")]
    tables = (rows_table(board.rows), costs)
    texts = [table.to_csv(index=False, lineterminator="\n") for table in tables]
    _write_predictions(
        files[0], kept, {name: _of_text(text) for name, text in zip(BESIDE, texts, strict=True)}
    )
    for path, text in zip(files[1:], texts, strict=True):
        write_whole(path, text)
    return files


def read_accepted(results: Path, matrix: str) -> AcceptedRun:
    """What was accepted; missing, damaged, or files that do not belong together are a `HarnessError`."""
    path = accepted_file(results, matrix)
    rows: dict[str, Row] = {}
    for line in read_rows(path).to_dict("records"):
        _once(rows, _row(line), str(path))
    kept = AcceptedRun(rows, _read_predictions(accepted_file(results, matrix, ".parquet")))
    for name in dict.fromkeys([*kept.rows, *kept.predictions]):
        why = _mismatch(kept.rows.get(name), kept.predictions.get(name))
        if why:
            again = f"accept again: gapbench accept {matrix}"
            raise HarnessError(f"{path} and its .parquet do not belong together: {name} {why}; {again}")
    as_accepted(path, matrix)
    return kept


def as_accepted(path: Path, matrix: str) -> None:
    """Refuse rows or costs that are not those that were accepted with the predictions beside them.

    What an earlier version accepted has no digests: its rows and predictions must agree in counts and AUC.
    """
    beside = path.with_name(f"{matrix}.parquet")
    try:
        said, fault = _told(pq.read_schema(regular(beside)))
        wanted = said.get(path.name.removeprefix(matrix))
        text = regular(path).read_text(encoding="utf-8") if wanted else ""
    except (OSError, ValueError, pa.ArrowException, HarnessError):  # whoever reads it says so
        return
    if fault or (wanted and wanted != _of_text(text)):
        again = f"accept again: gapbench accept {matrix}"
        raise HarnessError(f"{path} is not what was accepted: its digest is another; {again}")


def _told(schema: pa.Schema) -> tuple[dict[str, Any], str]:
    """The digests that are written of what was accepted, and why they cannot be believed."""
    try:
        said, fault = opened(json.loads((schema.metadata or {}).get(META, b"{}")))
    except (ValueError, RecursionError):
        return {}, "its digests are not JSON"
    fault = fault or fault_of(said, dict.fromkeys((*(f"{name}?" for name in BESIDE), "predictions?"), str))
    return said, fault and f"what is written of it {fault}"


def _fault_in(table: pa.Table) -> str:
    """Why a table cannot be accepted predictions; empty where it can."""
    for name in SCHEMA.names:
        kind, wanted = table.schema.field(name).type, SCHEMA.field(name).type
        kind = kind.value_type if pa.types.is_dictionary(kind) else kind
        fits = pa.types.is_string if wanted == WORD else TYPES[wanted]
        if not fits(kind) and not (pa.types.is_null(kind) and wanted == WORD):
            return f"it has {kind} in the column {name}"
    labels, scores = set(table["label"].unique().to_pylist()), table["score"].drop_null().to_numpy()
    if not labels <= {REAL, FAKE} or not ((scores >= 0) & (scores <= 1)).all():
        return "a label is neither 0 nor 1, or a score not within them"
    return "" if not any(table[name].null_count for name in ("cell", "clip_id")) else "a clip has no name"


def _of_text(text: str) -> str:
    lines = text.replace("\r\n", "\n").replace("\r", "\n")  # a checkout may end lines otherwise
    return hashlib.sha256(lines.encode()).hexdigest()


def _of_predictions(table: pa.Table) -> str:
    """Digest of accepted predictions, however their words are numbered."""
    plain = [column.cast(pa.string()) if column.type == WORD else column for column in table.columns]
    return table_digest(pa.table(plain, table.column_names))


def read_rows(path: Path) -> pd.DataFrame:
    """Rows from a CSV that `rows_table` made; a missing file, column or number is a `HarnessError`."""
    table = read_table(path, "rows", [name for name in FIXED_COLUMNS if name not in LATER])
    for name in LATER:
        table[name] = table.get(name, "")
    for name in NUMERIC:
        table[name] = _numbers(path, table[name], may_lack=name not in COUNTS)
    return table


def read_costs(path: Path) -> pd.DataFrame:
    """A cost table as `accept` writes it; a missing file, column or number is a `HarnessError`."""
    table = read_table(path, "costs", (*COST_KEY, *COST_NUMBERS))
    for name in COST_NUMBERS:
        table[name] = _numbers(path, table[name], may_lack=True)
    return table


def _numbers(path: Path, column: pd.Series, may_lack: bool) -> pd.Series:
    try:
        found = pd.to_numeric(column.replace("", None))
    except (ValueError, TypeError) as error:
        raise HarnessError(f"{path}: {column.name} holds something that is not a number ({error})") from error
    if np.isinf(found).any():
        raise HarnessError(
            f"{path}: {column.name} is without end in line {int(np.isinf(found).argmax()) + 2}"
        )
    if not may_lack and found.isna().any():
        raise HarnessError(f"{path}: {column.name} is missing in line {int(found.isna().argmax()) + 2}")
    return found


def read_table(path: Path, what: str, columns: Sequence[str]) -> pd.DataFrame:
    """The text of a CSV, empty where a field is; a file without these columns is a `HarnessError`."""
    try:
        sized(path, "table-bytes", what)
        sheet_of(path)  # refuses more columns or rows than a table may have
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    except OSError as error:
        raise HarnessError(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise HarnessError(f"{path} is not a table of {what}: {str(error).splitlines()[0]}") from error
    missing = [name for name in columns if name not in table.columns]
    if missing:
        raise HarnessError(f"{path} is not a table of {what}: it lacks the column {missing[0]!r}")
    return table


def _row(line: Mapping[Any, Any]) -> Row:
    detector, trained_on, tested_on, perturbation = (line[name] for name in KEY[:4])
    cell = Cell(
        detector, trained_on or None, tested_on, perturbation, int(line["severity"]), int(line["seed"])
    )
    said = {name: line[name] for name in KEPT_PROVENANCE if not pd.isna(line[name]) and line[name] != ""}
    metrics = {"auc": None if pd.isna(line["auc"]) else float(line["auc"])}
    return Row(cell, int(line["clips"]), int(line["failed"]), metrics, provenance=said)


def _once(rows: dict[str, Row], row: Row, where: str) -> None:
    name = row.cell.measured
    if name in rows:
        raise HarnessError(f"{where}: {name} is there twice")
    rows[name] = row


def _compact(predictions: pd.DataFrame) -> pd.DataFrame:
    kept = predictions[SCHEMA.names[1:]].copy()
    kept["score"] = pd.to_numeric(kept["score"]).astype(np.float32)
    return kept


def _write_predictions(path: Path, kept: AcceptedRun, beside: Mapping[str, str]) -> None:
    tables = [kept.predictions[name].assign(cell=name) for name in kept.rows]
    whole = pd.concat(tables)[SCHEMA.names]
    for name in SCHEMA.names:
        if SCHEMA.field(name).type == WORD:
            whole[name] = whole[name].astype("category")
    table = pa.Table.from_pandas(whole, schema=SCHEMA, preserve_index=False)
    told = json.dumps(sealed({**beside, "predictions": _of_predictions(table)}))
    with writing(path) as temporary:
        pq.write_table(
            table.replace_schema_metadata({META: told.encode()}),
            temporary,
            compression="zstd",
            compression_level=19,
            use_dictionary=[name for name in SCHEMA.names if name != "score"],
            use_byte_stream_split=["score"],
        )


def _read_predictions(path: Path) -> dict[str, pd.DataFrame]:
    table = read_parquet(path, [name for name in SCHEMA.names if name != "note"], "accepted predictions")
    said, fault = _told(table.schema)
    if "note" not in table.column_names:  # of an earlier version, which kept none
        table = table.append_column("note", pa.nulls(len(table), pa.string()))
    try:
        table = table.select(SCHEMA.names)
        fault = fault or _fault_in(table)
        if not fault and said.get("predictions") not in (None, _of_predictions(table)):
            fault = "its digest is another"
        whole = table.to_pandas()
    except (ValueError, KeyError, pa.ArrowException) as error:  # a name twice, text that is none
        fault = str(error).splitlines()[0]
    if fault:
        raise HarnessError(f"{path} is not what was accepted: {fault}; accept again")
    words = [name for name in SCHEMA.names[1:] if isinstance(whole[name].dtype, pd.CategoricalDtype)]
    whole = whole.astype(dict.fromkeys(words, object))
    grouped = whole.groupby("cell", sort=False, observed=True)
    return {str(name): part.drop(columns="cell").reset_index(drop=True) for name, part in grouped}


def _mismatch(row: Row | None, predictions: pd.DataFrame | None) -> str:
    """Why accepted predictions cannot be what the accepted row was made from; empty when they can."""
    if row is None or predictions is None:
        return "has no row" if row is None else "has no predictions"
    if predictions["clip_id"].duplicated().any():
        return "has a clip twice"
    scored = predictions[predictions["score"].notna()]
    counts = (len(predictions), len(predictions) - len(scored))
    if counts != (row.clips, row.failed):
        return f"has other counts ({counts[0]} clips, {counts[1]} failed, not {row.clips} and {row.failed})"
    said = row.metrics["auc"]
    if (said is not None) != (scored["label"].nunique() == 2):
        return "has an AUC in one of them only"
    if said is None:
        return ""
    label, score = scored["label"].to_numpy(), scored["score"].to_numpy()
    found, slack = auc(label, score), SLACK + _tied(label, score) / 2
    return "" if abs(found - said) <= slack else f"has another AUC ({found:.4f}, not {said:.4f})"


def _tied(label: np.ndarray, score: np.ndarray) -> float:
    """The share of real-fake pairs with one score; some were apart before scores became float32."""
    counts = pd.crosstab(score, label)
    return float((counts[REAL] * counts[FAKE]).sum() / (counts[REAL].sum() * counts[FAKE].sum()))
