"""How well facts about clips tell real from fake: one classifier, judged on people it has not met.

The classifier is a random forest, fixed here before any dataset was looked at: the better of several
would find a shortcut in noise. Clips that share a person or footage are in one fold, so a fake and the
real clip it was made from are judged by the same forest, which met neither. How the clips fall into folds
and what a forest draws is repeated, more often the fewer clips there are, and the AUC is the mean.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from sklearn import config_context

from harness.data.audit.fact_table import Fold, columns_of, folds_of, within_folds
from harness.data.audit.forest import LEAF, TREES, Forest, filled
from harness.data.audit.importance import alone_of, leads_of, losses_of
from harness.data.audit.interval import each_of, estimate_of, wobble_of
from harness.data.audit.record import Estimate, LeadingFact
from harness.data.file_facts import Facts
from harness.metrics.bootstrap import IdentityGraph
from harness.metrics.weighted import OUTSIDE
from harness.types import FAKE, REAL

FEWEST, MOST, WORK = 8, 40, 4000
"""Draws of folds at least and at most; between them, as many as make so many clips."""
LOOKED = 3
"""Draws of which facts are told by importance."""
MODEL = (
    f"random forests of {TREES} trees, leaves of {LEAF} clips or more, classes weighed alike; mean over "
    f"repeated draws of folds"
)
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
    draws: int = 0
    """Draws of folds and forests that the AUC is the mean of."""
    wobble: float = 0.0
    """Standard deviation of the AUC where only these are others."""


@dataclass(frozen=True)
class Draw:
    """One division into folds, with the forest of each and the scores of the clips it had not met."""

    folds: list[Fold]
    forests: list[Forest]
    score: np.ndarray
    seed: int


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
    the interval. Pairs are counted within a fold: scores of two forests are not on one scale.

    The estimate is of the AUC that forests learned from so many clips have, on average, on clips of others:
    0.5 where facts and label are independent, for then so are the clips held out and those learned from.
    The 95 % interval holds it in 93 to 97 of 100 sets of 40 to 400 clips without a shortcut, and in more
    where there is one (`tests/benchmarks`). It holds for the draw of clips, folds and forests: another seed
    moves the value by 0.01 or so, and the bounds with it.
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
    columns = replace(columns, values=filled(columns.values))
    drawn = _draws(columns.values, label, groups, seed)
    if not drawn:
        return Separation("folds leave one class to learn from", facts=len(columns.facts))
    statistics = [within_folds(label, *_judged(draw)) for draw in drawn]
    wobble = wobble_of(each_of(statistics, label))
    found = {"": estimate_of(graph, statistics, label)}
    made = np.array(manipulation, dtype=object)
    for name in sorted({name for name in manipulation if name is not None}):
        only = np.where((label == REAL) | (made == name), label, OUTSIDE)
        able = [draw for draw in drawn if any({REAL, FAKE} <= set(only[held]) for _, held in draw.folds)]
        if able:
            found[name] = estimate_of(graph, [within_folds(only, *_judged(draw)) for draw in able], only)
    looked = drawn[:LOOKED]
    losses = [losses_of(draw.forests, draw.folds, columns, label, draw.seed) for draw in looked]
    alone = [alone_of(draw.folds, columns, label, draw.seed) for draw in looked]
    leads = leads_of(np.mean(losses, axis=0), np.mean(alone, axis=0), columns.facts, table, label)
    auc = found.pop("")
    return Separation("", auc, len(columns.facts), len(folds), leads, found, len(drawn), wobble)


def _draws(values: np.ndarray, label: np.ndarray, groups: np.ndarray, seed: int) -> list[Draw]:
    """The draws of folds and forests; a division that leaves one class nowhere is not drawn."""
    drawn = []
    for own in np.random.SeedSequence(seed).generate_state(min(MOST, max(FEWEST, WORK // len(label)))):
        folds, reason = folds_of(label, groups, int(own))
        if not reason:
            forests = [Forest(values[train], label[train], int(own)) for train, _ in folds]
            score = np.zeros(len(label))
            for forest, (_, held) in zip(forests, folds, strict=True):
                score[held] = forest.fake(values[held])
            drawn.append(Draw(folds, forests, score, int(own)))
    return drawn


def _judged(draw: Draw) -> tuple[np.ndarray, list[np.ndarray]]:
    return draw.score, [held for _, held in draw.folds]
