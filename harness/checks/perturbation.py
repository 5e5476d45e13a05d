"""The promises of a perturbation, each tried by one function; its docstring's first line is the promise."""

from __future__ import annotations

import copy
import json

import numpy as np

from harness.checks.finding import Broken, natural_frames, require
from harness.contracts import PerturbationEntry


def parameters_can_be_written_down(entry: PerturbationEntry) -> None:
    """It has at least one severity, and its parameters can be written as JSON into a cell's key."""
    require(isinstance(entry.parameters, tuple), "parameters must be a tuple, one parameter a severity")
    require(entry.parameters, "it has no severity")
    try:
        json.dumps(entry.parameters, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise Broken(f"parameters cannot be written as JSON: {error}") from error


def frames_keep_their_shape_and_type(entry: PerturbationEntry) -> None:
    """Frames stay uint8 [T, H, W, 3]: one or several, wide or tall, 64x64 or 640x360."""
    for frames, height, width in ((2, 64, 64), (1, 120, 90), (1, 360, 640)):
        given = natural_frames(frames, height, width, 3)
        for severity in _severities(entry):
            changed = _apply(entry, given, severity)
            require(isinstance(changed, np.ndarray), f"it gave a {type(changed).__name__}, not an array")
            require(
                changed.shape == given.shape,
                f"severity {severity} turned {list(given.shape)} into {list(changed.shape)}",
            )
            require(changed.dtype == np.uint8, f"severity {severity} turned uint8 into {changed.dtype}")


def given_frames_are_left_alone(entry: PerturbationEntry) -> None:
    """It does not write into the frames it is given."""
    for severity in _severities(entry):
        given = natural_frames(2, 96, 128, 4)
        kept = given.copy()
        entry.apply(given, copy.deepcopy(entry.parameters[severity - 1]), np.random.default_rng(5))
        require(np.array_equal(given, kept), f"severity {severity} wrote into the frames it was given")


def the_same_draw_gives_the_same_frames(entry: PerturbationEntry) -> None:
    """All its chance comes from the generator it is given."""
    given = natural_frames(2, 96, 128, 4)
    for severity in _severities(entry):
        first, second = _apply(entry, given, severity), _apply(entry, given, severity)
        require(
            np.array_equal(first, second), f"severity {severity} gave other frames from the same generator"
        )


def one_draw_serves_the_whole_clip(entry: PerturbationEntry) -> None:
    """Equal frames stay equal: what is drawn is drawn once a clip."""
    given = np.repeat(natural_frames(1, 96, 128, 4), 3, axis=0)
    for severity in _severities(entry):
        changed = _apply(entry, given, severity)
        require(
            (changed == changed[:1]).all(), f"severity {severity} turned three equal frames into unequal ones"
        )


def each_frame_is_changed_by_itself(entry: PerturbationEntry) -> None:
    """A frame comes out the same whichever other frames are shown with it."""
    given = natural_frames(4, 96, 128, 4)
    for severity in _severities(entry):
        alone, together = _apply(entry, given[::2], severity), _apply(entry, given, severity)
        require(
            np.array_equal(together[::2], alone),
            f"severity {severity} changes a frame by the frames that are shown beside it",
        )


def each_severity_changes_more(entry: PerturbationEntry) -> None:
    """Each severity changes the frames more than the one before, the first more than nothing."""
    given = natural_frames(2, 240, 320, 6)
    before = 0.0
    for severity in _severities(entry):
        change = float(np.abs(_apply(entry, given, severity).astype(float) - given).mean())
        require(
            change > before,
            f"severity {severity} changes pixels by {change:.3g} levels, the one before by {before:.3g}",
        )
        before = change


def colours_keep_their_channels(entry: PerturbationEntry) -> None:
    """A red image does not turn green or blue, nor green and blue ones into another: RGB in, RGB out."""
    for channel, colour in enumerate(("red", "green", "blue")):
        given = np.full((1, 96, 128, 3), 40, np.uint8)
        given[..., channel] = 200
        for severity in _severities(entry):
            means = _apply(entry, given, severity).astype(float).mean((0, 1, 2))
            require(
                means[channel] >= means.max() - 1,
                f"severity {severity} turned a {colour} image into RGB {[round(mean) for mean in means]}",
            )


def _severities(entry: PerturbationEntry) -> range:
    return range(1, len(entry.parameters) + 1)


def _apply(entry: PerturbationEntry, frames: np.ndarray, severity: int) -> np.ndarray:
    parameter = copy.deepcopy(entry.parameter(severity))
    return entry.apply(frames.copy(), parameter, np.random.default_rng(5))


PERTURBATION_CHECKS = (
    frames_keep_their_shape_and_type,
    given_frames_are_left_alone,
    the_same_draw_gives_the_same_frames,
    one_draw_serves_the_whole_clip,
    each_frame_is_changed_by_itself,
    each_severity_changes_more,
    colours_keep_their_channels,
)
