"""Runs of one detector with simulated scores: what is kept of them, and their files."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from harness.evaluation.matrix import load_matrix
from harness.gate.accepted import AcceptedRun
from harness.gate.verdicts import Verdict
from harness.records import Row
from harness.results.predictions import write_predictions
from harness.types import Cell

LAB, WILD, CITY = "lab", "wild", "city"
SEEN, UNSEEN, OTHER = (Cell("eye", LAB, tested_on) for tested_on in (LAB, WILD, CITY))
BLURRED, JPEG = Cell("eye", LAB, WILD, "blur", 3), Cell("eye", LAB, WILD, "jpeg", 1)
FIXED = Cell("rule", None, WILD)
PROVENANCE = {
    **{"recipe_sha256": "1e5", "clips_sha256": "0012", "protocol": 1},
    **{"threshold": 0.5, "threshold_source": "source-val", "checkpoint_source": "source-val"},
}
Scored = Mapping[Cell, pd.DataFrame]


def clips(number: int = 200, identities: int = 40, seed: int = 0) -> pd.DataFrame:
    """Half reals, half swaps of two identities each; without scores."""
    rng = np.random.default_rng(seed)
    label = np.repeat([0, 1], [number // 2, number - number // 2])
    target = rng.integers(0, identities, number)
    source = (target + rng.integers(1, identities, number)) % identities
    return pd.DataFrame(
        {
            "clip_id": [f"clip/{k}" for k in range(number)],
            "label": label,
            "manipulation": np.where(label == 1, "swap", None),
            "target": [f"p{k}" for k in target],
            "source": np.where(label == 1, [f"p{k}" for k in source], None),
        }
    )


def scored(strength: float = 1.5, number: int = 200, seed: int = 0) -> pd.DataFrame:
    """Clips whose fakes score `strength` standard deviations above the reals; the same noise for a seed."""
    table = clips(number)
    noise = np.random.default_rng([1, seed]).normal(size=number)
    return table.assign(score=squashed(noise + strength * table["label"]))


def squashed(values: Any) -> np.ndarray:
    """Any numbers in their order as scores between 0 and 1, as single-precision numbers."""
    return (1 / (1 + np.exp(-np.asarray(values, dtype=np.float64)))).astype(np.float32)


def kept(predictions: Scored, **said: Any) -> AcceptedRun:
    """What a run keeps of these cells; `said` replaces some of their provenance."""
    rows = {}
    for cell, table in predictions.items():
        failed = int(table["score"].isna().sum())
        rows[str(cell)] = Row(cell, len(table), failed, {}, provenance=PROVENANCE | said)
    return AcceptedRun(rows, {str(cell): table for cell, table in predictions.items()})


def without(table: pd.DataFrame, lost: Any) -> pd.DataFrame:
    """The same clips, some of which failed."""
    return table.assign(score=table["score"].mask(lost))


def told(verdicts: list[Verdict], rule: str, row: object = UNSEEN) -> Verdict:
    """The one verdict on a row by a rule."""
    (found,) = [verdict for verdict in verdicts if (verdict.rule, verdict.row) == (rule, str(row))]
    return found


def outcomes(verdicts: list[Verdict]) -> set[str]:
    return {verdict.outcome for verdict in verdicts}


def costs(device: str = "cpu", fps: float = 100.0, vram: float | None = None) -> pd.DataFrame:
    """One line of a cost table."""
    line = {"detector": "eye", "device": device, "precision": "fp32", "size": 96, "frames": 8}
    return pd.DataFrame([line | {"frames_per_second": fps, "peak_vram_allocated_mib": vram}])


TOML = """
about = "Simulated."
detectors = ["eye"]
train = ["lab"]
test = ["lab", "wild"]
perturbations = ["blur-3"]
[gate]
auc = 0.05
robust_worst = 0.05
accuracy = 0.1
"""


def finish(predictions: Scored) -> None:
    """Leave the record and the predictions of a run, as `gapbench eval` does."""
    home, matrix, kept_cells = Path("home").absolute(), load_matrix("gated.toml"), []
    for cell, table in predictions.items():
        path = home / "predictions" / f"{str(cell).replace('/', '_')}.parquet"
        frames = [[] if pd.isna(score) else [score] for score in table["score"]]
        error = np.where(table["score"].isna(), "no frame", None)
        whole = table.assign(frame_scores=frames, frame_indices=[[0]] * len(table), error=error)
        write_predictions(path, whole, {})
        file = str(path.relative_to(home))
        kept_cells.append({"file": file, "cell": asdict(cell), "provenance": PROVENANCE})
    cost = {"detector": "eye", "device": "cpu", "precision": "fp32", "size": 96, "frames": 8, "batch": 1}
    cost |= {"frames_per_second": 100.0, "latency_ms_p50": 1.0, "latency_ms_p90": None}
    cost |= {"latency_ms_p99": None, "parameters": 1}
    cost |= {"peak_vram_allocated_mib": None, "peak_vram_reserved_mib": None}
    entry = {"detector": "eye", "trained_on": LAB, "seed": 0, "weights": None, "cost": cost}
    record = {"matrix": "gated", "matrix_sha256": matrix.sha256, "matrix_toml": matrix.toml, "about": "x"}
    record |= {"entries": [entry | {"cells": kept_cells}], "absent": {}, "environment": {}}
    (home / "runs").mkdir(parents=True, exist_ok=True)
    (home / "runs" / "gated.json").write_text(json.dumps(record))


def options(**said: Any) -> Namespace:
    given = {"matrix": "gated.toml", "results": Path("results"), "junit": None, "summary": None}
    return Namespace(**given | {"allow_inconclusive": False} | said)
