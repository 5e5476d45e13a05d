"""The built-in detectors do what their sources say."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.fft
import torch
from harness.detectors.airl import (
    Airl,
    FrequencyStream,
    block_dct,
    dct_matrix,
    high_pass_mask,
    supervised_contrastive,
)
from harness.detectors.constant import Constant
from harness.detectors.efficientnet_bilstm import EfficientNetBiLSTM
from harness.detectors.xception import Xception
from torch import Tensor

from harness.types import HarnessError

TRAINABLE = (Xception, EfficientNetBiLSTM, Airl)


def clips_of(batch: int, frames: int, size: int, seed: int = 0) -> Tensor:
    pixels = np.random.default_rng(seed).integers(0, 256, (batch, frames, size, size, 3), dtype=np.uint8)
    return torch.from_numpy(pixels)


def literal_contrastive(rows: list[list[float]], labels: list[int], temperature: float) -> float:
    """Equation 2 of Khosla et al. (2020), term by term."""
    terms = []
    for anchor, row in enumerate(rows):
        others = [index for index in range(len(rows)) if index != anchor]
        dots = {o: sum(a * b for a, b in zip(row, rows[o], strict=True)) / temperature for o in others}
        total = sum(math.exp(dot) for dot in dots.values())
        positives = [o for o in others if labels[o] == labels[anchor]]
        if positives:
            logs = [math.log(math.exp(dots[p]) / total) for p in positives]
            terms.append(-sum(logs) / len(positives))
    return sum(terms) / len(terms)


def test_constant_says_one_half_of_every_frame() -> None:
    scores = Constant().score(np.zeros((2, 3, 8, 8, 3), np.uint8))
    assert scores.shape == (2, 3)
    assert (scores == 0.5).all()


@pytest.mark.parametrize(
    ("build", "columns"),
    [(Xception, 4), (EfficientNetBiLSTM, 1), (Airl, 4)],
    ids=["xception", "bilstm", "airl"],
)
def test_a_detector_scores_frames_or_clips_and_learns_from_its_loss(build: type, columns: int) -> None:
    torch.manual_seed(0)
    detector = build(size=40, frames=4)
    clips = clips_of(2, 4, 40)
    logits = detector(clips)
    assert logits.shape == (2, columns)
    assert logits.dtype == torch.float32
    loss = detector.loss(clips, torch.tensor([0, 1]))
    assert loss.ndim == 0
    loss.backward()
    assert all(parameter.grad is not None for parameter in detector.parameters())
    with torch.inference_mode():
        scores = detector.eval().score(clips)
    assert scores.shape == (2, columns)
    assert bool(((scores >= 0) & (scores <= 1)).all())


@pytest.mark.parametrize("build", TRAINABLE)
def test_parameter_groups_hold_every_parameter_once(build: type) -> None:
    detector = build(size=32, frames=2)
    grouped = [id(parameter) for group in detector.parameter_groups().values() for parameter in group]
    assert sorted(grouped) == sorted(id(parameter) for parameter in detector.parameters())


@pytest.mark.parametrize("build", TRAINABLE)
def test_the_architecture_is_the_published_one(build: type) -> None:
    millions = sum(parameter.numel() for parameter in build(size=32, frames=2).parameters()) / 1e6
    expected = {Xception: 20.81, EfficientNetBiLSTM: 8.80, Airl: 19.20}
    assert millions == pytest.approx(expected[build], abs=0.01)


def test_xception_scales_pixels_to_minus_one_and_one() -> None:
    seen: list[Tensor] = []
    detector = Xception(size=32, frames=1)
    detector.network.register_forward_pre_hook(lambda module, given: seen.append(given[0]))
    clips = torch.zeros((1, 2, 32, 32, 3), dtype=torch.uint8)
    clips[0, 1] = 255
    detector.eval()(clips)
    assert [frame.unique().tolist() for frame in seen[0]] == [[-1.0], [1.0]]
    assert seen[0].is_contiguous(memory_format=torch.channels_last)


def test_imagenet_normalisation_maps_the_mean_colour_to_zero() -> None:
    seen: list[Tensor] = []
    detector = EfficientNetBiLSTM(size=32, frames=1)
    detector.backbone.register_forward_pre_hook(lambda module, given: seen.append(given[0]))
    colour = torch.tensor([123.675, 116.28, 103.53]).round().to(torch.uint8)
    detector.eval()(colour.expand(1, 1, 32, 32, 3))
    assert float(seen[0].abs().max()) < 0.01


def test_bilstm_reads_the_last_step_as_published_or_the_mean() -> None:
    clips = clips_of(1, 6, 32)
    logits = {}
    for pooling in ("last", "mean"):
        torch.manual_seed(0)
        detector = EfficientNetBiLSTM(size=32, frames=6, pooling=pooling).eval()
        steps: list[Tensor] = []
        detector.lstm.register_forward_hook(lambda module, given, out, kept=steps: kept.append(out[0]))
        with torch.inference_mode():
            logits[pooling] = detector(clips)
            pooled = steps[0][:, -1] if pooling == "last" else steps[0].mean(1)
            torch.testing.assert_close(logits[pooling], detector.classifier(pooled))
    assert not torch.equal(logits["last"], logits["mean"])


def test_bilstm_depends_on_the_order_of_frames_and_xception_does_not() -> None:
    clips = clips_of(1, 4, 32)
    backwards = clips.flip(1)
    torch.manual_seed(0)
    bilstm, xception = EfficientNetBiLSTM(size=32, frames=4).eval(), Xception(size=32, frames=4).eval()
    with torch.inference_mode():
        assert not torch.equal(bilstm(clips), bilstm(backwards))
        torch.testing.assert_close(xception(clips), xception(backwards).flip(1))


def test_block_dct_is_the_orthonormal_dct_of_every_block() -> None:
    gray = np.random.default_rng(0).uniform(0, 255, (2, 24, 16)).astype(np.float32)
    ours = block_dct(torch.from_numpy(gray), dct_matrix()).numpy()
    for image in range(2):
        for row in range(3):
            for column in range(2):
                block = gray[image, 8 * row : 8 * row + 8, 8 * column : 8 * column + 8]
                theirs = scipy.fft.dctn(block, norm="ortho")
                np.testing.assert_allclose(ours[image, row, :, column, :], theirs, atol=2e-3)


def test_the_high_pass_mask_removes_exactly_the_sixteen_lowest_coefficients() -> None:
    mask = high_pass_mask()
    for u in range(8):
        for v in range(8):
            assert mask[u, v] == (0 if u < 4 and v < 4 else 1)


def test_the_frequency_map_keeps_blocks_in_place_and_only_high_frequencies() -> None:
    images = clips_of(1, 1, 24)[0]
    made = FrequencyStream().map(images)[0, 0].numpy()
    gray = images[0].numpy().astype(np.float64) @ [0.299, 0.587, 0.114]
    for row in range(3):
        for column in range(3):
            window = slice(8 * row, 8 * row + 8), slice(8 * column, 8 * column + 8)
            expected = scipy.fft.dctn(gray[window], norm="ortho")
            expected[:4, :4] = 0
            np.testing.assert_allclose(made[window], expected, atol=2e-3)


def test_a_flat_image_has_no_high_frequencies() -> None:
    images = torch.full((1, 16, 16, 3), 200, dtype=torch.uint8)
    assert float(FrequencyStream().map(images).abs().max()) < 1e-3


@pytest.mark.parametrize("labels", [[0, 1, 0, 1, 1], [0, 0, 0, 0, 1], [1, 1, 1, 1, 1]])
def test_the_contrastive_loss_equals_a_literal_loop(labels: list[int]) -> None:
    rows = torch.nn.functional.normalize(torch.randn(5, 6, generator=torch.Generator().manual_seed(1)), dim=1)
    ours = float(supervised_contrastive(rows.double(), torch.tensor(labels)))
    assert ours == pytest.approx(literal_contrastive(rows.double().tolist(), labels, 0.07), rel=1e-9)


def test_the_contrastive_loss_of_clips_without_a_pair_is_zero_and_has_a_gradient() -> None:
    rows = torch.eye(2, requires_grad=True)
    loss = supervised_contrastive(rows, torch.tensor([0, 1]))
    loss.backward()
    assert float(loss.detach()) == 0
    assert rows.grad is not None


def test_the_contrastive_loss_is_finite_for_equal_and_opposite_rows() -> None:
    rows = torch.tensor([[1.0, 0.0], [1.0, 0.0], [-1.0, 0.0], [-1.0, 0.0]], requires_grad=True)
    loss = supervised_contrastive(rows, torch.tensor([0, 1, 0, 1]))
    loss.backward()
    assert rows.grad is not None
    assert bool(torch.isfinite(rows.grad).all())
    assert bool(torch.isfinite(loss))


@pytest.mark.parametrize(("streams", "features"), [("rgb", 1792), ("frequency", 256), ("both", 2048)])
def test_airl_fuses_the_streams_it_was_asked_for(streams: str, features: int) -> None:
    detector = Airl(size=32, frames=2, streams=streams)
    assert detector.fusion[0].in_features == features
    assert (detector.rgb is not None) == (streams != "frequency")
    assert (detector.frequency is not None) == (streams != "rgb")
    with torch.inference_mode():
        assert detector.eval().represent(clips_of(3, 2, 32)).shape == (6, 512)


def test_airl_adds_half_the_contrastive_loss_of_frames_to_the_cross_entropy() -> None:
    detector = Airl(size=32, frames=2, streams="frequency").eval()
    clips, labels = clips_of(3, 2, 32), torch.tensor([0, 1, 1])
    with torch.inference_mode():
        represented = detector.represent(clips)
        rows = torch.nn.functional.normalize(detector.projection(represented), dim=1)
        of_frames = torch.tensor([0, 0, 1, 1, 1, 1])
        logits = detector.classifier(represented)[:, 0]
        cross_entropy = torch.nn.functional.binary_cross_entropy_with_logits(logits, of_frames.float())
        expected = float(cross_entropy) + 0.5 * literal_contrastive(
            rows.double().tolist(), of_frames.tolist(), 0.07
        )
        assert float(detector.loss(clips, labels)) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(
    ("build", "options", "complaint"),
    [
        (Airl, {"size": 60}, "multiple of 8"),
        (Airl, {"streams": "rgb+dct"}, "streams"),
        (EfficientNetBiLSTM, {"pooling": "max"}, "pooling"),
    ],
)
def test_options_a_detector_does_not_have_are_one_clear_line(
    build: type, options: dict, complaint: str
) -> None:
    with pytest.raises(HarnessError, match=complaint):
        build(**{"size": 64, "frames": 2, **options})
