"""The perturbations against direct implementations, and what all of them promise."""

from __future__ import annotations

import io
import itertools
import json

import cv2
import numpy as np
import pytest
from PIL import Image

from harness import registry

NAMES = ("blur", "blur_jpeg", "jpeg", "resize")
SEVERITIES = (1, 2, 3, 4, 5)


def natural_clip(height: int, width: int, frames: int, seed: int = 0) -> np.ndarray:
    """Frames with a 1/f spectrum and strong colour, drifting, with a little sensor noise."""
    rng = np.random.default_rng(seed)
    scene = np.zeros((height, width + frames, 3))
    for cells in (4, 8, 16, 32, 64):
        layer = rng.normal(size=(max(2, height // (256 // cells) + 2), cells, 3)).astype(np.float32)
        scene += cv2.resize(layer, (width + frames, height), interpolation=cv2.INTER_CUBIC) * 120 / cells**0.7
    clip = [scene[:, shift : shift + width] + rng.normal(0, 2, (height, width, 3)) for shift in range(frames)]
    return (np.stack(clip) + 128).clip(0, 255).astype(np.uint8)


def perturbed(name: str, severity: int, frames: np.ndarray, seed: int = 0) -> np.ndarray:
    entry = registry.perturbations.get(name)
    return entry.apply(frames, entry.parameter(severity), np.random.default_rng(seed))


def parameter(name: str, severity: int):
    return registry.perturbations.get(name).parameter(severity)


def largest_difference(one: np.ndarray, other: np.ndarray) -> int:
    return int(np.abs(one.astype(int) - other.astype(int)).max())


def cv2_jpeg(frame: np.ndarray, quality: int) -> np.ndarray:
    settings = [cv2.IMWRITE_JPEG_QUALITY, quality]
    settings += [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420]
    _, data = cv2.imencode(".jpg", cv2.cvtColor(frame, cv2.COLOR_RGB2BGR), settings)
    return cv2.cvtColor(cv2.imdecode(data, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


def pillow_jpeg(frame: np.ndarray, quality: int) -> np.ndarray:
    data = io.BytesIO()
    Image.fromarray(frame).save(data, "JPEG", quality=quality, subsampling="4:2:0")
    return np.asarray(Image.open(data).convert("RGB"))


@pytest.mark.parametrize("severity", SEVERITIES)
def test_blur_equals_opencvs_gaussian_within_one_level(severity):
    frames = natural_clip(144, 176, 2)
    kernel = (7, 9, 13, 17, 21)[severity - 1]
    expected = np.stack([cv2.GaussianBlur(frame, (kernel, kernel), kernel / 6) for frame in frames])
    assert largest_difference(perturbed("blur", severity, frames), expected) <= 1


@pytest.mark.parametrize("encode", [cv2_jpeg, pillow_jpeg])
@pytest.mark.parametrize("severity", SEVERITIES)
def test_jpeg_equals_a_plain_encoder_given_rgb_in_the_right_order(severity, encode):
    frames = natural_clip(150, 201, 2)
    expected = np.stack([encode(frame, parameter("jpeg", severity)) for frame in frames])
    assert largest_difference(perturbed("jpeg", severity, frames), expected) <= 1


def test_the_jpeg_check_sees_channels_in_the_wrong_order():
    frame = natural_clip(150, 201, 1)[0]
    wrong = cv2_jpeg(frame[..., ::-1], 50)[..., ::-1]
    assert largest_difference(wrong, cv2_jpeg(frame, 50)) > 8


@pytest.mark.parametrize("severity", SEVERITIES)
def test_resize_equals_shrinking_by_area_and_enlarging_linearly(severity):
    frames = natural_clip(144, 203, 2)
    scale = parameter("resize", severity)
    small = (round(203 * scale), round(144 * scale))
    expected = [
        cv2.resize(cv2.resize(frame, small, interpolation=cv2.INTER_AREA), (203, 144)) for frame in frames
    ]
    assert largest_difference(perturbed("resize", severity, frames), np.stack(expected)) <= 1


@pytest.mark.parametrize("severity", SEVERITIES)
def test_blur_jpeg_is_blur_then_jpeg_of_the_same_severity(severity):
    frames = natural_clip(144, 176, 2)
    expected = perturbed("jpeg", severity, perturbed("blur", severity, frames))
    assert np.array_equal(perturbed("blur_jpeg", severity, frames), expected)
    assert not np.array_equal(perturbed("blur", severity, perturbed("jpeg", severity, frames)), expected)


@pytest.mark.parametrize("shape", [(144, 144), (360, 480)])
@pytest.mark.parametrize("name", NAMES)
def test_each_severity_changes_the_frames_more_than_the_one_before(name, shape):
    frames = natural_clip(*shape, 2)
    changes = [
        float(np.square(perturbed(name, severity, frames).astype(float) - frames).mean())
        for severity in SEVERITIES
    ]
    assert changes[0] > 0.5
    assert all(more > 1.05 * less for less, more in itertools.pairwise(changes)), changes


@pytest.mark.parametrize("name", NAMES)
def test_the_same_frames_come_out_the_same_whatever_the_generator_and_the_neighbours(name):
    frames = natural_clip(96, 128, 3)
    together = perturbed(name, 3, frames, seed=1)
    assert np.array_equal(together, perturbed(name, 3, frames, seed=2))
    alone = np.concatenate([perturbed(name, 3, frames[i : i + 1]) for i in range(3)])
    assert np.array_equal(together, alone)


@pytest.mark.parametrize("shape", [(1, 96, 128, 3), (3, 131, 57, 3), (2, 16, 24, 3)])
@pytest.mark.parametrize("name", NAMES)
def test_shape_and_type_are_kept_and_the_input_is_left_alone(name, shape):
    frames = natural_clip(shape[1], shape[2], shape[0])
    before = frames.copy()
    frames.flags.writeable = False
    for severity in SEVERITIES:
        after = perturbed(name, severity, frames)
        assert after.shape == shape
        assert after.dtype == np.uint8
        assert not np.shares_memory(after, frames)
    assert np.array_equal(frames, before)


@pytest.mark.parametrize("name", NAMES)
def test_a_strided_view_of_frames_is_perturbed_like_a_copy(name):
    frames = natural_clip(96, 128, 4)
    view = frames[::2, :, ::-1]
    assert np.array_equal(perturbed(name, 3, view), perturbed(name, 3, view.copy()))


@pytest.mark.parametrize("name", NAMES)
def test_the_parameters_are_five_and_can_be_written_as_json(name):
    parameters = registry.perturbations.get(name).parameters
    assert len(parameters) == 5
    assert json.loads(json.dumps(parameters)) == list(parameters)


def test_resize_leaves_every_edge_where_it_was():
    frames = np.zeros((1, 144, 203, 3), np.uint8)
    frames[:, :, 100:] = 255
    for severity in SEVERITIES:
        shrunk = perturbed("resize", severity, frames)[0, 72, :, 0].astype(float)
        assert abs((255 - shrunk).sum() / 255 - 100) < 0.5


@pytest.mark.parametrize("name", NAMES)
def test_a_frame_of_a_few_pixels_is_perturbed_without_complaint(name):
    assert perturbed(name, 5, np.full((1, 3, 1, 3), 99, np.uint8)).shape == (1, 3, 1, 3)
