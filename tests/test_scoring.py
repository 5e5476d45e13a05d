"""Scores are checked at the door, and a detector is put on its device in one place."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from harness.scoring import place, resolve_precision, score_clips, torch_device
from harness.types import HarnessError, Runtime

CLIPS = np.zeros((3, 2, 8, 8, 3), np.uint8)


class Brightness(nn.Module):
    """Mean brightness as the score: frame-based, and dropout shows whether it evaluates."""

    size, frames = 8, 2

    def __init__(self) -> None:
        super().__init__()
        self.dropout = nn.Dropout(0.5)
        self.weight = nn.Parameter(torch.ones(1))

    def score(self, clips: Tensor) -> Tensor:
        return self.dropout(clips.float().mean((2, 3, 4)) / 255 * self.weight)


class Says:
    """A fixed detector that gives whatever it was told to give."""

    size, frames = 8, 2

    def __init__(self, scores: np.ndarray) -> None:
        self.scores = scores

    def score(self, clips: np.ndarray) -> np.ndarray:
        return self.scores


def test_a_module_is_scored_in_evaluation_mode_and_gives_float32() -> None:
    clips = np.full((2, 2, 8, 8, 3), 51, np.uint8)
    clips[1, 1] = 255
    scores = score_clips(place(Brightness().train(), Runtime()), clips, Runtime())
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores, [[0.2, 0.2], [0.2, 1.0]], atol=1e-6)


def test_a_fixed_detector_is_left_as_it_is_and_gets_numpy() -> None:
    detector = Says(np.full((3, 1), 0.25))
    assert place(detector, Runtime()) is detector
    assert score_clips(detector, CLIPS, Runtime()).shape == (3, 1)


@pytest.mark.parametrize(
    ("scores", "complaint"),
    [
        (np.full((3, 2), np.nan), "NaN"),
        (np.full((3, 2), 1.5), "within 0 and 1"),
        (np.full((3, 2), -0.1), "within 0 and 1"),
        (np.full((3, 2), np.inf), "within 0 and 1"),
        (np.full((3,), 0.5), "shape"),
        (np.full((2, 2), 0.5), "shape"),
        (np.full((3, 3), 0.5), "shape"),
    ],
)
def test_scores_that_are_no_probabilities_of_these_clips_are_refused(
    scores: np.ndarray, complaint: str
) -> None:
    with pytest.raises(HarnessError, match=complaint):
        score_clips(Says(scores), CLIPS, Runtime())


def test_a_module_that_gives_logits_is_refused() -> None:
    detector = Brightness()
    detector.weight.data *= 40
    with pytest.raises(HarnessError, match="within 0 and 1"):
        score_clips(place(detector, Runtime()), CLIPS + 255, Runtime())


def test_bf16_is_really_used_and_only_when_asked_for() -> None:
    class Dtype(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(4, 1)
            self.seen: list[torch.dtype] = []

        def score(self, clips: Tensor) -> Tensor:
            self.seen.append(self.layer(torch.zeros(1, 4)).dtype)
            return torch.zeros(clips.shape[:2])

    detector = Dtype()
    for precision in ("fp32", "bf16"):
        score_clips(detector, CLIPS, Runtime(precision=precision))
    assert detector.seen == [torch.float32, torch.bfloat16]


def test_precision_resolves_to_what_will_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    assert resolve_precision("fp32", "cpu") == "fp32"
    assert resolve_precision("bf16", "cpu") == "bf16"
    for has, resolved in ((True, "bf16"), (False, "fp32")):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda has=has: {"avx512_bf16": has})
        assert resolve_precision("auto", "cpu") == resolved
    with pytest.raises(HarnessError, match="fp16"):
        resolve_precision("fp16", "cpu")


@pytest.mark.parametrize("device", ["gpu", "mps", "cuda:99", ""])
def test_a_device_this_machine_lacks_is_named_in_the_error(device: str) -> None:
    with pytest.raises(HarnessError, match="device"):
        torch_device(device)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device on this machine")
def test_a_detector_scores_the_same_on_the_gpu() -> None:
    clips = np.random.default_rng(0).integers(0, 256, (2, 2, 8, 8, 3), dtype=np.uint8)
    here = score_clips(place(Brightness(), Runtime()), clips, Runtime())
    cuda = Runtime(device="cuda")
    np.testing.assert_allclose(score_clips(place(Brightness(), cuda), clips, cuda), here, atol=1e-5)
