"""Boards of scores drawn at random, their predictions stored."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from harness.metrics.measure import Terms
from harness.records import Board, Entry, Row
from harness.results.predictions import SCHEMA, write_predictions
from harness.results.rows import made_row, terms_from
from harness.types import Cell, parts_of

LAB, WILD, FAR = "lab", "wild", "far"
KINDS = ("gan", "swap")
PROVENANCE: dict[str, Any] = {
    "threshold": 0.5,
    "threshold_source": "source-val",
    "checkpoint_source": "source-val",
    "clips_sha256": "c" * 64,
    "protocol": 1,
    "commit": "abcdef1234567890",
    "dirty": False,
}
FIXED = {"threshold_source": "fixed", "checkpoint_source": "fixed"}
PEOPLE = 20
"""Identities of a test set; each has two real clips and two fakes of each kind."""


def clips(on: str) -> pd.DataFrame:
    """The clips of a dataset, or of one manipulation of it, without scores."""
    dataset, _, only = parts_of(on)
    lines = []
    for person in range(PEOPLE):
        for kind in (None, *(KINDS if only is None else (only,))):
            for take in range(2):
                source = None if kind is None else f"p{(person + 3 + take) % PEOPLE}"
                name = f"{dataset}/{kind}/{person}-{take}"
                lines.append((name, int(kind is not None), kind, f"p{person}", source))
    told = pd.DataFrame(lines, columns=["clip_id", "label", "manipulation", "target", "source"])
    return told.reindex(columns=SCHEMA.names)


def scored(on: str, strength: float, noise: int, failed: int = 0) -> pd.DataFrame:
    """Predictions that part reals from fakes by `strength` standard deviations; `noise` seeds the rest."""
    told = clips(on)
    rng = np.random.default_rng([noise, *on.encode()])
    score = 1 / (1 + np.exp(-rng.normal(strength * (told["label"] - 0.5), 1)))
    score = np.full(len(told), 0.5) if strength == 0 else score
    told = told.assign(
        score=score, frame_scores=[[value] for value in score], frame_indices=[[0]] * len(told)
    )
    told["error"] = [("no face" if k < failed else None) for k in range(len(told))]
    told.loc[: failed - 1, "score"] = None
    told.loc[: failed - 1, "frame_scores"] = pd.Series([[]] * failed, dtype=object)
    return told


@dataclasses.dataclass
class Making:
    """A board in the making: its entries, and the folder its predictions are stored in."""

    folder: Path
    toml: str = ""
    drawn: int = 300

    def __post_init__(self) -> None:
        self.files: dict[str, Path] = {}
        self.entries: list[Entry] = []

    def entry(
        self,
        detector: str,
        trained_on: str | None,
        strengths: Mapping[str, float],
        seed: int = 0,
        failed: int = 0,
        validation: float | None = None,
        **said: Any,
    ) -> Entry:
        """One entry; `strengths` of `test set` or `test set/perturbation-severity`."""
        noise = [seed, *detector.encode(), *(trained_on or "").encode()]
        number = int(np.random.SeedSequence(noise).generate_state(1)[0])
        terms = Terms(draws=self.drawn)
        if validation is not None:
            terms = dataclasses.replace(terms_from(scored("val", validation, number), 0.01), draws=self.drawn)
        rows = [
            self.row(
                Cell(detector, trained_on, *where(text), seed=seed), strength, number, failed, terms, said
            )
            for text, strength in strengths.items()
        ]
        self.entries.append(Entry(detector, trained_on, seed, tuple(rows)))
        return self.entries[-1]

    def row(
        self, cell: Cell, strength: float, noise: int, failed: int, terms: Terms, said: Mapping[str, Any]
    ) -> Row:
        """The row of one cell, its predictions stored."""
        predictions = scored(cell.tested_on, strength, noise + cell.severity, failed)
        self.files[str(cell)] = self.folder / f"{len(self.files)}.parquet"
        write_predictions(self.files[str(cell)], predictions, {})
        given = FIXED if cell.trained_on is None else {}
        return made_row(cell, predictions, {**PROVENANCE, **given, **said}, terms)

    def board(self) -> Board:
        """What was made so far."""
        about = "Scores drawn at random."
        return Board("made", "m" * 64, self.toml, about, tuple(self.entries), {}, self.files)


def where(text: str) -> tuple[str, str, int]:
    """(tested on, perturbation, severity) of `wild` or `wild/blur-3`."""
    on, _, condition = text.partition("/")
    perturbation, _, severity = (condition or "clean-0").partition("-")
    return on, perturbation, int(severity)


def cross_dataset(folder: Path) -> Board:
    """Two strong detectors, a weak one and the row to beat; trained on one set, tested on it and another."""
    making = Making(folder, toml="prevalence = 0.05")
    making.entry("constant", None, {LAB: 0, WILD: 0, f"{WILD}/blur-3": 0})
    for name, strength in (("weak", 0.5), ("strong", 2.0), ("other", 2.05)):
        strengths = {LAB: 3.0, WILD: strength, f"{WILD}/blur-3": 0.4, f"{WILD}/jpeg-3": 1.0}
        making.entry(name, LAB, strengths, validation=3.0)
    return making.board()


def leave_one_out(folder: Path) -> Board:
    """Two detectors, each trained twice without one of two manipulations."""
    making = Making(folder)
    for name, strength in (("strong", 2.5), ("weak", 0.7)):
        for out in KINDS:
            strengths = {f"{LAB}:{only}": strength if only == out else 3.0 for only in KINDS}
            making.entry(name, f"{LAB}-{out}", strengths)
    return making.board()


def of_seeds(folder: Path, seeds: Iterable[int] = (0, 1, 2)) -> Board:
    """One detector trained from several seeds that differ in what they are worth, and one from one."""
    making = Making(folder)
    for seed in seeds:
        making.entry("unsteady", LAB, {LAB: 3.0, WILD: 0.6 + seed}, seed=seed)
    making.entry("steady", LAB, {LAB: 3.0, WILD: 1.6})
    return making.board()
