"""A process that scores a matrix and says what it cost: beside the networks alone, or its peak memory.

What is asked, e.g. {"what": "cost", "clips": ["a.mp4", ...], ...}, it reads as JSON from its input; the last
line it prints is its answer.
"""

from __future__ import annotations

import dataclasses
import json
import re
import resource
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from harness import registry
from harness.evaluation.cell_keys import Job, TestSet, cell_file
from harness.evaluation.contestants import Contestant
from harness.evaluation.engine import score_dataset
from harness.runtime import device
from harness.types import FAKE, REAL, Cell, Clip, Runtime
from harness.video.clip_views import perturb, show
from harness.video.frames import read_frames
from harness.video.views import shown_whole

CROP = "center"
WATCHED_EVERY = 0.1
"""Seconds between two looks at the memory of other processes."""


def clips_of(said: dict[str, Any]) -> tuple[Clip, ...]:
    """The files as clips of a test set, every second one fake."""
    labels = (REAL, FAKE)
    return tuple(
        Clip(f"filmed/{number}", Path(path), labels[number % 2], "test")
        for number, path in enumerate(said["clips"])
    )


def contestants(said: dict[str, Any]) -> list[Contestant]:
    """The detectors, built and placed, with random weights."""
    runtime, found = Runtime(device="cpu", precision="fp32", batch=said["batch"]), []
    for name, size in said["detectors"].items():
        torch.manual_seed(0)
        entry = registry.detectors.get(name)
        recipe = next(iter(entry.recipes.values()))
        recipe = dataclasses.replace(recipe, size=size, frames=said["frames"], pretrained=False)
        found.append(Contestant(entry, runtime, recipe))
        assert found[-1].detector is not None  # built now, so that no one pays for it later
    return found


def matrix(said: dict[str, Any], clips: tuple[Clip, ...], found: Sequence[Contestant]) -> Callable[[], int]:
    """The scoring of all cells, as `gapbench eval` does it."""
    test = TestSet("filmed", clips, CROP, "filmed", "filmed")
    jobs = []
    for each in found:
        for name, severity in said["conditions"]:
            cell = Cell(each.entry.name, None, "filmed", name, severity, runtime=each.runtime)
            jobs.append(Job(cell, each, cell_file(cell, each, test, Path(said["folder"]))))
    return lambda: score_dataset(test, jobs)


def spent(work: Callable[[], object]) -> np.ndarray:
    """Seconds of `work`: of CPU, with the processes it started and ended, and on the wall."""

    def clocks() -> np.ndarray:
        both = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        return np.array([sum(each.ru_utime + each.ru_stime for each in both), time.perf_counter()])

    before = clocks()
    work()
    return clocks() - before


def cost(said: dict[str, Any]) -> dict[str, Any]:
    """Seconds of the matrix, of the networks on the same tensors, and of each stage measured alone."""
    clips, found = clips_of(said), contestants(said)
    conditions = [tuple(each) for each in said["conditions"]]
    needs = sorted({(*each, said["frames"], one.size) for each in conditions for one in found})
    views = [show(clip, CROP, needs) for clip in clips]

    def forwards(chosen: Sequence[tuple[str, int]]) -> None:
        for each in found:
            for condition in chosen:
                need = (*condition, said["frames"], each.size)
                for start in range(0, len(views), said["batch"]):
                    some = views[start : start + said["batch"]]
                    batch = np.stack([shown_whole(view) for shown in some for view in shown.views[need]])
                    device.score_clips(each.detector, batch, each.runtime)

    def perturbations() -> None:
        for clip, frames in zip(clips, read, strict=True):
            for name, severity in conditions:
                perturb(frames, clip.id, name, severity)

    forwards(conditions[:1])  # to warm up
    first = spent(lambda: forwards(conditions[::2]))
    whole = spent(matrix(said, clips, found))
    networks = first + spent(lambda: forwards(conditions[1::2]))
    read: list[np.ndarray] = []
    decoding = spent(lambda: read.extend(read_frames(clip.path, [said["frames"]]).pixels for clip in clips))
    stages = {"matrix": whole, "networks": networks, "perturb": spent(perturbations), "decode": decoding}
    seconds = {name: dict(zip(("cpu", "wall"), each.tolist(), strict=True)) for name, each in stages.items()}
    return {**seconds, "frames": len(clips) * said["frames"] * len(conditions) * len(found)}


def memory(said: dict[str, Any]) -> dict[str, Any]:
    """Peak memory in MiB of this process, and of all those together that it keeps to work for it."""
    work, ended, sums = matrix(said, clips_of(said), contestants(said)), threading.Event(), [0.0]

    def watch() -> None:
        before: dict[str, float] = {}
        while not ended.wait(WATCHED_EVERY):
            now = {each: mib(each, "RssAnon") for each in children()}
            # One that is seen once is a program being started, and still shows the memory of this process.
            sums.append(sum(now[each] for each in now.keys() & before.keys()))
            before = now

    watcher = threading.Thread(target=watch)
    watcher.start()
    scored = work()
    ended.set()
    watcher.join()
    return {"mib": mib("self", "VmHWM"), "children_mib": max(sums), "frames": scored}


def children() -> list[str]:
    """Numbers of the processes that this one started."""
    return [
        each for listed in Path("/proc/self/task").glob("*/children") for each in listed.read_text().split()
    ]


def mib(process: str, field: str) -> float:
    """What the system says of a process, in MiB; 0 for one that has ended."""
    try:
        found = re.search(rf"{field}:\s+(\d+)", Path("/proc", process, "status").read_text())
    except OSError:
        found = None
    return int(found[1]) / 1024 if found else 0.0


def main() -> None:
    """Do what is said on standard input."""
    said = json.load(sys.stdin)
    device.prepare_process()
    print(json.dumps({"cost": cost, "memory": memory}[said["what"]](said)))


if __name__ == "__main__":
    main()
