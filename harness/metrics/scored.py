"""The lines of stored predictions that numbers are made from, after refusing what none may be made from."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping

import numpy as np
import pandas as pd

from harness.metrics.missing import MOST
from harness.types import FAKE, REAL, HarnessError

COLUMNS = (
    "clip_id",
    "label",
    "manipulation",
    "target",
    "source",
    "score",
    "frame_scores",
    "frame_indices",
    "error",
)
"""Columns of stored predictions that numbers are made from; one line a clip."""


def scored_lines(predictions: pd.DataFrame, wrong: Collection[str] = ()) -> pd.DataFrame:
    """The lines that carry a score, after refusing what no number may be made from.

    Failed clips among `wrong` (ids) count as judged wrong: see `counted_wrong`.
    """
    missing = [name for name in COLUMNS if name not in predictions.columns]
    if missing:
        found = ", ".join(map(str, predictions.columns))
        raise HarnessError(f"predictions lack the column {missing[0]!r} (they have: {found or 'none'})")
    clip = predictions["clip_id"]
    _refuse(clip, clip.duplicated(), "appears twice in the predictions")
    _refuse(clip, ~predictions["label"].isin((REAL, FAKE)), "has a label that is neither 0 nor 1")
    score = pd.to_numeric(predictions["score"], errors="coerce")
    failed = predictions["error"].notna()
    _refuse(clip, score.isna() & ~failed, "has neither a score nor an error (a score must be a number)")
    _refuse(clip, score.notna() & failed, "has a score and an error")
    _refuse(clip, score.notna() & ~score.between(0, 1), "has a score outside [0, 1]")
    scored = counted_wrong(predictions.assign(score=score), wrong)
    bad = [not _in_range(values) for values in scored["frame_scores"]]
    _refuse(
        scored["clip_id"], pd.Series(bad, index=scored.index, dtype=bool), "has a frame score outside [0, 1]"
    )
    return scored


def counted_wrong(predictions: pd.DataFrame, wrong: Collection[str]) -> pd.DataFrame:
    """The lines with a score, and those of failed clips among `wrong` (ids): 1 of a real, 0 of a fake.

    A clip that other detectors scored and one did not must not help that one.
    """
    failed = predictions["score"].isna()
    if not wrong:
        return predictions[~failed]
    taken = failed & predictions["clip_id"].isin(wrong)
    filled = predictions.assign(score=predictions["score"].mask(taken, 1.0 - predictions["label"]))
    if "frame_scores" in filled:
        empty: list[list[float]] = [[] for _ in range(len(filled))]
        nothing = pd.Series(empty, index=filled.index, dtype=object)
        filled["frame_scores"] = filled["frame_scores"].where(~taken, nothing)
    return filled[~failed | taken]


def failed_alone(tables: Mapping[str, tuple[Hashable, pd.DataFrame]]) -> dict[str, frozenset[str]]:
    """Of each table the failed clips that another of the same place scored; those of none are left out.

    `tables`: name -> the place (what was tested on, and how) and the lines, `clip_id` and `score`. One that
    failed on more than `MOST` of its clips has no rank by that alone, and its numbers stay as they are.
    """
    scored: dict[Hashable, set[str]] = {}
    failed: dict[str, set[str]] = {}
    for name, (place, table) in tables.items():
        lost = table["score"].isna()
        scored.setdefault(place, set()).update(table["clip_id"][~lost])
        if lost.any() and lost.mean() <= MOST:
            failed[name] = {*table["clip_id"][lost]}
    found = {name: frozenset(clips & scored[tables[name][0]]) for name, clips in failed.items()}
    return {name: clips for name, clips in found.items() if clips}


def _in_range(values: object) -> bool:
    frames = np.asarray(values, dtype=np.float64)
    return bool(((frames >= 0) & (frames <= 1)).all())


def _refuse(clip: pd.Series, wrong: pd.Series, what: str) -> None:
    if wrong.any():
        raise HarnessError(f"clip {clip[wrong].iloc[0]!r} {what} ({int(wrong.sum())} such)")
