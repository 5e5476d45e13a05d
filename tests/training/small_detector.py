"""A detector that trains in a moment, its recipe, and the frames that its training wants."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from harness.contracts import DetectorEntry
from harness.training import batches as footage
from harness.training.frame_cache import Wanted
from harness.training.train import TrainingJob
from harness.types import Recipe

RECIPE = Recipe(
    size=16,
    frames=2,
    epochs=4,
    batch=4,
    learning_rate=1e-2,
    train_frames=2,
    schedule="cosine",
    clip_norm=1.0,
    augment=("flip", "light", "noise", "jpeg", "shift"),
)


class Small(nn.Module):
    """A convolution, BatchNorm and dropout: everything that resuming could get wrong."""

    def __init__(self, size: int, frames: int, pretrained: bool = False, fails: bool = False) -> None:
        super().__init__()
        if pretrained:
            raise OSError("we are offline\nand say so at length")
        self.size, self.frames = size, frames
        self.body = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU())
        self.head = nn.Sequential(nn.Dropout(0.3), nn.Linear(8, 1))

    def forward(self, clips: Tensor) -> Tensor:
        images = clips.flatten(0, 1).permute(0, 3, 1, 2).float() / 255
        logits: Tensor = self.head(self.body(images).mean((2, 3)))
        return logits.view(clips.shape[:2])

    def score(self, clips: Tensor) -> Tensor:
        return self(clips).sigmoid()

    def loss(self, clips: Tensor, labels: Tensor) -> Tensor:
        logits = self(clips)
        return binary_cross_entropy_with_logits(logits, labels.float()[:, None].expand_as(logits))

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        return {"backbone": list(self.body.parameters()), "head": list(self.head.parameters())}


ENTRY = DetectorEntry("small", Small, {"tiny": RECIPE}, __file__)


def wanted(job: TrainingJob, split: str, frames: int) -> Wanted:
    return Wanted(footage.split_of(job.clips, split), frames, RECIPE.size, "center", "as it is")
