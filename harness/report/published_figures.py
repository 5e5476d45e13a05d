"""Published figures, read from a ledger: one line each, with what its source says of how it was made."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from harness.types import SELECTIONS, HarnessError, unknown

LEDGER = "published.csv"
METRICS = ("auc", "accuracy", "eer")
GRANULARITIES = ("frame", "video")
COMPRESSIONS = ("raw", "c23", "c40")
KINDS = ("table", "checkpoint", "reported", "claim")
"""Many detectors measured by one hand; released weights measured by a user; quoted in the literature; said
by its authors alone."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One published figure; an empty text is what its source does not say."""

    value: float
    """As the source gives it, 0 to 1."""
    metric: str
    """One of `METRICS`."""
    detector: str
    """Our registered name, else the name in the paper, in lower case."""
    trained_on: str
    """Our name of the training set."""
    tested_on: str
    """Our name of the test set; `dataset:manipulation` for that manipulation and all reals."""
    granularity: str
    """`frame`: over single frames; `video`: one score a clip."""
    compression: str
    """That of the FaceForensics++ clips, one of `COMPRESSIONS`."""
    perturbation: str
    """`clean`, a perturbation, or a perturbation with its severity (`blur_jpeg-3`)."""
    selection: str
    """On what checkpoint or threshold were chosen, one of `SELECTIONS`."""
    preprocessing: str
    """Whose face crops it was measured on: `deepfakebench`, `gapbench`, another tool's name."""
    kind: str
    """One of `KINDS`."""
    note: str
    """What a reader should know of it."""
    source: str
    """Authors, year, venue, and where in it."""


COLUMNS = tuple(field.name for field in fields(Figure))
KNOWN = {
    "metric": METRICS,
    "granularity": ("", *GRANULARITIES),
    "compression": ("", *COMPRESSIONS),
    "selection": SELECTIONS,
    "kind": KINDS,
}
"""Column -> the words it may hold."""
NEVER_EMPTY = ("detector", "perturbation", "source")


def figures_in(results: Path) -> list[Figure]:
    """The figures of the ledger in a results folder; none where it has no ledger."""
    path = results / LEDGER
    return read_ledger(path) if path.exists() else []


def read_ledger(path: Path) -> list[Figure]:
    """The figures of a ledger, in order; what is wrong with one is a `HarnessError` that names its line."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            _check_columns(reader.fieldnames or (), f"{path}, line 1")
            return [_figure(said, f"{path}, line {reader.line_num}") for said in reader]
    except OSError as error:
        raise HarnessError(f"cannot read {path}: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise HarnessError(f"{path} is not a CSV file: {error}") from error


def _check_columns(given: object, where: str) -> None:
    names = list(given) if isinstance(given, (list, tuple)) else []
    for name in COLUMNS:
        if name not in names:
            raise HarnessError(f"{where}: lacks the column {name!r}")
    for name in names:
        if name not in COLUMNS:
            raise HarnessError(f"{where}: {unknown('column', name, COLUMNS)}")


def _figure(said: Mapping[str | None, str | None], where: str) -> Figure:
    texts = {name: text.strip() for name, text in said.items() if name and isinstance(text, str)}
    if len(texts) != len(COLUMNS) or None in said:
        raise HarnessError(f"{where}: it must have {len(COLUMNS)} fields")
    for name, known in KNOWN.items():
        if texts[name] not in known:
            raise HarnessError(f"{where}: {unknown(name, texts[name], filter(None, known))}")
    for name in NEVER_EMPTY:
        if not texts[name]:
            raise HarnessError(f"{where}: {name} is empty")
    return Figure(_value(texts.pop("value"), where), **texts)


def _value(text: str, where: str) -> float:
    try:
        value = float(text)
    except ValueError as error:
        raise HarnessError(f"{where}: the value {text!r} is not a number") from error
    if not 0 <= value <= 1:
        raise HarnessError(f"{where}: the value {text} is not within 0 and 1")
    return value
