"""Which facts a classifier leans on, by name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from sklearn.tree import DecisionTreeClassifier

from harness.data.audit.fact_table import Columns, Fold, within_folds
from harness.data.audit.forest import Forest
from harness.data.audit.record import LeadingFact
from harness.data.file_facts import Facts

SHUFFLES = 3
LEADS = 6
"""Facts named at most."""
LEAST = 0.01
"""A fact is named that is missed by so much AUC, or alone is so much better than chance."""
LEAVES, LEAF = 8, 5
"""Of the tree that judges by one fact alone, and clips in each leaf at least."""
ROWS_AT_ONCE = 50_000


def losses_of(
    forests: Sequence[Forest],
    folds: Sequence[Fold],
    columns: Columns,
    label: np.ndarray,
    seed: int,
) -> np.ndarray:
    """By how much the AUC falls, on average, when a fact is shuffled among the clips of each fold, `[F]`."""
    rng = np.random.default_rng(seed)
    facts = len(columns.facts)
    scores, whole = np.zeros((facts, SHUFFLES, len(label))), np.zeros(len(label))
    for forest, (_, held) in zip(forests, folds, strict=True):
        values = columns.values[held]
        whole[held] = forest.fake(values)
        step = max(1, ROWS_AT_ONCE // (SHUFFLES * len(held)))
        for start in range(0, facts, step):
            shuffled = []
            for fact in range(start, min(start + step, facts)):
                for _ in range(SHUFFLES):
                    changed, mine = values.copy(), columns.owner == fact
                    changed[:, mine] = values[rng.permutation(len(held))][:, mine]
                    shuffled.append(changed)
            said = forest.fake(np.concatenate(shuffled))
            scores[start : start + step, :, held] = said.reshape(-1, SHUFFLES, len(held))
    parts, alike = [held for _, held in folds], np.ones((1, len(label)))
    found = [[within_folds(label, one, parts)(alike)[0] for one in shuffles] for shuffles in scores]
    return float(within_folds(label, whole, parts)(alike)[0]) - np.array(found).mean(axis=1)


def alone_of(folds: Sequence[Fold], columns: Columns, label: np.ndarray, seed: int) -> np.ndarray:
    """The AUC out of fold of a small tree that knows one fact, `[F]`: facts that say the same all count."""
    parts, alike = [held for _, held in folds], np.ones((1, len(label)))
    found = []
    for fact in range(len(columns.facts)):
        values, score = columns.values[:, columns.owner == fact], np.zeros(len(label))
        for train, held in folds:
            tree = DecisionTreeClassifier(
                max_leaf_nodes=LEAVES, min_samples_leaf=LEAF, class_weight="balanced", random_state=seed
            )
            score[held] = tree.fit(values[train], label[train]).predict_proba(values[held])[:, 1]
        found.append(float(within_folds(label, score, parts)(alike)[0]))
    return np.array(found)


def leads_of(
    losses: np.ndarray, alone: np.ndarray, facts: Sequence[str], table: Sequence[Facts], label: np.ndarray
) -> tuple[LeadingFact, ...]:
    weight = np.maximum(losses, alone - 0.5)
    leading = [k for k in np.argsort(-weight, kind="stable")[:LEADS] if weight[k] >= LEAST]
    classes = [[facts for facts, one in zip(table, label, strict=True) if one == value] for value in (0, 1)]
    return tuple(
        LeadingFact(
            *(facts[k], float(alone[k]), float(losses[k])),
            *(_typical([one.get(facts[k]) for one in these]) for these in classes),
        )
        for k in leading
    )


def _typical(given: Sequence[float | str | None]) -> str:
    """The middle number or the commonest word, as text."""
    numbers = [value for value in given if isinstance(value, float)]
    if numbers and not any(isinstance(value, str) for value in given):
        middle = float(np.median(numbers))
        return f"{middle:,.0f}" if abs(middle) >= 1000 else f"{middle:.4g}"
    word, count = Counter("absent" if value is None else str(value) for value in given).most_common(1)[0]
    return f"{word} ({100 * count / len(given):.0f} %)"
