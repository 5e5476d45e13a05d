"""Where the time of a run went: stages within stages count once, other threads apart."""

from __future__ import annotations

import threading

import pytest

from harness import timing
from harness.timing import Breakdown, network_share, told


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, which stands still unless a test moves it."""
    now = [100.0]
    monkeypatch.setattr(timing.time, "perf_counter", lambda: now[0])
    return now


def test_a_stage_within_a_stage_counts_for_itself_alone(clock: list[float]) -> None:
    found = Breakdown()
    with found.spent("write"):
        clock[0] += 2
        with found.spent("forward"):
            clock[0] += 5
        clock[0] += 1
    clock[0] += 4
    assert found.taken() == {"forward": 5, "write": 3, "other": 4}


def test_what_another_process_spent_is_taken_from_the_stage_that_waited(clock: list[float]) -> None:
    found = Breakdown()
    with found.spent("cost"):
        clock[0] += 10
        found.add("forward", 7)
    assert found.taken() == {"forward": 7, "cost": 3, "other": 0}


def test_other_threads_are_counted_beside(clock: list[float]) -> None:
    found = Breakdown()

    def work() -> None:
        with found.spent("decode"):
            clock[0] += 3

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found.beside == {"decode": 3}
    assert found.taken() == {"other": 3}


def test_the_networks_share_is_forward_backward_and_optimizer() -> None:
    seconds = {"forward": 50.0, "backward": 20.0, "optimizer": 10.0, "making clips": 15.0, "other": 5.0}
    assert network_share(seconds) == pytest.approx(0.8)
    lines = told(seconds, {"decode": 4.0, "crop": 1.0})
    assert lines[0].startswith("time: 100.0 s, of which 80.0 s (80%) in the networks (forward 50.0 s (50%)")
    assert lines[1] == "else: making clips 15.0 s (15%), other 5.0 s (5%)"
    assert lines[2] == "in the threads that read: decode 4.0 s, crop 1.0 s"
    assert told({}, {}) == []
