"""What tests of costs share: a clock that stands still until a detector moves it."""

from __future__ import annotations

import pytest

from harness.runtime import hardware, stopwatch
from harness.runtime.hardware import Moment
from tests.runtime.clocked_detectors import Clock


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock that detectors are timed with, and a processor that nobody else uses."""
    found = Clock()
    monkeypatch.setattr(stopwatch, "time", found)
    monkeypatch.setattr(hardware, "moment", lambda: Moment(found.now, found.now, found.now, 0))
    return found
