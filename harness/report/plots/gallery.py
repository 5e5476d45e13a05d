"""The plots of a board in a folder, each drawn once for the same numbers: drawing them all takes seconds."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

from harness.cli.seal import digest_of, installed, sources
from harness.files import digest, file_name, home, plain, read_json, write_whole
from harness.report.plots import speed
from harness.types import Board, HarnessError


def draw_plots(board: Board, folder: Path) -> list[Path]:
    """The plots there are numbers for; one that is there as it was drawn of the same is not drawn again.

    That is noted in the home folder, for boards whose predictions are kept there; others are always drawn.
    """
    note = home() / "drawn" / f"{file_name(board.matrix)}-{digest(str(folder.absolute()))[:8]}.json"
    ours = bool(board.predictions) and all(path.is_relative_to(home()) for path in board.predictions.values())
    before, drawn = (_read_note(note), {"shown": _shown(board)}) if ours else ({}, {})
    same = ours and before.get("shown") == drawn["shown"]
    paths = []
    for name, draw in speed.DRAWN.items():
        path = folder / f"{board.matrix}-{name}.png"
        if not speed.has(name, board):  # a picture of an earlier run would pass for one of this
            path.unlink(missing_ok=True)
            continue
        if not same or before.get(name) is None or before[name] != digest_of(path):
            draw(board, path)
        drawn[name] = digest_of(path) or ""
        paths.append(path)
    if ours:
        write_whole(note, json.dumps(drawn))
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
    """What was noted when the plots were drawn; nothing where that is lost or damaged."""
    try:
        return dict(read_json(path)) if path.is_file() else {}
    except (HarnessError, TypeError, ValueError):
        return {}
