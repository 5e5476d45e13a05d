"""Says 0.5 of everything: the row every other detector has to beat."""

from __future__ import annotations

import numpy as np

from harness.registry import detector


@detector("constant")
class Constant:
    """Scores every frame 0.5 without looking: AUC 0.5, equal error rate 0.5, Brier score 0.25."""

    size = 32
    frames = 1

    def score(self, clips: np.ndarray) -> np.ndarray:
        """0.5 for each frame of uint8 clips `[B, T, S, S, 3]`, as float32 `[B, T]`."""
        return np.full(clips.shape[:2], 0.5, np.float32)
