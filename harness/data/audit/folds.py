"""Folds that never divide a group, and the AUC of scores that were given out of fold."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold

from harness.metrics.weighted import Statistic, auc_statistic
from harness.types import FAKE, REAL

FOLDS = 5

Fold = tuple[np.ndarray, np.ndarray]
"""Numbers of the clips learned from, and of those held out."""


def folds_of(label: np.ndarray, groups: np.ndarray, seed: int) -> tuple[list[Fold], str]:
    """(train, held out) for each fold; or why there is none."""
    for value, word in ((REAL, "real"), (FAKE, "fake")):
        if len(np.unique(groups[label == value])) < 2:
            return [], f"the {word} clips are of fewer than two groups"
    count = min(FOLDS, *(len(np.unique(groups[label == value])) for value in (REAL, FAKE)))
    splitter = StratifiedGroupKFold(count, shuffle=True, random_state=seed)
    folds = list(splitter.split(np.zeros(len(label)), label, groups))
    if any(len(np.unique(label[train])) < 2 for train, _ in folds):
        return [], "a fold leaves one class to learn from"
    if not any(len(np.unique(label[held])) == 2 for _, held in folds):
        return [], "no fold holds both classes"
    return folds, ""


def within_folds(label: np.ndarray, score: np.ndarray, folds: Sequence[np.ndarray]) -> Statistic:
    """The weighted share of real-fake pairs of one fold that are in order, over all folds' pairs."""
    parts = [
        (held, label[held] == REAL, label[held] == FAKE, auc_statistic(label[held], score[held]))
        for held in folds
        if (label[held] == REAL).any() and (label[held] == FAKE).any()
    ]

    def statistic(weights: np.ndarray) -> np.ndarray:
        won, pairs = np.zeros(len(weights)), np.zeros(len(weights))
        for held, real, fake, auc in parts:
            here = weights[:, held]
            both = here[:, real].sum(axis=1) * here[:, fake].sum(axis=1)
            won += both * auc(here)
            pairs += both
        return won / pairs

    return statistic
