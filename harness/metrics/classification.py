"""Whether P(fake) means what it says: reliability bins and the expected calibration error."""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    balanced_accuracy_score,
    brier_score_loss,
    roc_curve,
)

from harness.types import FAKE, REAL, HarnessError

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


def auc(labels: np.ndarray, scores: np.ndarray) -> float:
    """Area under the ROC: the share of real-fake pairs in the right order, ties counting half, in [0, 1].

    Exact: pairs are counted in whole numbers, and divided once. `HarnessError` when a class is missing
    or a score is NaN.
    """
    real, fake = np.sort(scores[labels == REAL]), np.sort(scores[labels == FAKE])
    if not len(real) or not len(fake) or np.isnan(real[-1]) or np.isnan(fake[-1]):  # NaN sorts last
        raise HarnessError("an AUC needs real clips, fake clips, and a number as the score of each")
    halves = sum(int(np.searchsorted(real, fake, side=side).sum()) for side in ("left", "right"))
    return halves / (2 * len(real) * len(fake))


def average_precision(labels: np.ndarray, scores: np.ndarray) -> float:
    """Average precision with fake as the positive class, in [0, 1]; chance is the share of fakes."""
    return float(average_precision_score(labels, scores))


def equal_error_rate(labels: np.ndarray, scores: np.ndarray) -> float:
    """The error at which as many reals are called fake as fakes real, in [0, 1]; a constant score gives 0.5.

    Interpolated linearly between the two points of the ROC around the crossing.
    """
    false_alarms, caught, _ = roc_curve(labels, scores, drop_intermediate=False)
    ahead = false_alarms - (1 - caught)  # rises from -1 to 1 along the curve
    after = int(np.argmax(ahead >= 0))
    before = after - 1
    share = -ahead[before] / (ahead[after] - ahead[before])
    return float(false_alarms[before] + share * (false_alarms[after] - false_alarms[before]))


def brier(labels: np.ndarray, scores: np.ndarray) -> float:
    """Mean squared distance of P(fake) from the truth, in [0, 1]; 0.25 for a constant 0.5."""
    return float(brier_score_loss(labels, scores, pos_label=FAKE))


def accuracy(labels: np.ndarray, scores: np.ndarray, threshold: float) -> float:
    """Share of clips judged right when a score at or above the threshold says fake, in [0, 1]."""
    return float(accuracy_score(labels, scores >= threshold))


def balanced_accuracy(labels: np.ndarray, scores: np.ndarray, threshold: float) -> float:
    """Mean of the shares of reals and of fakes judged right at the threshold, in [0, 1]; chance is 0.5."""
    return float(balanced_accuracy_score(labels, scores >= threshold))
