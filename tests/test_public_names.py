"""A plug-in that was written against the names of an earlier version still works."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness import registry
from harness.cli.entry import main

PLUGIN = """
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

import harness
from harness import checks, files, process, progress, registry, trees, types
from harness.checks import check_dataset, check_detector, check_perturbation
from harness.cli import main
from harness.files import (
    clips_digest, digest, file_digest, file_name, home, plain, read_json, seed_of, write_whole, writing
)
from harness.process import keep_freed_memory, usable_cores
from harness.progress import Progress, say
from harness.registry import (
    NAME, Apply, DatasetEntry, Detector, DetectorEntry, Importer, PerturbationEntry, Registry, dataset,
    datasets, detector, detector_family, detectors, load_file, perturbation, perturbations,
    stated_selection,
)
from harness.trees import IMAGES, VIDEOS, files as listed, is_image, is_video, need, parts_of, read_lines
from harness.trees import walk
from harness.types import (
    CROPS, FACE_CROPS, FAKE, NO_FACE_POLICIES, NO_FACE_POLICY, PRECISIONS, PROTOCOL, RANKED, REAL,
    SELECTIONS, SPLITS, Cell, Clip, HarnessError, Prediction, Recipe, Runtime, unknown, world_of
)


@detector("old_hand")
class OldHand:
    size = 32
    frames = 2

    def score(self, clips: np.ndarray) -> np.ndarray:
        return np.full(clips.shape[:2], 0.5) + clips.mean(axis=(2, 3, 4)) / 1e4


@detector_family("old_hands")
def old_hands(argument: str) -> DetectorEntry:
    name = f"old_hands:{argument}"
    return DetectorEntry(name, OldHand, {}, __file__, trained_on=None, identity=digest(argument))


@dataset("old_clips", about="clips of an old hand", crop="center", version="1", official={"test/real": 2})
def old_clips(root: Path) -> Iterator[Clip]:
    need(root, "old_clips", ["real", "fake"])
    for path in walk(root, VIDEOS):
        real = path.parent.name == "real"
        yield Clip(
            f"old_clips/{path.relative_to(root).with_suffix('')}", path, REAL if real else FAKE, "test",
            None if real else "swap", target=path.stem,
        )


@perturbation("old_fog", parameters=(0.2, 0.4), version="1")
def old_fog(frames: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    return (frames * (1 - share) + 255 * share).round().astype(np.uint8)
"""


@pytest.fixture
def plugin(home: Path, tiny_root: Path) -> Path:
    """The plug-in file, and a few clips for its dataset."""
    for label, folder in enumerate(("real", "fake")):
        (home / "clips" / folder).mkdir(parents=True)
        listed = registry.datasets.get("procedural_tiny").clips(tiny_root)
        for number, clip in enumerate([clip for clip in listed if clip.label == label][:3]):
            (home / "clips" / folder / f"{folder}{number}.mp4").symlink_to(clip.path)
    file = home / "old_hand.py"
    file.write_text(PLUGIN)
    return file


def test_a_plug_in_of_names_that_were_public_keeps_its_contract(
    plugin: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, more in (
        ("old_hand", []),
        ("old_fog", []),
        ("old_clips", ["--root", str(plugin.parent / "clips")]),
    ):
        assert main(["--plugin", str(plugin), "check", name, *more]) == 0, capsys.readouterr().out


def test_a_plug_in_of_names_that_were_public_is_measured(
    plugin: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("old.toml").write_text(
        'about = "a test"\ndetectors = ["old_hand", "old_hands:left"]\ntest = ["old_clips"]\n'
        f'perturbations = ["old_fog-2"]\n[data]\nold_clips = "{plugin.parent / "clips"}"\n'
    )
    assert main(["--plugin", str(plugin), "eval", "old.toml", "--no-publish", "--device", "cpu"]) == 0
    assert "old_hands:left" in capsys.readouterr().out
