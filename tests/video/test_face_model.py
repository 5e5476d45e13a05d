"""A face model is the one that was named or pinned, and whoever has none is told how to bring it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.types import HarnessError
from harness.video.face_finder import Finder
from harness.video.face_model import SHA256, VARIABLE, Model, find_model


def test_a_file_that_is_no_yunet_is_refused_in_one_line(tmp_path):
    path = tmp_path / "other.onnx"
    path.write_bytes(b"\x08\x07not a model")
    with pytest.raises(HarnessError, match=r"other\.onnx does not work as YuNet") as caught:
        Finder(find_model(path))
    assert "\n" not in str(caught.value)


def test_a_named_model_is_taken_before_any_other(model, tmp_path, monkeypatch):
    mine = tmp_path / "mine.onnx"
    mine.write_bytes(model.path.read_bytes())
    monkeypatch.setenv(VARIABLE, str(mine))
    assert find_model() == Model(mine, model.sha256)
    assert find_model(model.path) == model
    monkeypatch.setenv(VARIABLE, str(tmp_path / "absent.onnx"))
    with pytest.raises(
        HarnessError, match=r"absent\.onnx named by --face-model or \$GAPBENCH_YUNET is not a file"
    ):
        find_model()


@pytest.fixture
def elsewhere(tmp_path: Path) -> Callable[[str], str]:
    """`elsewhere(code)`: what code prints in a fresh process, offline, with a cache of its own."""
    surroundings = {name: value for name, value in os.environ.items() if name != VARIABLE}
    surroundings |= {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path), "HF_HUB_CACHE": str(tmp_path / "hub")}

    def run(code: str) -> str:
        told = [sys.executable, "-c", code]
        out = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        return subprocess.run(told, env=surroundings, check=True, text=True, timeout=60, **out).stdout

    return run


ASK = """
import sys
from harness import types
from harness.video import face_model
assert "huggingface_hub" not in sys.modules
try:
    print(face_model.find_model().path)
except types.HarnessError as error:
    print(error)
"""


def test_without_a_model_and_offline_the_error_says_how_to_bring_one(elsewhere):
    trying, line = elsewhere(ASK).splitlines()
    assert trying.startswith("downloading the face model")
    assert "offline mode is enabled" in line
    for way in ("--face-model FILE", "GAPBENCH_YUNET=FILE", "https://huggingface.co/opencv/"):
        assert way in line


def test_a_cached_model_is_taken_if_it_is_the_pinned_one(elsewhere, model, tmp_path):
    repository = tmp_path / "hub" / "models--opencv--face_detection_yunet"
    cached = repository / "snapshots" / ("0" * 40) / "face_detection_yunet_2023mar.onnx"
    for path, data in ((repository / "refs" / "main", b"0" * 40), (cached, model.path.read_bytes())):
        path.parent.mkdir(parents=True)
        path.write_bytes(data)
    (line,) = elsewhere(ASK).splitlines()
    assert f"is not the pinned face model: its sha256 is {model.sha256}, expected {SHA256}" in line
    pinned = ASK.replace("try:", f"face_model.SHA256 = {model.sha256!r}\ntry:")
    assert elsewhere(pinned) == f"{cached}\n"
