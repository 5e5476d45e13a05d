"""What it costs to look at a clip before it is believed: a share of reading it, which no run may feel."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest

from harness.types import FAKE, Clip
from harness.video import clip_views, frames, packets, pyav_reader
from tests.benchmarks.figures import Figure
from tests.benchmarks.filming import film

NEEDS = [("clean", 0, 16, 224), ("jpeg", 3, 16, 224)]
MOST = 1.02
PAIRS = 61
LOOKS: dict[object, tuple[str, ...]] = {
    packets: ("check_clock", "check_frames", "check_pixels", "check_samples", "_check_kept"),
    pyav_reader: ("check_clock", "check_pixels"),
    clip_views: ("check_clock",),
    frames: ("check_clock", "within"),
}
"""Module -> what it calls that only looks, and gives nothing."""
WRAPS: dict[object, tuple[str, ...]] = {
    clip_views: ("clip_clock", "named_failure"),
    frames: ("clip_clock", "named_failure"),
}


def test_looking_before_reading_is_not_felt(tmp_path: Path, told: Callable[[Figure], Figure]) -> None:
    clip = Clip("clip", film(tmp_path / "clip.mp4", 150), FAKE, "test")

    def spent() -> float:
        begun = time.thread_time()
        assert clip_views.show(clip, "center", NEEDS).error is None
        return time.thread_time() - begun

    spent()
    ratios = []
    for number in range(PAIRS):
        first = spent() if number % 2 else None
        with pytest.MonkeyPatch.context() as without:
            for module, looks in LOOKS.items():
                for look in looks:
                    without.setattr(module, look, lambda *_, **__: None)
            for module, wraps in WRAPS.items():
                for wrap in wraps:
                    without.setattr(module, wrap, lambda *_: nullcontext())
            bare = spent()
        ratios.append((first or spent()) / bare)
    what = "CPU time to read and prepare a clip of 480p, by the time without a look at it first"
    assert told(Figure("guard", what, statistics.median(ratios), at_most=MOST)).ok
