"""Six clips whose numbers are counted by hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

LABELS = (0, 0, 0, 1, 1, 1)
SCORES = (0.1, 0.4, 0.8, 0.3, 0.7, 0.9)


def predictions(
    labels: Sequence[int] = LABELS, scores: Sequence[float | None] = SCORES, **columns: Any
) -> pd.DataFrame:
    """Predictions as stored: two equal frame scores a clip, one manipulation, no identities."""
    table = {
        "clip_id": [f"clip/{k}" for k in range(len(labels))],
        "label": list(labels),
        "manipulation": ["swap" if label else None for label in labels],
        "target": [None] * len(labels),
        "source": [None] * len(labels),
        "score": list(scores),
        "frame_scores": [[] if score is None else [score, score] for score in scores],
        "frame_indices": [[0, 5]] * len(labels),
        "error": ["unreadable" if score is None else None for score in scores],
    }
    return pd.DataFrame(table | columns)
