"""Whatever is registered is tested: every detector, dataset and perturbation keeps its promises."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from harness import registry
from harness.checks.conformance import Finding, check_dataset, check_detector, check_perturbation
from harness.data.location import root_of, why_no_folder
from harness.types import FAKE, HarnessError

ROOT = Path(__file__).resolve().parent.parent
TREE = ("harness", "detectors", "datasets", "perturbations")
BUILT_HERE = ("procedural_tiny", "folder")
SMALL_TREES = ROOT / "tests" / "datasets" / "trees"
"""What builds a miniature of a dataset that users bring, under that dataset's own names."""


def broken(findings: list[Finding]) -> list[str]:
    """The promises that are not kept, one line each."""
    assert findings
    return [f"{finding.check}: {finding.detail}" for finding in findings if not finding.passed]


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Networks this small are scored fastest without a second thread to wait for."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def test_every_plug_in_file_can_be_imported() -> None:
    kinds = (registry.detectors, registry.datasets, registry.perturbations)
    assert {kind.kind: kind.broken() for kind in kinds} == {kind.kind: {} for kind in kinds}
    assert all(kind.names() for kind in kinds)


@pytest.mark.parametrize("name", registry.detectors.names())
@pytest.mark.usefixtures("one_thread")
def test_a_detector_keeps_its_promises(name: str) -> None:
    assert broken(check_detector(registry.detectors.get(name))) == []


@pytest.mark.parametrize("name", registry.perturbations.names())
def test_a_perturbation_keeps_its_promises(name: str) -> None:
    assert broken(check_perturbation(registry.perturbations.get(name))) == []


@pytest.mark.parametrize("name", [name for name in registry.datasets.names() if name not in BUILT_HERE])
def test_a_dataset_keeps_its_promises(name: str) -> None:
    entry = registry.datasets.get(name)
    absent = why_no_folder(entry)
    if absent is not None:
        pytest.skip(f"{name}: {absent}")
    root = root_of(entry)
    if not is_made(entry, root):
        pytest.skip(f"{name} is big and not made yet: make it first ({root})")
    assert broken(check_dataset(entry, root)) == []


def trees() -> dict[str, Callable[[Path, Sequence[Path]], None]]:
    """Dataset -> what builds its miniature tree from a dozen clips."""
    found = {}
    for file in sorted(SMALL_TREES.glob("[a-z]*.py")):
        spec = importlib.util.spec_from_file_location(f"tree_{file.stem}", file)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        found.update(getattr(module, "TREES", {}))
    return found


@pytest.mark.parametrize("name", sorted(trees()))
def test_a_dataset_keeps_its_promises_on_a_miniature_of_its_tree(
    name: str, tiny_root: Path, tmp_path: Path
) -> None:
    clips = [clip.path for clip in registry.datasets.get("procedural_tiny").clips(tiny_root)]
    trees()[name](tmp_path, clips[:12])
    assert broken(check_dataset(registry.datasets.get(name), tmp_path)) == []


def test_every_dataset_that_users_bring_has_a_miniature() -> None:
    brought = [name for name in registry.datasets.names() if not registry.datasets.get(name).embedded]
    assert sorted({*trees(), "folder"}) == sorted(brought)


def is_made(entry: registry.DatasetEntry, root: Path) -> bool:
    """Whether an embedded dataset is there in full, so that checking it does not make it."""
    try:
        return next(entry.clips(root), None) is not None
    except (HarnessError, OSError):
        return False


def test_the_tiny_procedural_dataset_keeps_its_promises(tiny_root: Path) -> None:
    assert broken(check_dataset(registry.datasets.get("procedural_tiny"), tiny_root)) == []


def test_a_folder_of_clips_keeps_its_promises(tiny_root: Path, tmp_path: Path) -> None:
    for clip in registry.datasets.get("procedural_tiny").clips(tiny_root):
        kind = Path("fake", str(clip.manipulation)) if clip.label == FAKE else Path("real")
        place = tmp_path / clip.split / kind / f"{clip.id.replace('/', '_')}.mp4"
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(clip.path, place)
    assert broken(check_dataset(registry.datasets.get("folder"), tmp_path)) == []


NEW_FILES = {
    "perturbations/posterize.py": '''
"""Fewer levels a channel."""
from harness.registry import perturbation

@perturbation("posterize", parameters=(8, 24, 64))
def posterize(frames, step, rng):
    """Rounds down to multiples of `step`."""
    return frames // step * step
''',
    "perturbations/vandal.py": '''
"""Breaks a promise, so that the suite has something to find."""
from harness.registry import perturbation

@perturbation("vandal", parameters=(1,))
def vandal(frames, step, rng):
    """Writes into what it is given."""
    frames += step
    return frames
''',
    "detectors/tone.py": '''
"""Judges a frame by its mean colour."""
import torch
from harness.registry import detector
from harness.types import Recipe

@detector("tone", recipes={"only": Recipe(size=16, frames=3, epochs=1, batch=2, learning_rate=0.01)})
class Tone(torch.nn.Module):
    """One linear layer on three means."""

    def __init__(self, size, frames, pretrained=False):
        super().__init__()
        self.size, self.frames = size, frames
        self.weigh = torch.nn.Linear(3, 1)

    def forward(self, clips):
        return self.weigh(clips.float().mean((2, 3)) / 255)[..., 0]

    def score(self, clips):
        return self(clips).sigmoid()

    def loss(self, clips, labels):
        wanted = labels.float()[:, None].expand(clips.shape[:2])
        return torch.nn.functional.binary_cross_entropy_with_logits(self(clips), wanted)
''',
    "datasets/flat_colours.py": '''
"""Pictures of one colour: red ones are real."""
from harness.registry import dataset
from harness.types import FAKE, REAL, Clip

@dataset("flat_colours", about="pictures of one colour", crop="none")
def flat_colours(root):
    """Every PNG under the root."""
    for path in sorted(root.glob("*.png")):
        real = path.stem.startswith("red")
        yield Clip(f"flat_colours/{path.stem}", path, REAL if real else FAKE, "test", None if real else "dye")
''',
}


@pytest.fixture
def grown_tree(tmp_path: Path) -> Path:
    """A copy of the tree as it is installed, and of this suite, with the new files dropped in."""
    tree = tmp_path / "tree"
    for folder in TREE:
        place = tree / folder if folder == "harness" else tree / "harness" / folder
        shutil.copytree(ROOT / folder, place, ignore=shutil.ignore_patterns("__pycache__"))
    (tree / "tests").mkdir()
    for name in ("pyproject.toml", "tests/conftest.py", "tests/test_conformance.py"):
        shutil.copyfile(ROOT / name, tree / name)
    for name, text in NEW_FILES.items():
        place = tree / "harness" / name
        assert not place.exists()
        place.write_text(text)
    return tree


def test_a_new_file_is_a_new_entry_and_is_tested_without_any_other_edit(
    grown_tree: Path, tmp_path: Path
) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for name, level in (("red_1", 200), ("red_2", 220), ("blue_1", 90)):
        cv2.imwrite(str(pictures / f"{name}.png"), np.full((40, 48, 3), level, np.uint8))
    run = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-v", "-p", "no:cacheprovider", "tests/test_conformance.py"),
            *("-k", "posterize or vandal or tone or flat_colours or imported"),
        ],
        cwd=grown_tree,
        env={
            **os.environ,
            "PYTHONPATH": str(grown_tree),
            "PYTHONSAFEPATH": "1",
            "GAPBENCH_DATA_FLAT_COLOURS": str(pictures),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    outcomes = dict(re.findall(r"::(\w+(?:\[\w+\])?) (PASSED|FAILED|SKIPPED|ERROR)", run.stdout))
    assert outcomes == {
        "test_every_plug_in_file_can_be_imported": "PASSED",
        "test_a_perturbation_keeps_its_promises[posterize]": "PASSED",
        "test_a_perturbation_keeps_its_promises[vandal]": "FAILED",
        "test_a_detector_keeps_its_promises[tone]": "PASSED",
        "test_a_dataset_keeps_its_promises[flat_colours]": "PASSED",
    }, run.stdout[-3000:] + run.stderr[-1000:]
    assert "given_frames_are_left_alone: severity 1 wrote into the frames" in run.stdout
