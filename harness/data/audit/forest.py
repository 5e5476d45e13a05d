"""A random forest for tables so small that scikit-learn's own would spend its time on checking them.

The same trees on the same kind of draws (Breiman 2001): each of as many clips drawn with replacement, at each
split a few columns, classes weighed alike. On 100 clips it is fitted in a third of the time.
"""

from __future__ import annotations

import numpy as np
from sklearn.tree import DecisionTreeClassifier

TREES, LEAF = 25, 5
LACKING = np.float32(-1e30)
"""Stands for a fact that a clip lacks: below any that one has."""


def filled(values: np.ndarray) -> np.ndarray:
    """Columns `[N, K]` as a forest reads them: float32, with `LACKING` for NaN."""
    return np.ascontiguousarray(np.where(np.isnan(values), LACKING, values), dtype=np.float32)


class Forest:
    """Trees fitted to `values` float32 `[N, K]` (see `filled`) and `label` [N], both of which occur."""

    def __init__(self, values: np.ndarray, label: np.ndarray, seed: int) -> None:
        rng = np.random.default_rng(seed)
        count = np.bincount(label, minlength=2)
        alike = (len(label) / (2 * count))[label]
        target = np.ascontiguousarray(label, dtype=np.float64)[:, None]
        self._trees = []
        for state in rng.integers(2**31, size=TREES):
            drawn = np.bincount(rng.integers(len(label), size=len(label)), minlength=len(label)) * alike
            tree = DecisionTreeClassifier(max_features="sqrt", min_samples_leaf=LEAF, random_state=int(state))
            self._trees.append(tree.fit(values, target, sample_weight=drawn, check_input=False))

    def fake(self, values: np.ndarray) -> np.ndarray:
        """The mean share of fakes in the leaves that clips `[M, K]` fall into, `[M]` in [0, 1]."""
        said = [tree.predict_proba(values, check_input=False)[:, 1] for tree in self._trees]
        mean: np.ndarray = np.mean(said, axis=0)
        return mean
