"""What MLflow is told of a leaderboard entry: metrics, parameters, inputs and files; needs no MLflow."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.files import digest, file_digest, file_name, shown_place, write_whole
from harness.guard import names
from harness.records import Board, Entry, Row
from harness.report.leaderboard import result_files
from harness.results.lines import headline, line_of
from harness.results.ranking import Standings
from harness.results.rows import ranked_rows, rows_table
from harness.tracking.row_tags import tags_of
from harness.types import PROTOCOL, Cell, HarnessError

Point = tuple[str, int, float]
"""(metric, step, value)."""

DIGITS = 4
DIGEST = 36
"""Longest digest of a dataset input that MLflow takes."""
CELL_METRICS = {
    **{"auc": "auc", "bal_acc": "balanced_accuracy", "acc": "accuracy", "base_rate": "base_rate"},
    **{"eer": "eer", "tpr": "tpr", "fpr": "fpr", "ece": "ece"},
}
BOUNDED = ("auc_unseen_mean", "auc_gap")
"""Headline numbers whose interval is sent."""
UNRANKED = (
    "auc_unseen_mean",
    "auc_unseen_worst",
    "auc_gap",
    "auc_gap_relative",
    "auc_robust_mean",
    "auc_robust_worst",
)
"""Headline numbers that an entry has only if nothing of it was chosen on test clips."""
CURVES = {"curve": "auc", "curve_bal_acc": "balanced_accuracy"}
TRAINING = {"train/loss": "train_loss", "val/auc": "val_auc"}


@dataclass(frozen=True, slots=True)
class EntryRun:
    """One run as it is to be: the same entry, code and results give the same record."""

    name: str
    """`detector@trained_on`."""
    campaign: str
    """Matrix, its digest and the protocol: entries of one campaign stand on one leaderboard."""
    commit: str
    """Code that made the scores; `+` when it had uncommitted changes."""
    points: tuple[Point, ...]
    """Finite values, rounded to 4 decimals."""
    params: Mapping[str, str]
    inputs: tuple[tuple[str, str, str], ...]
    """(dataset, digest, `train` or `test`)."""
    predictions: Mapping[str, Path]
    """Cell -> its Parquet file."""
    tags: Mapping[str, str] = field(default_factory=dict)
    """What stands beside its numbers (`row_tags.LEADING`); it may change with the other runs."""

    @property
    def key(self) -> str:
        """sha256 (hex) of what the run is about; a later publish with the same key replaces it."""
        return digest([self.name, self.campaign, self.commit, self.params])

    @property
    def content(self) -> str:
        """sha256 (hex) of what the run says: two runs with one key and one content are the same run."""
        files = {cell: file_digest(path) for cell, path in self.predictions.items()}
        return digest([self.points, self.inputs, files])


def campaign_of(board: Board) -> str:
    """`matrix-digest-pN`: what makes leaderboard entries belong together."""
    return f"{board.matrix}-{board.matrix_sha256[:8]}-p{PROTOCOL}"


def experiment_of(matrix: str) -> str:
    """What the experiment of a matrix is called."""
    return f"gapbench-{matrix}"


def track_entry(entry: Entry, board: Board, standings: Standings) -> EntryRun:
    """The run of one entry; a cell whose predictions are gone is a `HarnessError`."""
    files = {str(row.cell): board.predictions.get(str(row.cell)) for row in entry.rows}
    for cell, path in files.items():
        if path is None or not path.is_file():
            raise HarnessError(
                f"the predictions of {cell} are not there to publish ({path or 'no file known'})"
            )
    commits = {str(row.provenance.get("commit", "unknown")) for row in entry.rows}
    dirty = any(row.provenance.get("dirty") for row in entry.rows)
    return EntryRun(
        name=names.entity(entry.name),
        campaign=campaign_of(board),
        commit=" ".join(sorted(commits)) + ("+" if dirty else ""),
        points=tuple(dict.fromkeys(points_of(entry, standings.unseen))),
        params=_params(entry, board),
        inputs=_inputs(entry),
        predictions={cell: path for cell, path in files.items() if path is not None},
        tags=tags_of(entry, standings),
    )


def slug(name: str) -> str:
    """A name with only letters MLflow takes and no slash: `lab:gan` -> `lab.gan`."""
    return names.metric(name)


def path_of(cell: Cell) -> str:
    """A cell's name as MLflow takes it for a path: `a@lab#1/lab:gan/clean` -> `a@lab-s1/lab+gan/clean`."""
    parts = cell.entry.replace("#", "-s"), cell.tested_on, cell.condition
    return "/".join(file_name(part) for part in parts)


def points_of(entry: Entry, unseen: str = "unseen") -> Iterator[Point]:
    """Every metric point of an entry; what is undefined or not finite is left out.

    `unseen` is what the means over the test sets are called: `auc_unseen_mean`, or `auc_tested_mean`.
    """
    line = line_of([entry])
    hidden = () if line.counted else UNRANKED  # so that no view can rank it
    for name, value in headline(entry).items():
        if name not in hidden:
            yield from _point(name.replace("unseen", unseen), 0, value)
    for name in (name for name in BOUNDED if name not in hidden):
        for end, bound in zip(("lo", "hi"), line.interval(name) or (), strict=False):
            yield from _point(f"{name.replace('unseen', unseen)}_{end}", 0, bound)
    rows = ranked_rows(entry.rows)
    for row in rows:
        if row.cell.severity == 0:
            yield from _clean_points(row)
    perturbed = {(row.cell.tested_on, row.cell.perturbation) for row in rows if row.cell.severity}
    for tested_on, perturbation in sorted(perturbed):
        for row in rows:
            if row.cell.tested_on == tested_on and row.cell.perturbation in (perturbation, "clean"):
                for prefix, metric in CURVES.items():
                    name = f"{prefix}.{slug(tested_on)}/{slug(perturbation)}"
                    yield from _point(name, row.cell.severity, row.metrics.get(metric))
    for epoch in entry.weights.curve if entry.weights else ():
        for name, column in TRAINING.items():
            yield from _point(name, int(epoch["epoch"]), epoch.get(column))


def _clean_points(row: Row) -> Iterator[Point]:
    test = slug(row.cell.tested_on)
    for prefix, metric in CELL_METRICS.items():
        yield from _point(f"{prefix}/{test}", 0, row.metrics.get(metric))
    for prefix, bound in zip(("auc_lo", "auc_hi"), row.intervals.get("auc", ()), strict=False):
        yield from _point(f"{prefix}/{test}", 0, bound)


def _point(name: str, step: int, value: float | None) -> Iterator[Point]:
    if value is not None and math.isfinite(value):
        yield name, step, round(float(value), DIGITS)


def _params(entry: Entry, board: Board) -> dict[str, str]:
    first = entry.rows[0]
    said = first.provenance
    preprocessing = {row.cell.tested_on: row.provenance.get("preprocessing_sha256") for row in entry.rows}
    recipe = said.get("recipe") or {}
    params: dict[str, Any] = {
        "detector": entry.detector,
        "trained_on": entry.trained_on,
        "seed": entry.seed,
        "weights_sha256": said.get("weights_sha256"),
        "matrix_sha256": board.matrix_sha256,
        "preprocessing_sha256": digest(preprocessing) if any(preprocessing.values()) else None,
        "recipe_sha256": said.get("recipe_sha256"),
        "size": recipe.get("size") or (entry.cost.size if entry.cost else None),
        "frames": recipe.get("frames") or (entry.cost.frames if entry.cost else None),
        "precision": first.cell.runtime.precision,
        "batch": first.cell.runtime.batch,
        "device": first.cell.runtime.device,
        "gpu": entry.cost.device if entry.cost and first.cell.runtime.device != "cpu" else None,
        "fps_invalid": (entry.cost.throughput_invalid or None) if entry.cost else None,
        "torch": board.environment.get("torch"),
        "version": board.environment.get("gapbench"),
        "protocol": PROTOCOL,
        "threshold": said.get("threshold"),
        "threshold_source": said.get("threshold_source"),
        "checkpoint_source": said.get("checkpoint_source"),
    }
    known = {name: str(value) for name, value in params.items() if value is not None}
    return {name: names.cut(names.visible(text)) for name, text in known.items()}


def _inputs(entry: Entry) -> tuple[tuple[str, str, str], ...]:
    found = [
        (names.entity(row.cell.tested_on), str(row.provenance["clips_sha256"])[:DIGEST], "test")
        for row in entry.rows
        if row.provenance.get("clips_sha256")
    ]
    trained = entry.weights.provenance.get("clips_sha256") if entry.weights else None
    if entry.weights and trained:
        found.insert(0, (names.entity(entry.weights.trained_on), str(trained)[:DIGEST], "train"))
    return tuple(dict.fromkeys(found))


def _without_places(board: Board) -> str:
    """The matrix file as text, in which folders of this machine are no more than their names."""
    text = board.matrix_toml
    for place in board.folders.values():
        text = text.replace(place, shown_place(Path(place)))
    return text


def write_files(entry: Entry, board: Board, results: Path, folder: Path) -> None:
    """Put the files of one run into a folder: its cells, predictions, plots, matrix and environment."""
    cells = rows_table(entry.rows)
    write_whole(folder / "cells.csv", names.csv_text(cells))
    # One column holds numbers and None: written as text or float it would lose which is which.
    cells.convert_dtypes().to_parquet(folder / "cells.parquet", index=False)
    write_whole(folder / "matrix.toml", _without_places(board))
    write_whole(folder / "environment.json", json.dumps(dict(board.environment), indent=1, sort_keys=True))
    write_whole(folder / "summary.html", _summary(entry, board))
    for row in entry.rows:
        target = folder / "predictions" / f"{path_of(row.cell)}.parquet"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(board.predictions[str(row.cell)], target)
    for path in result_files(board.matrix, results):
        target = folder / "leaderboard" / path.name
        target.parent.mkdir(exist_ok=True)
        shutil.copyfile(path, target)


def _summary(entry: Entry, board: Board) -> str:
    lines = [
        f"<tr><td>{name}</td><td>{'undefined' if value is None else round(value, DIGITS)}</td></tr>"
        for name, value in headline(entry).items()
    ]
    shown = [
        "tested_on",
        "perturbation",
        "severity",
        "clips",
        "failed",
        "reals",
        "fakes",
        "faceless",
        "auc",
        "auc_lo",
        "auc_hi",
        "balanced_accuracy",
        "eer",
    ]
    cells = rows_table(entry.rows)[shown].map(
        lambda value: names.line(value) if isinstance(value, str) else value
    )
    table = cells.to_html(index=False, border=0, na_rep="-")
    style = "body{font-family:sans-serif;margin:2em}td,th{padding:.2em .8em;text-align:right}"
    return (
        f"<!doctype html><meta charset='utf-8'><title>{names.html(entry.name)}</title><style>{style}</style>"
        f"<h1>{names.html(entry.name)}</h1><p>{names.html(board.about)}</p>"
        f"<table>{''.join(lines)}</table><h2>Cells</h2>{table}"
    )
