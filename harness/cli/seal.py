"""The seal of a finished run: proof that the same command again would print and write the same.

It holds what the run rested on (command, code, libraries, machine, clips) and what it left (stored files,
tables, plots, what MLflow was told). Whatever differs, or cannot be looked at, breaks it, and the run is
made as if there were no seal. To look costs a second: nothing here needs torch, pandas or MLflow.
"""

from __future__ import annotations

import os
import sqlite3
from argparse import Namespace
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness import registry
from harness.data import left_out
from harness.data.clips import content_of, list_clips
from harness.data.location import root_of, why_no_folder
from harness.environment import installed, machine_identity, sources
from harness.files import digest, digest_of, home, read_json
from harness.guard.stored import fault_of, shape_of
from harness.tracking.store import sqlite_file
from harness.types import Clip, HarnessError

ANEW = ("retrain", "rescore")
"""Options that make something anew; once that is done, the command without them would leave the same."""
FORMAT = 1
"""Raised whenever a seal comes to hold other things."""

VARIABLES = ("GAPBENCH_", "CUDA_", "NVIDIA_", "OMP_", "MKL_", "HF_", "XDG_")
"""How the names of environment variables begin that may change what a run does; MLflow's store is asked."""
STORED = (
    "SELECT experiment_id, artifact_location, lifecycle_stage FROM experiments WHERE name = :name",
    "SELECT key, value FROM experiment_tags JOIN experiments USING (experiment_id) WHERE name = :name",
    "SELECT r.run_uuid, r.status, r.lifecycle_stage, t.key, t.value FROM runs r JOIN tags t USING (run_uuid)"
    " JOIN experiments e USING (experiment_id) WHERE e.name = :name AND r.lifecycle_stage = 'active'",
)
"""What publishing looks at, asked of MLflow's tables; where they are called otherwise, no seal holds."""


@dataclass(frozen=True, slots=True)
class Seal:
    """What a finished run rested on, and what it left."""

    basis: str
    """Digest of command, code, libraries, environment and machine (`basis_of`)."""
    data: Mapping[str, str]
    """Dataset -> digest of its clips and their files, or why it is not here."""
    roots: Mapping[str, str]
    """Dataset -> folder, as the matrix names them."""
    digests: Mapping[str, str | None]
    """File -> sha256 (hex) of what is in it, None for one that must not be there: tables, plots, records."""
    stamps: Mapping[str, list[int] | None]
    """File -> size and time of change: predictions, weights, costs, the face model."""
    store: tuple[str, str, str]
    """Address of the MLflow store, name of the experiment, and digest of what the store says of it; the
    address is empty where nothing was published."""
    printed: str
    """The leaderboard as the run printed it."""


def seal_file(options: Namespace) -> Path:
    """Where the seal of a command is kept, whether or not there is one."""
    return home() / "seals" / f"{digest(_command(options))[:16]}.json"


def unbroken(options: Namespace) -> Seal | None:
    """The seal of a command, if running it would change nothing; else None."""
    try:
        kept = read_json(seal_file(options))
        if kept["format"] != FORMAT or kept["sha256"] != digest(kept["seal"]):
            return None
        seal = Seal(**kept["seal"])
        if fault_of(kept["seal"], shape_of(Seal)) or len(seal.store) != 3 or _faults_inside(seal):
            return None
    except (HarnessError, KeyError, TypeError, AttributeError, ValueError):  # none, or a damaged one
        return None
    files = all(digest_of(Path(name)) == said for name, said in seal.digests.items())
    files = files and all(file_stamp(Path(name)) == said for name, said in seal.stamps.items())
    holds = (
        files
        and seal.basis == basis_of(options)
        and all(clips_here(name, seal.roots) == said for name, said in seal.data.items())
        and (not seal.store[0] or stored_digest(*seal.store[:2]) == seal.store[2])
    )
    return seal if holds else None


def _faults_inside(seal: Seal) -> bool:
    """Whether a seal holds another kind of value than it was written with."""
    texts = [*seal.data.values(), *seal.roots.values(), *filter(None, seal.digests.values()), *seal.store]
    stamps = filter(None, seal.stamps.values())
    return any(fault_of(text, str) for text in texts) or any(fault_of(stamp, [int]) for stamp in stamps)


def basis_of(options: Namespace) -> str:
    """sha256 (hex) of what decides a run besides clips and stored files."""
    environment = {name: said for name, said in os.environ.items() if name.startswith(VARIABLES)}
    matrix = Path(options.matrix or "")
    own = home() / "matrices" / f"{options.matrix}.toml"
    asked = [_command(options), matrix.is_dir(), digest_of(matrix), digest_of(own)]
    if options.detector and not options.train:  # what its names mean depends on what is there
        asked += [sorted(path.name for path in (home() / "weights").glob("*.json"))]
    plugins = {str(file): digest_of(Path(file)) for file in options.plugin}
    return digest([asked, plugins, sources(), installed(), environment, machine_identity()])


def _command(options: Namespace) -> list[Any]:
    said = {name: str(value) for name, value in vars(options).items() if name not in ANEW}
    return [str(Path.cwd()), said]


def clips_here(name: str, roots: Mapping[str, str]) -> str:
    """sha256 (hex) of the clips of a dataset and their files as they are now, or why there are none."""
    if not registry.datasets.knows(name):
        return "not registered"
    entry = registry.datasets.get(name)
    why = why_no_folder(entry, roots)
    if why is not None:
        return why
    try:
        root = root_of(entry, roots)
        # One that is made here is only listed: a seal that is looked at makes nothing.
        clips = tuple(entry.clips(root)) if entry.embedded else list_clips(entry, root)
        return seen(entry, clips, left_out.told(entry, root, clips))
    except (HarnessError, OSError) as error:
        return str(error)


def seen(entry: registry.DatasetEntry, clips: tuple[Clip, ...], listing: str) -> str:
    """sha256 (hex) of clips, their files, and what was said of those that are no clips."""
    return digest([content_of(clips, entry), listing])


def stored_digest(uri: str, experiment: str) -> str | None:
    """sha256 (hex) of what a store says of an experiment and its runs, asked without MLflow.

    None for any store but an SQLite file, for an experiment without runs, and where MLflow's tables
    are not as this module knows them: what is in such a store only publishing finds out.
    """
    database = sqlite_file(uri)
    if database is None or not database.is_file():
        return None
    try:
        with closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            said = [sorted(connection.execute(query, {"name": experiment}), key=repr) for query in STORED]
    except sqlite3.Error:
        return None
    return digest(said) if said[-1] else None


def file_stamp(path: Path) -> list[int] | None:
    """Size in bytes and time of change in nanoseconds of a file; None where there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return [status.st_size, status.st_mtime_ns]
