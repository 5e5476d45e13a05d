"""Clips that the detector itself did not judge: how many of each class, and what that does to a rank.

A clip without a face is scored by a policy or fails, others cannot be read or are too short. Where
that happens to one class more than to the other, it makes an AUC of its own.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from harness.types import FAKE, NO_FACE, NO_FACE_POLICIES, REAL

Counts = tuple[int, int]
"""How many real clips, and how many fake ones."""

LEVEL = 0.05
"""p-value below which classes that lost unlike shares of their clips did not so by chance."""
FEW = 0.01
"""Share of clips that may be lost, and by which the classes may differ, without a word."""
MOST = 0.1
"""Share of clips that may be lost by a row that has a rank."""
COVERED = 0.9
"""Share of the listed files that have to be here for a row to have a rank."""


def by_class(label: np.ndarray, part: np.ndarray | None = None) -> Counts:
    """(real, fake) clips of a part (bool `[N]`), or of all; `label` 0 or 1 `[N]`."""
    chosen = label if part is None else label[part]
    return int((chosen == REAL).sum()), int((chosen == FAKE).sum())


def faceless(predictions: pd.DataFrame) -> np.ndarray:
    """Which predictions are not the detector's but a policy's, because no face was found; bool `[N]`."""
    if "note" not in predictions:
        return np.zeros(len(predictions), dtype=bool)
    said = (isinstance(note, str) and note.startswith(NO_FACE) for note in predictions["note"])
    return np.fromiter(said, dtype=bool, count=len(predictions))


def called_fake(score: np.ndarray, threshold: float | None, own: np.ndarray) -> np.ndarray:
    """How much of each clip is called fake, 0 or 1 `[N]`; half of one that is scored as chance has it.

    That score lies where many a threshold does, and would count such a clip as caught, or as accused.
    `own`: which scores are the detector's, bool `[N]`; without a threshold it is 0.5.
    """
    called = (score >= (0.5 if threshold is None else threshold)).astype(np.float64)
    called[~own & (score == NO_FACE_POLICIES["as-chance"])] = 0.5
    return called


def judged_right(called: np.ndarray, label: np.ndarray) -> np.ndarray:
    """How much of each clip is judged right, where `called` of it is called fake; 0 to 1 `[N]`."""
    return np.asarray(np.where(label == FAKE, called, 1 - called))


def chance_of(lost: Counts, clips: Counts) -> float:
    """p-value of classes that lose clips alike, two-sided: Fisher's exact test (1922); 1 without a class.

    `lost` of `clips`, each (real, fake).
    """
    from scipy.stats import fisher_exact

    if 0 in clips:
        return 1.0
    table = np.array([lost, (clips[0] - lost[0], clips[1] - lost[1])])
    return float(fisher_exact(table).pvalue)


def lopsided(lost: Counts, clips: Counts) -> bool:
    """Whether one class lost more of its clips than the other, by more than `FEW` and more than by chance."""
    if 0 in clips or abs(lost[0] / clips[0] - lost[1] / clips[1]) <= FEW:
        return False
    return chance_of(lost, clips) < LEVEL


def counted(lost: Counts, clips: Counts) -> str:
    """`0 of 6 real and 6 of 6 fake clips`; of a class that is not there nothing is said."""
    said = [f"{lost[k]} of {clips[k]} {kind}" for k, kind in enumerate(("real", "fake")) if clips[k]]
    return f"{' and '.join(said)} clips"


def why_unjudged(clips: Counts, failed: Counts, without_face: Counts) -> str:
    """Why a row has no rank for the clips its detector did not judge; empty where it may have one.

    It has none where clips without a face, or failed ones, are more in one class than chance explains
    (`lopsided`), or where both together are more than `MOST` of all clips.
    """
    said = []
    for lost, what in ((without_face, "no face in"), (failed, "no score for")):
        if lopsided(lost, clips):
            p = chance_of(lost, clips)
            sure = "p < 0.001" if p < 0.001 else f"p = {p:.3f}"
            said.append(f"{what} {counted(lost, clips)} (Fisher's exact test: {sure})")
    if said:
        return "; ".join(said)
    lost = (failed[0] + without_face[0], failed[1] + without_face[1])
    if sum(lost) > MOST * sum(clips):
        told = [(without_face, "no face in"), (failed, "no score for")]
        named = "; ".join(f"{what} {counted(each, clips)}" for each, what in told if sum(each))
        return f"{named}: over {100 * MOST:g} %"
    return ""


def why_uncovered(present: int, listed: int) -> str:
    """Why a row has no rank for the files that are not here, of those listed; empty where it may have one."""
    if present >= COVERED * listed:
        return ""
    return (
        f"{present:,} of {listed:,} listed test files are here ({present / listed:.0%}), below {COVERED:.0%}"
    )
