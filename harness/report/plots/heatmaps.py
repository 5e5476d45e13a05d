"""Plots that are coloured tables: AUC by test set, and by whose reals meet whose fakes."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from harness.records import Board, Row
from harness.report.plots.style import drawing, headed, nothing_for, panels, save
from harness.results.cross_domain import domains_of, whole_datasets
from harness.results.lines import Line
from harness.results.ranking import standings_of
from harness.results.rows import BASELINE, CROSS, clean_auc, clean_rows, mean_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SCALE: dict[str, Any] = {"vmin": 0.4, "vmax": 1.0, "cmap": "cividis"}
"""One scale for every AUC, so that a colour means the same in all plots."""
MEANT = "AUC (0.5 is guessing)"
MOST_PANELS = 6


def heatmap(board: Board, path: Path) -> None:
    """Clean AUC of every detector (down) on every test set (across), as a PNG; grey is not measured."""
    clean = clean_rows(board)
    if not any(clean_auc(row) is not None for row in clean):
        raise nothing_for("heatmap", board)
    plt, sns = drawing()
    entries = list(dict.fromkeys(row.cell.entry for row in clean))
    tests = list(dict.fromkeys(row.cell.tested_on for row in clean))
    values = pd.DataFrame(float("nan"), index=entries, columns=tests)
    texts = pd.DataFrame("", index=entries, columns=tests)
    for row in clean:
        if (auc := clean_auc(row)) is not None:
            at = row.cell.entry, row.cell.tested_on
            values.loc[at], texts.loc[at] = auc, f"{auc:.3f}{_mark(row)}"
    size = (2.6 + 0.085 * max(map(len, entries)) + 1.3 * len(tests), 1.6 + 0.42 * len(entries))
    figure, axis = plt.subplots(figsize=size, layout="constrained")
    axis.set_facecolor("0.85")
    look = {**SCALE, "linewidths": 1, "cbar_kws": {"label": MEANT}}
    sns.heatmap(values, ax=axis, annot=texts, fmt="", xticklabels=False, yticklabels=False, **look)
    axis.set(xlabel="tested on", ylabel="detector @ trained on")
    named = [board.marked(name).replace(":", ":\n") for name in tests]
    axis.set_xticks([k + 0.5 for k in range(len(tests))], named, rotation=0 if len(tests) <= 4 else 35)
    axis.set_yticks([k + 0.5 for k in range(len(entries))], entries, rotation=0)
    told = "; \N{DAGGER} footage that was trained on" * any(row.shares_footage for row in clean)
    told += "; \N{DOUBLE DAGGER} not ranked: clips are missing" * any(row.unjudged for row in clean)
    headed(figure, f"{board.matrix}: video-level AUC on clean clips (* unseen forgeries{told})")
    save(figure, path)


def _mark(row: Row) -> str:
    if row.shares_footage:
        return "\N{DAGGER}"
    if row.unjudged:
        return "\N{DOUBLE DAGGER}"
    return "*" if row.cell.regime in CROSS else ""


def domain_lines(board: Board) -> list[Line]:
    """The lines whose domains are drawn, best first: six at most, the row to beat only if it is alone."""
    if not any(whole_datasets(entry, board) for entry in board.entries):
        return []
    lines = standings_of(board).lines
    usable = [line for line in lines if all(whole_datasets(entry, board) for entry in line.entries)]
    detectors = [line for line in usable if line.entries[0].detector != BASELINE]
    return (detectors or usable)[:MOST_PANELS]


def cross_domain_heatmap(board: Board, path: Path) -> None:
    """AUC of the reals of one dataset (down) against the fakes of another (across), as a PNG.

    A panel a detector with its training set, six at most (the best on unseen forgeries), each the mean
    over its seeds; grey is undefined.
    """
    shown = domain_lines(board)
    if not shown:
        raise nothing_for("domains", board)
    plt, sns = drawing()
    entries = tuple(entry for line in shown for entry in line.entries)
    table = domains_of(dataclasses.replace(board, entries=entries))
    names = list(dict.fromkeys(table["reals_of"]))
    side = 0.9 * len(names)
    heads = [line.name for line in shown]
    width = max(side, 0.068 * max(map(len, heads)), 2.2) + 0.9
    figure, axes = panels(plt, heads, max(width, 4.5 / len(heads)), side + 1.1)
    for axis, line in zip(axes, shown, strict=True):
        _domain_panel(sns, axis, table, line, names)
    bar = figure.colorbar(axes[0].collections[0], ax=axes, extend="min", fraction=0.04, aspect=30)
    bar.set_label(MEANT)
    bar.outline.set_visible(False)
    notes = ["on the diagonal: within a dataset"]
    if len({entry.detector for entry in board.entries} - {BASELINE}) > len(shown):
        notes.insert(0, f"the best {len(shown)}")
    notes.append("small: 95 % interval" if len(entries) == len(shown) else "mean over seeds")
    headed(
        figure,
        f"{board.matrix}: AUC of reals of one dataset against fakes of another, clean clips",
        f"({'; '.join(notes)})",
    )
    save(figure, path)


def _domain_panel(sns: Any, axis: Axes, table: pd.DataFrame, line: Line, names: Sequence[str]) -> None:
    values = pd.DataFrame(float("nan"), index=list(names), columns=list(names))
    of_line = table[table["entry"].isin([entry.name for entry in line.entries])]
    intervals = {}
    for pair, found in of_line.groupby(["reals_of", "fakes_of"]):
        auc = mean_of(list(found["auc"]))
        if auc is not None:
            values.loc[pair] = auc
            intervals[pair] = found[["auc_lo", "auc_hi"]].iloc[0] if len(found) == 1 else None
    axis.set_facecolor("0.85")
    look = {**SCALE, "linewidths": 1, "square": True, "cbar": False}
    sns.heatmap(values, ax=axis, annot=True, fmt=".3f", **look)
    for text in list(axis.texts):
        x, y = text.get_position()
        pair = names[int(y)], names[int(x)]
        if (interval := intervals.get(pair)) is not None and interval.notna().all():
            small = f"{interval['auc_lo']:.2f} to {interval['auc_hi']:.2f}"
            axis.text(x, y + 0.25, small, fontsize=6.5, color=text.get_color(), ha="center", va="center")
    axis.set(xlabel="fakes of", ylabel="reals of")
    axis.tick_params(labelsize=8)
