"""A run that is ended with SIGKILL, wherever, and given again leaves what an undisturbed one leaves.

`make kill KILLS=50 SEED=0` tries as many points; the suite tries a few.
"""

from __future__ import annotations

import os
import random
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.kill.killing import MATRIX, PLUGIN, complete_runs, half_written, killed, left, run

KILLS, SEED = int(os.environ.get("KILLS", "1")), int(os.environ.get("SEED", "0"))
MANY = 20
"""Points from which on the making of MLflow's database is interrupted, too."""
PHASES = ("before", "half", "after")


@dataclass(frozen=True)
class Undisturbed:
    """A run that nobody ended."""

    folder: Path
    """Where it ran; every other run uses the same place, for addresses in MLflow's store are absolute."""
    template: Path
    """The folder before the run."""
    left: dict[str, object]
    writes: int


@pytest.fixture(scope="module")
def undisturbed(tiny_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    folder, template = (tmp_path_factory.mktemp("kill") / name for name in ("run", "template"))
    template.mkdir()
    (template / "killed.toml").write_text(MATRIX)
    (template / "plugin.py").write_text(PLUGIN)
    shutil.copytree(tiny_root, template / "home/data" / tiny_root.name)
    if KILLS < MANY:
        run(template, database=True)
    shutil.copytree(template, folder)
    ended = run(folder)
    assert ended.code == 0, ended.said
    assert complete_runs(folder) == {"constant": ["complete"], "small@procedural_tiny": ["complete"]}
    return Undisturbed(folder, template, left(folder), len(ended.events))


@pytest.mark.parametrize("point", range(KILLS))
def test_what_a_kill_interrupts_is_gone_on_with_to_the_same_end(point: int, undisturbed: Undisturbed) -> None:
    rng = random.Random(f"{SEED}/{point}")
    folder = undisturbed.folder
    shutil.rmtree(folder)
    shutil.copytree(undisturbed.template, folder)
    # Spread over the run: the points of one call lie in as many equal parts of it.
    at = min(undisturbed.writes - 1, int(undisturbed.writes * (point + rng.random()) / KILLS))
    phase = rng.choice(PHASES)
    after = rng.uniform(0.2, 5.0) if point % 4 == 3 else None
    first = run(folder, -1 if after else at, phase, after)
    where = (
        f"point {point}: {'after ' + str(after) + ' s' if after else f'write {at}, {phase}'}\n{first.said}"
    )
    assert after is not None or killed(first), where
    if point % 2:
        run(folder, rng.randrange(8), rng.choice(PHASES))
    ended = run(folder)
    assert ended.code == 0, f"{where}\n{ended.said}"
    assert "Traceback" not in ended.said and "set aside" not in ended.said, ended.said
    assert left(folder) == undisturbed.left, where
    assert complete_runs(folder) == {"constant": ["complete"], "small@procedural_tiny": ["complete"]}, where
    assert not half_written(folder), where
    again = run(folder)
    assert again.code == 0 and "finished before: nothing was left to do" in again.said, again.said
