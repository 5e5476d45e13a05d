"""Scores are checked at the door, and a detector is put on its device in one place."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from harness import registry
from harness.runtime import batchnorm_folding
from harness.runtime.device import clips_a_pass, place, resolve_precision, score_clips, torch_device
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


class Normed(nn.Module):
    """Convolutions with BatchNorm behind them, in ways that can be folded and in ways that cannot."""

    size, frames = 16, 2

    def __init__(self) -> None:
        super().__init__()
        self.plain, self.plain_norm = nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4)
        self.seen_twice, self.seen_norm = nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4)
        self.used_twice, self.used_norm = nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4)
        self.grouped, self.grouped_norm = nn.Conv2d(4, 8, 3, groups=2), nn.BatchNorm2d(8, affine=False)
        for norm in (self.plain_norm, self.seen_norm, self.used_norm, self.grouped_norm):
            norm.running_mean.normal_(0, 0.1)
            norm.running_var.uniform_(0.5, 1.5)

    def score(self, clips: Tensor) -> Tensor:
        images = clips.flatten(0, 1).permute(0, 3, 1, 2).float() / 255
        images = self.plain_norm(self.plain(images)).relu()
        seen = self.seen_twice(images)
        images = self.seen_norm(seen) + seen
        images = self.used_norm(self.used_twice(self.used_twice(images))).relu()
        images = self.grouped_norm(self.grouped(images))
        return images.mean((1, 2, 3)).sigmoid().view(clips.shape[:2])


def scored_plainly(detector: Any, number: int) -> tuple[np.ndarray, np.ndarray]:
    """That many random clips, and their scores before the detector is placed."""
    shape = (number, detector.frames, detector.size, detector.size, 3)
    clips = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    with torch.no_grad():
        return clips, detector.score(torch.from_numpy(clips)).numpy()


def test_only_a_norm_that_alone_takes_what_its_convolution_gives_is_folded() -> None:
    torch.manual_seed(0)
    detector = Normed().eval()
    clips, plain = scored_plainly(detector, 3)
    placed = place(detector, Runtime())
    assert isinstance(placed.plain_norm, nn.Identity) and isinstance(placed.grouped_norm, nn.Identity)
    assert isinstance(placed.seen_norm, nn.BatchNorm2d) and isinstance(placed.used_norm, nn.BatchNorm2d)
    assert np.abs(score_clips(placed, clips, Runtime()) - plain).max() < 1e-6


def test_what_cannot_be_folded_without_moving_scores_is_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        batchnorm_folding, "fuse_conv_bn_weights", lambda weight, bias, *_: (weight * 2, bias)
    )
    torch.manual_seed(0)
    detector = Normed().eval()
    weight = detector.plain.weight
    clips, plain = scored_plainly(detector, 3)
    placed = place(detector, Runtime())
    assert isinstance(placed.plain_norm, nn.BatchNorm2d) and placed.plain.weight is weight
    assert np.abs(score_clips(placed, clips, Runtime()) - plain).max() < 1e-6


class LooksBack(Normed):
    """Subtracts the frame before, where there is one: with one frame it looks as if it could be folded."""

    def score(self, clips: Tensor) -> Tensor:
        images = self.plain(clips.flatten(0, 1).permute(0, 3, 1, 2).float() / 255)
        if clips.shape[1] > 1:
            images = images - images.roll(1, 0)
        return self.plain_norm(images).mean((1, 2, 3)).sigmoid().view(clips.shape[:2])


class ReadsItsNorm(Normed):
    """Asks its BatchNorm for what only a BatchNorm has."""

    def score(self, clips: Tensor) -> Tensor:
        images = self.plain_norm(self.plain(clips.flatten(0, 1).permute(0, 3, 1, 2).float() / 255))
        return (images.mean((1, 2, 3)) + self.plain_norm.running_mean.mean()).sigmoid().view(clips.shape[:2])


@pytest.mark.parametrize("kind", [LooksBack, ReadsItsNorm])
def test_a_network_that_needs_its_norm_keeps_it(kind: type[Normed]) -> None:
    torch.manual_seed(0)
    detector = kind().eval()
    clips, plain = scored_plainly(detector, 1)
    placed = place(detector, Runtime())
    assert isinstance(placed.plain_norm, nn.BatchNorm2d)
    assert np.abs(score_clips(placed, clips, Runtime()) - plain).max() < 1e-6


@pytest.mark.parametrize("name", ["xception", "efficientnet_bilstm", "airl", "meso4", "timm:resnet18"])
def test_scores_of_the_placed_network_are_those_of_the_plain_one(name: str) -> None:
    entry = registry.detectors.get(name)
    torch.manual_seed(0)
    recipe = entry.recipes.get("procedural") or next(iter(entry.recipes.values()))
    detector = entry.make(dataclasses.replace(recipe, size=64, frames=3, pretrained=False)).eval()
    for norm in [part for part in detector.modules() if isinstance(part, nn.BatchNorm2d)]:
        norm.running_mean.normal_(0, 0.1)
        norm.running_var.uniform_(0.5, 1.5)
    clips, plain = scored_plainly(detector, 3)
    placed = place(detector, Runtime())
    norms = [part for part in placed.modules() if isinstance(part, nn.BatchNorm2d)]
    assert not norms or name == "meso4", f"{len(norms)} norms of {name} were not folded"
    together = score_clips(placed, clips, Runtime())
    assert np.abs(together - plain).max() < 1e-5
    alone = np.concatenate([score_clips(placed, clip[None], Runtime()) for clip in clips])
    assert np.abs(together - alone).max() < 1e-5


def test_a_pass_is_smaller_where_clips_are_larger() -> None:
    few, many = Runtime(batch=8), Runtime(batch=64)
    assert clips_a_pass(4, 64, few) == 8
    assert clips_a_pass(4, 64, many) == 64
    assert clips_a_pass(4, 256, many) == 8
    assert clips_a_pass(32, 299, many) == 1


def test_fp16_is_for_gpus() -> None:
    with pytest.raises(HarnessError, match="fp16 is for GPUs"):
        resolve_precision("fp16", "cpu")
