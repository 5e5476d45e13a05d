"""DeepfakeBench's Xception and EfficientNet-B4 (Yan et al. 2023), exact enough to take their checkpoints.

Pixels, paddings, eps and head are theirs; `_deepfakebench_files.py` reads the files and proves the import.
"""

from __future__ import annotations

from typing import Any

import timm
from harness.detectors._deepfakebench_files import read_efficientnet, read_xception
from torch import Tensor, nn
from torch.nn import functional

from harness.registry import detector
from harness.types import Recipe

RECIPES = {
    "published": Recipe(
        size=256,
        frames=32,
        train_frames=4,  # 32 images a step
        epochs=10,
        batch=8,
        learning_rate=2e-4,
        weight_decay=5e-4,
        precision="auto",
        pretrained=True,
        augment=("flip", "light", "jpeg"),
    ),
    "procedural": Recipe(
        size=64, frames=2, epochs=7, batch=16, learning_rate=1e-3, schedule="cosine", precision="auto"
    ),
}
STRIDED_PADDING = {2: (0, 1, 0, 1), 6: (2, 2, 2, 2), 10: (0, 1, 0, 1), 22: (1, 2, 1, 2)}
"""Block with stride 2 -> zeros put left, right, above and below: what "same" means at 380 px, at any size."""


class TwoClasses(nn.Module):
    """A network with one output for real and one for fake; scores every frame by itself.

    Pixels are scaled to [-1, 1] (mean = std = 0.5). The logit is the second output minus the first, so
    its sigmoid is the softmax of the second, and binary cross-entropy is their cross-entropy.
    """

    network: Any
    last: str
    """Name of the last layer in the network."""

    def __init__(self, size: int, frames: int) -> None:
        super().__init__()
        self.size, self.frames = size, frames

    def forward(self, clips: Tensor) -> Tensor:
        """Logits `[B, T]` of uint8 clips `[B, T, S, S, 3]`."""
        images = clips.flatten(0, 1).permute(0, 3, 1, 2).float() / 127.5 - 1
        real, fake = self.network(images).float().unbind(1)
        logits: Tensor = fake - real
        return logits.view(clips.shape[:2])

    def score(self, clips: Tensor) -> Tensor:
        """P(fake) `[B, T]`, one a frame."""
        return self(clips).sigmoid()

    def loss(self, clips: Tensor, labels: Tensor) -> Tensor:
        """Binary cross-entropy, every frame carrying the label `[B]` of its clip."""
        logits = self(clips)
        wanted = labels.float()[:, None].expand_as(logits)
        return functional.binary_cross_entropy_with_logits(logits, wanted)

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """All but the last layer are the backbone."""
        head = list(getattr(self.network, self.last).parameters())
        known = {id(parameter) for parameter in head}
        backbone = [parameter for parameter in self.parameters() if id(parameter) not in known]
        return {"backbone": backbone, "head": head}


class PaddedConv(nn.Conv2d):
    """A convolution whose zeros (left, right, above, below) do not depend on the size of the image."""

    def __init__(self, of: nn.Conv2d, around: tuple[int, int, int, int]) -> None:
        names = ("in_channels", "out_channels", "kernel_size", "stride", "dilation", "groups")
        facts: dict[str, Any] = {name: getattr(of, name) for name in names}
        super().__init__(**facts, bias=of.bias is not None)
        self.around = around
        self.load_state_dict(of.state_dict())

    def forward(self, maps: Tensor) -> Tensor:
        """`[N, C, H, W]` padded, then convolved."""
        return super().forward(functional.pad(maps, self.around))


@detector(
    "deepfakebench_xception",
    recipes=RECIPES,
    importers={"deepfakebench": read_xception},
)
class DeepfakeBenchXception(TwoClasses):
    """Xception at 256 px with two outputs, as DeepfakeBench trains it."""

    last = "fc"

    def __init__(self, size: int, frames: int, pretrained: bool = False) -> None:
        super().__init__(size, frames)
        self.network = timm.create_model("legacy_xception", pretrained=pretrained, num_classes=2)


@detector(
    "deepfakebench_efficientnet_b4",
    recipes=RECIPES,
    importers={"deepfakebench": read_efficientnet},
)
class DeepfakeBenchEfficientNetB4(TwoClasses):
    """EfficientNet-B4 at 256 px with two outputs, as DeepfakeBench trains it.

    It replaces the first convolution by a new one that pads nothing, ImageNet weights or not, and the
    strided convolutions pad as they would at 380 px.
    """

    last = "classifier"

    def __init__(self, size: int, frames: int, pretrained: bool = False) -> None:
        super().__init__(size, frames)
        self.network = timm.create_model("tf_efficientnet_b4.aa_in1k", pretrained=pretrained, num_classes=2)
        self.network.conv_stem = nn.Conv2d(3, 48, 3, stride=2, bias=False)
        blocks = [block for stage in self.network.blocks for block in stage]
        for number, around in STRIDED_PADDING.items():
            blocks[number].conv_dw = PaddedConv(blocks[number].conv_dw, around)
