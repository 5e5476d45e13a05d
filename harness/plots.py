"""Plots of a finished matrix, drawn without a screen and titled with what was measured."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from harness.files import writing
from harness.standing import BASELINE, CROSS, headline
from harness.store import read_predictions
from harness.types import Board, HarnessError, Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DPI = 130
MARKERS = "osD^vPX<>*"
PANELS_ACROSS = 3
PLACES = ((9, 0), (9, 10), (9, -10), (-9, 0), (-9, 10), (-9, -10), (9, 20), (9, -20), (9, 30), (9, -30))
"""Where a point's name may stand, in typographic points from its middle, best first."""


def has(plot: str, board: Board) -> bool:
    """Whether the board holds what the plot `heatmap`, `robustness`, `speed` or `roc` shows."""
    known: Mapping[str, bool] = {
        "heatmap": any(_is(row.metrics.get("auc")) and row.cell.severity == 0 for row in board.rows),
        "robustness": any(_is(row.metrics.get("auc")) and row.cell.severity > 0 for row in board.rows),
        "speed": not _speeds(board).empty,
        "roc": bool(_roc_rows(board)),
    }
    return known[plot]


def heatmap(board: Board, path: Path) -> None:
    """Clean AUC of every detector (down) on every test set (across), as a PNG; grey is not measured."""
    _need("heatmap", board)
    plt, sns = _drawing()
    clean = [row for row in board.rows if row.cell.severity == 0]
    entries = list(dict.fromkeys(row.cell.entry for row in clean))
    tests = list(dict.fromkeys(row.cell.tested_on for row in clean))
    values = pd.DataFrame(float("nan"), index=entries, columns=tests)
    texts = pd.DataFrame("", index=entries, columns=tests)
    for row in clean:
        if (auc := row.metrics.get("auc")) is not None:
            at = row.cell.entry, row.cell.tested_on
            values.loc[at], texts.loc[at] = auc, f"{auc:.3f}{'*' if row.cell.regime in CROSS else ''}"
    size = (2.6 + 0.085 * max(map(len, entries)) + 1.3 * len(tests), 1.6 + 0.42 * len(entries))
    figure, axis = plt.subplots(figsize=size, layout="constrained")
    axis.set_facecolor("0.85")
    bar = {"label": "AUC (0.5 is guessing)"}
    look = {"vmin": 0.4, "vmax": 1.0, "cmap": "cividis", "linewidths": 1, "cbar_kws": bar}
    sns.heatmap(values, ax=axis, annot=texts, fmt="", xticklabels=False, yticklabels=False, **look)
    axis.set(xlabel="tested on", ylabel="detector @ trained on")
    named = [name.replace(":", ":\n") for name in tests]
    axis.set_xticks([k + 0.5 for k in range(len(tests))], named, rotation=0 if len(tests) <= 4 else 35)
    axis.set_yticks([k + 0.5 for k in range(len(entries))], entries, rotation=0)
    figure.suptitle(f"{board.matrix}: video-level AUC on clean clips (* unseen forgeries)", fontsize=11)
    _save(figure, path)


def robustness(board: Board, path: Path) -> None:
    """AUC against severity as a PNG: across perturbations, down test sets, a colour a detector."""
    _need("robustness", board)
    _, sns = _drawing()
    table = _curves(board)
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
        palette=_colours(sns, detectors),
        height=2.6,
        aspect=1.1,
        facet_kws={"legend_out": False},
    )
    grid.set_titles("{col_name}, on {row_name}", size=9)
    grid.set(ylim=(min(0.4, table["AUC"].min() - 0.02), 1.02), xticks=sorted(table["severity"].unique()))
    grid.refline(y=0.5, color="0.4", linestyle=":", linewidth=1)
    handles = grid.legend.legend_handles
    names = [text.get_text() for text in grid.legend.get_texts()]
    grid.legend.remove()
    grid.tight_layout()
    across = max(1, int(grid.figure.get_figwidth() // 3.5))
    place = {"loc": "upper center", "bbox_to_anchor": (0.5, 0.0), "frameon": False}
    grid.figure.legend(handles, names, ncol=min(across, detectors), **place)
    title = f"{board.matrix}: AUC against severity\n(0 clean, 5 strong; dotted: guessing)"
    grid.figure.suptitle(title, fontsize=11, y=1.0, va="bottom")
    _save(grid.figure, path)


def speed(board: Board, path: Path) -> None:
    """Mean unseen AUC against frames scored a second (log scale), a labelled point a detector, as a PNG."""
    from matplotlib.ticker import LogLocator, NullFormatter

    _need("speed", board)
    plt, sns = _drawing()
    table = _speeds(board)
    devices = list(table["device"].unique())
    figure, axis = plt.subplots(figsize=(8.2, 4.8), layout="constrained")
    colours = _colours(sns, len(devices))
    look = {"hue": "device", "style": "device", "palette": colours, "s": 70}
    sns.scatterplot(table, x="fps", y="auc", legend=len(devices) > 1, ax=axis, zorder=3, **look)
    axis.set_xscale("log")
    axis.set_xlim(table["fps"].min() / 2, table["fps"].max() * 3)
    axis.set_ylim(min(0.47, table["auc"].min() - 0.04), min(1.02, table["auc"].max() + 0.06))
    axis.axhline(0.5, color="0.4", linestyle=":", linewidth=1)
    axis.text(
        0.005, 0.5, f" {BASELINE} (guessing)", fontsize=8, va="bottom", transform=axis.get_yaxis_transform()
    )
    axis.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axis.xaxis.set_major_formatter("{x:g}")
    axis.xaxis.set_minor_formatter(NullFormatter())
    axis.set(xlabel="frames scored a second (log scale)", ylabel="mean AUC on unseen forgeries")
    where = f"on {devices[0]}" if len(devices) == 1 else f"on {len(devices)} devices"
    figure.suptitle(f"{board.matrix}: AUC on unseen forgeries against speed\n{where}", fontsize=11)
    _label(figure, axis, table)
    if len(devices) > 1:
        sns.move_legend(axis, "upper center", bbox_to_anchor=(0.5, -0.14), ncol=2, title=None, frameon=False)
    _save(figure, path)


def roc(board: Board, path: Path) -> None:
    """ROC curves of the clean cells from their stored predictions, a panel a test set, as a PNG."""
    _need("roc", board)
    plt, sns = _drawing()
    shown = _roc_rows(board)
    tests = list(dict.fromkeys(row.cell.tested_on for row in shown))
    entries = list(dict.fromkeys(row.cell.entry for row in shown))
    colours = dict(zip(entries, _colours(sns, len(entries)), strict=True))
    across = min(len(tests), PANELS_ACROSS)
    down = -(-len(tests) // across)
    size = (4.4 * across, 0.7 + down * (4.6 + 0.19 * len(entries)))
    figure, axes = plt.subplots(down, across, figsize=size, squeeze=False, layout="constrained")
    for axis, tested in zip_longest(axes.flat, tests):
        if tested is None:
            axis.set_visible(False)
            continue
        here = [row for row in shown if row.cell.tested_on == tested]
        for row in sorted(here, key=lambda row: row.metrics["auc"] or 0.0, reverse=True):
            _roc_curve(axis, row, board.predictions[str(row.cell)], colours[row.cell.entry])
        axis.plot([0, 1], [0, 1], color="0.5", linestyle=":", linewidth=1)
        axis.set(xlabel="reals called fake", ylabel="fakes caught", title=tested, aspect="equal")
        axis.legend(fontsize=7.5, loc="upper center", bbox_to_anchor=(0.5, -0.13), frameon=False)
    title = f"{board.matrix}: ROC on clean clips (AUC)\n(dashed: forgeries trained on; dotted: guessing)"
    figure.suptitle(title, fontsize=11)
    _save(figure, path)


def _roc_curve(axis: Axes, row: Row, predictions: Path, colour: Any) -> None:
    """One cell's curve; a dashed one is of forgeries its weights were trained on."""
    from sklearn.metrics import roc_curve

    told = read_predictions(predictions)[0][["label", "score"]].dropna()
    false_alarms, caught, _ = roc_curve(told["label"], told["score"])
    style, width = ("--", 1.0) if row.cell.regime == "in-dataset" else ("-", 1.8)
    label = f"{row.cell.entry} ({row.metrics['auc']:.3f})"
    axis.plot(false_alarms, caught, label=label, color=colour, linestyle=style, linewidth=width)


def _drawing() -> tuple[Any, Any]:
    """pyplot and seaborn, set to draw into files; imported here because tables need neither."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    import seaborn as sns

    sns.set_theme(style="whitegrid", context="paper", font_scale=1.05)
    return plt, sns


def _save(figure: Figure, path: Path) -> None:
    """Write the figure whole and forget it; no date in the file, so that equal numbers give equal files."""
    import matplotlib.pyplot as plt

    try:
        with writing(path) as temporary:
            figure.savefig(temporary, dpi=DPI, bbox_inches="tight", metadata={"Software": None})
    finally:
        plt.close(figure)


def _need(plot: str, board: Board) -> None:
    if not has(plot, board):
        raise HarnessError(f"matrix {board.matrix} holds nothing that a {plot} plot shows")


def _curves(board: Board) -> pd.DataFrame:
    """One line a point of the robustness curves; the clean AUC starts each of them."""
    perturbed = list(dict.fromkeys(row.cell.perturbation for row in board.rows if row.cell.severity))
    lines = []
    for row in board.rows:
        cell, auc = row.cell, row.metrics.get("auc")
        if auc is not None:
            names = [cell.perturbation] if cell.severity else perturbed
            lines += [(cell.tested_on, name, cell.entry, cell.severity, auc) for name in names]
    table = pd.DataFrame(lines, columns=["tested on", "perturbation", "detector", "severity", "AUC"])
    order = {name: k for k, name in enumerate(perturbed)}
    return table.sort_values("perturbation", key=lambda names: names.map(order), kind="stable")


def _roc_rows(board: Board) -> list[Row]:
    clean = [row for row in board.rows if row.cell.severity == 0 and _is(row.metrics.get("auc"))]
    return [row for row in clean if str(row.cell) in board.predictions]


def _speeds(board: Board) -> pd.DataFrame:
    """One line a detector and device: its speed, and the mean over its entries of the mean unseen AUC."""
    lines = []
    for entry in board.entries:
        unseen = headline(entry)["auc_unseen_mean"]
        if entry.cost is not None and unseen is not None and entry.detector != BASELINE:
            lines.append((entry.detector, entry.cost.device, entry.cost.frames_per_second, unseen))
    table = pd.DataFrame(lines, columns=["detector", "device", "fps", "auc"])
    return table.groupby(["detector", "device"], as_index=False, sort=False).mean()


def _label(figure: Figure, axis: Axes, table: pd.DataFrame) -> None:
    """Name each point where its name covers neither another name nor another point."""
    from matplotlib.transforms import Bbox

    figure.canvas.draw()
    points = axis.transData.transform(table[["fps", "auc"]].to_numpy())
    taken = [Bbox.from_bounds(x - 6, y - 6, 12, 12) for x, y in points]
    for name, place in zip(table["detector"], table[["fps", "auc"]].to_numpy(), strict=True):
        for across, up in PLACES:
            side = "left" if across > 0 else "right"
            style: dict[str, Any] = {"textcoords": "offset points", "fontsize": 9, "ha": side, "va": "center"}
            text = axis.annotate(name, tuple(place), xytext=(across, up), **style)
            box = text.get_window_extent()
            if not any(box.overlaps(other) for other in taken) or (across, up) == PLACES[-1]:
                taken.append(box)
                break
            text.remove()


def _colours(sns: Any, count: int) -> list[Any]:
    """So many colours that stay apart for colour-blind eyes (ten at most differ; more come from one ramp)."""
    return list(sns.color_palette("colorblind" if count <= 10 else "cividis", count))


def _is(value: float | None) -> bool:
    return value is not None
