"""Whether P(fake) means what it says: reliability bins and the expected calibration error."""

from __future__ import annotations

import numpy as np
import pandas as pd

from harness.types import FAKE

BINS = 10
"""Bins of equal mass; fewer where scores tie."""


def reliability(labels: np.ndarray, scores: np.ndarray, bins: int = BINS) -> pd.DataFrame:
    """Bins of clips of about equal number, by score: mean `score`, share of `fakes`, number of `clips`.

    Edges are quantiles of the scores, so equal scores are never split; `labels` [N] 0 or 1, `scores`
    [N] in [0, 1].
    """
    edges = np.unique(np.quantile(scores, np.linspace(0, 1, bins + 1)[1:-1]))
    number = np.searchsorted(edges, scores, side="left")
    table = pd.DataFrame({"bin": number, "score": scores, "fakes": labels == FAKE, "clips": 1})
    found = table.groupby("bin").agg({"score": "mean", "fakes": "mean", "clips": "sum"})
    return found.reset_index(drop=True)


def expected_calibration_error(labels: np.ndarray, scores: np.ndarray, bins: int = BINS) -> float:
    """Mean distance, over clips, of a bin's mean P(fake) from its share of fakes, in [0, 1].

    Bins of equal mass (Nguyen and O'Connor 2015), which do not hide sparse regions. It is about these
    clips and their share of fakes; on few clips it is too high by chance.
    """
    table = reliability(labels, scores, bins)
    share = table["clips"] / table["clips"].sum()
    return float((share * (table["score"] - table["fakes"]).abs()).sum())
