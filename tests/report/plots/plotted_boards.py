"""Boards of detectors as strong as one likes, their predictions stored."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from harness.metrics.measure import Terms
from harness.records import Board, Cost, Entry, Row
from harness.results.predictions import SCHEMA, write_predictions
from harness.results.rows import made_row
from harness.types import Cell, parts_of

LAB, WILD = "procedural_lab", "procedural_wild"

Strengths = Mapping[str, float]
"""Test set -> how many standard deviations fakes score above reals."""


def predictions(world: str, strength: float, seed: int) -> pd.DataFrame:
    """120 clips of 30 people; with strength 0 all score 0.5."""
    rng = np.random.default_rng(seed)
    label = np.arange(120) % 2
    score = 1 / (1 + np.exp(-rng.normal(strength * (label - 0.5), 1 if strength else 0, 120)))
    people = rng.integers(30, size=(2, 120))
    table = pd.DataFrame(dict.fromkeys(SCHEMA.names), index=range(120))
    return table.assign(
        clip_id=[f"{world}/{k}" for k in range(120)],
        label=label,
        manipulation=np.where(label == 1, "gan", None),
        target=[f"p{k}" for k in people[0]],
        source=[f"p{k}" if fake else None for k, fake in zip(people[1], label, strict=True)],
        score=score,
        frame_scores=[[value] for value in score],
        frame_indices=[[0]] * 120,
    )


class Maker:
    """Boards of detectors with stored predictions."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.files, self.entries = folder, dict[str, Path](), list[Entry]()

    def add(self, name: str, trained_on: str | None, sets: Strengths, fps: float = 0, **cell: Any) -> Maker:
        """One more entry; `cell` are further fields of its cells."""
        rows = [self._row(Cell(name, trained_on, tested, **cell), at) for tested, at in sets.items()]
        same = [k for k, each in enumerate(self.entries) if each.name == rows[0].cell.entry]
        if same:
            self.entries[same[0]] = dataclasses.replace(
                self.entries[same[0]], rows=(*self.entries[same[0]].rows, *rows)
            )
        else:
            spent = Cost(
                name, "Some(R) Processor(TM)", "fp32", 96, 8, 16, fps, 10.0, None, None, 9, None, None
            )
            self.entries.append(
                Entry(name, trained_on, cell.get("seed", 0), tuple(rows), spent if fps else None)
            )
        return self

    def board(self, matrix: str = "some-matrix") -> Board:
        return Board(matrix, "0", "", "about", tuple(self.entries), predictions=self.files)

    def _row(self, cell: Cell, strength: float) -> Row:
        told = predictions(parts_of(cell.tested_on)[0], strength, len(self.files))
        path = self.folder / f"{len(self.files)}.parquet"
        write_predictions(path, told, {})
        self.files[str(cell)] = path
        source = "fixed" if cell.trained_on is None else "source-val"
        said = {"threshold": 0.5, "threshold_source": source, "checkpoint_source": source}
        return made_row(cell, told, said, Terms(draws=200))
