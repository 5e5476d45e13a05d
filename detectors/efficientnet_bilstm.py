"""EfficientNet-B0 on each frame, then a bidirectional LSTM over the frames: one score a clip."""

from __future__ import annotations

import timm
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from harness.registry import detector
from harness.types import HarnessError, Recipe

FEATURES = 1280
HIDDEN = 256

RECIPES = {
    "published": Recipe(
        size=224,
        frames=20,
        epochs=20,
        batch=8,
        learning_rate=1e-4,
        backbone_rate=0.1,
        weight_decay=1e-5,
        schedule="cosine",
        clip_norm=1.0,
        patience=5,
        pretrained=True,
        augment=("flip", "light"),
    ),
    "procedural": Recipe(
        size=64,
        frames=6,
        epochs=6,
        batch=8,
        learning_rate=1e-3,
        schedule="cosine",
        clip_norm=1.0,
    ),
}


@detector("efficientnet_bilstm", recipes=RECIPES)
class EfficientNetBiLSTM(nn.Module):
    """Frame features of EfficientNet-B0 (1280), LSTM of 2 layers and 256 units both ways, two linear layers.

    `pooling="last"` reads the last time step only, as published, where the backward direction has
    seen a single frame; `pooling="mean"` averages all time steps.
    """

    clip_based = True
    mean: Tensor
    std: Tensor

    def __init__(self, size: int, frames: int, pretrained: bool = False, pooling: str = "last") -> None:
        super().__init__()
        if pooling not in ("last", "mean"):
            raise HarnessError(f"efficientnet_bilstm: pooling is 'last' or 'mean', not {pooling!r}")
        self.size, self.frames, self.pooling = size, frames, pooling
        self.backbone = timm.create_model("efficientnet_b0", pretrained=pretrained, num_classes=0)
        self.lstm = nn.LSTM(FEATURES, HIDDEN, num_layers=2, batch_first=True, bidirectional=True)
        self.classifier = nn.Sequential(
            nn.Linear(2 * HIDDEN, 128), nn.ReLU(), nn.Dropout(0.5), nn.Linear(128, 1)
        )
        self.register_buffer(
            "mean", torch.tensor((0.485, 0.456, 0.406)).view(3, 1, 1) * 255, persistent=False
        )
        self.register_buffer("std", torch.tensor((0.229, 0.224, 0.225)).view(3, 1, 1) * 255, persistent=False)

    def features(self, clips: Tensor) -> Tensor:
        """Features of the frames `[B, T, 1280]` of uint8 clips `[B, T, S, S, 3]`, from the backbone alone."""
        images = clips.flatten(0, 1).permute(0, 3, 1, 2)
        features: Tensor = self.backbone((images.float() - self.mean) / self.std)
        return features.float().view(*clips.shape[:2], FEATURES)

    def judge(self, features: Tensor) -> Tensor:
        """Logits `[B, 1]` of the features of frames in their order."""
        steps, _ = self.lstm(features)
        pooled = steps[:, -1] if self.pooling == "last" else steps.mean(1)
        logits: Tensor = self.classifier(pooled)
        return logits.float()

    def forward(self, clips: Tensor) -> Tensor:
        """Logits `[B, 1]` of uint8 clips `[B, T, S, S, 3]`, frames in their order."""
        return self.judge(self.features(clips))

    def score_features(self, features: Tensor) -> Tensor:
        """P(fake) `[B, 1]` of the features of clips."""
        return self.judge(features).sigmoid()

    def score(self, clips: Tensor) -> Tensor:
        """P(fake) `[B, 1]`, one a clip."""
        return self(clips).sigmoid()

    def loss(self, clips: Tensor, labels: Tensor) -> Tensor:
        """Binary cross-entropy with the clips' labels `[B]`."""
        return binary_cross_entropy_with_logits(self(clips)[:, 0], labels.float())

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """The EfficientNet is the backbone; LSTM and linear layers are the head."""
        head = [*self.lstm.parameters(), *self.classifier.parameters()]
        return {"backbone": list(self.backbone.parameters()), "head": head}
