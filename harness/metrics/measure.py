"""Predictions become numbers: plain functions, computed once over stored scores.

A number that is not defined is None, and `reasons` says why; it is never 0, 0.5 or NaN.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import pandas as pd

from harness.metrics.bootstrap import graph_of_clips
from harness.metrics.classification import (
    auc,
    average_precision,
    brier,
    equal_error_rate,
    expected_calibration_error,
)
from harness.metrics.intervals import DRAWS, delong
from harness.metrics.missing import FEW, Counts, by_class, called_fake, faceless, judged_right, lopsided
from harness.metrics.numbers import Drawn, Numbers
from harness.metrics.scored import scored_lines
from harness.metrics.thresholds import DRIFT_RATES, RATES, positive_predictive_value, tpr_at_fpr, why_no_tpr
from harness.metrics.weighted import OUTSIDE, Curve, auc_statistic, mean_statistic
from harness.types import FAKE, PREVALENCE, REAL

METRICS = (
    *("auc", "auc_with_face", "ap", "eer", "accuracy", "balanced_accuracy", "base_rate", "accuracy_at_half"),
    *("tpr", "fpr", "ppv"),
    *(f"tpr_at_fpr_{rate}" for rate in RATES),
    *(f"fpr_at_val_{rate}" for rate in DRIFT_RATES),
    *("brier", "ece", "frame_auc", "auc_failed_worst", "auc_failed_best"),
)
"""Names of the metrics of every cell."""

KEPT_DRAWS = ("auc", "accuracy", "balanced_accuracy")


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
    """`KEPT_DRAWS` under each draw, by weights that any other detector meets too."""
    counts: Mapping[str, Counts] = field(default_factory=dict)
    """(real, fake) `clips`, those that `failed`, those that are `faceless` (scored by a policy, because no
    face was found), and scored ones that `auc` is over; the same of each `<name>:<manipulation>`."""


def measure(
    predictions: pd.DataFrame,
    threshold: float | None,
    terms: Terms | None = None,
    wrong: Collection[str] = (),
) -> Measured:
    """Every number of one cell, from its stored predictions (columns `COLUMNS`, one line a clip).

    Video-level numbers are over `score`, one a clip; `frame_auc` is over all frames, each with its
    clip's label. `threshold` is P(fake) from the training dataset's validation split, at or above
    which a clip is called fake; None leaves the decisions undefined. `HarnessError` when a column is
    missing, a clip appears twice, has neither score nor error, or a score is NaN or outside [0, 1].
    Failed clips among `wrong` (ids) are scored wrong (`scored.counted_wrong`), and still count as failed.
    """
    terms = terms or Terms()
    scored = scored_lines(predictions, wrong)
    label = scored["label"].to_numpy(dtype=np.int64)
    score = scored["score"].to_numpy(dtype=np.float64)
    own = ~faceless(scored)
    parts = {name: _against_reals(scored, label, name) for name in sorted(_manipulations(predictions))}
    counts = _counts(predictions, label, parts)
    found = Numbers()
    _add_ranking(found, label, score, parts)
    _add_with_face(found, label, score, own)
    _add_decisions(found, label, called_fake(score, threshold, own), terms, threshold is None)
    at_half = terms.no_decisions or ("" if len(label) else "no scored clip")
    found.add(
        "accuracy_at_half", at_half, lambda: float(judged_right(called_fake(score, 0.5, own), label).mean())
    )
    _add_drift(found, label, score, parts, terms, own)
    no_clips = "" if len(label) else "no scored clip"
    found.add("brier", no_clips, lambda: brier(label, score), lambda: mean_statistic((score - label) ** 2))
    found.add("ece", no_clips, lambda: expected_calibration_error(label, score))
    _add_frames(found, scored[own], label[own])
    _add_coverage(found, predictions, counts)
    if not len(label):
        nothing: dict[str, tuple[float, float]] = {}
        return Measured(
            len(predictions), len(predictions), found.metrics, nothing, found.reasons, counts=counts
        )
    graph = graph_of_clips(scored, terms.world)
    drawn, intervals = found.drawn(graph, terms.draws, terms.world)
    if min(counts["auc"]) > 1 and found.metrics["auc"] not in (0.0, 1.0):
        intervals["auc_delong"] = delong(label, score).interval()
    kept = {name: drawn[name] for name in KEPT_DRAWS if name in drawn}
    failed = int(predictions["error"].notna().sum())
    facts = (found.metrics, intervals, found.reasons, graph.method, graph.identities, kept, counts)
    return Measured(len(predictions), failed, *facts)


def _counts(
    predictions: pd.DataFrame, scored: np.ndarray, parts: Mapping[str, np.ndarray]
) -> dict[str, Counts]:
    label = predictions["label"].to_numpy(dtype=np.int64)
    every = np.ones(len(label), dtype=bool)
    failed = predictions["error"].notna().to_numpy(dtype=bool)
    kinds = {"clips": every, "failed": failed, "faceless": faceless(predictions)}
    found = {name: by_class(label, these) for name, these in kinds.items()} | {"auc": by_class(scored)}
    for name, part in parts.items():
        found[f"auc:{name}"] = by_class(scored, part)
        here = _against_reals(predictions, label, name)
        found |= {f"{kind}:{name}": by_class(label, these & here) for kind, these in kinds.items()}
    return found


def _add_ranking(
    found: Numbers, label: np.ndarray, score: np.ndarray, parts: Mapping[str, np.ndarray]
) -> None:
    """What the order of the scores alone decides."""
    reason, curve = _why_undefined(label), Curve(label, score)
    _add_auc(found, "auc", label, score, np.ones(len(label), dtype=bool))
    found.add("ap", reason, lambda: average_precision(label, score), lambda: curve.average_precision)
    found.add("eer", reason, lambda: equal_error_rate(label, score), lambda: curve.equal_error_rate)
    for name, fpr in RATES.items():
        why = reason or why_no_tpr(int((label == REAL).sum()), fpr)
        caught = partial(tpr_at_fpr, label, score, fpr), partial(curve.tpr_at, fpr), [label == FAKE]
        found.add(f"tpr_at_fpr_{name}", why, *caught)
    for name, part in parts.items():
        _add_auc(found, f"auc:{name}", label, score, part)


def _add_auc(found: Numbers, name: str, label: np.ndarray, score: np.ndarray, part: np.ndarray) -> None:
    """The AUC over some of the clips; where all have one score, it is 0.5 on any clips."""
    only = np.where(part, label, OUTSIDE)
    classes = [only == REAL, only == FAKE] if part.any() and np.ptp(score[part]) > 0 else []
    value, statistic = partial(auc, label[part], score[part]), partial(auc_statistic, only, score)
    found.add(name, _why_undefined(label[part]), value, statistic, classes)


def _add_with_face(found: Numbers, label: np.ndarray, score: np.ndarray, own: np.ndarray) -> None:
    """The AUC over the clips that the detector was shown, where others were scored by a policy."""
    if own.all():
        nothing = "no clip was scored without a face" if len(label) else "no scored clip"
        found.add("auc_with_face", nothing, lambda: None)
    else:
        _add_auc(found, "auc_with_face", label, score, own)


def _add_decisions(found: Numbers, label: np.ndarray, called: np.ndarray, terms: Terms, unset: bool) -> None:
    """What is right and wrong at the decision threshold; `called`: how much of each clip is called fake."""
    why = terms.no_decisions or ("no decision threshold" if unset else "")
    real, forged = label == REAL, label == FAKE
    no_clips = "" if len(label) else "no scored clip"
    found.share("accuracy", why or no_clips, judged_right(called, label), real | forged)
    found.share("tpr", why or ("" if forged.any() else no_clips or "no scored fake clip"), called, forged)
    found.share("fpr", why or ("" if real.any() else no_clips or "no scored real clip"), called, real)
    both = why or _why_undefined(label)
    spared = 1 - called
    found.add("balanced_accuracy", both, lambda: float((called[forged].mean() + spared[real].mean()) / 2))
    found.add("base_rate", no_clips, lambda: max(by_class(label)) / len(label))
    if not both:
        found.derived["balanced_accuracy"] = lambda drawn: (drawn["tpr"] + (1 - drawn["fpr"])) / 2
    _add_ppv(found, both, int(real.sum()), terms.prevalence)


def _add_ppv(found: Numbers, reason: str, reals: int, prevalence: float) -> None:
    """The share of fakes in what is called fake; from no false alarm at all it has bounds and no value."""
    tpr, fpr = found.metrics["tpr"] or 0.0, found.metrics["fpr"] or 0.0  # not used where undefined
    ppv = positive_predictive_value(tpr, fpr, prevalence)
    why = reason or ("nothing is called fake" if ppv is None else "")
    if not why:
        found.derived["ppv"] = partial(_drawn_ppv, prevalence)
        if fpr == 0:
            why = f"none of {reals} scored reals is called fake"
    found.add("ppv", why, lambda: ppv)


def _drawn_ppv(prevalence: float, drawn: Drawn) -> np.ndarray:
    caught, accused = drawn["tpr"] * prevalence, drawn["fpr"] * (1 - prevalence)
    called = caught + accused
    return np.asarray(np.divide(caught, called, out=np.zeros_like(called), where=called > 0))


def _add_drift(
    found: Numbers,
    label: np.ndarray,
    score: np.ndarray,
    parts: Mapping[str, np.ndarray],
    terms: Terms,
    own: np.ndarray,
) -> None:
    """What the thresholds set on the validation split for an FPR really give on these clips."""
    no_real = "" if (label == REAL).any() else "no scored real clip"
    for rate in DRIFT_RATES:
        unset = "" if rate in terms.limits else terms.no_limits.get(rate, "no validation predictions")
        why = terms.no_decisions or unset
        called = called_fake(score, terms.limits.get(rate), own)
        found.share(f"fpr_at_val_{rate}", why or no_real, called, label == REAL)
        for name, part in parts.items():
            these = part & (label == FAKE)
            no_fake = "" if these.any() else "no scored fake clip"
            found.share(f"miss_at_val_{rate}:{name}", why or no_fake, 1 - called, these)


def _add_frames(found: Numbers, scored: pd.DataFrame, label: np.ndarray) -> None:
    """The AUC over frames; a clip scored by a policy has none."""

    def frame_auc() -> float:
        frames = [np.asarray(values, dtype=np.float64) for values in scored["frame_scores"]]
        return auc(np.repeat(label, [len(values) for values in frames]), np.concatenate(frames))

    found.add("frame_auc", _why_no_frames(scored) or _why_undefined(label), frame_auc)


def _add_coverage(found: Numbers, predictions: pd.DataFrame, counts: Mapping[str, Counts]) -> None:
    """The AUC if every failed clip had been judged wrong, and right: how much the failures could hide."""
    label = predictions["label"].to_numpy(dtype=np.int64)
    given = pd.to_numeric(predictions["score"], errors="coerce").to_numpy(dtype=np.float64)
    failed = np.isnan(given)
    reason = _why_undefined(label)
    if not reason and failed.mean() <= FEW and not lopsided(counts["failed"], counts["clips"]):
        reason = f"no more than {100 * FEW:g} % of the clips failed"
    for name, guess in (("worst", label == REAL), ("best", label == FAKE)):
        filled = np.where(failed, guess.astype(np.float64), given)
        found.add(f"auc_failed_{name}", reason, partial(auc, label, filled))


def _against_reals(clips: pd.DataFrame, label: np.ndarray, manipulation: str) -> np.ndarray:
    made = clips["manipulation"].eq(manipulation).fillna(False).to_numpy(dtype=bool)
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
