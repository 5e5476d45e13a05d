"""The face model and a finder that uses it, and portraits for it to find."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from harness.video.face_finder import Finder
from harness.video.face_model import Model, find_model
from harness.video.frames import read_frames


@pytest.fixture(scope="session")
def model(reference: Path) -> Model:
    return find_model(reference / "weights" / "yunet" / "yunet_n_640_640.onnx")


@pytest.fixture(scope="session")
def finder(model: Model) -> Finder:
    return Finder(model)


@pytest.fixture(scope="session")
def portraits(reference: Path) -> list[np.ndarray]:
    """The four test images of MesoNet, RGB: faces that nearly fill the picture."""
    paths = sorted((reference / "weights" / "mesonet" / "test_images").rglob("*.jpg"))
    assert len(paths) == 4
    return [read_frames(path, (1,)).pixels[0] for path in paths]
