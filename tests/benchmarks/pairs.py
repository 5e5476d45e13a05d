"""Interleaved pairs: the harness against the plain network, in two processes that take turns.

Both processes live through all pairs, so each keeps its own memory and threads, and while one works the
other waits. The order within a pair turns round from pair to pair. A load on the machine meets both sides,
and frames per CPU-second leave out the time in which another process had the core.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from . import machine
from .figures import Figure, median, median_interval

PAIRS = 7
SMALL = "GAPBENCH_BENCH_SMALL"
"""Set it to try the benchmarks in seconds: tiny inputs, whose ratios mean nothing and are never judged."""
OF_THE_PROCESS = (
    "OMP_",
    "MKL_",
    "KMP_",
    "GOMP_",
    "MALLOC_",
    "GLIBC_TUNABLES",
    "LD_PRELOAD",
    "TORCH",
    "PYTHONPATH",
)
"""Variables that are kept from both sides: what the harness needs, it sets itself."""
SIDE = Path(__file__).with_name("scoring_side.py")


@dataclass(frozen=True)
class Case:
    """A detector to be scored both ways, 32 frames a pass."""

    detector: str
    size: int
    precision: str = "fp32"
    at_least: float | None = None
    """Frames per CPU-second of the harness over those of the plain network, as it has to be."""
    clips: int = 4
    frames: int = 8

    @property
    def name(self) -> str:
        """How it is called in tables and accepted ratios."""
        return f"{self.detector} {self.size} px {self.precision}"


CASES = (
    Case("xception", 256, at_least=2.6),
    Case("xception", 256, "bf16", at_least=4.0),
    Case("airl", 224, at_least=1.5),
    Case("efficientnet_bilstm", 224, at_least=1.5),
    Case("meso4", 256),
    Case("mesoinception4", 256),
)


def small() -> bool:
    """Whether this is only a try (`SMALL`)."""
    return bool(os.environ.get(SMALL))


def plain_environment() -> dict[str, str]:
    """The environment without what sets threads or memory."""
    return {name: value for name, value in os.environ.items() if not name.startswith(OF_THE_PROCESS)}


class Side:
    """A child process that scores when asked."""

    def __init__(self, case: Case, way: str, weights: Path) -> None:
        said = json.dumps({**asdict(case), "way": way, "weights": str(weights)})
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        command = [sys.executable, str(SIDE), said]
        self.process: Any = subprocess.Popen(command, text=True, env=plain_environment(), **pipes)
        self.threads = self._answer()["threads"]

    def score(self) -> dict[str, Any]:
        """Frames, CPU seconds of all threads, wall seconds and the scores of one pass."""
        self.process.stdin.write("again\n")
        self.process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{' '.join(self.process.args)} ended with {self.process.wait()}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def __enter__(self) -> Side:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


def measure(case: Case, pairs: int = PAIRS) -> Figure:
    """Score both ways in turn, after one pass each to warm up; the ratio is taken pair by pair."""
    if small():
        case, pairs = Case(case.detector, 64, case.precision, None, 2, 2), min(pairs, 3)
    if case.precision == "bf16" and not machine.native_bf16(machine.flags()):
        why = f"this processor has neither {' nor '.join(machine.BF16_FLAGS)}"
        return Figure(case.name, WHAT, None, at_least=case.at_least, precision="bf16", why=why)
    with (
        tempfile.TemporaryDirectory() as folder,
        Side(case, "plain", Path(folder, "weights.pt")) as plain,
        Side(case, "harness", Path(folder, "weights.pt")) as harness,
    ):
        sides = (plain, harness)
        warm = [side.score() for side in sides]
        passes: list[list[dict[str, Any]]] = [[], []]
        for number in range(pairs):
            for which in (0, 1) if number % 2 == 0 else (1, 0):
                passes[which].append(sides[which].score())
        threads = [side.threads for side in sides]
    return _figure(case, passes, warm, threads)


WHAT = "frames per CPU-second, harness over plain network"


def _figure(
    case: Case, passes: list[list[dict[str, Any]]], warm: list[dict[str, Any]], threads: list[int]
) -> Figure:
    speeds = [[each["frames"] / each["cpu"] for each in side] for side in passes]
    walls = [median([each["frames"] / each["wall"] for each in side]) for side in passes]
    ratios = tuple(ours / theirs for theirs, ours in zip(*speeds, strict=True))
    plain, ours = (each["scores"] for each in warm)
    beside = {
        "largest score difference": float(f"{max(abs(a - b) for a, b in zip(plain, ours, strict=True)):.3g}"),
        "plain frames per CPU-second": round(median(speeds[0]), 2),
        "harness frames per CPU-second": round(median(speeds[1]), 2),
        "plain frames per second": round(walls[0], 2),
        "harness frames per second": round(walls[1], 2),
        "scores from": round(min(plain), 3),
        "to": round(max(plain), 3),
        "plain threads": threads[0],
        "harness threads": threads[1],
    }
    workload = {name: value for name, value in asdict(case).items() if name != "at_least"}
    facts = {"precision": case.precision, "workload": workload, "beside": beside, "pairs": ratios}
    bounds = median_interval(ratios)
    return Figure(case.name, WHAT, median(ratios), bounds, at_least=case.at_least, **facts)
