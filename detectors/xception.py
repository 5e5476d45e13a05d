"""Xception on single frames: the baseline of the deepfake literature (Chollet 2017; Rössler et al. 2019)."""

from __future__ import annotations

from typing import Any

import timm
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from harness.registry import detector
from harness.types import Recipe

RECIPES = {
    "published": Recipe(
        size=299,
        frames=32,
        train_frames=4,  # 32 images a step
        epochs=20,
        batch=8,
        learning_rate=2e-4,
        weight_decay=5e-4,
        schedule="cosine",
        patience=5,
        precision="auto",
        pretrained=True,
        augment=("flip", "light", "jpeg"),
    ),
    "procedural": Recipe(
        size=64,
        frames=4,
        epochs=7,
        batch=16,
        learning_rate=1e-3,
        schedule="cosine",
        precision="auto",
    ),
}


@detector("xception", recipes=RECIPES)
class Xception(nn.Module):
    """timm's `legacy_xception` with one logit, fake positive; scores every frame by itself.

    Pixels are scaled to [-1, 1] (mean = std = 0.5), as the published ImageNet weights expect.
    """

    def __init__(self, size: int, frames: int, pretrained: bool = False) -> None:
        super().__init__()
        self.size, self.frames = size, frames
        self.network: Any = timm.create_model("legacy_xception", pretrained=pretrained, num_classes=1)

    def forward(self, clips: Tensor) -> Tensor:
        """Logits `[B, T]` of uint8 clips `[B, T, S, S, 3]`."""
        images = clips.flatten(0, 1).permute(0, 3, 1, 2)  # channels last in memory, without a copy
        logits: Tensor = self.network(images.float() / 127.5 - 1)
        return logits.float().view(clips.shape[:2])

    def score(self, clips: Tensor) -> Tensor:
        """P(fake) `[B, T]`, one a frame."""
        return self(clips).sigmoid()

    def loss(self, clips: Tensor, labels: Tensor) -> Tensor:
        """Binary cross-entropy, every frame carrying the label `[B]` of its clip."""
        logits = self(clips)
        return binary_cross_entropy_with_logits(logits, labels.float()[:, None].expand_as(logits))

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """All but the last layer are the backbone."""
        head = list(self.network.get_classifier().parameters())
        known = {id(parameter) for parameter in head}
        backbone = [parameter for parameter in self.parameters() if id(parameter) not in known]
        return {"backbone": backbone, "head": head}
