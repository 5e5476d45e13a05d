"""A detector says what it is to be shown before anything is: what nobody can be shown concerns it alone."""

from __future__ import annotations

from typing import Any

import pytest

from harness.contracts import DetectorEntry
from harness.evaluation.contestants import Contestant
from harness.types import HarnessError, Runtime


@pytest.mark.parametrize(
    ("frames", "size", "said"),
    [
        (1, -1, "its size is -1"),
        (0, 32, "its frames is 0"),
        (1, "32", "its size is '32'"),
        (True, 32, "its frames is True"),
        (1, 10**6, "--allow input-side"),
        (10**12, 32, "--allow input-frames"),
        (None, 32, "its frames is None"),
    ],
)
def test_a_detector_that_can_be_shown_nothing_is_refused(frames: Any, size: Any, said: str) -> None:
    class Bad:
        def score(self, clips: Any) -> Any:
            return clips

    Bad.frames, Bad.size = frames, size  # type: ignore[attr-defined]
    with pytest.raises(HarnessError, match=said):
        Contestant(DetectorEntry("bad", Bad), Runtime("cpu", "fp32", 1)).frames  # noqa: B018 - asked for
