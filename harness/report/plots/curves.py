"""Plots of curves: AUC by severity, the ROC with its band, and whether P(fake) means what it says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from harness.metrics import classification
from harness.metrics.bootstrap import graph_of_clips
from harness.metrics.weighted import Curve
from harness.records import Board, Row
from harness.report.plots.style import GUESSING, colours, drawing, headed, nothing_for, panels, save
from harness.results.predictions import scored_of
from harness.results.rows import clean_auc
from harness.tables import number
from harness.types import parts_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BAND_DRAWS = 200
"""Draws of a band: enough for a picture, too few for a number."""
MOST_BANDS = 4
"""Bands in a panel before they hide each other."""
GRID = np.linspace(0, 1, 201)
"""False-positive rates at which a band is drawn."""
LARGEST = 260.0
"""Area of the marker of the fullest bin, in square points."""

Panel = Callable[["Axes", "list[Row]", "dict[str, Any]"], None]
"""Draws some rows into a panel, each in the colour of its entry."""
MARKERS = "osD^vPX<>*"


def scored_rows(board: Board) -> list[Row]:
    """The rows of unchanged clips whose stored predictions hold a score."""
    clean = [row for row in board.rows if row.cell.severity == 0 and row.clips > row.failed]
    return [row for row in clean if str(row.cell) in board.predictions]


def roc_rows(board: Board) -> list[Row]:
    """Those of them that have a ROC."""
    return [row for row in scored_rows(board) if clean_auc(row) is not None]


def roc(board: Board, path: Path) -> None:
    """ROC curves of the clean cells from their stored predictions, a panel a test set, as a PNG.

    The band is the middle 95 % of the TPR at each FPR under 200 draws of the identities: how far the
    curve may move with other people. Where a panel has more than four curves, only the best four on
    forgeries not trained on have one.
    """
    rows = roc_rows(board)
    if not rows:
        raise nothing_for("roc", board)

    def panel(axis: Axes, here: list[Row], colour: dict[str, Any]) -> None:
        for row in here:
            _roc_curve(axis, row, scored_of(board, row), colour[row.cell.entry], row in _banded(here))
        axis.set(xlabel="reals called fake", ylabel="fakes caught")

    counts = Counter(row.cell.tested_on for row in rows)
    whose = "the best four unseen, " if max(counts.values()) > MOST_BANDS else ""
    lines = (
        f"{board.matrix}: ROC on clean clips, with AUC and its 95 % interval",
        f"(band: {whose}95 % of {BAND_DRAWS} draws of identities;"
        " dashed: forgeries trained on; dotted: guessing)",
    )
    _in_panels(board, rows, panel, lines, path)


def reliability(board: Board, path: Path) -> None:
    """Mean P(fake) of a bin of clips against its share of fakes, a panel a clean test set, as a PNG.

    Bins of about equal number of clips (`classification.reliability`); a marker's area is the number.
    """
    rows = scored_rows(board)
    if not rows:
        raise nothing_for("reliability", board)

    def panel(axis: Axes, here: list[Row], colour: dict[str, Any]) -> None:
        for row in here:
            _reliability_curve(axis, row, scored_of(board, row), colour[row.cell.entry])
        axis.set(xlabel="mean P(fake) of a bin", ylabel="share of fakes in it")

    lines = (
        f"{board.matrix}: reliability on clean clips, with expected calibration error (ECE)",
        "(a marker is a bin, its area the clips in it;"
        " dashed: forgeries trained on; dotted: P(fake) is what it says)",
    )
    _in_panels(board, rows, panel, lines, path)


def _in_panels(board: Board, rows: Sequence[Row], draw: Panel, lines: Sequence[str], path: Path) -> None:
    """A square panel a test set, 0 to 1 both ways with its diagonal, and a legend under each."""
    plt, sns = drawing()
    tests = list(dict.fromkeys(row.cell.tested_on for row in rows))
    entries = list(dict.fromkeys(row.cell.entry for row in rows))
    colour = dict(zip(entries, colours(sns, len(entries)), strict=True))
    most = max(sum(row.cell.tested_on == tested for row in rows) for tested in tests)
    figure, axes = panels(plt, tests, 4.4, 4.5 + 0.19 * most)
    for axis, tested in zip(axes, tests, strict=True):
        here = [row for row in rows if row.cell.tested_on == tested]
        draw(axis, sorted(here, key=lambda row: clean_auc(row) or 0.0, reverse=True), colour)
        axis.plot([0, 1], [0, 1], **GUESSING)
        axis.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03), aspect="equal")
        axis.legend(fontsize=7.5, loc="upper center", bbox_to_anchor=(0.5, -0.13), frameon=False)
    headed(figure, *lines)
    save(figure, path)


def _roc_curve(axis: Axes, row: Row, clips: pd.DataFrame, colour: Any, band: bool) -> None:
    """One cell's curve; a dashed one is of forgeries its weights were trained on."""
    from sklearn.metrics import roc_curve

    label, score = clips["label"].to_numpy(), clips["score"].to_numpy()
    false_alarms, caught, _ = roc_curve(label, score)
    bounds = row.intervals.get("auc")
    sure = f" [{number(bounds[0], 2)}, {number(bounds[1], 2)}]" if bounds else ""
    told = f"{row.cell.entry} {number(clean_auc(row))}{sure}" + " (not ranked)" * bool(row.unjudged)
    axis.plot(false_alarms, caught, label=told, color=colour, **_style(row))
    if band:
        axis.fill_between(GRID, *roc_band(row, clips, GRID), color=colour, alpha=0.16, linewidth=0)


def roc_band(row: Row, clips: pd.DataFrame, grid: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The middle 95 % of the TPR at each FPR of the rising `grid`, from the scored clips of a row."""
    label, score = clips["label"].to_numpy(dtype=np.int64), clips["score"].to_numpy(dtype=np.float64)
    graph, curve = graph_of_clips(clips, parts_of(row.cell.tested_on)[0]), Curve(label, score)
    drawn = np.concatenate([curve.on_grid(weights, grid) for weights in graph.weights(BAND_DRAWS)])
    low, high = np.quantile(drawn, [0.025, 0.975], axis=0)
    return low, high


def _banded(rows: Sequence[Row]) -> list[Row]:
    """The rows of a panel, best first, that have a band."""
    if len(rows) <= MOST_BANDS:
        return list(rows)
    return [row for row in rows if not _seen(row)][:MOST_BANDS]


def _reliability_curve(axis: Axes, row: Row, clips: pd.DataFrame, colour: Any) -> None:
    label, score = clips["label"].to_numpy(), clips["score"].to_numpy(dtype=np.float64)
    table = classification.reliability(label, score)
    told = f"{row.cell.entry} ECE {number(classification.expected_calibration_error(label, score))}"
    axis.plot(table["score"], table["fakes"], label=told, color=colour, **_style(row))
    area = LARGEST * table["clips"] / table["clips"].sum()
    axis.scatter(table["score"], table["fakes"], s=area, color=colour, linewidth=0, zorder=3)


def _style(row: Row) -> dict[str, Any]:
    """A dashed line is of forgeries, or of footage, that the weights were trained on."""
    return {"linestyle": "--", "linewidth": 1.0} if _seen(row) else {"linestyle": "-", "linewidth": 1.8}


def _seen(row: Row) -> bool:
    return row.cell.regime == "in-dataset" or row.shares_footage


def severity_points(board: Board) -> pd.DataFrame:
    """One line a point of the robustness curves; the clean AUC starts each; empty without severities."""
    perturbed = list(dict.fromkeys(row.cell.perturbation for row in board.rows if row.cell.severity))
    lines = []
    for row in board.rows:
        cell, auc = row.cell, clean_auc(row)
        if auc is not None:
            names = [cell.perturbation] if cell.severity else perturbed
            lines += [(cell.tested_on, name, cell.entry, cell.severity, auc) for name in names]
    table = pd.DataFrame(lines, columns=["tested on", "perturbation", "detector", "severity", "AUC"])
    if not table["severity"].any():
        return table[:0]
    order = {name: k for k, name in enumerate(perturbed)}
    return table.sort_values("perturbation", key=lambda names: names.map(order), kind="stable")


def robustness(board: Board, path: Path) -> None:
    """AUC against severity as a PNG: across perturbations, down test sets, a colour a detector."""
    table = severity_points(board)
    if table.empty:
        raise nothing_for("robustness", board)
    _, sns = drawing()
    detectors = table["detector"].nunique()
    grid = sns.relplot(
        table,
        x="severity",
        y="AUC",
        col="perturbation",
        row="tested on",
        hue="detector",
        style="detector",
        kind="line",
        markers=[MARKERS[k % len(MARKERS)] for k in range(detectors)],
        dashes=False,
        errorbar=None,
        palette=colours(sns, detectors),
        height=2.6,
        aspect=1.1,
        facet_kws={"legend_out": False},
    )
    grid.set_titles("{col_name}, on {row_name}", size=9)
    grid.set(ylim=(min(0.4, table["AUC"].min() - 0.02), 1.02), xticks=sorted(table["severity"].unique()))
    grid.refline(y=0.5, **GUESSING)
    handles = grid.legend.legend_handles
    names = [text.get_text() for text in grid.legend.get_texts()]
    grid.legend.remove()
    grid.tight_layout()
    across = max(1, int(grid.figure.get_figwidth() // 3.5))
    place = {"loc": "upper center", "bbox_to_anchor": (0.5, 0.0), "frameon": False}
    grid.figure.legend(handles, names, ncol=min(across, detectors), **place)
    title = f"{board.matrix}: AUC against severity\n(0 clean, 5 strong; dotted: guessing)"
    grid.figure.suptitle(title, fontsize=11, y=1.0, va="bottom")
    save(grid.figure, path)
