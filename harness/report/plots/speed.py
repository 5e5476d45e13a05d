"""The plot of speed against unseen AUC, each point with its name beside it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from harness.metrics.intervals import bounds
from harness.records import Board
from harness.report.plots.style import GUESSING, colours, drawing, headed, nothing_for, save
from harness.results.lines import lines_of
from harness.results.ranking import standings_of
from harness.results.rows import BASELINE
from harness.tables import DOUBTED, doubted

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


PLACES = ((9, 0), (9, 10), (9, -10), (-9, 0), (-9, 10), (-9, -10), (9, 20), (9, -20), (9, 30), (9, -30))
"""Where a point's name may stand, in typographic points from its middle, best first."""


def speed(board: Board, path: Path) -> None:
    """Mean unseen AUC against frames scored a second (log scale), a labelled point a detector, as a PNG."""
    from matplotlib.ticker import LogLocator, NullFormatter

    table = speeds(board)
    if table.empty:
        raise nothing_for("speed", board)
    plt, sns = drawing()
    devices = list(table["device"].unique())
    figure, axis = plt.subplots(figsize=(8.2, 4.8), layout="constrained")
    colour = dict(zip(devices, colours(sns, len(devices)), strict=True))
    look = {"hue": "device", "style": "device", "palette": colour, "s": 70}
    sns.scatterplot(table, x="fps", y="auc", legend=len(devices) > 1, ax=axis, zorder=3, **look)
    for point in table.itertuples():
        axis.vlines(point.fps, point.low, point.high, color=colour[point.device], linewidth=1.2)
    axis.set_xscale("log")
    axis.set_xlim(table["fps"].min() / 2, table["fps"].max() * 3)
    axis.set_ylim(min(0.47, table["low"].min() - 0.03), min(1.02, table["high"].max() + 0.04))
    axis.axhline(0.5, **GUESSING)
    axis.text(
        0.005, 0.5, f" {BASELINE} (guessing)", fontsize=8, va="bottom", transform=axis.get_yaxis_transform()
    )
    axis.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axis.xaxis.set_major_formatter("{x:g}")
    axis.xaxis.set_minor_formatter(NullFormatter())
    tested_on = standings_of(board).tested_on
    axis.set(xlabel="frames scored a second (log scale)", ylabel=f"mean AUC on {tested_on}, 95 % interval")
    where = f"on {devices[0]}" if len(devices) == 1 else f"on {len(devices)} devices"
    where += f"; {DOUBTED} speed INVALID" if table["doubt"].any() else ""
    headed(figure, f"{board.matrix}: AUC on {tested_on} against speed", where)
    _label(figure, axis, table)
    if len(devices) > 1:
        sns.move_legend(axis, "upper center", bbox_to_anchor=(0.5, -0.14), ncol=2, title=None, frameon=False)
    save(figure, path)


def speeds(board: Board) -> pd.DataFrame:
    """One line a detector and device: its speed, and the mean over its lines of the mean unseen AUC.

    `low` and `high` are the bounds of the 95 % interval of that mean; the AUC itself without draws.
    `doubt` says whether a speed among them is INVALID.
    """
    lines = []
    for line in lines_of(board):
        unseen, drawn = line.numbers["auc_unseen_mean"], line.draws.get("auc_unseen_mean")
        for cost in (entry.cost for entry in line.entries):
            if cost is not None and unseen is not None and cost.detector != BASELINE:
                doubt = bool(cost.throughput_invalid)
                lines.append((cost.detector, cost.device, cost.frames_per_second, unseen, drawn, doubt))
    table = pd.DataFrame(lines, columns=["detector", "device", "fps", "auc", "drawn", "doubt"])
    found = []
    for (detector, device), these in table.groupby(["detector", "device"], sort=False):
        auc, draws = these["auc"].mean(), list(these["drawn"])
        whole = all(each is not None for each in draws)
        low, high = bounds(np.mean(draws, axis=0)) if whole else (auc, auc)
        found.append((detector, device, these["fps"].mean(), auc, low, high, these["doubt"].any()))
    return pd.DataFrame(found, columns=["detector", "device", "fps", "auc", "low", "high", "doubt"])


def _label(figure: Figure, axis: Axes, table: pd.DataFrame) -> None:
    """Name each point where its name covers neither another name nor another point or its interval."""
    from matplotlib.transforms import Bbox

    figure.canvas.draw()
    points = axis.transData.transform(table[["fps", "auc"]].to_numpy())
    lows, highs = (axis.transData.transform(table[["fps", end]].to_numpy()) for end in ("low", "high"))
    taken = [Bbox.from_bounds(x - 6, y - 6, 12, 12) for x, y in points]
    taken += [Bbox([[x - 2, low], [x + 2, high]]) for (x, low), (_, high) in zip(lows, highs, strict=True)]
    names = [doubted(name, doubt) for name, doubt in zip(table["detector"], table["doubt"], strict=True)]
    for name, place in zip(names, table[["fps", "auc"]].to_numpy(), strict=True):
        for across, up in PLACES:
            side = "left" if across > 0 else "right"
            style: dict[str, Any] = {"textcoords": "offset points", "fontsize": 9, "ha": side, "va": "center"}
            text = axis.annotate(name, tuple(place), xytext=(across, up), **style)
            box = text.get_window_extent()
            if not any(box.overlaps(other) for other in taken) or (across, up) == PLACES[-1]:
                taken.append(box)
                break
            text.remove()
