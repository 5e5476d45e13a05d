"""The treatment takes away how a file was made, and a clip is judged as it is and treated."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from harness.evaluation.counterfactual import SIDE, treated, views_of
from tests.data.audit.pictures import a_clip, noise


def test_the_treatment_takes_away_how_a_file_was_made(tmp_path: Path) -> None:
    frames = noise(3, 20)[None]
    once = treated(frames)
    assert once.shape == frames.shape and once.dtype == np.uint8
    change = np.abs(once.astype(float) - frames).mean()
    again = np.abs(treated(once).astype(float) - once).mean()
    assert again < change / 3
    red = treated(np.full((1, 16, 16, 3), (200, 30, 30), np.uint8))
    assert np.abs(red[0, 8, 8].astype(int) - (200, 30, 30)).max() < 6


def test_a_clip_is_judged_as_it_is_and_treated(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "clip.png"), noise(3, 20))
    as_it_is, after = views_of(a_clip(tmp_path / "clip.png"), "none", 1, SIDE)
    assert as_it_is.shape == (1, SIDE, SIDE, 3)  # type: ignore[union-attr]
    np.testing.assert_array_equal(after, treated(as_it_is))  # type: ignore[arg-type]
    assert (after != as_it_is).any()  # type: ignore[union-attr]
    assert "nowhere.png" in views_of(a_clip(tmp_path / "nowhere.png"), "none", 1, SIDE)
