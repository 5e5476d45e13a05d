"""The ledger of published figures, and whether one may be compared with a measured row."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from harness.guard.parsed import sized
from harness.metrics.missing import FEW
from harness.records import Row
from harness.types import (
    BENCH,
    COMPRESSION,
    RANKED,
    SELECTIONS,
    Cell,
    HarnessError,
    parts_of,
    unknown,
    world_of,
)

STANDS_FOR = {"ffpp": "ffpp_c23"}
"""What DeepfakeBench's name of a dataset stands for, where it is not our own name of it."""
FIFTH = "FaceShifter"
"""Came to FaceForensics++ later; figures on that set are over its first four manipulations."""
CHOSEN = {
    "oracle": "it was selected on test data",
    "unknown": "nobody says on what it was selected",
}
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
        sized(path, "table-bytes", "ledger")
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


def why_not(row: Row, figure: Figure, recipe: str = "published") -> list[str]:
    """Why a measured row and a published figure may not be compared; empty where they may.

    `recipe` is the name of the one that the row's weights were trained by.
    """
    cell = row.cell
    without = row.failed + int(row.provenance.get("faceless") or 0)
    said = [
        "only its authors claim it" if figure.kind == "claim" else "",
        CHOSEN.get(figure.selection, ""),
        _granularity(row, figure),
        *_sets(cell, figure),
        f"here {FIFTH} is tested too" if _has_fifth(row) else "",
        _preprocessing(cell, figure),
        "" if _bare(cell.detector) == figure.detector else f"it is of {figure.detector}",
        "" if figure.perturbation in (cell.condition, "clean") else "its severity is not said",
        "" if row.selection in RANKED else f"here checkpoint or threshold: {row.selection}",
        "here test clips share footage with training clips" if row.shares_footage else "",
        f"here the recipe is {recipe}" if recipe != "published" and _trained_here(cell) else "",
        "here over 1 % of the clips failed or show no face" if without > FEW * row.clips else "",
        f"here not ranked: {row.unjudged}" if row.unjudged and without <= FEW * row.clips else "",
    ]
    said = [each for each in said if each]
    return [f"{said[0]} ({figure.note})", *said[1:]] if said and figure.note else said


def _granularity(row: Row, figure: Figure) -> str:
    if not figure.granularity:
        return "it does not say whether it is over frames or videos"
    by_video = figure.granularity == "frame" and metric_beside(row, figure) != "frame_auc"
    return "it is over frames, here over videos" if by_video else ""


def metric_beside(row: Row, figure: Figure) -> str:
    """The number of the row that the figure stands beside."""
    by_frame = figure.metric == "auc" and figure.granularity == "frame"
    return "frame_auc" if by_frame and row.metrics.get("frame_auc") is not None else figure.metric


def _sets(cell: Cell, figure: Figure) -> Iterator[str]:
    trained, left_out, _ = parts_of(cell.trained_on or "")
    if not trained or not figure.trained_on:
        yield "its training set is not said" if trained else "the training set here is not said"
    elif world_of(trained) != world_of(figure.trained_on):
        yield f"it was trained on {figure.trained_on}, here on {trained}"
    if left_out and (world_of(trained), left_out) != ("ffpp", FIFTH):
        yield f"here trained without {left_out}"
    only, its_only = (parts_of(name)[2] for name in (cell.tested_on, figure.tested_on))
    if only != its_only:
        yield f"it is over {its_only or 'all manipulations'}, here over {only or 'all'}"
    names = (_ours(name) for name in (trained, parts_of(cell.tested_on)[0]))
    here = {match[1] for match in map(COMPRESSION.search, names) if match}
    if here - {figure.compression}:
        its = figure.compression or "not said"
        yield f"its compression is {its}, here {' and '.join(sorted(here))}"


def _has_fifth(row: Row) -> bool:
    whole = parts_of(row.cell.tested_on)[2] is None
    return whole and world_of(row.cell.tested_on) == "ffpp" and f"auc:{FIFTH}" in row.metrics


def _preprocessing(cell: Cell, figure: Figure) -> str:
    if not figure.preprocessing:
        return "its preprocessing is not said"
    here = BENCH.rstrip("_") if cell.tested_on.startswith(BENCH) else "gapbench"
    other = here != figure.preprocessing
    return f"its faces were cut by {figure.preprocessing}, here by {here}" if other else ""


def _ours(dataset: str) -> str:
    """`deepfakebench_ffpp` -> `ffpp_c23`; our own names as they are."""
    name = dataset.removeprefix(BENCH)
    return dataset if name == dataset else STANDS_FOR.get(name, name)


def _bare(detector: str) -> str:
    """`deepfakebench_xception:mine` -> `deepfakebench_xception`."""
    return detector.partition(":")[0]


def _trained_here(cell: Cell) -> bool:
    """Whether a recipe made its weights; imported ones are called `detector:name`."""
    return cell.trained_on is not None and cell.detector == _bare(cell.detector)


def meets(row: Row, figure: Figure) -> bool:
    """Whether a figure is of the row's kind of detector, on its test set, under its condition."""
    cell = row.cell
    kinds = {_bare(name).removeprefix(BENCH) for name in (cell.detector, figure.detector)}
    worlds = {world_of(name) for name in (cell.tested_on, figure.tested_on)}
    conditions = {cell.condition, cell.perturbation if cell.severity else "clean"}
    return len(kinds) == len(worlds) == 1 and figure.perturbation in conditions
