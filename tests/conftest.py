"""What several tests need: quiet libraries, the tiny procedural dataset, the reference folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")


@pytest.fixture(scope="session")
def tiny_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny procedural dataset, made once for all tests."""
    from harness import registry

    entry = registry.datasets.get("procedural_tiny")
    root = tmp_path_factory.mktemp("data") / f"{entry.name}-v{entry.version}"
    assert entry.prepare is not None
    entry.prepare(root)
    return root


@pytest.fixture
def home(tmp_path: Path, tiny_root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of its own that finds the tiny dataset made; the test's folder is the working directory."""
    from harness import registry

    for kind in (registry.detectors, registry.datasets, registry.perturbations):
        kind.names()
        monkeypatch.setattr(kind, "_entries", dict(kind._entries))  # a test's plug-ins end with it
    folder = tmp_path / "home"
    (folder / "data").mkdir(parents=True)
    (folder / "data" / tiny_root.name).symlink_to(tiny_root, target_is_directory=True)
    costs = tiny_root.parent / "costs"  # what a detector costs here is measured once for all tests
    costs.mkdir(exist_ok=True)
    (folder / "costs").symlink_to(costs, target_is_directory=True)
    monkeypatch.setenv("GAPBENCH_HOME", str(folder))
    monkeypatch.chdir(tmp_path)
    return folder


@pytest.fixture(scope="session")
def reference() -> Path:
    """The folder of reference material for tests; they skip aloud where it is absent."""
    named = os.environ.get("GAPBENCH_REFERENCE")
    folder = Path(named) if named else Path(__file__).resolve().parents[2] / "shared" / "reference"
    if not folder.is_dir():
        pytest.skip(f"the reference folder is absent ({folder}); set GAPBENCH_REFERENCE")
    return folder
