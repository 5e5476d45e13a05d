"""Features computed once where several heads read the same backbone with the same weights.

A detector offers this by `backbone` (an `nn.Module` holding all weights its features depend on),
`features(clips) -> tensor` and `score_features(features) -> P(fake)`, with `score(clips)` equal to
`score_features(features(clips))`.
"""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from harness.files import file_digest
from harness.runtime.device import Score


def offers_features(detector: Any) -> bool:
    """Whether the detector splits into features and a head."""
    methods = all(callable(getattr(detector, name, None)) for name in ("features", "score_features"))
    return methods and isinstance(getattr(detector, "backbone", None), nn.Module)


def backbone_identity(detector: Any) -> str | None:
    """sha256 (hex) of what makes its features: its file, its class, and all tensors of the backbone.

    None for a detector that offers none. Two detectors that see the same clips and share this digest
    have the same features.
    """
    if not offers_features(detector):
        return None
    kind = type(detector)
    found = hashlib.sha256(f"{file_digest(Path(inspect.getfile(kind)))} {kind.__qualname__}".encode())
    for name, tensor in detector.backbone.state_dict().items():
        found.update(f"{name} {tensor.dtype} {list(tensor.shape)}".encode())
        found.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return found.hexdigest()


class _Placed(Protocol):
    """Whoever has a detector, and may have to load it again."""

    @property
    def detector(self) -> Any: ...


def shared_scores(placed: Sequence[_Placed]) -> list[Score | None]:
    """For each of some detectors shown the same clips: how it scores from features that others share.

    None where nobody shares them. The features of a batch are computed by the first that asks.
    """
    identities = [backbone_identity(one.detector) for one in placed]
    kept: dict[str, tuple[Tensor, Tensor]] = {}

    def scorer(one: _Placed, identity: str) -> Score:
        def score(clips: Tensor) -> Tensor:
            if identity not in kept or kept[identity][0] is not clips:
                kept.pop(identity, None)  # its memory is wanted now
                kept[identity] = (clips, one.detector.features(clips))
            scores: Tensor = one.detector.score_features(kept[identity][1])
            return scores

        return score

    return [
        scorer(one, identity) if identity is not None and identities.count(identity) > 1 else None
        for one, identity in zip(placed, identities, strict=True)
    ]
