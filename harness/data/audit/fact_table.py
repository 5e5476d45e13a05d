"""Facts about clips, numbers and words mixed, as the columns of a table that a classifier reads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold

from harness.data.file_facts import Facts
from harness.metrics.weighted import Statistic, auc_statistic
from harness.types import FAKE, REAL

RARE = 0.02
"""Share of clips below which a word is pooled with the other rare ones."""
FOLDS = 5
Fold = tuple[np.ndarray, np.ndarray]
"""Numbers of the clips learned from, and of those held out."""


@dataclass(frozen=True)
class Columns:
    """Facts as numbers: a word is one column for each value it takes."""

    values: np.ndarray
    """float `[N, K]`; NaN where a clip lacks the fact."""
    facts: tuple[str, ...]
    """The facts that vary."""
    owner: np.ndarray
    """int `[K]`: which of the facts a column tells of."""


def columns_of(table: Sequence[Facts]) -> Columns:
    """The columns of the facts that differ from clip to clip, in the order in which they are first told."""
    columns: list[np.ndarray] = []
    owner: list[int] = []
    facts: list[str] = []
    for name in dict.fromkeys(name for facts in table for name in facts):
        given = [facts.get(name) for facts in table]
        made = [column for column in _columns(given) if len(np.unique(column)) > 1]
        if made:
            columns += made
            owner += [len(facts)] * len(made)
            facts.append(name)
    values = np.stack(columns, axis=1) if columns else np.empty((len(table), 0))
    return Columns(values, tuple(facts), np.array(owner, dtype=int))


def _columns(given: list[float | str | None]) -> list[np.ndarray]:
    if not any(isinstance(value, str) for value in given):
        return [np.array([np.nan if value is None else value for value in given], dtype=float)]
    words = ["absent" if value is None else str(value) for value in given]
    counted = Counter(words)
    rare = {word for word, count in counted.items() if count < RARE * len(words)}
    pooled = np.array(["other" if word in rare else word for word in words])
    return [(pooled == word).astype(float) for word in sorted(set(pooled))]


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
