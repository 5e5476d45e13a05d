"""What GapBench makes of a file of each kind: whoever reads it accepts it as it should be, or refuses it."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from harness import registry
from harness.data.clips import list_clips
from harness.data.fingerprints import fingerprint
from harness.evaluation.matrix import load_matrix
from harness.files import digest, plain
from harness.results.external_scores import board_from_scores
from harness.results.predictions import read_predictions
from harness.results.score_file import read_scores
from harness.training.importing import ImportRequest, import_weights
from harness.types import SPLITS, Clip, HarnessError, Runtime
from harness.video.clip_views import show

ACCEPTED = "accepted"


def media(path: Path, sound: Path) -> str:
    """Read, perturbed and cropped twice, and looked at for `data check`."""
    clip = Clip("clip", path, 0, "test")
    needs = [("clean", 0, 4, 32), ("jpeg", 3, 4, 32)]
    shown, again = show(clip, "center", needs), show(clip, "center", needs)
    looked = fingerprint(clip)
    assert json.dumps(plain(looked))
    one_line(looked.error)
    assert shown.error == again.error
    if shown.error is not None:
        return one_line(shown.error)
    for need in needs:
        assert shown.error_of(need) == again.error_of(need)
        if one_line(shown.error_of(need)):
            continue
        (view,), (same,) = shown.views[need], again.views[need]
        assert view.frames.dtype == np.uint8 and view.frames.shape[1:] == (32, 32, 3)
        assert 1 <= len(view.frames) <= 4 and np.array_equal(view.frames, same.frames), "not the same twice"
    return ACCEPTED


def manifest(path: Path, sound: Path) -> str:
    """Listed as the dataset `manifest`."""
    clips = list_clips(registry.datasets.get("manifest"), path)
    for clip in clips:
        assert clip.label in (0, 1) and clip.split in SPLITS
        assert all(
            isinstance(one, (str, type(None))) for one in (clip.target, clip.source, clip.manipulation)
        )
        assert digest([clip.attributes])
    return ACCEPTED


def scores(path: Path, sound: Path) -> str:
    """Measured as `gapbench metrics` does."""
    board, notes = board_from_scores(read_scores(path))
    for row in board.rows:
        for value in row.metrics.values():
            assert value is None or math.isfinite(value)
    assert all(isinstance(note, str) for note in notes)
    return ACCEPTED


def weights(path: Path, sound: Path) -> str:
    """Imported, kept and run."""
    record = import_weights(ImportRequest(path, "meso4", name="mutant", size=32, frames=2, replace=True))
    entry = registry.detectors.get(record.full_name)
    return _scores(entry)


def graph(path: Path, sound: Path) -> str:
    """Opened and run as `onnx:FILE`, with its facts beside it."""
    file = path.with_name("net.onnx")
    return _scores(registry.detectors.get(f"onnx:{file}"))


def _scores(entry: registry.DetectorEntry) -> str:
    import torch

    from harness.evaluation.contestants import Contestant
    from harness.runtime.device import score_clips

    detector = Contestant(entry, Runtime("cpu", "fp32", 2)).detector
    shape = (2, detector.frames, detector.size, detector.size, 3)
    clips = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    with torch.inference_mode():
        said = score_clips(detector, clips, Runtime("cpu", "fp32", 2))
    assert said.shape[0] == 2 and np.isfinite(said).all() and (said >= 0).all() and (said <= 1).all()
    return ACCEPTED


def matrix(path: Path, sound: Path) -> str:
    """Loaded, and its cells listed."""
    found = load_matrix(str(path))
    assert len(found.cells(Runtime("cpu", "fp32", found.batch))) <= 1_000_000
    assert digest(plain(found))
    return ACCEPTED


def stored(path: Path, sound: Path) -> str:
    """Read as the finished predictions of a cell: they are those that were written, or are refused."""
    table, _ = read_predictions(path)
    expected, _ = read_predictions(sound)
    pd.testing.assert_frame_equal(table, expected)
    return ACCEPTED


READERS: dict[str, Callable[[Path, Path], str]] = {
    one.__name__: one for one in (media, manifest, scores, weights, graph, matrix, stored)
}
"""Kind of file -> what reads it, given the mutant and the sound file: `accepted`, or why not."""


def outcome(kind: str, sound: Path, data: bytes, scratch: Path) -> str:
    """What becomes of a file of that kind with these bytes, beside the sound ones of its folder."""
    shutil.rmtree(scratch, ignore_errors=True)
    shutil.copytree(sound.parent, scratch)
    path = scratch / sound.name
    path.write_bytes(data)
    try:
        return READERS[kind](path, sound)
    except HarnessError as error:
        return one_line(str(error))


def one_line(text: str | None) -> str:
    """The same text, which is one line."""
    assert text is None or "\n" not in text.strip("\n"), f"more than one line: {text[:200]!r}"
    return text or ""
