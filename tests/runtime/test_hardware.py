"""Whoever else uses the processor or the GPU is seen, and what a driver does not say is not guessed."""

from __future__ import annotations

import pytest

from harness.runtime import hardware
from harness.runtime.hardware import Gpu, Moment, disturbed, gpu_now, held_mib, others_cores, strangers


def test_others_may_have_the_cores_that_are_not_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "_cores", lambda: set(range(8)))
    before, after = Moment(0, 100, 50, 7), Moment(10, 100 + 70, 50 + 30, 7)  # own: 3 cores; others: 4
    assert others_cores(before, after) == pytest.approx(4)
    assert disturbed(before, after, needed=4) == ""
    assert disturbed(before, after, needed=6) == "other processes used 4.0 of 8 cores"
    assert disturbed(before, Moment(10, 100, 50, 8), needed=1) == "heat slowed the processor"
    assert disturbed(before, Moment(10, None, 80, 7), needed=8) == "", "nobody says"


def test_the_processor_is_really_watched() -> None:
    before, after = hardware.moment(), hardware.moment()
    assert after.own >= before.own > 0
    if before.busy is not None:
        assert after.busy is not None
        assert after.busy >= before.busy > 0


ANSWERS = {
    "clocks_throttle_reasons.active": "580.65, 1755, 1980, 2619, 97, 5000, 0x0000000000000004",
    "pid,used_memory": "4321, 3000\n4322, [N/A]",
}


@pytest.fixture
def smi(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What a fake `nvidia-smi` answers to a query that ends with such words; else it knows nothing."""
    answers = dict(ANSWERS)

    def answer(query: str, *words: str) -> list[str] | None:
        assert words == ("-i", "GPU-abc")
        return next((told.splitlines() for end, told in answers.items() if query.endswith(end)), None)

    monkeypatch.setattr(hardware, "_nvidia_smi", answer)
    return answers


def test_a_power_cap_is_the_speed_of_a_gpu_and_heat_is_not(smi: dict[str, str]) -> None:
    gpu = gpu_now("abc")
    assert gpu is not None
    assert (gpu.driver, gpu.clocks, gpu.slowed) == ("580.65", "1755 of 1980 MHz, memory 2619 MHz", "")
    assert (gpu.busy, gpu.used_mib, gpu.processes) == (97, 5000, {4321: 3000, 4322: None})
    told = smi.pop("clocks_throttle_reasons.active")  # newer drivers have another word for it
    smi["clocks_event_reasons.active"] = told.replace("0x0000000000000004", "0x0000000000000064")
    newer = gpu_now("GPU-abc")
    assert newer is not None
    assert newer.slowed == "by heat"


def test_a_driver_that_says_little_is_not_guessed_for(smi: dict[str, str]) -> None:
    smi["clocks_throttle_reasons.active"] = "580.65, 1755, 1980, 2619, [N/A], [N/A], [N/A]"
    del smi["pid,used_memory"]
    gpu = gpu_now("abc")
    assert gpu is not None
    assert (gpu.slowed, gpu.busy, gpu.used_mib, gpu.processes) == ("", None, None, {})
    smi.clear()
    assert gpu_now("abc") is None


def test_another_process_counts_when_it_computes_not_when_it_only_holds_memory() -> None:
    idle, working = (Gpu("1", "", "", busy, 5000, {4321: 3000.0}) for busy in (0.0, 40.0))
    assert strangers(None) == strangers(idle) == ""
    assert strangers(working) == "another process kept the GPU busy 40 % of the time (process 4321)"


def test_the_memory_of_the_process_is_what_the_driver_says_or_what_came_on_top(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before, loaded = (Gpu("1", "", "", 0.0, used, {4321: 900.0}) for used in (1000.0, 1800.0))
    assert held_mib(before, loaded) == 800
    monkeypatch.setattr(hardware.os, "getpid", lambda: 4321)
    assert held_mib(before, loaded) == 900
    assert held_mib(None, loaded) is None
