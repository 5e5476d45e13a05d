"""What each detector of a file of scores lacks of what others have: nobody gains by leaving something out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from harness.metrics.scored import failed_alone
from harness.results.score_file import CELL, ENTRY
from harness.types import Cell


def completed(table: pd.DataFrame, notes: list[str]) -> pd.DataFrame:
    """The rows with a failed one for each clip that only other detectors have in the same cell.

    Else a detector could leave out what it gets wrong, a clip or a whole test set or severity, and lead.
    A test set that a detector was trained on is not asked of it where it has no row of it.
    """
    test = table[table["split"] == "test"]
    entries = [tuple(key) for key in test[ENTRY].drop_duplicates().itertuples(index=False)]
    met = {(*key, on) for *key, on in test[[*ENTRY, "tested_on"]].drop_duplicates().itertuples(index=False)}
    added = []
    for place, here in test.groupby(CELL[3:], sort=False):
        clips = here.drop_duplicates("clip_id")
        theirs = {key: rows["clip_id"] for key, rows in here.groupby(ENTRY, sort=False)}
        for entry in entries:
            asked = (*entry, place[0]) in met or not _trained_on(entry, str(place[0]))
            gone = clips[~clips["clip_id"].isin(theirs.get(entry, ()))]
            if asked and len(gone):
                lacking = gone.assign(**dict(zip(ENTRY, entry, strict=True)))
                added.append(lacking.assign(score=float("nan"), error="not in the file for this detector"))
                notes.append(_lacks(entry[0], len(gone), len(clips), place))
    return pd.concat([table, *added], ignore_index=True) if added else table


def scored_by_others(table: pd.DataFrame) -> pd.Series:
    """Which rows are failed clips of the test that another detector scored: bool, a row each."""
    test = table[table["split"] == "test"]
    cells = {str(key): (key[3:], rows) for key, rows in test.groupby(CELL, sort=False)}
    lost = failed_alone(cells)
    found = pd.Series(False, index=table.index)
    for name, clips in lost.items():
        rows = cells[name][1]
        found[rows.index[rows["clip_id"].isin(clips)]] = True
    return found & table["score"].isna()


def _trained_on(entry: tuple[str, str, int], tested_on: str) -> bool:
    """Whether a test set is one that the detector was trained on, as the file says."""
    return Cell(entry[0], entry[1] or None, tested_on).regime == "in-dataset"


def _lacks(detector: str, gone: int, clips: int, place: Sequence[Any]) -> str:
    """What is said of clips that a detector has no row of."""
    where = f"{place[0]}" + f" under {place[1]}-{place[2]}" * bool(place[2])
    if gone == clips:
        return f"{detector} has no row of {where}, which others have; all its clips count as failed"
    return f"{detector} lacks {gone} clips of {where} that others have; they count as failed"
