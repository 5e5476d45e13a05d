"""Ends a run with SIGKILL at a chosen point, and runs it undisturbed: processes forked from one that is warm.

`PLUGIN` is given with `--plugin`: a detector that trains in a moment, and what counts the points at which
something is written: files that take their name, and commits to MLflow's database.
"""

from __future__ import annotations

import inspect
import multiprocessing
import os
import signal
import sqlite3
import sys
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.results.predictions import read_predictions
from tests.training.small_detector import Small

PLUGIN = f"""
import os, signal
from pathlib import Path
from sqlalchemy import Engine, event
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits
from harness.evaluation import run
from harness.registry import detector
from harness.report.plots import gallery
from harness.training import loop
from harness.types import Recipe

run._cost = lambda found: None
gallery.DRAWN = {{}}
loop.CHECKPOINT_SECONDS = 0.0
at, phase = int(os.environ["KILL_AT"]), os.environ["KILL_PHASE"]
events = []

def reached(what, phases):
    if phase in phases and len(events) == at:
        if phase == "half":
            os.truncate(what, os.path.getsize(what) // 2)
        os.kill(os.getpid(), signal.SIGKILL)

def note(what):
    events.append(what)
    with open(os.environ["KILL_LOG"], "a") as log:
        log.write(f"{{what}}\\n")

taken = os.replace
def replace(source, target, **more):
    reached(source, ("before", "half"))
    taken(source, target, **more)
    reached(source, ("after",))
    note(Path(target).name)
os.replace = replace

def commit(connection):
    if len(events) == at:
        os.kill(os.getpid(), signal.SIGKILL)
    note("commit")

def hurry(connection, _):
    connection.execute("PRAGMA synchronous=OFF")  # only a machine that fails would lose anything

event.listen(Engine, "connect", hurry)
event.listen(Engine, "commit", commit)

RECIPE = Recipe(size=16, frames=2, epochs=4, batch=16, learning_rate=1e-2)

@detector("small", recipes={{"procedural": RECIPE}})
{inspect.getsource(Small)}
"""
MATRIX = """
about = "a test"
detectors = ["constant", "small"]
train = ["procedural_tiny"]
test = ["procedural_tiny"]
recipe = "procedural"
batch = 2
"""
EVAL = ["--plugin", "plugin.py", "eval", "killed.toml", "--device", "cpu"]
WARM = [
    "torch",
    "mlflow",
    "sqlalchemy",
    "harness.evaluation.run",
    "harness.tracking.publish",
    "tests.kill.killing",
]


@dataclass(frozen=True)
class Ended:
    """How a run ended."""

    code: int
    """Its exit code, or minus the signal."""
    said: str
    events: list[str]
    """What it wrote, in order."""


def _child(folder: str, at: int, phase: str, database: bool) -> None:
    os.chdir(folder)
    os.environ |= {"GAPBENCH_HOME": f"{folder}/home", "KILL_AT": str(at), "KILL_PHASE": phase}
    os.environ |= {"KILL_LOG": f"{folder}/events.log", "MLFLOW_DISABLE_TELEMETRY": "true"}
    with open("said.log", "w") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    from harness.cli.entry import main
    from harness.tracking.publish import connect

    if database:
        connect("sqlite:///mlflow.db")
        os._exit(0)
    code = main(EVAL)
    sys.stdout.flush()
    os._exit(code)


def _tests_alone(folder: Path) -> str:
    """A folder in which nothing can be imported but these tests: no bare `datasets`, as in a checkout."""
    folder.mkdir(exist_ok=True)
    link = folder / "tests"
    if not link.is_symlink():
        link.symlink_to(Path(__file__).resolve().parents[1])
    return str(folder)


def run(
    folder: Path, at: int = -1, phase: str = "before", after: float | None = None, database: bool = False
) -> Ended:
    """Give the command in a folder; SIGKILL at write number `at`, or `after` so many seconds.

    `database`: only make MLflow's, which takes longest.
    """
    (folder / "events.log").unlink(missing_ok=True)
    context: Any = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(WARM)
    process = context.Process(target=_child, args=(str(folder), at, phase, database))
    sys.path.append(_tests_alone(folder.parent / "path"))  # which the child is told of
    try:
        process.start()
    finally:
        sys.path.pop()
    process.join(after if after is not None else 200)
    if process.is_alive():
        process.kill()
        process.join()
    log = folder / "events.log"
    events = log.read_text().splitlines() if log.exists() else []
    return Ended(process.exitcode, (folder / "said.log").read_text(), events)


def killed(ended: Ended) -> bool:
    return ended.code == -signal.SIGKILL


def left(folder: Path) -> dict[str, Any]:
    """What a finished run left: weights and scores to the bit, and the rows of its table."""
    found: dict[str, Any] = {}
    for path in sorted(_seen(folder.glob("home/*/*/**/*.parquet"))):
        table = read_predictions(path)[0]
        found[str(path.relative_to(folder))] = [list(table["clip_id"]), table["score"].to_numpy().tobytes()]
    for path in sorted(_seen(folder.glob("home/weights/*.safetensors"))):
        found[path.name] = path.read_bytes()
    found["table"] = (folder / "results/killed.csv").read_text()
    return found


def half_written(folder: Path) -> list[str]:
    """Names in the home that look finished and are not: no shard, no checkpoint, no marker may be left.

    A hidden name is what was written at that moment, which a later run removes (`files.swept`).
    """
    endings = (".shards", ".partial", "making.json")
    return [str(path) for path in _seen(folder.glob("home/**/*")) if path.name.endswith(endings)]


def _seen(paths: Iterable[Path]) -> list[Path]:
    return [path for path in paths if not path.name.startswith(".")]


def complete_runs(folder: Path) -> dict[str, list[str]]:
    """Entry -> what each of its live runs in MLflow says of whether it is complete."""
    query = (
        "SELECT e.value, p.value FROM runs r JOIN tags e USING (run_uuid) JOIN tags p USING (run_uuid)"
        " WHERE r.lifecycle_stage = 'active' AND e.key = 'entry' AND p.key = 'published'"
    )
    found: dict[str, list[str]] = {}
    with closing(sqlite3.connect(folder / "mlflow.db")) as base:
        for entry, said in base.execute(query):
            found.setdefault(entry, []).append(said)
    return found
