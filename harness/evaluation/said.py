"""What a detector said of the views of clips becomes predictions of the clips."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from harness.evaluation.cell_keys import TestSet
from harness.types import NO_FACE, NO_FACE_POLICIES, Clip, Prediction
from harness.video.clip_views import Condition, Need, Shown
from harness.video.views import scores_of_view


def predictions_of(
    clips: Sequence[Clip],
    shown: Sequence[Shown],
    scores: Sequence[np.ndarray],
    need: Need,
    test: TestSet,
    single: bool = False,
) -> list[Prediction]:
    """What a detector said of a batch of clips; failed clips are counted, not scored.

    `scores` are those of the views that could be shown, `[frames]` or `[1]` each. What is said of a clip
    without a face is the policy's, and noted.
    """
    rest = iter(scores)
    return [
        _unscored(clip, one, need, test.no_face)
        if one.error_of(need) is not None
        else _prediction(clip, one, need, [next(rest) for _ in one.views[need]], test.faces, single)
        for clip, one in zip(clips, shown, strict=True)
    ]


def _unscored(clip: Clip, shown: Shown, need: Need, no_face: str) -> Prediction:
    said = NO_FACE_POLICIES[no_face] if shown.faceless else None
    failed = Prediction(clip.id, clip.label, None, error=shown.error_of(need))
    if said is not None:
        failed = Prediction(clip.id, clip.label, said, note=f"{NO_FACE}: {no_face}")
    return _with_people(failed, shown, need)


def _prediction(
    clip: Clip, shown: Shown, need: Need, scores: Sequence[np.ndarray], policy: str, single: bool
) -> Prediction:
    """The score of a clip from what was said of everybody who is seen in it."""
    pairs = zip(shown.views[need], scores, strict=True)
    people = [(*scores_of_view(view, said, single), view.boxes) for view, said in pairs]
    if policy == "max":
        people = [max(people, key=lambda person: float(np.mean(person[0], dtype=np.float64)))]
    said = np.concatenate([person[0] for person in people])
    indices = tuple(index for person in people for index in person[1])
    boxes = tuple(tuple(person[2][index]) for person in people for index in person[1] if person[2])
    score = float(np.mean(said, dtype=np.float64))
    frame_scores = tuple(float(one) for one in said)
    return _with_people(
        Prediction(clip.id, clip.label, score, frame_scores, indices, boxes=boxes), shown, need
    )


def _with_people(said: Prediction, shown: Shown, need: Need) -> Prediction:
    if need[2] not in shown.seen:
        return said
    seen, looked, people = shown.seen[need[2]]
    return replace(said, seen=seen, looked=looked, people=people)


class Conditions:
    """Which perturbations failed on which clips of a test set: one that always fails is at fault itself."""

    def __init__(self, test: str) -> None:
        self.test = test
        self._clips: Counter[Condition] = Counter()
        """Clips that could be read."""
        self._failed: Counter[Condition] = Counter()
        self._why: dict[Condition, str] = {}

    def note(self, needs: Iterable[Need], shown: Shown) -> None:
        """Count one clip."""
        for condition in {need[:2] for need in needs if need[1] and shown.error is None}:
            self._clips[condition] += 1
            if condition in shown.failed:
                self._failed[condition] += 1
                self._why.setdefault(condition, shown.failed[condition])

    def useless(self, clips: int = 1) -> dict[Condition, str]:
        """The conditions that failed on every clip, of so many at least, and why."""
        return {
            (name, severity): f"{name}-{severity} failed on all of {count} clips of {self.test}, e.g."
            f" {self._why[name, severity]}"
            for (name, severity), count in self._clips.items()
            if count >= clips and count == self._failed[name, severity]
        }
