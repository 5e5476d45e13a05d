"""Training frames are decoded once, and the least used make way when the disk is full."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.training import batches as footage
from harness.training import frame_cache
from harness.training.frame_cache import read_footage
from harness.training.train import TrainingJob
from harness.types import HarnessError
from harness.video import clip_views
from harness.video.frames import read_frames
from tests.training.small_detector import wanted


def test_training_frames_are_decoded_once_and_shared_by_later_trainings(
    job: TrainingJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded: list[Path] = []

    def counting(path: Path, counts: Any, use: Any, track: int) -> Any:
        decoded.append(path)
        return read_frames(path, counts, use=use, track=track)

    monkeypatch.setattr(clip_views, "read_frames", counting)
    first = read_footage(wanted(job, "train", 4), tmp_path)
    clips = len(decoded)
    assert clips == len(footage.split_of(job.clips, "train"))
    again = read_footage(wanted(job, "train", 4), tmp_path)
    assert len(decoded) == clips
    assert isinstance(again.pixels, np.memmap)
    assert (again.pixels == first.pixels).all() and (again.labels == first.labels).all()
    assert (again.groups == first.groups).all()
    read_footage(dataclasses.replace(wanted(job, "train", 4), content="another"), tmp_path)
    assert len(decoded) == 2 * clips
    pixels = first.pixels.copy()  # the file behind them is spoiled now
    kept = next(tmp_path.glob("*.frames"))
    kept.write_bytes(kept.read_bytes()[:-1])
    for path in tmp_path.glob("*.frames"):
        assert path.with_suffix(".json").is_file()
    cut = read_footage(wanted(job, "train", 4), tmp_path)
    other = read_footage(dataclasses.replace(wanted(job, "train", 4), content="another"), tmp_path)
    assert len(decoded) == 3 * clips, "a file that is not whole was used, or both were read again"
    assert (cut.pixels == pixels).all() and (other.pixels == pixels).all()


def test_frames_not_used_for_longest_make_way_on_a_full_disk(
    job: TrainingJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(file: int, needed: int) -> None:
        if list(tmp_path.glob("[!.]*.frames")):
            raise OSError(28, "No space left on device")
        os.truncate(file, needed)

    read_footage(wanted(job, "train", 2), tmp_path)
    monkeypatch.setattr(frame_cache, "_reserve", full)
    read_footage(wanted(job, "train", 3), tmp_path)
    assert len(list(tmp_path.glob("[!.]*.frames"))) == 1

    def always_full(file: int, needed: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(frame_cache, "_reserve", always_full)
    with pytest.raises(HarnessError, match="set GAPBENCH_HOME to a larger disk"):
        read_footage(wanted(job, "val", 2), tmp_path)
    assert not [path for path in tmp_path.iterdir() if path.suffix != ".json"]


def facts(**said: Any) -> Callable[[Path], Any]:
    """An edit of what is known of kept frames, as an earlier version would have written it."""

    def edit(path: Path) -> None:
        record = path.with_suffix(".json")
        told = {**json.loads(record.read_text()), **said}
        del told["stored"]
        record.write_text(json.dumps(told))

    return edit


def _instead(make: Callable[[Path], Any], ending: str) -> Callable[[Path], Any]:
    def edit(path: Path) -> None:
        path.with_suffix(ending).unlink()
        make(path.with_suffix(ending))

    return edit


EDITS: dict[str, Callable[[Path], Any]] = {
    "places before the first": facts(places=[[-1] * 4] * 24),
    "places that are none": facts(places=[[None]]),
    "places without end": facts(places=[[10**19] * 4] * 24),
    "places of text": facts(places=["x"]),
    "labels without end": facts(labels=[10**19]),
    "no digest": facts(sha256=None),
    **{
        f"{name} for {ending}": _instead(make, ending)
        for ending in (".json", ".frames")
        for name, make in {
            "a pipe": os.mkfifo,
            "a folder": Path.mkdir,
            "a circle": lambda path: path.symlink_to(path.name),
        }.items()
    },
}


def test_kept_frames_that_were_edited_are_decoded_again(
    job: TrainingJob, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = read_footage(wanted(job, "train", 4), tmp_path)
    pixels, places = first.pixels.copy(), first.places.copy()
    (kept,) = tmp_path.glob("*.frames")
    for name, edit in EDITS.items():
        edit(kept)
        capsys.readouterr()
        again = read_footage(wanted(job, "train", 4), tmp_path)
        assert (again.pixels == pixels).all() and (again.places == places).all(), name
        assert "set aside" in capsys.readouterr().err, name
