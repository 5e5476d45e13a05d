"""Predictions become numbers: plain functions, computed once over stored scores.

A number that is not defined is None, and `reasons` says why; it is never 0, 0.5 or NaN.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import pandas as pd

from harness.metrics.bootstrap import DRAWS, graph_of_clips
from harness.metrics.classification import (
    accuracy,
    auc,
    average_precision,
    balanced_accuracy,
    brier,
    equal_error_rate,
    expected_calibration_error,
)
from harness.metrics.intervals import LEVEL, bounds, delong, resampled
from harness.metrics.thresholds import DRIFT_RATES, RATES, positive_predictive_value, tpr_at_fpr, why_no_tpr
from harness.metrics.weighted import (
    OUTSIDE,
    Curve,
    Statistic,
    auc_statistic,
    balanced_accuracy_statistic,
    mean_statistic,
)
from harness.types import FAKE, PREVALENCE, REAL, HarnessError

COLUMNS = (
    "clip_id",
    "label",
    "manipulation",
    "target",
    "source",
    "score",
    "frame_scores",
    "frame_indices",
    "error",
)
"""Columns of stored predictions that numbers are made from; one line a clip."""

METRICS = (
    *("auc", "ap", "eer", "accuracy", "balanced_accuracy", "accuracy_at_half", "tpr", "fpr", "ppv"),
    *(f"tpr_at_fpr_{rate}" for rate in RATES),
    *(f"fpr_at_val_{rate}" for rate in DRIFT_RATES),
    *("brier", "ece", "frame_auc", "auc_failed_worst", "auc_failed_best"),
)
"""Names of the metrics of every cell."""

KEPT_DRAWS = ("auc", "accuracy")
FEW_FAILED = 0.01
"""Share of failed clips above which the AUC is also given with them at their worst and best."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What the numbers of a cell rest on besides its predictions and its decision threshold."""

    limits: Mapping[str, float] = field(default_factory=dict)
    """Thresholds set on the validation split, by the names of `thresholds.DRIFT_RATES`."""
    no_limits: Mapping[str, str] = field(default_factory=dict)
    """Why one of them is missing."""
    prevalence: float = PREVALENCE
    """Share of fakes that the positive predictive value is stated for."""
    world: str = ""
    """Dataset the identities belong to: the same name in the same world is the same person."""
    draws: int = DRAWS
    """Repetitions drawn for the intervals."""
    no_decisions: str = ""
    """Why nothing is to be decided at any threshold, not even a stated one; empty when it may be."""


@dataclass(frozen=True, slots=True)
class Measured:
    """The numbers of one cell's predictions."""

    clips: int
    """Clips in the predictions, failed ones included."""
    failed: int
    """Clips without a score; they are in no metric but `auc_failed_worst` and `auc_failed_best`."""
    metrics: Mapping[str, float | None]
    """`METRICS`, and `auc:<manipulation>`, `miss_at_val_<rate>:<manipulation>`."""
    intervals: Mapping[str, tuple[float, float]]
    """Metric -> bounds of its 95 % interval; `auc_delong` is that of `auc` by DeLong."""
    reasons: Mapping[str, str]
    """Why a metric is None."""
    method: str | None = None
    """How the intervals were found: `node`, `cluster`, `clip` or `mixed`; None without a scored clip."""
    identities: int = 0
    """Things weighted independently: identities, and clips that name none."""
    draws: Mapping[str, np.ndarray] = field(default_factory=dict, compare=False)
    """`auc` and `accuracy` under each draw, by weights that any other detector meets too."""


class _Numbers:
    """Metrics as they are found, why some are not, and how each is found under other weights."""

    def __init__(self) -> None:
        self.metrics: dict[str, float | None] = {}
        self.reasons: dict[str, str] = {}
        self.statistics: dict[str, Statistic] = {}
        self.among: dict[str, int] = {}

    def add(
        self,
        name: str,
        reason: str,
        value: Callable[[], float | None],
        statistic: Callable[[], Statistic] | None = None,
    ) -> None:
        """A number, or None and the reason; a number may be None of itself, without a reason."""
        self.metrics[name] = None if reason else value()
        if reason:
            self.reasons[name] = reason
        elif statistic is not None:
            self.statistics[name] = statistic()

    def share(self, name: str, reason: str, hits: np.ndarray, part: np.ndarray) -> None:
        """The share of the clips of `part` that are `hits` (bool `[N]` both)."""
        self.add(name, reason, lambda: float(hits[part].mean()), lambda: mean_statistic(hits, part))
        if not reason:
            self.among[name] = int(part.sum())

    def bounds(self, drawn: Mapping[str, np.ndarray], identities: int) -> dict[str, tuple[float, float]]:
        """The interval of each number that has draws.

        A share that is 0 or 1 does not vary with the weights; it gets the exact bound of as many
        independent clips as there are identities (Clopper and Pearson 1934).
        """
        found = {}
        for name, values in drawn.items():
            low, high = bounds(values)
            if name in self.among and self.metrics[name] in (0.0, 1.0):
                far = (1 - LEVEL) / 2
                reach = far ** (1 / min(self.among[name], identities))
                low, high = (0.0, 1 - reach) if self.metrics[name] == 0.0 else (reach, 1.0)
            found[name] = (max(0.0, low), min(1.0, high))
        return found


def measure(predictions: pd.DataFrame, threshold: float | None, terms: Terms | None = None) -> Measured:
    """Every number of one cell, from its stored predictions (columns `COLUMNS`, one line a clip).

    Video-level numbers are over `score`, one a clip; `frame_auc` is over all frames, each with its
    clip's label. `threshold` is P(fake) from the training dataset's validation split, at or above
    which a clip is called fake; None leaves the decisions undefined. `HarnessError` when a column is
    missing, a clip appears twice, has neither score nor error, or a score is NaN or outside [0, 1].
    """
    terms = terms or Terms()
    scored = _scored(predictions)
    label = scored["label"].to_numpy(dtype=np.int64)
    score = scored["score"].to_numpy(dtype=np.float64)
    parts = {name: _against_reals(scored, label, name) for name in sorted(_manipulations(predictions))}
    found = _Numbers()
    _add_ranking(found, label, score, parts)
    _add_decisions(found, label, score, threshold, terms)
    _add_drift(found, label, score, parts, terms)
    no_clips = "" if len(label) else "no scored clip"
    found.add("brier", no_clips, lambda: brier(label, score), lambda: mean_statistic((score - label) ** 2))
    found.add("ece", no_clips, lambda: expected_calibration_error(label, score))
    _add_frames(found, scored, label)
    _add_coverage(found, predictions)
    if not len(label):
        return Measured(len(predictions), len(predictions), found.metrics, {}, found.reasons)
    graph = graph_of_clips(scored, terms.world)
    drawn = resampled(graph, found.statistics, terms.draws)
    intervals = found.bounds(drawn, graph.identities)
    if min((label == REAL).sum(), (label == FAKE).sum()) > 1:
        intervals["auc_delong"] = delong(label, score).interval()
    kept = {name: drawn[name] for name in KEPT_DRAWS if name in drawn}
    failed = len(predictions) - len(scored)
    facts = (found.metrics, intervals, found.reasons, graph.method, graph.identities, kept)
    return Measured(len(predictions), failed, *facts)


def _add_ranking(
    found: _Numbers, label: np.ndarray, score: np.ndarray, parts: Mapping[str, np.ndarray]
) -> None:
    """What the order of the scores alone decides."""
    reason, curve = _why_undefined(label), Curve(label, score)
    found.add("auc", reason, lambda: auc(label, score), lambda: auc_statistic(label, score))
    found.add("ap", reason, lambda: average_precision(label, score), lambda: curve.average_precision)
    found.add("eer", reason, lambda: equal_error_rate(label, score), lambda: curve.equal_error_rate)
    for name, fpr in RATES.items():
        why = reason or why_no_tpr(int((label == REAL).sum()), fpr)
        found.add(
            f"tpr_at_fpr_{name}", why, partial(tpr_at_fpr, label, score, fpr), partial(curve.tpr_at, fpr)
        )
    for name, part in parts.items():
        only = np.where(part, label, OUTSIDE)
        found.add(
            f"auc:{name}",
            _why_undefined(label[part]),
            partial(auc, label[part], score[part]),
            partial(auc_statistic, only, score),
        )


def _add_decisions(
    found: _Numbers, label: np.ndarray, score: np.ndarray, threshold: float | None, terms: Terms
) -> None:
    """What is right and wrong at the decision threshold."""
    why = terms.no_decisions or ("" if threshold is not None else "no decision threshold")
    limit = 0.5 if threshold is None else threshold  # not used where there is none
    fake = score >= limit
    real, forged = label == REAL, label == FAKE
    both, no_clips = why or _why_undefined(label), "" if len(label) else "no scored clip"
    found.share("accuracy", why or no_clips, fake == forged, real | forged)
    found.share("tpr", both, fake, forged)
    found.share("fpr", both, fake, real)
    balanced = partial(balanced_accuracy, label, score, limit)
    found.add("balanced_accuracy", both, balanced, partial(balanced_accuracy_statistic, label, fake))
    tpr, fpr = found.metrics["tpr"] or 0.0, found.metrics["fpr"] or 0.0  # not used where undefined
    ppv = positive_predictive_value(tpr, fpr, terms.prevalence)
    found.add("ppv", both or ("nothing is called fake" if ppv is None else ""), lambda: ppv)
    at_half = terms.no_decisions or no_clips
    found.add("accuracy_at_half", at_half, lambda: accuracy(label, score, 0.5))


def _add_drift(
    found: _Numbers,
    label: np.ndarray,
    score: np.ndarray,
    parts: Mapping[str, np.ndarray],
    terms: Terms,
) -> None:
    """What the thresholds set on the validation split for an FPR really give on these clips."""
    no_real = "" if (label == REAL).any() else "no scored real clip"
    for rate in DRIFT_RATES:
        unset = "" if rate in terms.limits else terms.no_limits.get(rate, "no validation predictions")
        why = terms.no_decisions or unset
        fake = score >= terms.limits.get(rate, 0.5)
        found.share(f"fpr_at_val_{rate}", why or no_real, fake, label == REAL)
        for name, part in parts.items():
            these = part & (label == FAKE)
            no_fake = "" if these.any() else "no scored fake clip"
            found.share(f"miss_at_val_{rate}:{name}", why or no_fake, ~fake, these)


def _add_frames(found: _Numbers, scored: pd.DataFrame, label: np.ndarray) -> None:
    if "note" in scored:  # what a policy said of a clip without a face has no frames
        own = scored["note"].isna().to_numpy()
        scored, label = scored[own], label[own]

    def frame_auc() -> float:
        frames = [np.asarray(values, dtype=np.float64) for values in scored["frame_scores"]]
        return auc(np.repeat(label, [len(values) for values in frames]), np.concatenate(frames))

    found.add("frame_auc", _why_no_frames(scored) or _why_undefined(label), frame_auc)


def _add_coverage(found: _Numbers, predictions: pd.DataFrame) -> None:
    """The AUC if every failed clip had been judged wrong, and right: how much the failures could hide."""
    label = predictions["label"].to_numpy(dtype=np.int64)
    given = pd.to_numeric(predictions["score"], errors="coerce").to_numpy(dtype=np.float64)
    failed = np.isnan(given)
    reason = _why_undefined(label)
    if not reason and failed.mean() <= FEW_FAILED:
        reason = f"no more than {100 * FEW_FAILED:g} % of the clips failed"
    for name, guess in (("worst", label == REAL), ("best", label == FAKE)):
        filled = np.where(failed, guess.astype(np.float64), given)
        found.add(f"auc_failed_{name}", reason, partial(auc, label, filled))


def _against_reals(scored: pd.DataFrame, label: np.ndarray, manipulation: str) -> np.ndarray:
    made = scored["manipulation"].eq(manipulation).fillna(False).to_numpy(dtype=bool)
    return np.asarray((label == REAL) | made)


def _why_undefined(label: np.ndarray) -> str:
    if not len(label):
        return "no scored clip"
    if not (label == REAL).any():
        return "no scored real clip"
    return "" if (label == FAKE).any() else "no scored fake clip"


def _why_no_frames(scored: pd.DataFrame) -> str:
    given = scored["frame_scores"].map(len)
    if (given == 0).any():
        return "a scored clip has no frame scores"
    if ((given == 1) & (scored["frame_indices"].map(len) > 1)).any():
        return "clip-based: one score for all frames of a clip"
    return ""


def _manipulations(predictions: pd.DataFrame) -> set[str]:
    named = predictions.loc[predictions["label"] == FAKE, "manipulation"]
    return {str(name) for name in named.dropna().unique()}


def _scored(predictions: pd.DataFrame) -> pd.DataFrame:
    """The lines that carry a score, after refusing what no number may be made from."""
    missing = [name for name in COLUMNS if name not in predictions.columns]
    if missing:
        found = ", ".join(map(str, predictions.columns))
        raise HarnessError(f"predictions lack the column {missing[0]!r} (they have: {found or 'none'})")
    clip = predictions["clip_id"]
    _refuse(clip, clip.duplicated(), "appears twice in the predictions")
    _refuse(clip, ~predictions["label"].isin((REAL, FAKE)), "has a label that is neither 0 nor 1")
    score = pd.to_numeric(predictions["score"], errors="coerce")
    failed = predictions["error"].notna()
    _refuse(clip, score.isna() & ~failed, "has neither a score nor an error (a score must be a number)")
    _refuse(clip, score.notna() & failed, "has a score and an error")
    _refuse(clip, score.notna() & ~score.between(0, 1), "has a score outside [0, 1]")
    scored = predictions.assign(score=score)[~failed]
    bad = [not _in_range(values) for values in scored["frame_scores"]]
    _refuse(
        scored["clip_id"], pd.Series(bad, index=scored.index, dtype=bool), "has a frame score outside [0, 1]"
    )
    return scored


def _in_range(values: object) -> bool:
    frames = np.asarray(values, dtype=np.float64)
    return bool(((frames >= 0) & (frames <= 1)).all())


def _refuse(clip: pd.Series, wrong: pd.Series, what: str) -> None:
    if wrong.any():
        raise HarnessError(f"clip {clip[wrong].iloc[0]!r} {what} ({int(wrong.sum())} such)")
