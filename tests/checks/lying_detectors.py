"""An honest network, what becomes of it when one promise is broken, and the check to say so."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from harness.types import Recipe

RECIPE = Recipe(size=16, frames=3, epochs=1, batch=2, learning_rate=0.01)


class Honest(nn.Module):
    """Two linear layers and a batch normalisation on the mean colours of a frame."""

    def __init__(self, size: int, frames: int, pretrained: bool = False) -> None:
        super().__init__()
        self.size, self.frames = size, frames
        self.backbone = nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.1))
        self.head = nn.Linear(8, 1)

    def forward(self, clips: Tensor) -> Tensor:
        means = clips.float().mean((2, 3)) / 255
        return self.head(self.backbone(means.flatten(0, 1))).view(clips.shape[:2])

    def score(self, clips: Tensor) -> Tensor:
        return self(clips).sigmoid()

    def loss(self, clips: Tensor, labels: Tensor) -> Tensor:
        wanted = labels.float()[:, None].expand(clips.shape[:2])
        return nn.functional.binary_cross_entropy_with_logits(self(clips), wanted)

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        return {"backbone": list(self.backbone.parameters()), "head": list(self.head.parameters())}


class WrongSize(Honest):
    def __init__(self, size: int, frames: int, pretrained: bool = False) -> None:
        super().__init__(224, frames)


class NoFrames(Honest):
    def __init__(self, size: int, frames: int, pretrained: bool = False) -> None:
        super().__init__(size, 0)


class CannotBeBuilt(Honest):
    def __init__(self, size: int, frames: int, pretrained: bool = False) -> None:
        raise FileNotFoundError("weights.bin\nis not there")


class EndsTheProgram(Honest):
    def __init__(self, size: int, frames: int, pretrained: bool = False) -> None:
        sys.exit("goodbye")


class NotAModule:
    size, frames = 16, 3

    def __init__(self, size: int, frames: int, pretrained: bool = False) -> None: ...

    def score(self, clips: np.ndarray) -> np.ndarray:
        return np.full(clips.shape[:2], 0.5, np.float32)


class NotAModuleWithLoss(NotAModule):
    def loss(self, clips: Any, labels: Any) -> float:
        return 0.5


class NothingToTrain(Honest):
    def __init__(self, size: int, frames: int, pretrained: bool = False) -> None:
        super().__init__(size, frames)
        self.requires_grad_(False)


class NoLoss(Honest):
    loss = None


class LossPerClip(Honest):
    def loss(self, clips: Tensor, labels: Tensor) -> Tensor:
        return (self(clips).mean(1) - labels) ** 2


class LossIsNan(Honest):
    def loss(self, clips: Tensor, labels: Tensor) -> Tensor:
        return super().loss(clips, labels) * float("nan")


class LossIsDetached(Honest):
    def loss(self, clips: Tensor, labels: Tensor) -> Tensor:
        return super().loss(clips, labels).detach()


class LossIsFloat(Honest):
    def loss(self, clips: Tensor, labels: Tensor) -> Any:
        return super().loss(clips, labels).item()


class ForgottenPart(Honest):
    def __init__(self, size: int, frames: int, pretrained: bool = False) -> None:
        super().__init__(size, frames)
        self.forgotten = nn.Linear(3, 3)


class CutOffBackbone(Honest):
    def forward(self, clips: Tensor) -> Tensor:
        means = clips.float().mean((2, 3)) / 255
        return self.head(self.backbone(means.flatten(0, 1)).detach()).view(clips.shape[:2])


class GroupsLeaveOut(Honest):
    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        return {"head": list(self.head.parameters())}


class GroupsTwice(Honest):
    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        return {"backbone": list(self.parameters()), "head": list(self.head.parameters())}


class GroupsUnknown(Honest):
    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        return {"all": list(self.parameters())}


class LossWithTheWrongSign(Honest):
    def loss(self, clips: Tensor, labels: Tensor) -> Tensor:
        loss = super().loss(clips, labels)
        return loss.detach() * 2 - loss


class HiddenState(Honest):
    def __init__(self, size: int, frames: int, pretrained: bool = False) -> None:
        super().__init__(size, frames)
        self.offset = torch.randn(())

    def forward(self, clips: Tensor) -> Tensor:
        return super().forward(clips) + self.offset


class LateBuffer(Honest):
    def forward(self, clips: Tensor) -> Tensor:
        self.register_buffer("seen", torch.zeros(1))
        return super().forward(clips)


class FlatScores(Honest):
    def score(self, clips: Tensor) -> Tensor:
        return super().score(clips)[:, 0]


class NumpyFromAModule(Honest):
    def score(self, clips: Tensor) -> Any:
        return super().score(clips).numpy()


class Logits(Honest):
    def score(self, clips: Tensor) -> Tensor:
        return self(clips) * 100


class NanOnBlack(Honest):
    def score(self, clips: Tensor) -> Tensor:
        light = clips.float().mean((2, 3, 4))
        return super().score(clips) * light / light


class DropoutLeftOn(Honest):
    def score(self, clips: Tensor) -> Tensor:
        return nn.functional.dropout(super().score(clips), 0.5, training=True).clamp(0, 1)


class Counts(Honest):
    calls = 0

    def score(self, clips: Tensor) -> Tensor:
        self.calls += 1
        return (super().score(clips) + 0.001 * self.calls).clamp(0, 1)


class NormalisedOverTheBatch(Honest):
    def score(self, clips: Tensor) -> Tensor:
        logits = self(clips)
        return (logits - logits.mean()).sigmoid()


class LooksAtItsPlace(Honest):
    def score(self, clips: Tensor) -> Tensor:
        last = torch.arange(len(clips))[:, None] == len(clips) - 1
        return super().score(clips) * torch.where(last & (len(clips) > 1), 0.9, 1.0)


class HasFeatures(Honest):
    def features(self, clips: Tensor) -> Tensor:
        return self.backbone((clips.float().mean((2, 3)) / 255).flatten(0, 1)).view(*clips.shape[:2], 8)

    def score_features(self, features: Tensor) -> Tensor:
        return self.head(features)[..., 0].sigmoid()


class FeaturesOfItsHead(HasFeatures):
    def features(self, clips: Tensor) -> Tensor:
        return super().features(clips) * self.head.weight[0, 0]

    def score_features(self, features: Tensor) -> Tensor:
        return super().score_features(features / self.head.weight[0, 0])


class OtherScoresByFeatures(HasFeatures):
    def score_features(self, features: Tensor) -> Tensor:
        return super().score_features(features) * 0.9


class WritesIntoTheClips(Honest):
    def score(self, clips: Tensor) -> Tensor:
        said = super().score(clips)
        clips[:, 0] = 0
        return said


class StaysInTraining(Honest):
    def score(self, clips: Tensor) -> Tensor:
        said = super().score(clips)
        self.backbone.train()
        return said


BAD_DETECTORS: list[tuple[type, str]] = [
    (WrongSize, "is_built_from_every_recipe"),
    (NoFrames, "is_built_from_every_recipe"),
    (CannotBeBuilt, "is_built_from_every_recipe"),
    (EndsTheProgram, "is_built_from_every_recipe"),
    (NotAModule, "is_a_module_with_a_loss"),
    (NotAModuleWithLoss, "is_a_module_with_a_loss"),
    (NothingToTrain, "is_a_module_with_a_loss"),
    (NoLoss, "is_a_module_with_a_loss"),
    (LossPerClip, "loss_is_a_finite_number"),
    (LossIsNan, "loss_is_a_finite_number"),
    (LossIsDetached, "loss_is_a_finite_number"),
    (LossIsFloat, "loss_is_a_finite_number"),
    (ForgottenPart, "gradient_reaches_every_part"),
    (CutOffBackbone, "gradient_reaches_every_part"),
    (GroupsLeaveOut, "parameter_groups_hold_every_parameter_once"),
    (GroupsTwice, "parameter_groups_hold_every_parameter_once"),
    (GroupsUnknown, "parameter_groups_hold_every_parameter_once"),
    (LossWithTheWrongSign, "loss_falls_in_training"),
    (HiddenState, "weights_survive_a_file"),
    (LateBuffer, "weights_survive_a_file"),
    (FlatScores, "scores_have_the_promised_shape"),
    (NumpyFromAModule, "scores_have_the_promised_shape"),
    (Logits, "scores_are_probabilities"),
    (NanOnBlack, "scores_are_probabilities"),
    (DropoutLeftOn, "scores_repeat"),
    (Counts, "scores_repeat"),
    (NormalisedOverTheBatch, "scores_do_not_depend_on_the_batch"),
    (LooksAtItsPlace, "scores_do_not_depend_on_the_batch"),
    (FeaturesOfItsHead, "features_give_the_same_scores"),
    (OtherScoresByFeatures, "features_give_the_same_scores"),
    (WritesIntoTheClips, "scoring_leaves_the_clips_alone"),
    (StaysInTraining, "scoring_leaves_the_mode_alone"),
]


class HalfFloats(NotAModule):
    def __init__(self) -> None: ...


class ListScores(HalfFloats):
    def score(self, clips: np.ndarray) -> Any:
        return [[0.5] * clips.shape[1]] * len(clips)


class OneForAll(HalfFloats):
    def score(self, clips: np.ndarray) -> np.ndarray:
        return np.full((1, 1), 0.5)


class Dims(HalfFloats):
    def score(self, clips: np.ndarray) -> np.ndarray:
        clips //= 2
        return clips.mean((2, 3, 4)) / 255


class ThresholdOfLogits(HalfFloats):
    threshold = 2.5


class ChosenOnTheTest(HalfFloats):
    checkpoint_source = "best on Celeb-DF"


class OriginUnknown(HalfFloats):
    threshold = None
    checkpoint_source = "unknown"


BAD_FIXED: list[tuple[type, str]] = [
    (ListScores, "scores_have_the_promised_shape"),
    (OneForAll, "scores_have_the_promised_shape"),
    (Dims, "scoring_leaves_the_clips_alone"),
    (ThresholdOfLogits, "threshold_says_where_it_came_from"),
    (ChosenOnTheTest, "threshold_says_where_it_came_from"),
]
