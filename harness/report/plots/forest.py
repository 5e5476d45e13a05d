"""The leaderboard as a picture: the mean unseen AUC of each line with its interval, beside the seen one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.records import Board
from harness.report.plots.style import GUESSING, colours, drawing, headed, nothing_for, save
from harness.results.lines import Line, lines_of
from harness.results.ranking import standings_of
from harness.tables import number

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FIGURE_SPACE = "\N{FIGURE SPACE}"
"""As wide as a digit."""


def forest(board: Board, path: Path) -> None:
    """The leaderboard as a PNG: the mean unseen AUC of each line with its 95 % interval, best first.

    A hollow marker is the AUC on forgeries trained on, so that the gap is seen; lines that share a rank
    stand on one ground. Grey is not ranked.
    """
    if not any_unseen(board):
        raise nothing_for("forest", board)
    plt, sns = drawing()
    standings = standings_of(board)
    lines = [line for line in standings.lines if _known(line)]
    given = [standings.ranks[line.name] for line in lines]
    names = [standings.name(line) for line in lines]
    size = (6.4 + 0.085 * max(map(len, names)), 1.7 + 0.3 * len(lines))
    figure, axis = plt.subplots(figsize=size, layout="constrained")
    colour = colours(sns, 1)[0]
    for place, line in enumerate(lines):
        _line(axis, place, line, colour if given[place] != "-" else "0.45")
    _ground(axis, given)
    _text(axis, names, given, [_told(line) for line in lines], standings.unseen)
    lows = [low for line in lines for low in (*_known(line), *(line.interval("auc_unseen_mean") or ()))]
    axis.set(xlim=(min(0.45, min(lows) - 0.03), 1.02), ylim=(len(lines) - 0.5, -0.5))
    axis.set_xlabel(f"AUC (filled: {standings.tested_on}, with 95 % interval; hollow: forgeries trained on)")
    axis.axvline(0.5, **GUESSING)
    trained = f", trained on {standings.trained_on}" if standings.trained_on else ""
    grey = "; grey: not ranked" if "-" in given else ""
    headed(
        figure,
        f"{board.matrix}: mean AUC on {standings.tested_on}, clean clips{trained}",
        f"(equal rank: cannot be told apart from the best of it; dotted: guessing{grey})",
    )
    save(figure, path)


def any_unseen(board: Board) -> bool:
    """Whether there is a line with a mean unseen AUC."""
    return any(line.numbers["auc_unseen_mean"] is not None for line in lines_of(board))


def _known(line: Line) -> list[float]:
    found = (line.numbers["auc_unseen_mean"], line.numbers["auc_in_dataset"])
    return [value for value in found if value is not None]


def _line(axis: Axes, place: int, line: Line, colour: Any) -> None:
    unseen, seen = line.numbers["auc_unseen_mean"], line.numbers["auc_in_dataset"]
    if unseen is not None and seen is not None:
        axis.plot([unseen, seen], [place, place], color="0.6", linewidth=0.8, linestyle=(0, (1, 2)))
    if seen is not None:
        axis.plot(seen, place, "o", markersize=6, markerfacecolor="white", markeredgecolor=colour)
    if (interval := line.interval("auc_unseen_mean")) is not None:
        axis.plot(interval, [place, place], color=colour, linewidth=2.2, solid_capstyle="butt")
    if unseen is not None:
        axis.plot(unseen, place, "o", markersize=6.5, color=colour)


def _ground(axis: Axes, given: Sequence[str]) -> None:
    """Every other rank on a darker ground."""
    groups = list(dict.fromkeys(given))
    for place, rank in enumerate(given):
        if groups.index(rank) % 2 == 0 and rank != "-":
            axis.axhspan(place - 0.5, place + 0.5, color="0.94", linewidth=0, zorder=0)


def _text(axis: Axes, names: Sequence[str], given: Sequence[str], told: Sequence[str], unseen: str) -> None:
    """Name and rank on the left, the numbers on the right, each column under its heading."""
    wide, places = max(map(len, given)), range(len(names))
    ranked = [f"{name}   {rank.rjust(wide, FIGURE_SPACE)}" for name, rank in zip(names, given, strict=True)]
    axis.set_yticks(places, ranked)
    axis.tick_params(axis="y", length=0)
    axis.grid(visible=False, axis="y")
    other = axis.twinx()
    other.set(ylim=(len(names) - 0.5, -0.5))
    other.set_yticks(places, told, family="monospace", fontsize=8.5)
    other.tick_params(axis="y", length=0, pad=6)
    other.grid(visible=False)
    look: dict[str, Any] = {"textcoords": "offset points", "xycoords": "axes fraction", "va": "bottom"}
    look |= {"fontsize": 8.5, "color": "0.35"}
    axis.annotate("rank", (0, 1), xytext=(-3, 3), ha="right", **look)
    axis.annotate(_columns(f"{unseen} [95 %]", "gap"), (1, 1), xytext=(6, 3), family="monospace", **look)


def _columns(unseen: str, gap: str) -> str:
    return f"{unseen:<20} {gap:>6}"


def _told(line: Line) -> str:
    interval = line.interval("auc_unseen_mean")
    sure = f" [{number(interval[0])}, {number(interval[1])}]" if interval else ""
    return _columns(number(line.numbers["auc_unseen_mean"]) + sure, number(line.numbers["auc_gap"]))
