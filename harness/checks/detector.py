"""The promises of a detector, each tried by one function; the first line of its docstring is the promise."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from harness.checks.finding import natural_frames, require
from harness.contracts import DetectorEntry, stated_selection
from harness.types import FAKE, REAL, HarnessError, Recipe

SCORE_TOLERANCE = 1e-5
"""Largest difference between scores that ought to be equal (fp32)."""
TRAINING_STEPS = 4
TRAINING_RATE = 1e-3


@dataclass
class DetectorTrial:
    """A detector under test."""

    entry: DetectorEntry
    detector: Any = None

    @cached_property
    def recipe(self) -> Recipe | None:
        """The recipe that costs least, never starting from published weights; None for a fixed detector."""
        recipes = self.entry.recipes.values()
        if not recipes:
            return None
        return _without_weights(min(recipes, key=lambda recipe: (recipe.size, recipe.frames)))

    @cached_property
    def clips(self) -> np.ndarray:
        """Four different clips, two of them extreme: uint8 `[4, T, S, S, 3]`."""
        size, frames = self.detector.size, self.detector.frames
        textured = [natural_frames(frames, size, size, seed) for seed in (1, 2)]
        return np.stack(
            [textured[0], textured[1], np.zeros_like(textured[0]), np.full_like(textured[0], 255)]
        )

    @cached_property
    def scores(self) -> np.ndarray:
        """The scores of the four clips."""
        return self.score(self.clips)

    def score(self, clips: np.ndarray, detector: Any = None) -> np.ndarray:
        """The scores as numpy, from a detector in evaluation mode."""
        return np.asarray(self.raw_score(clips, detector))

    def raw_score(self, clips: np.ndarray, detector: Any = None) -> Any:
        """The scores as the detector gives them."""
        detector = self.detector if detector is None else detector
        if not _is_module(detector):
            return detector.score(clips.copy())
        import torch

        with torch.no_grad():
            return detector.eval().score(torch.from_numpy(clips.copy()))

    def loss(self) -> Any:
        """The loss of the four clips, the first and third real, in training mode with fixed dropout."""
        import torch

        labels = torch.tensor([REAL, FAKE, REAL, FAKE])
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return self.detector.train().loss(torch.from_numpy(self.clips.copy()), labels)


def _without_weights(recipe: Recipe) -> Recipe:
    return dataclasses.replace(recipe, pretrained=False)


def _is_module(detector: Any) -> bool:
    from torch import nn

    return isinstance(detector, nn.Module)


def is_built_from_every_recipe(trial: DetectorTrial) -> None:
    """Every recipe builds it, with the recipe's size and frames; a fixed detector builds as it is."""
    if not trial.entry.trainable:
        trial.detector = trial.entry.make()
        _require_counts(trial.detector)
    for name, recipe in trial.entry.recipes.items():
        bare = _without_weights(recipe)
        detector = trial.entry.make(bare)
        _require_counts(detector)
        built, wanted = (detector.size, detector.frames), (bare.size, bare.frames)
        require(built == wanted, f"recipe {name!r} asks for size and frames {wanted}, it has {built}")
        if bare == trial.recipe:
            trial.detector = detector


def _require_counts(detector: Any) -> None:
    for what in ("size", "frames"):
        value = getattr(detector, what, None)
        require(type(value) is int and value > 0, f"{what} must be a whole number above 0, not {value!r}")


def is_a_module_with_a_loss(trial: DetectorTrial) -> None:
    """A detector that has recipes is a torch.nn.Module with parameters and a `loss`."""
    require(
        _is_module(trial.detector), f"it has recipes but is no nn.Module: {type(trial.detector).__name__}"
    )
    require(callable(getattr(trial.detector, "loss", None)), "it has recipes but no `loss`")
    trained = [parameter for parameter in trial.detector.parameters() if parameter.requires_grad]
    require(trained, "it has recipes but no parameter that can be trained")


def loss_is_a_finite_number(trial: DetectorTrial) -> None:
    """The loss of clips and labels is one finite number that the parameters can follow."""
    import torch

    loss = trial.loss()
    require(isinstance(loss, torch.Tensor), f"the loss is a {type(loss).__name__}, not a tensor")
    require(loss.shape == (), f"the loss has shape {list(loss.shape)}; expected one number")
    require(bool(loss.isfinite()), f"the loss is {loss.item()}")
    require(loss.requires_grad, "the loss is detached from the parameters")


def gradient_reaches_every_part(trial: DetectorTrial) -> None:
    """The gradient of the loss reaches every top-level part that has parameters to train."""
    trial.detector.zero_grad(set_to_none=True)
    trial.loss().backward()
    for name, part in trial.detector.named_children():
        gradients = [parameter.grad for parameter in part.parameters() if parameter.requires_grad]
        reached = any(gradient is not None and bool(gradient.any()) for gradient in gradients)
        require(reached or not gradients, f"no gradient reaches {name!r}")


def parameter_groups_hold_every_parameter_once(trial: DetectorTrial) -> None:
    """Where there is `parameter_groups`, it holds every parameter once, under `backbone` or `head`."""
    if not hasattr(trial.detector, "parameter_groups"):
        return
    groups = trial.detector.parameter_groups()
    strange = sorted(set(groups) - {"backbone", "head"})
    require(not strange, f"parameter_groups names {strange}; known are 'backbone' and 'head'")
    grouped = [id(parameter) for group in groups.values() for parameter in group]
    require(len(grouped) == len(set(grouped)), "parameter_groups holds a parameter twice")
    left = sum(id(parameter) not in grouped for parameter in trial.detector.parameters())
    require(left == 0, f"parameter_groups leaves {left} parameters out")


def loss_falls_in_training(trial: DetectorTrial) -> None:
    """A few optimizer steps on one fixed batch lower its loss."""
    import torch

    trained = [parameter for parameter in trial.detector.parameters() if parameter.requires_grad]
    for part in trial.detector.modules():
        if isinstance(part, torch.nn.modules.batchnorm._BatchNorm):
            part.momentum = 0.5  # so few steps would leave it with the statistics it was born with
    optimizer = torch.optim.Adam(trained, lr=TRAINING_RATE)
    losses = []
    for _ in range(TRAINING_STEPS):
        optimizer.zero_grad(set_to_none=True)
        loss = trial.loss()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    require(
        min(losses[1:]) < losses[0],
        f"the loss was {losses[0]:.4g} and never lower in {TRAINING_STEPS - 1} steps",
    )


def weights_survive_a_file(trial: DetectorTrial) -> None:
    """Its state_dict, saved and loaded strictly into a new detector, gives the same scores."""
    from safetensors.torch import load, save

    state = {name: value.contiguous() for name, value in trial.detector.state_dict().items()}
    other = trial.entry.make(trial.recipe)
    other.load_state_dict(load(save(state)), strict=True)
    _require_equal(trial.scores, trial.score(trial.clips, other), "after loading its weights")


def scores_have_the_promised_shape(trial: DetectorTrial) -> None:
    """Scores are [B, T] or [B, 1], and tensors from an nn.Module, numpy arrays from anything else."""
    frames = trial.detector.frames
    for batch in (1, 3):
        scores = trial.raw_score(trial.clips[:batch])
        if _is_module(trial.detector):
            import torch

            require(
                isinstance(scores, torch.Tensor), f"an nn.Module gave a {type(scores).__name__}, not a tensor"
            )
        else:
            require(isinstance(scores, np.ndarray), f"it gave a {type(scores).__name__}, not a numpy array")
        shape = tuple(scores.shape)
        require(
            shape in ((batch, frames), (batch, 1)),
            f"scores of {batch} clips of {frames} frames have shape {list(shape)}; "
            f"expected [{batch}, {frames}] or [{batch}, 1]",
        )


def scores_are_probabilities(trial: DetectorTrial) -> None:
    """Scores are finite and within 0 and 1, for black and white clips too."""
    scores = trial.scores
    require(np.isfinite(scores).all(), "a score is NaN or infinite")
    require(
        scores.min() >= 0 and scores.max() <= 1,
        f"scores lie from {scores.min():.4g} to {scores.max():.4g}; P(fake) is within 0 and 1",
    )


def threshold_says_where_it_came_from(trial: DetectorTrial) -> None:
    """A fixed detector's threshold is within 0 and 1 or None; its checkpoint is fixed or unknown."""
    if trial.entry.trainable:
        return
    try:
        stated_selection(trial.detector, trial.entry.name)
    except HarnessError as error:
        require(False, str(error))


def scores_repeat(trial: DetectorTrial) -> None:
    """The same clips get the same scores when they are scored again."""
    _require_equal(trial.scores, trial.score(trial.clips), "when scored again")


def scores_do_not_depend_on_the_batch(trial: DetectorTrial) -> None:
    """A clip gets the same score alone as among others."""
    together = trial.scores
    for number in range(len(trial.clips)):
        alone = trial.score(trial.clips[number : number + 1])
        _require_equal(together[number : number + 1], alone, "alone and in a batch")


def features_give_the_same_scores(trial: DetectorTrial) -> None:
    """One that offers features scores the same by them, and they depend on nothing but its backbone."""
    if not all(hasattr(trial.detector, name) for name in ("features", "score_features")):
        return
    import torch

    backbone: Any = getattr(trial.detector, "backbone", None)
    require(_is_module(backbone), "it offers features but no `backbone` that is an nn.Module")
    clips = torch.from_numpy(trial.clips.copy())
    with torch.no_grad():
        features = trial.detector.eval().features(clips)
        scores = trial.detector.score_features(features).numpy()
    _require_equal(trial.scores, scores, "by way of its features")
    other = trial.entry.make(trial.recipe)
    other.backbone.load_state_dict(backbone.state_dict())
    with torch.no_grad():
        moved = float((other.eval().features(clips) - features).abs().max())
    require(moved <= SCORE_TOLERANCE, f"another with the same backbone has other features (by {moved:.2g})")


def scoring_leaves_the_clips_alone(trial: DetectorTrial) -> None:
    """Scoring does not write into the clips it is given."""
    given: Any = trial.clips.copy()
    if _is_module(trial.detector):
        import torch

        given = torch.from_numpy(given)
        with torch.no_grad():
            trial.detector.eval().score(given)
    else:
        trial.detector.score(given)
    require(np.array_equal(np.asarray(given), trial.clips), "scoring changed the clips it was given")


def scoring_leaves_the_mode_alone(trial: DetectorTrial) -> None:
    """A detector in evaluation mode is still in it after scoring."""
    if not _is_module(trial.detector):
        return
    trial.score(trial.clips[:1])
    training = [name or "the detector" for name, part in trial.detector.named_modules() if part.training]
    require(not training, f"scoring left {training[:1]} in training mode")


def _require_equal(one: np.ndarray, other: np.ndarray, when: str) -> None:
    difference = float(np.abs(one.astype(float) - other.astype(float)).max())
    require(difference <= SCORE_TOLERANCE, f"a score differs by {difference:.2g} {when}")


TRAINABLE_CHECKS = (
    is_a_module_with_a_loss,
    loss_is_a_finite_number,
    gradient_reaches_every_part,
    parameter_groups_hold_every_parameter_once,
    loss_falls_in_training,  # the scores are tried after it: fresh networks say nearly the same of every clip
    weights_survive_a_file,
)
DETECTOR_CHECKS = (
    scores_have_the_promised_shape,
    scores_are_probabilities,
    threshold_says_where_it_came_from,
    scores_repeat,
    scores_do_not_depend_on_the_batch,
    features_give_the_same_scores,
    scoring_leaves_the_clips_alone,
    scoring_leaves_the_mode_alone,
)
