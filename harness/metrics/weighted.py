"""Numbers of one detector on clips that weigh differently: what an interval evaluates under each draw."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from harness.types import FAKE, REAL

OUTSIDE = -1
"""Stands in for the label of a clip that a number leaves out: it is neither real nor fake."""

Statistic = Callable[[np.ndarray], np.ndarray]
"""Weights `[d, N]` of the clips -> the number under each weighting `[d]`."""


def auc_statistic(labels: np.ndarray, scores: np.ndarray) -> Statistic:
    """The weighted AUC: the weighted share of real-fake pairs in order, ties counting half.

    `labels` [N] 0 or 1, `scores` [N]; NaN under a weighting that gives a class no weight.
    """
    real = np.flatnonzero(labels == REAL)
    real = real[np.argsort(scores[real], kind="stable")]
    fake = np.flatnonzero(labels == FAKE)
    below = np.searchsorted(scores[real], scores[fake], side="left")
    not_above = np.searchsorted(scores[real], scores[fake], side="right")
    tied = bool((below != not_above).any())

    def statistic(weights: np.ndarray) -> np.ndarray:
        # total[:, k]: the weight of the k lowest real clips, so that look-ups replace all pairs
        total = np.zeros((len(weights), len(real) + 1))
        np.cumsum(weights[:, real], axis=1, out=total[:, 1:])
        won = (total[:, below] + total[:, not_above]) / 2 if tied else total[:, below]
        fakes = weights[:, fake]
        pairs = fakes.sum(axis=1) * total[:, -1]
        with np.errstate(invalid="ignore"):
            return np.einsum("df,df->d", fakes, won) / np.where(pairs > 0, pairs, np.nan)

    return statistic


def mean_statistic(values: np.ndarray, part: np.ndarray | None = None) -> Statistic:
    """The weighted mean of one value a clip `[N]`, over the clips of `part` (bool `[N]`) or all."""
    chosen = np.ones(len(values)) if part is None else part.astype(np.float64)
    numerator = np.asarray(values, dtype=np.float64) * chosen

    def statistic(weights: np.ndarray) -> np.ndarray:
        weight = weights @ chosen
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(weight > 0, (weights @ numerator) / weight, np.nan)

    return statistic


def balanced_accuracy_statistic(labels: np.ndarray, called_fake: np.ndarray) -> Statistic:
    """The weighted mean of the shares of reals and of fakes judged right; `called_fake` bool `[N]`."""
    of_reals = mean_statistic(~called_fake, labels == REAL)
    of_fakes = mean_statistic(called_fake, labels == FAKE)
    return lambda weights: (of_reals(weights) + of_fakes(weights)) / 2


class Curve:
    """The ROC of one detector under any weighting, from the highest score down; ties are one step."""

    def __init__(self, labels: np.ndarray, scores: np.ndarray) -> None:
        order = np.argsort(-scores, kind="stable")
        self.order, self.fake = order, (labels == FAKE)[order].astype(np.float64)
        falls = np.flatnonzero(np.diff(scores[order]))
        ends = np.append(falls, len(order) - 1)  # last clip of each run of equal scores
        self.ends = ends if len(ends) < len(order) else slice(None)
        self.steps = len(ends) + 1
        self.last: tuple[np.ndarray, tuple[np.ndarray, np.ndarray]] | None = None

    def masses(self, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Weight of the reals and of the fakes from the top to each step, `[d, 1 + distinct scores]`."""
        if self.last is not None and self.last[0] is weights:  # several numbers ask for the same draws
            return self.last[1]
        taken = weights[:, self.order]
        caught = np.zeros((len(weights), self.steps))
        caught[:, 1:] = np.cumsum(taken * self.fake, axis=1)[:, self.ends]
        called = np.zeros_like(caught)
        called[:, 1:] = np.cumsum(taken, axis=1)[:, self.ends]
        called -= caught
        self.last = weights, (called, caught)
        return called, caught

    def points(self, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(FPR, TPR), each `[d, 1 + distinct scores]`, from (0, 0) on; NaN where a class has no weight."""
        alarms, caught = self.masses(weights)
        with np.errstate(invalid="ignore"):
            return alarms / alarms[:, -1:], caught / caught[:, -1:]

    def equal_error_rate(self, weights: np.ndarray) -> np.ndarray:
        """Where FPR and miss rate meet, interpolated on the ROC, `[d]`."""
        fpr, tpr = self.points(weights)
        ahead = fpr + tpr - 1  # rises from -1 to 1 along the curve
        after = np.argmax(ahead >= 0, axis=1)
        line = np.arange(len(weights))
        low, high = ahead[line, after - 1], ahead[line, after]
        share = -low / (high - low)
        return fpr[line, after - 1] + share * (fpr[line, after] - fpr[line, after - 1])

    def average_precision(self, weights: np.ndarray) -> np.ndarray:
        """Precision averaged over the recall it is met at, `[d]`."""
        alarms, caught = self.masses(weights)
        called = (alarms + caught)[:, 1:]
        called[called == 0] = 1.0  # clips without weight, at the top: nothing is caught there
        return (np.diff(caught, axis=1) * caught[:, 1:] / called).sum(axis=1) / caught[:, -1]

    def tpr_at(self, fpr: float) -> Statistic:
        """The highest TPR whose FPR is not above `fpr`."""

        def statistic(weights: np.ndarray) -> np.ndarray:
            false_alarms, caught = self.points(weights)
            last = (false_alarms <= fpr + 1e-12).sum(axis=1) - 1
            return caught[np.arange(len(weights)), last]

        return statistic

    def on_grid(self, weights: np.ndarray, grid: np.ndarray) -> np.ndarray:
        """TPR `[d, G]` at each FPR of the rising `grid` `[G]`, interpolated on the ROC."""
        lines = zip(*self.points(weights), strict=True)
        return np.stack([np.interp(grid, false_alarms, caught) for false_alarms, caught in lines])
