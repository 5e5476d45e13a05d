"""A cost is measured in a process of its own, kept, and its errors come back in one line."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import signal
import sys
from pathlib import Path

import pytest

from harness import registry
from harness.files import plain
from harness.records import Cost
from harness.runtime import cost_process
from harness.runtime.cost_process import CostRequest, cost_of, in_fresh_process, kept_file
from harness.types import HarnessError, Recipe, Runtime

ECHO = """
import os
import numpy as np
from harness.registry import detector

print("a plug-in says hello")

@detector("echo")
class Echo:
    size, frames = 8, 2

    def score(self, clips):
        print("scoring", clips.shape)
        os.write(1, b"and beside Python")
        open("processes", "a").write(f"{os.getpid()} ")
        return np.full(clips.shape[:2], 0.5)
"""
RUNTIME = Runtime("cpu", "fp32", 16)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of its own; a test's plug-ins end with it."""
    registry.detectors.names()
    monkeypatch.setattr(registry.detectors, "_entries", dict(registry.detectors._entries))
    monkeypatch.setattr(sys, "modules", dict(sys.modules))
    monkeypatch.setenv("GAPBENCH_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def process(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What is run instead of Python: a shell script, to be written."""
    script = folder / "process.sh"
    script.touch(mode=0o755)
    monkeypatch.setattr(sys, "executable", str(script))
    return script


def test_a_plug_in_is_measured_in_another_process_whatever_it_prints_and_once(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (folder / "echo.py").write_text(ECHO)
    registry.load_file(folder / "echo.py")
    capfd.readouterr()
    monkeypatch.setattr(cost_process, "SECONDS", 0.1)
    entry = registry.detectors.get("echo")
    cost = cost_of(entry, None, RUNTIME)
    assert (cost.detector, cost.size, cost.frames, cost.parameters) == ("echo", 8, 2, 0)
    (process,) = set((folder / "processes").read_text().split())
    assert int(process) != os.getpid()
    printed = capfd.readouterr()
    assert printed.out == ""
    assert "and beside Python" in printed.err
    (folder / "processes").unlink()
    assert cost_of(entry, None, RUNTIME) == cost
    assert not (folder / "processes").exists(), "it was measured again"


def test_the_message_of_an_error_in_the_process_comes_back_as_it_was(process: Path) -> None:
    process.write_text("""#!/bin/sh\necho noise; echo '{"error": "unknown detector"}' > "$3"\n""")
    with pytest.raises(HarnessError, match=r"^unknown detector$"):
        in_fresh_process(CostRequest("ecko", None, plain(RUNTIME)))


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("kill -9 $$", "the cost of echo was not measured: .* SIGKILL, most likely for want of memory"),
        ("kill -11 $$", "was ended by SIGSEGV"),
        ("exit 3", "ended with exit code 3"),
    ],
)
def test_a_process_that_dies_is_an_error_that_says_how(process: Path, script: str, said: str) -> None:
    process.write_text(f"#!/bin/sh\n{script}\n")
    with pytest.raises(HarnessError, match=said):
        in_fresh_process(CostRequest("echo", None, plain(RUNTIME)))


def test_an_interrupt_ends_the_process_too(
    process: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    process.write_text("#!/bin/sh\necho $$ > started\nexec sleep 60\n")
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    signal.setitimer(signal.ITIMER_REAL, 1.0)
    try:
        with pytest.raises(KeyboardInterrupt):
            in_fresh_process(CostRequest("echo", None, plain(RUNTIME)))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    with contextlib.suppress(ChildProcessError):  # it was waited for already
        _, status = os.waitpid(int((folder / "started").read_text()), 0)
        assert os.WTERMSIG(status) == signal.SIGKILL


def test_an_interrupted_process_interrupts(process: Path) -> None:
    process.write_text("#!/bin/sh\nexit 130\n")
    with pytest.raises(KeyboardInterrupt):
        in_fresh_process(CostRequest("echo", None, plain(RUNTIME)))


def test_what_is_asked_goes_through_json_whole() -> None:
    entry = registry.detectors.get("xception")
    recipe = entry.recipe("published")
    asked = CostRequest("xception", plain(recipe), plain(RUNTIME), files=("a.py",))
    found = CostRequest(**json.loads(json.dumps(plain(asked))))
    built = cost_process._recipe(found, cost_process._entry(dataclasses.replace(found, files=())))
    assert built is not None
    assert (built.size, built.frames, built.options) == (recipe.size, recipe.frames, recipe.options)
    assert recipe.pretrained and not built.pretrained, "ImageNet weights would be fetched"
    assert Runtime(**found.runtime) == RUNTIME
    named = cost_process._recipe(dataclasses.replace(found, recipe="procedural"), entry)
    assert named is not None
    assert named.size == entry.recipe("procedural").size
    with pytest.raises(HarnessError, match="unknown recipe"):
        cost_process._recipe(dataclasses.replace(found, recipe="procedurel"), entry)


def test_a_detector_registered_by_a_script_is_found_where_it_stands(folder: Path) -> None:
    (folder / "echo.py").write_text(ECHO)
    asked = CostRequest("echo", None, plain(RUNTIME), file=str(folder / "echo.py"))
    assert cost_process._entry(asked).name == "echo"
    with pytest.raises(HarnessError, match="unknown detector"):
        cost_process._entry(dataclasses.replace(asked, detector="ecco", file=None))


def test_what_changes_the_speed_changes_where_it_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = registry.detectors.get("xception")
    recipe = entry.recipe("procedural")

    def key(runtime: Runtime = RUNTIME, **changed: object) -> Path:
        return kept_file(entry, dataclasses.replace(recipe, **changed), runtime)  # type: ignore[arg-type]

    longer: Recipe = dataclasses.replace(recipe, epochs=99)
    assert key() == kept_file(entry, longer, RUNTIME) == key(Runtime("cpu", "fp32", 4))
    others = {key(size=32), key(frames=1), key(options={"x": 1}), key(Runtime("cpu", "bf16", 16)), key()}
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert len(others | {key()}) == 6


def test_a_kept_cost_of_an_earlier_version_is_not_taken_for_one_of_this(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    entry = registry.detectors.get("constant")
    before = kept_file(entry, None, RUNTIME)
    monkeypatch.setattr(cost_process, "MEASURING", 2)
    assert kept_file(entry, None, RUNTIME) != before


def test_a_measured_cost_is_asked_for_by_name_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[CostRequest] = []
    facts = ("x", "cpu", "fp32", 8, 2, 1, 1.0, 1.0, None, None, 0, None, None)

    def remember(asked: CostRequest) -> Cost:
        seen.append(asked)
        return Cost(*facts)

    monkeypatch.setattr(cost_process, "in_fresh_process", remember)
    cost_process.measured_cost("timm:resnet18", "published", Runtime("auto", "auto"))
    (asked,) = seen
    assert (asked.detector, asked.recipe, asked.file) == ("timm:resnet18", "published", None)
    assert (asked.runtime["device"], asked.runtime["precision"]) == ("auto", "auto")
