"""Operating points: where a detector is set to call a clip fake, and what that costs and catches."""

from __future__ import annotations

import math

import numpy as np

from harness.types import FAKE, REAL

RATES = {"1pct": 0.01, "0.1pct": 0.001}
"""False-positive rates whose TPR is reported, by the name they have in a metric."""

DRIFT_RATES = {"1pct": 0.01, "5pct": 0.05}
"""False-positive rates that are set on the validation split and looked for on test sets."""

ENOUGH = 10
"""Reals beyond an operating point that make its estimate worth printing: `reals >= ENOUGH / FPR`."""


def why_no_tpr(reals: int, fpr: float) -> str:
    """Why the TPR at that FPR is not defined on so many reals; empty when it is."""
    needed = round(ENOUGH / fpr)
    return "" if reals >= needed else f"{reals} scored reals; {100 * fpr:g} % FPR needs {needed}"


def tpr_at_fpr(labels: np.ndarray, scores: np.ndarray, fpr: float) -> float:
    """Share of fakes caught, in [0, 1], at the lowest threshold that calls no more than `fpr` of reals fake.

    The threshold is taken from these very clips: a point of their ROC, not a promise about others.
    """
    threshold = threshold_at(scores[labels == REAL], fpr)
    return float((scores[labels == FAKE] >= threshold).mean())


def threshold_at(reals: np.ndarray, fpr: float) -> float:
    """The lowest threshold at or above which lies no more than `fpr` of the reals' scores `[R]`."""
    descending = np.sort(reals)[::-1]
    allowed = math.floor(fpr * len(reals) + 1e-9)
    if allowed >= len(reals):
        return 0.0
    return float(np.nextafter(descending[allowed], np.inf))


def limits_of(labels: np.ndarray, scores: np.ndarray) -> tuple[dict[str, float], dict[str, str]]:
    """Thresholds for each of `DRIFT_RATES` from validation clips, and why one is missing.

    A rate that would allow not even one of the reals has no threshold: there is nothing to set it by.
    """
    reals = scores[labels == REAL]
    found: dict[str, float] = {}
    reasons: dict[str, str] = {}
    for name, fpr in DRIFT_RATES.items():
        needed = round(1 / fpr)
        if len(reals) < needed:
            reasons[name] = f"{len(reals)} scored reals to set {100 * fpr:g} % FPR by; it needs {needed}"
        else:
            found[name] = threshold_at(reals, fpr)
    return found, reasons


def positive_predictive_value(tpr: float, fpr: float, prevalence: float) -> float | None:
    """P(fake | called fake) where a share `prevalence` of clips is fake; None when nothing is called fake."""
    called = tpr * prevalence + fpr * (1 - prevalence)
    return tpr * prevalence / called if called > 0 else None


def best_threshold(scores: np.ndarray, labels: np.ndarray) -> float:
    """The threshold with the best balanced accuracy, calling a clip fake at or above it.

    The one rule a threshold is chosen by, wherever it is: thresholds lie
    halfway between neighbouring scores; of equally good ones the one nearest 0.5 is taken, then the
    lower. Scores that are all equal leave nothing to choose: 0.5. `scores`, `labels` `[N]`, both classes.
    """
    distinct = np.unique(scores.astype(np.float64))
    if len(distinct) < 2:
        return 0.5
    thresholds = (distinct[1:] + distinct[:-1]) / 2
    fakes, reals = (np.sort(scores[labels == label]) for label in (FAKE, REAL))
    caught = (len(fakes) - np.searchsorted(fakes, thresholds)) / len(fakes)
    spared = 1 - (len(reals) - np.searchsorted(reals, thresholds)) / len(reals)
    accuracy = np.round(caught + spared, 12)
    return float(thresholds[np.lexsort((thresholds, np.abs(thresholds - 0.5), -accuracy))[0]])
