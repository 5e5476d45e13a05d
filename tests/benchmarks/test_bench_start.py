"""The command line: what it costs to start, and to be told that a matrix is finished."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.benchmarks.figures import Figure, median, median_interval

STARTS = 7
MOST_SECONDS, MOST_SECONDS_FINISHED = 0.5, 5.0
WITH_TORCH = 77
CODE = f"""
import atexit, os, sys
atexit.register(lambda: "torch" in sys.modules and os._exit({WITH_TORCH}))
from harness.cli import main
sys.exit(main(sys.argv[1:]))
"""
READING = (["--help"], ["metrics", "smoke"], ["gate", "smoke"], ["report", "smoke"])


def seconds(*words: str) -> float:
    """Wall seconds of a fresh process."""
    started = time.perf_counter()
    subprocess.run(words, check=True, capture_output=True)
    return time.perf_counter() - started


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str], float]:
    """A folder in which `gapbench eval smoke` has run, the environment for its commands, and the seconds."""
    folder = tmp_path_factory.mktemp("finished")
    environment = {**os.environ, "GAPBENCH_HOME": str(folder / "home")}
    return folder, environment, evaluate(folder, environment)


def evaluate(folder: Path, environment: dict[str, str]) -> float:
    command = [sys.executable, "-m", "harness.cli", "eval", "smoke", "--device", "cpu"]
    started = time.perf_counter()
    run = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return time.perf_counter() - started


@pytest.mark.benchmark(group="start")
def test_help_is_there_at_once(benchmark: Any, told: Callable[[Figure], Figure]) -> None:
    gapbench = (sys.executable, "-m", "harness.cli", "--help")
    seconds(*gapbench)  # to warm the disk
    pairs = [(seconds(*gapbench), seconds(sys.executable, "-c", "pass")) for _ in range(STARTS)]
    benchmark.pedantic(seconds, gapbench, rounds=1)
    spent = [each[0] for each in pairs]
    beside = {"over a Python that does nothing": round(median([a / b for a, b in pairs]), 1)}
    what = "seconds until gapbench --help has ended, a fresh process"
    facts = {"unit": "s", "at_most": MOST_SECONDS, "beside": beside}
    found = told(Figure("start-up", what, median(spent), median_interval(spent), **facts))
    assert found.ok, f"{found.value:.2f} s"


@pytest.mark.benchmark(group="start")
def test_what_reads_results_imports_no_torch(
    benchmark: Any, told: Callable[[Figure], Figure], finished: tuple[Path, dict[str, str], float]
) -> None:
    folder, environment, _ = finished

    def run(words: list[str]) -> int:
        command = [sys.executable, "-c", CODE, *words]
        return subprocess.run(command, cwd=folder, env=environment, capture_output=True).returncode

    run(["accept", "smoke"])  # for the gate
    codes = {words[0]: run(words) for words in READING}
    benchmark.pedantic(run, (READING[0],), rounds=1)
    importers = [name for name, code in codes.items() if code == WITH_TORCH]
    what = "of --help, metrics, gate and report, those that import torch"
    told(Figure("torch at start-up", what, float(len(importers)), unit="commands", at_most=0.0))
    assert codes == dict.fromkeys(codes, 0)


@pytest.mark.benchmark(group="start")
def test_a_finished_matrix_returns_soon(
    benchmark: Any, told: Callable[[Figure], Figure], finished: tuple[Path, dict[str, str], float]
) -> None:
    """What the tests before have accepted and written again is put right, and published, by a run between."""
    folder, environment, first = finished
    between = evaluate(folder, environment)
    again = benchmark.pedantic(evaluate, (folder, environment), rounds=1)
    what = "seconds of gapbench eval smoke where nothing has changed since it ran"
    beside = {"first run over it": round(first / again, 1)}
    beside |= {"seconds where only tables and MLflow are renewed": round(between, 1)}
    facts = {"unit": "s", "at_most": MOST_SECONDS_FINISHED, "beside": beside}
    found = told(Figure("finished matrix", what, again, **facts))
    assert found.ok, f"{found.value:.1f} s"
