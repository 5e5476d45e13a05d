"""How well facts about clips tell real from fake: one classifier, judged on people it has not met.

The classifier is a random forest, fixed here before any dataset was looked at: the better of several
would find a shortcut in noise. Clips that share a person or footage are in one fold, so a fake and the
real clip it was made from are judged by the same forest, which met neither.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from sklearn import config_context
from sklearn.ensemble import RandomForestClassifier

from harness.data.audit.fact_table import columns_of, folds_of, within_folds
from harness.data.audit.importance import alone_of, leads_of, losses_of
from harness.data.audit.record import Estimate, LeadingFact
from harness.data.file_facts import Facts
from harness.metrics.bootstrap import IdentityGraph
from harness.metrics.intervals import bounds, resampled
from harness.metrics.weighted import OUTSIDE, Statistic
from harness.types import FAKE, REAL

TREES, LEAF = 100, 5
MODEL = f"random forest, {TREES} trees, leaves of {LEAF} clips or more, classes weighed alike"


LEAST = 20
"""Clips of a class below which a forest learns nothing, however plain a shortcut is."""


@dataclass(frozen=True)
class Separation:
    """How well facts tell fakes from reals; `reason` says why it is undefined."""

    reason: str = ""
    auc: Estimate | None = None
    facts: int = 0
    folds: int = 0
    leads: tuple[LeadingFact, ...] = ()
    manipulations: Mapping[str, Estimate] = field(default_factory=dict)


@config_context(skip_parameter_validation=True)  # of each of hundreds of small trees
def separate(
    table: Sequence[Facts],
    label: np.ndarray,
    groups: np.ndarray,
    manipulation: Sequence[str | None],
    graph: IdentityGraph,
    seed: int,
) -> Separation:
    """The AUC of a classifier of the facts (one mapping a clip) that is judged out of fold.

    `label` [N] 0 or 1; `groups` [N], never divided between folds; `graph` knows who shares a face, for
    the interval. Pairs are counted within a fold: scores of two forests are not on one scale. The interval
    is for other clips, not for other folds: another seed moves the AUC by about 0.01 on 1,000 clips.
    """
    columns = columns_of(table)
    folds, reason = folds_of(label, groups, seed)
    if reason:
        return Separation(reason, facts=len(columns.facts))
    if not columns.facts:
        return Separation("no fact differs from clip to clip")
    counts = [int((label == value).sum()) for value in (REAL, FAKE)]
    if min(counts) < LEAST:
        few = f"{counts[0]} real and {counts[1]} fake clips; {LEAST} of each are needed to learn from"
        return Separation(few, facts=len(columns.facts))
    forests = [_forest(columns.values[train], label[train], seed) for train, _ in folds]
    score = np.zeros(len(label))
    for forest, (_, held) in zip(forests, folds, strict=True):
        score[held] = forest.predict_proba(columns.values[held])[:, 1]
    parts = [held for _, held in folds]
    statistics = {"": within_folds(label, score, parts)}
    made = np.array(manipulation, dtype=object)
    for name in sorted({name for name in manipulation if name is not None}):
        only = np.where((label == REAL) | (made == name), label, OUTSIDE)
        if any({REAL, FAKE} <= set(only[held]) for held in parts):
            statistics[name] = within_folds(only, score, parts)
    found = {name: _estimate(values) for name, values in _with_draws(graph, statistics, len(label)).items()}
    losses = losses_of(forests, folds, columns, label, found[""].value, seed)
    alone = alone_of(folds, columns, label, seed)
    leads = leads_of(losses, alone, columns.facts, table, label)
    auc = found.pop("")
    return Separation("", auc, len(columns.facts), len(folds), leads, found)


def _forest(values: np.ndarray, label: np.ndarray, seed: int) -> RandomForestClassifier:
    # One thread: trees summed in the order of threads would give other last digits.
    forest = RandomForestClassifier(
        TREES, min_samples_leaf=LEAF, class_weight="balanced", random_state=seed, n_jobs=1
    )
    forest.fit(values, label)
    return forest


def _with_draws(
    graph: IdentityGraph, statistics: dict[str, Statistic], clips: int
) -> dict[str, tuple[float, np.ndarray]]:
    alike = np.ones((1, clips))
    drawn = resampled(graph, statistics)
    return {name: (float(statistic(alike)[0]), drawn[name]) for name, statistic in statistics.items()}


def _estimate(found: tuple[float, np.ndarray]) -> Estimate:
    low, high = (min(1.0, max(0.0, round(bound, 12))) for bound in bounds(found[1]))
    return Estimate(found[0], low, high)
