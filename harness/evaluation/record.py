"""The record of a run: which predictions, weights and costs belong to a matrix that was run."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from harness import registry
from harness.environment import differences, machine, versions
from harness.evaluation.cell_keys import Job
from harness.evaluation.contestants import Contestant, Trained
from harness.evaluation.matrix import Matrix
from harness.files import home, plain, shown_place, write_whole
from harness.guard.stored import sealed, set_aside
from harness.progress import say
from harness.records import Cost
from harness.results.predictions import clips_listed, record_path, stored_meta
from harness.results.run_record import read_record
from harness.types import HarnessError

MOST_SAID = 6
"""Differences to what results were made with that are named."""


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
            "cells": [_kept(job) for job in done.jobs if trained_of(job) == trained],
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
    write_whole(path, json.dumps(sealed(record), indent=1))
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
    try:
        record = read_record(matrix.name)
    except HarnessError as error:
        say(set_aside(record_path(matrix.name), "cannot be believed", f"written again ({error})"))
        return {}
    if record is None or record["matrix_sha256"] != matrix.sha256:
        return {}
    return dict(record["environment"].get("timing", {}))


def trained_of(job: Job) -> Trained:
    """The row that a cell belongs to."""
    return job.cell.detector, job.cell.trained_on, job.cell.seed


def _kept(job: Job) -> dict[str, Any]:
    """What the record says of a cell, so that its row can be derived from the predictions alone."""
    listed = {"clips_listed": clips_listed(job.file.clips)} if job.file.clips is not None else {}
    return {"file": str(job.file.path.relative_to(home())), **listed, **job.meta}


def what_differs(contestants: Iterable[Contestant], jobs: Sequence[Job]) -> str:
    """What of the weights and predictions was made with something else than there is now, in one line."""
    told: dict[str, list[bool]] = {}
    said: dict[str, None] = {}
    pairs = [("weights", one.weights.provenance, one.made) for one in contestants if one.weights]
    pairs += [("cells", stored_meta(job.file.path).get("provenance", {}), job.made) for job in jobs]
    for kind, provenance, now in pairs:
        makers = provenance.get("made") or [{"versions": provenance.get("versions")}]
        found = [difference for then in makers for difference in differences(then, now)]
        told.setdefault(kind, []).append(bool(found))
        said |= dict.fromkeys(found)
    if not said:
        return ""
    counts = " and ".join(f"{sum(each)} of {len(each)} {kind}" for kind, each in told.items() if any(each))
    more = f"; and {len(said) - MOST_SAID} more" if len(said) > MOST_SAID else ""
    return (
        f"{counts} were made with something else than there is now, and are used as they are"
        f" ({'; '.join(list(said)[:MOST_SAID])}{more}): --retrain and --rescore make them anew"
    )
