"""The record of a run: which predictions, weights and costs belong to a matrix that was run."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from harness import registry
from harness.environment import machine, versions
from harness.evaluation.cell_keys import Job
from harness.evaluation.contestants import Contestant, Trained
from harness.evaluation.matrix import Matrix
from harness.files import home, plain, read_json, shown_place, write_whole
from harness.records import Cost
from harness.results.predictions import record_path
from harness.types import HarnessError


@dataclass(frozen=True)
class Finished:
    """What a run leaves."""

    contestants: Mapping[Trained, Contestant]
    costs: Mapping[Trained, Cost | None]
    """None where it could not be measured."""
    jobs: Sequence[Job]
    """The cells."""
    validations: Mapping[Trained, Job]
    """The predictions for the validation split of what each was trained on."""
    tested: Mapping[str, Mapping[str, Any]]
    """Dataset that was tested on -> `clips_sha256` of its whole list, and whether it was `brought`."""


def keep_record(
    matrix: Matrix, absent: Mapping[str, str], done: Finished, timing: Mapping[str, float]
) -> Path:
    """Write the record of a run, from which every row can be derived again; returns its path."""
    entries = [
        {
            "detector": trained[0],
            "trained_on": trained[1],
            "seed": trained[2],
            "weights": plain(found.weights),
            "cost": asdict(cost) if (cost := done.costs[trained]) else None,
            "cells": [_kept(job) for job in done.jobs if _of(job) == trained],
            "validation": _kept(done.validations[trained]) if trained in done.validations else None,
        }
        for trained, found in done.contestants.items()
    ]
    record = {
        "matrix": matrix.name,
        "matrix_sha256": matrix.sha256,
        "matrix_toml": matrix.toml,
        "about": matrix.about,
        "prevalence": matrix.prevalence,
        "entries": entries,
        "absent": dict(absent),
        "tested": plain(done.tested),
        "environment": {"gapbench": version("gapbench"), **versions(), **machine(), "timing": dict(timing)},
    }
    path = record_path(matrix.name)
    write_whole(path, json.dumps(record, indent=1))
    return path


def without_places(absent: Mapping[str, str], root: Callable[[str], Path]) -> dict[str, str]:
    """Why what is absent is absent, as it may be published: folders of this machine are but their names."""
    found = dict(absent)
    for name in filter(registry.datasets.knows, absent):
        with contextlib.suppress(HarnessError):  # nobody says where it lies
            found[name] = found[name].replace(str(root(name)), shown_place(root(name)))
    stored, here = str(home().absolute()), f"{Path.cwd()}/"
    return {name: why.replace(stored, home().name).replace(here, "") for name, why in found.items()}


def earlier_timing(matrix: Matrix) -> Mapping[str, float]:
    """The timing of the run that computed what this one found finished."""
    path = record_path(matrix.name)
    record = read_json(path) if path.is_file() else {}
    if record.get("matrix_sha256") != matrix.sha256:
        return {}
    return dict(record.get("environment", {}).get("timing", {}))


def _of(job: Job) -> Trained:
    return job.cell.detector, job.cell.trained_on, job.cell.seed


def _kept(job: Job) -> dict[str, Any]:
    """What the record says of a cell, so that its row can be derived from the predictions alone."""
    return {"file": str(job.file.path.relative_to(home())), **job.meta}
