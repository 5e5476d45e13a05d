"""Whether a run gives again what the project published of its matrix, to the digit that is printed.

The boards that the project publishes lie in `results/published/` and are committed; a run writes beside that
folder and only compares. Where there is no such folder, as in an installed wheel, nothing is said.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from harness.gate.accepted import KEY, read_table
from harness.metrics.measure import METRICS
from harness.types import Cell, HarnessError

ASKED = ("recipe_sha256", "clips_sha256", "preprocessing_sha256", "protocol")
"""Columns in which two rows must agree to be the same question."""
MOST_NAMED = 4
"""Rows of a kind that are named; the others are counted."""


def published_in(results: Path) -> Path:
    """Where the published boards of a results folder lie, whether or not there are any."""
    return results / "published"


def published_files(matrix: str, results: Path) -> tuple[Path, Path]:
    """The published rows and costs of a matrix: of this results folder, else of the checkout."""
    checkout = Path(__file__).resolve().parents[2] / "results"
    folders = [published_in(each) for each in (results, checkout)]
    folder = next((each for each in folders if (each / f"{matrix}.csv").is_file()), folders[0])
    return folder / f"{matrix}.csv", folder / f"{matrix}-cost.csv"


def reproduced(matrix: str, results: Path) -> str:
    """One line on the rows just written against the published ones; empty where none are published."""
    rows, costs = published_files(matrix, results)
    if not rows.is_file():
        return ""
    try:
        said = _compared(_rows(rows), _rows(results / f"{matrix}.csv"))
        return f"published board of {matrix}: {said}; the published ones were made on {_made_on(rows, costs)}"
    except (HarnessError, ValueError, TypeError) as error:  # a damaged one is no reason to lose a run
        return f"published board of {matrix}: not compared: {error}"


def _compared(before: pd.DataFrame, now: pd.DataFrame) -> str:
    shared = [cell for cell in before.index if cell in now.index]
    asked = {cell: _asked_otherwise(before.loc[cell], now.loc[cell]) for cell in shared}
    moved = {cell: _moved(before.loc[cell], now.loc[cell]) for cell in shared if not asked[cell]}
    equal = sum(not why for why in moved.values())
    in_auc = sum(not why.startswith("auc ") for why in moved.values())
    whole = "all " * (in_auc == len(before) == len(now))
    said = [f"{whole}{in_auc} of {len(before)} rows are equal to the printed digit"]
    if equal < in_auc:
        said[0] += f" in AUC, {equal} of them in every number"
    said += _named("differ", [f"{cell} ({why})" for cell, why in moved.items() if why])
    said += _named("were asked otherwise", [f"{cell} (another {why})" for cell, why in asked.items() if why])
    said += _named("were not measured here", [cell for cell in before.index if cell not in shared])
    said += _named("are not published", [cell for cell in now.index if cell not in shared])
    return "; ".join(said)


def _rows(path: Path) -> pd.DataFrame:
    """The rows of a board by `Cell.measured`, as text."""
    table = read_table(path, "rows", (*KEY, *ASKED, "auc"))
    cells = [
        Cell(detector, on or None, tested, perturbation, int(severity), int(seed)).measured
        for detector, on, tested, perturbation, severity, seed in table[list(KEY)].itertuples(index=False)
    ]
    return table.set_index(pd.Index(cells))


def _asked_otherwise(before: pd.Series, now: pd.Series) -> str:
    """What two rows were not asked alike, in words; empty where they were."""
    return ", ".join(name.removesuffix("_sha256") for name in ASKED if before[name] != now[name])


def _moved(before: pd.Series, now: pd.Series) -> str:
    """The first number that differs, and by how much; empty where none does."""
    numbers = [name for name in before.index if name in (*METRICS, "gap") or ":" in name]
    for name in (each for each in numbers if each in now.index and before[each] != now[each]):
        then, found = before[name] or "undefined", now[name] or "undefined"
        by = f", {float(found) - float(then):+.4f}" if before[name] and now[name] else ""
        return f"{name} {then} -> {found}{by}"
    return ""


def _named(kind: str, cells: Sequence[str]) -> list[str]:
    more = f" and {len(cells) - MOST_NAMED} more" if len(cells) > MOST_NAMED else ""
    return [f"{len(cells)} {kind}: {', '.join(cells[:MOST_NAMED])}{more}"] if cells else []


def _made_on(rows: Path, costs: Path) -> str:
    """What the published rows were made on and by, as far as they say."""
    table = read_table(rows, "rows", ("runtime", "commit"))
    devices = read_table(costs, "costs", ("device",))["device"] if costs.is_file() else table["runtime"]
    codes = ", ".join(sorted({commit[:10] for commit in table["commit"] if commit}))
    return f"{', '.join(sorted(set(devices)))}, by code {codes or 'unknown'}"
