"""The lines of stored predictions that numbers are made from, after refusing what none may be made from."""

from __future__ import annotations

import numpy as np
import pandas as pd

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


def scored_lines(predictions: pd.DataFrame) -> pd.DataFrame:
    """The lines that carry a score, after refusing what no number may be made from."""
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
    scored = predictions.assign(score=score)[~failed]
    bad = [not _in_range(values) for values in scored["frame_scores"]]
    _refuse(
        scored["clip_id"], pd.Series(bad, index=scored.index, dtype=bool), "has a frame score outside [0, 1]"
    )
    return scored


def _in_range(values: object) -> bool:
    frames = np.asarray(values, dtype=np.float64)
    return bool(((frames >= 0) & (frames <= 1)).all())


def _refuse(clip: pd.Series, wrong: pd.Series, what: str) -> None:
    if wrong.any():
        raise HarnessError(f"clip {clip[wrong].iloc[0]!r} {what} ({int(wrong.sum())} such)")
