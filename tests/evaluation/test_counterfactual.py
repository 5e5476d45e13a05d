"""The treatment takes away how a file was made, and a clip is judged as it is and treated."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from harness.data.audit.detail import SPREAD, coarsest, detail_of, lot_of, sharpness_of, with_no_more_than
from harness.evaluation.counterfactual import SIDE, after_treatment, treated, views_of
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
    as_it_is, cut = views_of(a_clip(tmp_path / "clip.png"), "none", 1, 64)
    assert as_it_is.shape == (1, 64, 64, 3)  # type: ignore[union-attr]
    assert cut.shape == (1, SIDE, SIDE, 3)  # type: ignore[union-attr]
    all_of_it = detail_of(cut) * SPREAD  # type: ignore[arg-type]
    np.testing.assert_array_equal(
        after_treatment("a/clip", cut, all_of_it, SIDE),  # type: ignore[arg-type]
        treated(with_no_more_than(cut, all_of_it)),  # type: ignore[arg-type]
    )
    assert "nowhere.png" in views_of(a_clip(tmp_path / "nowhere.png"), "none", 1, SIDE)


def texture(seed: int) -> np.ndarray:
    """A picture whose spectrum falls like those of natural ones do, each with a contrast of its own."""
    rng = np.random.default_rng(seed)
    fineness = np.fft.fftfreq(SIDE)
    falls = 1 / np.maximum(np.hypot(fineness[:, None], fineness[None, :]), 1 / SIDE) ** rng.uniform(1.0, 1.3)
    grey = np.fft.ifft2(np.fft.fft2(rng.normal(size=(SIDE, SIDE))) * falls).real
    grey = 128 + rng.uniform(25, 60) * grey / grey.std()
    return np.repeat(grey.clip(0, 255).astype(np.uint8)[None, :, :, None], 3, axis=3)


def coarser(pixels: np.ndarray, how: str) -> np.ndarray:
    if how == "half the size":
        small = cv2.resize(pixels[0], None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        return cv2.resize(small, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)[None]
    # at another size, as in a frame: the blocks of two codings seldom lie on each other
    larger = cv2.resize(pixels[0], (330, 330), interpolation=cv2.INTER_CUBIC)
    _, coded = cv2.imencode(".jpg", larger, [cv2.IMWRITE_JPEG_QUALITY, 12])
    again = cv2.imdecode(coded, cv2.IMREAD_COLOR)
    return cv2.resize(again, (SIDE, SIDE), interpolation=cv2.INTER_AREA)[None]


@pytest.mark.parametrize("how", ["half the size", "strong compression"])
def test_sharpness_no_longer_tells_the_classes_after_the_treatment(how: str) -> None:
    label = np.arange(80) % 2
    cuts = [coarser(texture(k), how) if fake else texture(k) for k, fake in enumerate(label)]
    most = coarsest([detail_of(cut) for cut in cuts])

    def told_by_sharpness(pictures: list[np.ndarray]) -> float:
        return float(roc_auc_score(1 - label, [sharpness_of(picture) for picture in pictures]))

    assert told_by_sharpness(cuts) > 0.8
    assert told_by_sharpness([treated(cut) for cut in cuts]) > 0.8  # JPEG alone leaves it
    after = [after_treatment(f"clip/{k}", cut, most, SIDE) for k, cut in enumerate(cuts)]
    assert 0.35 < told_by_sharpness(after) < 0.65


def test_a_black_picture_does_not_take_the_detail_of_all() -> None:
    pictures = [texture(k) for k in range(60)]
    most = coarsest([detail_of(cut) for cut in [*pictures, np.zeros_like(pictures[0])]])
    assert (most[0] > 0.2 * coarsest([detail_of(cut) for cut in pictures])[0]).all()


def test_what_is_taken_away_by_lot_is_the_same_every_time() -> None:
    lots = [lot_of(f"clip/{k}") for k in range(200)]
    assert lots == [lot_of(f"clip/{k}") for k in range(200)]
    assert 1 / SPREAD <= min(lots) < 0.3 and 0.9 < max(lots) <= 1
