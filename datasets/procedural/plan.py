"""What there is to make: who is in which split, and which scene becomes which fake."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from harness.datasets.procedural.camera import LAB_CAMERAS, WILD_CAMERAS, Camera
from harness.datasets.procedural.encoder import LAB_ENCODERS, WILD_ENCODERS, Encoder
from harness.datasets.procedural.identity import draw_identity

from harness.files import seed_of

GENERATOR = "4"
"""Raised whenever the same seed gives other pixels, other names or other labels."""

SEEN = ("autoencoder", "graphics", "reenactment")
UNSEEN = ("refined_swap", "gan", "diffusion")


@dataclass(frozen=True)
class Size:
    """How much to make."""

    splits: Mapping[str, tuple[int, int]]
    """Split -> (identities, scenes of each); a scene is one real clip."""
    fakes: int = 1
    """Fakes made from each scene, each by another manipulation."""
    frames: int = 16
    """Frames of every clip."""


@dataclass(frozen=True)
class Family:
    """A dataset's manipulations, cameras and encoders."""

    name: str
    manipulations: tuple[str, ...]
    cameras: tuple[Camera, ...]
    encoders: tuple[Encoder, ...]
    size: Size
    """What is made unless another size is asked for."""


LAB = Family(
    "procedural_lab",
    SEEN,
    LAB_CAMERAS,
    LAB_ENCODERS,
    Size({"train": (100, 3), "val": (30, 2), "test": (40, 3)}),
)
WILD = Family("procedural_wild", UNSEEN, WILD_CAMERAS, WILD_ENCODERS, Size({"test": (40, 3)}))
TINY = Family(
    "procedural_tiny",
    SEEN,
    LAB_CAMERAS,
    LAB_ENCODERS,
    Size({"train": (12, 2), "val": (6, 2), "test": (8, 2)}, frames=8),
)


@dataclass(frozen=True)
class Forgery:
    """One fake to make from a scene."""

    manipulation: str
    source: str


@dataclass(frozen=True)
class Scene:
    """One scene to film, and the fakes to make of the footage."""

    name: str
    """Its file stem, e.g. `test-012-1`."""
    split: str
    person: str
    camera: Camera
    encoder: Encoder
    forgeries: tuple[Forgery, ...]


ALIKE = 8
"""Sources are drawn from so many people of the split, those of the nearest skin: forgers pair the alike."""


def plan(family: Family, size: Size, seed: int) -> list[Scene]:
    """Every scene of a dataset, in order; identities are named after dataset and split, so none is shared."""
    scenes: list[Scene] = []
    for split, (people, each) in size.splits.items():
        rng = np.random.default_rng(seed_of("plan", family.name, split, seed))
        names = [f"{family.name}-{seed}-{split}-{number:03d}" for number in range(people)]
        tones = {name: float(draw_identity(name).skin.mean() ** 0.5) for name in names}
        for number, person in enumerate(names):
            alike = sorted(tones, key=lambda other: abs(tones[other] - tones[person]))
            alike = [name for name in alike if name != person][: max(2, min(ALIKE, people // 4))]
            for take in range(each):
                forgeries = []
                for k in range(size.fakes):
                    manipulation = family.manipulations[(number + take + k) % len(family.manipulations)]
                    forgeries.append(Forgery(manipulation, alike[int(rng.integers(len(alike)))]))
                camera = family.cameras[int(rng.integers(len(family.cameras)))]
                encoder = family.encoders[int(rng.integers(len(family.encoders)))]
                stem = f"{split}-{number:03d}-{take}"
                scenes.append(Scene(stem, split, person, camera, encoder, tuple(forgeries)))
    return scenes
