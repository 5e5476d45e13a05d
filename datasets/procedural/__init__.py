"""The embedded datasets: rendered face clips, real and forged, made on first use (see README.md here)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from harness.datasets.procedural import planted  # noqa: F401 - registers itself
from harness.datasets.procedural.making import listing, make
from harness.datasets.procedural.plan import GENERATOR, LAB, TINY, WILD

from harness.registry import dataset
from harness.types import Clip


@dataset(
    "procedural_lab",
    about="rendered faces; forgeries autoencoder, graphics, reenactment; train, val and test",
    crop="boxes",
    version=GENERATOR,
    prepare=partial(make, family=LAB),
)
def procedural_lab(root: Path) -> Iterator[Clip]:
    """The rendered laboratory: what detectors are trained on."""
    return listing(root)


@dataset(
    "procedural_wild",
    about="rendered faces of other people and cameras; forgeries refined_swap, gan, diffusion; test only",
    crop="boxes",
    version=GENERATOR,
    prepare=partial(make, family=WILD),
)
def procedural_wild(root: Path) -> Iterator[Clip]:
    """The rendered outside world: forgeries, cameras and encoders that were never trained on."""
    return listing(root)


@dataset(
    "procedural_tiny",
    about="a few dozen short clips made like procedural_lab, for quick checks",
    crop="boxes",
    version=GENERATOR,
    prepare=partial(make, family=TINY),
)
def procedural_tiny(root: Path) -> Iterator[Clip]:
    """The laboratory in small: quick to make, too small to conclude anything from."""
    return listing(root)
