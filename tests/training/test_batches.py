"""A batch holds what was drawn for it: frames in order, fakes beside their footage, both classes alike."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from harness.training import augmentation
from harness.training import batches as footage
from harness.types import Clip


def footage_of(pixels: np.ndarray, labels: np.ndarray, groups: np.ndarray) -> footage.Footage:
    """Clips `[clips, frames, S, S, 3]` of which every frame is another."""
    places = np.arange(pixels.shape[0] * pixels.shape[1]).reshape(pixels.shape[:2])
    return footage.Footage(pixels.reshape(-1, *pixels.shape[2:]), places, labels, groups, 0)


def test_batches_draw_one_frame_from_each_part_of_a_clip_in_order() -> None:
    pixels = np.arange(16, dtype=np.uint8)[None, :, None, None, None] * np.ones((6, 1, 2, 2, 3), np.uint8)
    held = footage_of(pixels, np.array([0, 1] * 3), np.arange(6))
    batches = list(held.batches(footage.Draw(4, 4), np.random.default_rng(0)))
    assert len(batches) == 1
    drawn = batches[0][0][:, :, 0, 0, 0]
    assert (drawn // 4 == np.arange(4)).all()
    assert len(np.unique(drawn % 4)) > 1


def test_a_fake_and_its_footage_share_a_batch_and_its_draws() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (8, 16, 8, 8, 3), dtype=np.uint8)
    pixels[4:] = pixels[:4]
    held = footage_of(pixels, np.repeat([0, 1], 4), np.tile(np.arange(4), 2))
    draw = footage.Draw(2, 3, augmentation.chosen(["flip", "light", "shift"]), together=True)
    firsts = set()
    for seed in range(5):
        for drawn, labels in held.batches(draw, np.random.default_rng(seed)):
            assert sorted(labels) == [0, 1]
            assert (drawn[0] == drawn[1]).all()
            firsts.add(int(labels[0]))
    assert firsts == {0, 1}
    apart = footage.Draw(2, 3)
    pairs = [drawn for drawn, _ in held.batches(apart, np.random.default_rng(0))]
    assert any((drawn[0] != drawn[1]).any() for drawn in pairs)


def test_a_limit_keeps_the_first_clips_of_each_class() -> None:
    clips = [Clip(f"c{i}", Path("x"), int(i % 4 > 0), "train") for i in range(40)]
    kept = footage.limited(clips, 12)
    assert [clip.label for clip in kept] == [0] * 6 + [1] * 6
    assert kept[0].id == "c0"
    assert len(footage.limited(clips, 30)) == 30
    assert footage.limited(clips, None) == clips
