"""Artifact-invariant representation learning: an RGB and a frequency stream, and a contrastive loss."""

from __future__ import annotations

import math

import timm
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, normalize

from harness.registry import detector
from harness.types import HarnessError, Recipe

BLOCK = 8
RGB_FEATURES = 1792
FREQUENCY_FEATURES = 256
REPRESENTATION = 512
TEMPERATURE = 0.07
CONTRASTIVE_WEIGHT = 0.5

RECIPES = {
    "published": Recipe(
        size=224,
        frames=10,
        train_frames=4,  # 32 images a step, as in the source
        epochs=50,
        batch=8,
        learning_rate=1e-4,
        backbone_rate=0.1,
        weight_decay=1e-5,
        schedule="cosine-restarts",
        clip_norm=1.0,
        patience=10,
        precision="auto",
        pretrained=True,
        augment=("flip", "light", "noise", "jpeg"),
    ),
    "procedural": Recipe(
        size=64,
        frames=4,
        epochs=7,
        batch=16,
        learning_rate=1e-3,
        schedule="cosine",
        clip_norm=1.0,
    ),
    "smoke": Recipe(
        size=64,
        frames=4,
        epochs=8,
        batch=16,
        train_frames=2,
        learning_rate=1e-3,
        schedule="cosine",
        clip_norm=1.0,
        options={"streams": "frequency"},
    ),
}


def dct_matrix() -> Tensor:
    """The orthonormal DCT-II of 8 values as a matrix `[frequency, position]`."""
    frequency, position = torch.arange(BLOCK)[:, None], torch.arange(BLOCK)[None, :]
    matrix = torch.cos(math.pi * frequency * (2 * position + 1) / (2 * BLOCK)) * math.sqrt(2 / BLOCK)
    matrix[0] /= math.sqrt(2)
    return matrix


def high_pass_mask() -> Tensor:
    """0 for the coefficients with u < 4 and v < 4, else 1, `[8, 8]`."""
    mask = torch.ones(BLOCK, BLOCK)
    mask[: BLOCK // 2, : BLOCK // 2] = 0
    return mask


def block_dct(gray: Tensor, matrix: Tensor) -> Tensor:
    """Coefficients `[N, S/8, 8, S/8, 8]` of the 8x8 blocks of `[N, S, S]`; axes 2 and 4 are u and v."""
    number, height, width = gray.shape
    blocks = gray.reshape(number, height // BLOCK, BLOCK, width // BLOCK, BLOCK)
    return torch.einsum("ui,nhiwj,vj->nhuwv", matrix, blocks, matrix)


def supervised_contrastive(projections: Tensor, labels: Tensor, temperature: float = TEMPERATURE) -> Tensor:
    """Supervised contrastive loss of L2-normalised rows `[N, D]` with classes `[N]` (Khosla et al. 2020).

    The mean over anchors of minus the mean log-probability of their positives, the anchor itself
    left out of both sums; anchors without a positive are skipped, and 0 is returned if all are.
    """
    itself = torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    similarity = (projections @ projections.T / temperature).masked_fill(itself, -torch.inf)
    log_probability = similarity - torch.logsumexp(similarity, dim=1, keepdim=True)
    positive = (labels[:, None] == labels[None, :]) & ~itself
    counts = positive.sum(1)
    anchors = counts > 0
    if not bool(anchors.any()):
        return projections.sum() * 0
    summed = log_probability.masked_fill(~positive, 0).sum(1)
    return -(summed[anchors] / counts[anchors]).mean()


class FrequencyStream(nn.Module):
    """High-pass block DCT of the gray image, three strided convolutions, 256 features."""

    matrix: Tensor
    mask: Tensor
    gray: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("matrix", dct_matrix(), persistent=False)
        self.register_buffer("mask", high_pass_mask(), persistent=False)
        self.register_buffer("gray", torch.tensor((0.299, 0.587, 0.114)), persistent=False)
        layers: list[nn.Module] = []
        for entering, leaving in ((1, 64), (64, 128), (128, 256)):
            convolution = nn.Conv2d(entering, leaving, 3, stride=2, padding=1, bias=False)
            layers += [convolution, nn.BatchNorm2d(leaving), nn.ReLU(inplace=True)]
        self.convolutions = nn.Sequential(*layers)
        self.output = nn.Sequential(nn.Linear(256, FREQUENCY_FEATURES), nn.Dropout(0.3))
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")

    def map(self, images: Tensor) -> Tensor:
        """High-frequency coefficients `[N, 1, S, S]`, in their blocks, of uint8 images `[N, S, S, 3]`."""
        with torch.autocast(images.device.type, enabled=False):
            coefficients = block_dct(images.float() @ self.gray, self.matrix)
            kept = coefficients * self.mask[:, None, :]
        return kept.reshape(len(images), 1, *images.shape[1:3])

    def forward(self, images: Tensor) -> Tensor:
        """Features `[N, 256]` of uint8 images `[N, S, S, 3]`."""
        maps = self.map(images).contiguous(memory_format=torch.channels_last)
        features: Tensor = self.output(self.convolutions(maps).mean((2, 3)))
        return features


class RgbStream(nn.Module):
    """EfficientNet-B4 with ImageNet normalisation, pooled to 1792 features."""

    mean: Tensor
    std: Tensor

    def __init__(self, pretrained: bool) -> None:
        super().__init__()
        self.backbone = timm.create_model("efficientnet_b4", pretrained=pretrained, num_classes=0)
        self.register_buffer(
            "mean", torch.tensor((0.485, 0.456, 0.406)).view(3, 1, 1) * 255, persistent=False
        )
        self.register_buffer("std", torch.tensor((0.229, 0.224, 0.225)).view(3, 1, 1) * 255, persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Features `[N, 1792]` of uint8 images `[N, S, S, 3]`."""
        features: Tensor = self.backbone((images.permute(0, 3, 1, 2).float() - self.mean) / self.std)
        return features


@detector("airl", recipes=RECIPES)
class Airl(nn.Module):
    """EfficientNet-B4 beside a high-pass DCT stream, fused late; scores every frame by itself.

    `streams` is `rgb`, `frequency` or `both`; a single stream keeps fusion, projection and loss.
    The side of the input is a multiple of 8.
    """

    def __init__(self, size: int, frames: int, pretrained: bool = False, streams: str = "both") -> None:
        super().__init__()
        if streams not in ("rgb", "frequency", "both"):
            raise HarnessError(f"airl: streams is 'rgb', 'frequency' or 'both', not {streams!r}")
        if size % BLOCK:
            raise HarnessError(f"airl: the size is a multiple of {BLOCK}, not {size}")
        self.size, self.frames, self.streams = size, frames, streams
        self.rgb = RgbStream(pretrained) if streams != "frequency" else None
        self.frequency = FrequencyStream() if streams != "rgb" else None
        features = RGB_FEATURES * (self.rgb is not None) + FREQUENCY_FEATURES * (self.frequency is not None)
        self.fusion = nn.Sequential(
            nn.Linear(features, REPRESENTATION), nn.BatchNorm1d(REPRESENTATION), nn.ReLU(), nn.Dropout(0.3)
        )
        self.classifier = nn.Linear(REPRESENTATION, 1)
        self.projection = nn.Sequential(nn.Linear(REPRESENTATION, 256), nn.ReLU(), nn.Linear(256, 128))

    def represent(self, clips: Tensor) -> Tensor:
        """The fused representation `[B * T, 512]` of uint8 clips `[B, T, S, S, 3]`."""
        images = clips.flatten(0, 1)
        streams = [stream(images).float() for stream in (self.rgb, self.frequency) if stream is not None]
        fused: Tensor = self.fusion(torch.cat(streams, 1))
        return fused

    def forward(self, clips: Tensor) -> Tensor:
        """Logits `[B, T]` of uint8 clips `[B, T, S, S, 3]`."""
        logits: Tensor = self.classifier(self.represent(clips))
        return logits.float().view(clips.shape[:2])

    def score(self, clips: Tensor) -> Tensor:
        """P(fake) `[B, T]`, one a frame."""
        return self(clips).sigmoid()

    def loss(self, clips: Tensor, labels: Tensor) -> Tensor:
        """Binary cross-entropy + 0.5 x contrastive loss, every frame carrying its clip's label `[B]`."""
        represented = self.represent(clips)
        of_frames = labels.repeat_interleave(clips.shape[1])
        logits = self.classifier(represented).float()[:, 0]
        projections = normalize(self.projection(represented).float(), dim=1)
        contrast = supervised_contrastive(projections, of_frames)
        return binary_cross_entropy_with_logits(logits, of_frames.float()) + CONTRASTIVE_WEIGHT * contrast

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """The EfficientNet is the backbone; the frequency stream starts from nothing and is head."""
        backbone = [] if self.rgb is None else list(self.rgb.parameters())
        known = {id(parameter) for parameter in backbone}
        return {"backbone": backbone, "head": [p for p in self.parameters() if id(p) not in known]}
