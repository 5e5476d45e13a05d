"""Predictions become numbers: plain functions, computed once over stored scores.

A number that is not defined is None, and `reasons` says why; it is never 0, 0.5 or NaN.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    balanced_accuracy_score,
    brier_score_loss,
    roc_auc_score,
    roc_curve,
)

from harness.intervals import auc_interval
from harness.types import FAKE, REAL, HarnessError

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

Numbers = dict[str, float | None]
Reasons = dict[str, str]


@dataclass(frozen=True, slots=True)
class Measured:
    """The numbers of one cell's predictions."""

    clips: int
    """Clips in the predictions, failed ones included."""
    failed: int
    """Clips without a score; they are in no metric."""
    metrics: Mapping[str, float | None]
    """`auc, ap, eer, accuracy, balanced_accuracy, accuracy_at_half, brier, frame_auc, auc:<manipulation>`."""
    intervals: Mapping[str, tuple[float, float]]
    """Bounds of the 95 % interval of `auc` and each `auc:<manipulation>` that is defined."""
    reasons: Mapping[str, str]
    """Why a metric is None."""
    interval_methods: Mapping[str, str] = field(default_factory=dict)
    """How each interval was found: `node`, `cluster`, `clip` or `mixed`."""


def measure(predictions: pd.DataFrame, threshold: float | None) -> Measured:
    """Every number of one cell, from its stored predictions (columns `COLUMNS`, one line a clip).

    Video-level numbers are over `score`, one a clip; `frame_auc` is over all frames, each with its
    clip's label. `threshold` is P(fake) from the training dataset's validation split, at or above
    which a clip is called fake; None leaves the accuracies undefined. `HarnessError` when a column is
    missing, a clip appears twice, has neither score nor error, or a score is NaN or outside [0, 1].
    """
    scored = _scored(predictions)
    label = scored["label"].to_numpy(dtype=np.int64)
    score = scored["score"].to_numpy(dtype=np.float64)
    metrics: Numbers = {}
    reasons: Reasons = {}
    _video_level(label, score, threshold, metrics, reasons)
    metrics["frame_auc"] = None
    if reason := _why_no_frames(scored) or _why_undefined(label):
        reasons["frame_auc"] = reason
    else:
        frames = [np.asarray(values, dtype=np.float64) for values in scored["frame_scores"]]
        repeated = np.repeat(label, [len(values) for values in frames])
        metrics["frame_auc"] = auc(repeated, np.concatenate(frames))
    parts = {"auc": np.ones(len(scored), dtype=bool)}
    for name in sorted(_manipulations(predictions)):
        part = (label == REAL) | scored["manipulation"].eq(name).fillna(False).to_numpy(dtype=bool)
        parts[f"auc:{name}"] = part
        _define(f"auc:{name}", auc, label[part], score[part], metrics, reasons)
    intervals, methods = {}, {}
    for name, part in parts.items():
        if metrics[name] is not None:
            names = scored[["target", "source"]].to_numpy(dtype=object)[part]
            found = auc_interval(label[part], score[part], names[:, 0], names[:, 1])
            intervals[name], methods[name] = (found.low, found.high), found.method
    failed = len(predictions) - len(scored)
    return Measured(len(predictions), failed, metrics, intervals, reasons, methods)


def auc(labels: np.ndarray, scores: np.ndarray) -> float:
    """Area under the ROC: the share of real-fake pairs in the right order, ties counting half, in [0, 1]."""
    return float(roc_auc_score(labels, scores))


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


def _video_level(
    label: np.ndarray, score: np.ndarray, threshold: float | None, metrics: Numbers, reasons: Reasons
) -> None:
    for name, number in (("auc", auc), ("ap", average_precision), ("eer", equal_error_rate)):
        _define(name, number, label, score, metrics, reasons)
    no_clips = "" if len(label) else "no scored clip"
    no_threshold = "" if threshold is not None else "no decision threshold"
    limit = 0.5 if threshold is None else threshold
    for name, reason, value in (
        ("accuracy", no_threshold or no_clips, lambda: accuracy(label, score, limit)),
        (
            "balanced_accuracy",
            no_threshold or _why_undefined(label),
            lambda: balanced_accuracy(label, score, limit),
        ),
        ("accuracy_at_half", no_clips, lambda: accuracy(label, score, 0.5)),
        ("brier", no_clips, lambda: brier(label, score)),
    ):
        metrics[name] = None if reason else value()
        if reason:
            reasons[name] = reason


def _define(
    name: str,
    number: Callable[[np.ndarray, np.ndarray], float],
    label: np.ndarray,
    score: np.ndarray,
    metrics: Numbers,
    reasons: Reasons,
) -> None:
    """Set a number that needs both classes, or None and why."""
    reason = _why_undefined(label)
    metrics[name] = None if reason else number(label, score)
    if reason:
        reasons[name] = reason


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
