"""The record of a run as it is read again: whole, of the right shape, and naming no file outside the home."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from harness.files import home, read_json
from harness.guard.stored import below, fault_of, record_of
from harness.results.predictions import record_path
from harness.types import HarnessError
from harness.weights import WEIGHTS

RUNTIME = {"device": str, "precision": str, "batch": int, "compile?": bool}
CELL = {
    "file": str,
    "clips_listed?": str,
    "cell": {
        **{"detector": str, "trained_on": (None, str), "tested_on": str, "perturbation": str},
        **{"severity": int, "seed": int, "runtime": RUNTIME},
    },
    "provenance": {
        **{"commit?": (None, str), "dirty?": (None, bool), "protocol?": (None, int)},
        **{"weights_sha256?": (None, str), "clips_sha256?": (None, str), "recipe?": (None, dict)},
        **{"recipe_sha256?": (None, str), "crop?": (None, str), "no_face?": (None, str)},
        **{"preprocessing_sha256?": (None, str), "coverage?": (None, [int]), "shared_footage?": (None, str)},
        **{"shared_people?": (None, str), "threshold?": (None, float), "threshold_source?": (None, str)},
        **{"checkpoint_source?": (None, str), "versions?": (None, dict)},
    },
}
ENTRY = {
    **{"detector": str, "trained_on": (None, str), "seed": int, "weights": (None, WEIGHTS)},
    **{"cost": (None, {}), "cells": [CELL], "validation?": (None, CELL)},
}
TESTED = {
    **{"clips_sha256": str, "brought": bool, "content_sha256?": (None, str), "coverage?": (None, [int])},
    **{"root?": (None, str), "partial": str, "listing?": (None, str)},
}
RECORD = {
    **{"matrix": str, "matrix_sha256": str, "matrix_toml": str, "about": str, "prevalence?": float},
    **{"entries": [ENTRY], "absent": dict, "tested?": dict, "environment": {"timing?": dict}},
}
"""What a run leaves, as `guard.stored.fault_of` wants it."""


def read_record(matrix: str) -> dict[str, Any] | None:
    """The record of the last run of a matrix, None where there is none; a `HarnessError` for any other file.

    The weights it names are those of this home, wherever it lay when it was written.
    """
    path = record_path(matrix)
    if not os.path.lexists(path):
        return None
    again = f"run again: gapbench eval {matrix}"
    record = record_of(read_json(path), path, "a run", RECORD, again)
    told = [fault_of(said, TESTED, f"tested.{name}") for name, said in record.get("tested", {}).items()]
    told += [fault_of(said, str, f"absent.{name}") for name, said in record["absent"].items()]
    told += ["is of another matrix"] * (record["matrix"] != matrix)
    if any(told):
        raise HarnessError(f"{path} does not describe a run: it {next(filter(None, told))}; {again}")
    for entry in record["entries"]:
        for kept in filter(None, (*entry["cells"], entry.get("validation"))):
            kept["file"] = str(below(home(), kept["file"], path))
        if entry["weights"]:
            entry["weights"]["path"] = str(home() / "weights" / Path(entry["weights"]["path"]).name)
    return record
