"""Images that a small detector learns to tell apart, and a training on them."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from harness.training.train import TrainingJob
from harness.types import Clip
from tests.training.small_detector import ENTRY, RECIPE


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> tuple[Clip, ...]:
    """Sixteen training and eight validation images; fakes are darker."""
    folder = tmp_path_factory.mktemp("clips")
    rng = np.random.default_rng(0)
    made = []
    for split, number in (("train", 16), ("val", 8)):
        for index in range(number):
            label = index % 2
            path = folder / f"{split}{index}.png"
            pixels = rng.normal(140 - 40 * label, 25, (20, 24, 3)).clip(0, 255).astype(np.uint8)
            cv2.imwrite(str(path), pixels)
            made.append(Clip(f"toy/{split}{index}", path, label, split, "dark" if label else None))
    return tuple(made)


@pytest.fixture
def job(clips: tuple[Clip, ...]) -> TrainingJob:
    return TrainingJob(ENTRY, RECIPE, "toy", clips, "center", "1")
