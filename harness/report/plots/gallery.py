"""Every plot of a board, each drawn once for the same numbers: drawing them all takes seconds."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path

from harness.environment import installed, sources
from harness.files import digest, digest_of, file_name, home, plain, read_json, write_whole
from harness.guard.stored import opened, sealed, set_aside
from harness.progress import say
from harness.records import Board
from harness.report.plots.curves import reliability, robustness, roc, roc_rows, scored_rows, severity_points
from harness.report.plots.forest import any_unseen, forest
from harness.report.plots.heatmaps import cross_domain_heatmap, domain_lines, heatmap
from harness.report.plots.speed import speed, speeds
from harness.report.plots.style import drawable
from harness.results.rows import clean_auc, clean_rows
from harness.types import HarnessError, unknown

MOST_SETS = 36
"""Test sets that the plots below have room for: six by six panels, or names along a table."""
CROWDED = ("heatmap", "domains", "roc", "reliability")


def draw_plots(board: Board, folder: Path) -> list[Path]:
    """The plots there are numbers for; one that is there as it was drawn of the same is not drawn again.

    That is noted in the home folder, for boards whose predictions are kept there; others are always drawn.
    """
    note = home() / "drawn" / f"{file_name(board.matrix)}-{digest(str(folder.absolute()))[:8]}.json"
    ours = bool(board.predictions) and all(path.is_relative_to(home()) for path in board.predictions.values())
    before, drawn = (_read_note(note), {"shown": _shown(board)}) if ours else ({}, {})
    same = ours and before.get("shown") == drawn["shown"]
    paths = []
    crowded = len({row.cell.tested_on for row in board.rows}) > MOST_SETS
    if crowded:
        kinds = f"{', '.join(CROWDED[:-1])} or {CROWDED[-1]}"
        say(f"no plot of {kinds}: more than {MOST_SETS} test sets; the tables hold them all")
    for name, draw in DRAWN.items():
        path = folder / f"{board.matrix}-{name}.png"
        if not has(name, board) or (crowded and name in CROWDED):
            path.unlink(missing_ok=True)  # a picture of an earlier run would pass for one of this
            continue
        if not same or before.get(name) is None or before[name] != digest_of(path):
            draw(drawable(board), path)
        drawn[name] = digest_of(path) or ""
        paths.append(path)
    if ours:
        write_whole(note, json.dumps(sealed(drawn)))
    return paths


def _shown(board: Board) -> str:
    """sha256 (hex) of all that plots are drawn from: the board, its stored predictions, and the code."""
    bare = [
        dataclasses.replace(entry, rows=tuple(dataclasses.replace(row, draws={}) for row in entry.rows))
        for entry in board.entries
    ]
    said = plain(dataclasses.replace(board, entries=tuple(bare), environment={}))
    files = {cell: digest_of(path) for cell, path in board.predictions.items()}
    return digest(json.dumps([said, files, sources(), installed()], sort_keys=True, default=str))


def _read_note(path: Path) -> dict[str, str]:
    """What was noted when the plots were drawn; nothing where that is lost, or damaged and set aside."""
    if not os.path.lexists(path):
        return {}
    try:
        said, fault = opened(read_json(path))
    except HarnessError as error:
        said, fault = {}, f"cannot be believed ({error})"
    if fault:
        say(set_aside(path, fault, "the plots are drawn again"))
        return {}
    return said


def has(plot: str, board: Board) -> bool:
    """Whether the board holds what a plot of `DRAWN` shows; `HarnessError` when there is no such plot."""
    if plot not in HOLDS:
        raise unknown("plot", plot, HOLDS)
    return HOLDS[plot](board)


DRAWN: Mapping[str, Callable[[Board, Path], None]] = {
    "forest": forest,
    "heatmap": heatmap,
    "domains": cross_domain_heatmap,
    "robustness": robustness,
    "roc": roc,
    "reliability": reliability,
    "speed": speed,
}
"""Every plot, by the name that its file ends with."""

HOLDS: Mapping[str, Callable[[Board], bool]] = {
    "forest": any_unseen,
    "heatmap": lambda board: any(clean_auc(row) is not None for row in clean_rows(board)),
    "domains": lambda board: bool(domain_lines(board)),
    "robustness": lambda board: not severity_points(board).empty,
    "roc": lambda board: bool(roc_rows(board)),
    "reliability": lambda board: bool(scored_rows(board)),
    "speed": lambda board: not speeds(board).empty,
}
"""Whether a board holds what a plot shows."""
