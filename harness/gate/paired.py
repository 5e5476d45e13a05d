"""One cell twice, measured by the same draws on the clips that both runs scored."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from harness.metrics.bootstrap import DRAWS, IdentityGraph, graph_of_clips
from harness.metrics.classification import auc
from harness.metrics.intervals import resampled
from harness.metrics.missing import called_fake, faceless, judged_right
from harness.metrics.weighted import Statistic, auc_statistic, mean_statistic
from harness.records import Row
from harness.results.rows import DIGITS
from harness.types import RANKED, parts_of

Side = tuple[Row, pd.DataFrame]
"""A row (its threshold and where that came from) and its predictions, one line a clip."""

Found = Mapping[str, tuple[Callable[[], float], Callable[[], Statistic]]]
"""The numbers that are defined: their value, and how they are found under other weights."""

NUMBERS = ("auc", "accuracy")


@dataclass(frozen=True, slots=True)
class PairedCell:
    """A cell now and when it was accepted, with draws that may be subtracted."""

    now: Row
    before: Row
    clips: frozenset[str]
    """Ids of the clips both scored; the numbers are over these."""
    apart: str = ""
    """Why the AUCs cannot be compared though each is defined; empty when they can."""
    note: str = ""
    """Said where the clips are not all that each scored."""


def paired(now: Side, before: Side, draws: int = DRAWS) -> PairedCell:
    """AUC and accuracy of a cell now and before, and both under each draw, on the clips both scored.

    A number that only one side defines, by all the clips it scored, is given for that side, without
    draws. Identities are as they are known now.
    """
    scored = [side[1][side[1]["score"].notna()].set_index("clip_id") for side in (now, before)]
    shared = scored[0].index[scored[0].index.isin(scored[1].index)]
    limits = [_threshold(side[0]) for side in (now, before)]
    alone = [_found(part, limit) for part, limit in zip(scored, limits, strict=True)]
    both = [_found(part.loc[shared], limit) for part, limit in zip(scored, limits, strict=True)]
    defined = [name for name in NUMBERS if name in alone[0] and name in alone[1]]
    usable = [name for name in defined if name in both[0] and name in both[1]]
    statistics = {f"{side}{name}": both[side][name][1]() for name in usable for side in (0, 1)}
    drawn = resampled(_graph(scored[0].loc[shared], now[0]), statistics, draws) if statistics else {}
    rows = []
    for side, row in enumerate((now[0], before[0])):
        metrics: dict[str, float | None] = dict.fromkeys(NUMBERS)
        metrics |= {name: value() for name, (value, _) in alone[side].items() if name not in defined}
        metrics |= {name: both[side][name][0]() for name in usable}
        kept = {name: drawn[f"{side}{name}"] for name in usable}
        rows.append(dataclasses.replace(row, metrics=metrics, draws=kept))
    lost = "auc" in defined and "auc" not in usable
    apart = "no clips of both classes were scored both times" if lost else ""
    whole = len(shared) == len(scored[0]) == len(scored[1])
    note = "" if whole else f"; on the {len(shared):,} clips scored both times"
    return PairedCell(rows[0], rows[1], frozenset(shared), apart, note)


def _found(scored: pd.DataFrame, threshold: float | None) -> Found:
    label = scored["label"].to_numpy(dtype=np.int64)
    score = scored["score"].to_numpy(dtype=np.float64)
    found: dict[str, tuple[Callable[[], float], Callable[[], Statistic]]] = {}
    if len(np.unique(label)) == 2:
        found["auc"] = (lambda: auc(label, score), lambda: auc_statistic(label, score))
    if threshold is not None and len(label):
        right = judged_right(called_fake(score, threshold, ~faceless(scored)), label)
        found["accuracy"] = (lambda: float(right.mean()), lambda: mean_statistic(right))
    return found


def _graph(scored: pd.DataFrame, row: Row) -> IdentityGraph:
    return graph_of_clips(scored.reset_index(), parts_of(row.cell.tested_on)[0])


def _threshold(row: Row) -> float | None:
    """The decision threshold as tables keep it; None where nobody knows that it was not chosen here."""
    said = row.provenance.get("threshold")
    return None if said is None or row.selection not in RANKED else round(float(said), DIGITS + 2)
