"""What a dataset lists, by id, and what it refuses to list."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from harness.registry import datasets
from harness.types import Clip, HarnessError
from tests.datasets.trees import deepfakebench, df40, dfdc, dfdc_preview, manifest
from tests.datasets.trees.planting import write

TREES = dfdc.TREES | dfdc_preview.TREES | df40.TREES | deepfakebench.TREES | manifest.TREES
"""Dataset that comes with lists of its own -> what builds its miniature tree."""


def listed(name: str, root: Path) -> dict[str, Clip]:
    """The clips by id without the dataset's name."""
    clips = list(datasets.get(name).clips(root))
    by_id = {clip.id.removeprefix(f"{name}/"): clip for clip in clips}
    assert len(by_id) == len(clips), "two clips have one id"
    return by_id


def people(clip: Clip) -> tuple[str | None, str | None, str | None]:
    """Target, source and footage."""
    return clip.target, clip.source, clip.attributes.get("footage")


def refused(name: str, root: Path, *said: str) -> None:
    """Listing is an error in one line that says all of this."""
    with pytest.raises(HarnessError) as error:
        listed(name, root)
    assert "\n" not in str(error.value)
    for part in said:
        assert part in str(error.value), (part, str(error.value))


def touch(root: Path, *names: str) -> None:
    """Empty files of these names below `root`."""
    for name in names:
        write(root / name, "")


def counted(clips: dict[str, Clip]) -> dict[str, int]:
    """As `official` counts: split and `real` or the manipulation."""
    return dict(Counter(f"{clip.split}/{clip.manipulation or 'real'}" for clip in clips.values()))
