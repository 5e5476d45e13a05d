"""An augmentation changes all frames of a clip alike and keeps their colours."""

from __future__ import annotations

import numpy as np
import pytest

from harness.training import augmentation
from harness.types import HarnessError


def test_one_draw_changes_all_frames_of_a_clip_alike() -> None:
    frames = np.repeat(np.random.default_rng(0).integers(0, 256, (1, 16, 16, 3), dtype=np.uint8), 3, 0)
    for name, augment in augmentation.AUGMENTATIONS.items():
        changed = 0
        for seed in range(20):
            made = augment(frames, np.random.default_rng(seed))
            assert made.shape == frames.shape
            assert made.dtype == np.uint8
            changed += bool((made != frames).any())
            if name != "noise":
                assert (made == made[0]).all()
        assert changed, name


def test_an_unknown_augmentation_names_the_known_ones() -> None:
    with pytest.raises(HarnessError, match="did you mean 'flip'"):
        augmentation.chosen(["flipp"])


def test_the_jpeg_augmentation_keeps_red_red() -> None:
    red = np.zeros((1, 16, 16, 3), np.uint8)
    red[..., 0] = 200
    for seed in range(10):
        made = augmentation.jpeg(red, np.random.default_rng(seed))
        assert np.abs(made.astype(int) - red).max() < 8
