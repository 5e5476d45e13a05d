"""The regression gate: rows against accepted rows, a verdict each.

Rows are compared only when recipe, clip list and protocol agree. File bytes, weights and runtime may
differ, so another machine that trained its own weights can be judged too.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from harness.standing import FIXED_COLUMNS
from harness.tables import WIDTH, number
from harness.types import Cell, HarnessError, unknown

TOLERANCES = {"auc": 0.05, "gap": 0.07, "accuracy": 0.08, "fps": 0.25, "vram": 0.10}
"""Differences that mean nothing: AUC, gap, accuracy absolute; frames/s and VRAM as a share."""

KEY = ("detector", "trained_on", "tested_on", "perturbation", "severity", "seed")
COMPARABLE = {"recipe_sha256": "recipe", "clips_sha256": "clip list", "protocol": "protocol"}
DIRECTIONS = {"auc": 1, "gap": -1, "accuracy": 1}
COST_KEY = ("detector", "device", "precision", "size", "frames")
COST_COLUMNS = {"fps": ("frames_per_second", 1), "vram": ("peak_vram_allocated_mib", -1)}
OUTCOMES = ("same", "better", "incomparable", "worse")

Key = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the gate says of one row."""

    row: str
    """The cell, e.g. `airl@procedural_lab/procedural_wild/clean`, or `cost of airl on <device>`."""
    outcome: str
    """`better`, `same`, `worse` or `incomparable`."""
    reason: str
    """One line: the numbers, or why there is nothing to compare."""


@dataclass(frozen=True, slots=True)
class Costs:
    """Cost tables (columns as the records, one line a detector and device), now and accepted."""

    now: pd.DataFrame
    accepted: pd.DataFrame


def judge(
    rows: pd.DataFrame,
    accepted: pd.DataFrame,
    tolerances: Mapping[str, float] | None = None,
    costs: Costs | None = None,
) -> list[Verdict]:
    """A verdict for every row and every accepted row; both tables as `rows_table` makes them.

    A row is worse when its AUC, gap or accuracy is worse by more than the tolerance, when a number
    that was accepted is now undefined, or when more clips failed; better when one is better by more
    than the tolerance and none is worse. `tolerances` replaces some of `TOLERANCES`. With `costs`,
    speed and VRAM are judged too, for detectors measured on the same device both times.
    """
    limits = _tolerances(tolerances or {})
    now, before = _by_key(rows, KEY, "rows"), _by_key(accepted, KEY, "accepted rows")
    found = [_row_verdict(key, line, before.get(key), limits) for key, line in now.items()]
    gone = [key for key in before if key not in now]
    found += [Verdict(_name(key), "incomparable", "accepted before, missing now") for key in gone]
    return found + (_cost_verdicts(costs, limits) if costs else [])


def exit_code(verdicts: Sequence[Verdict]) -> int:
    """1 when any row is worse; else 4 when any is incomparable or there is none; else 0."""
    outcomes = {verdict.outcome for verdict in verdicts}
    if "worse" in outcomes:
        return 1
    return 4 if "incomparable" in outcomes or not outcomes else 0


def verdict_table(verdicts: Sequence[Verdict]) -> str:
    """The verdicts as text of at most 100 columns: one a row, the worst last, then how many of each."""
    ordered = sorted(verdicts, key=lambda verdict: OUTCOMES.index(verdict.outcome))
    lines = [line for verdict in ordered for line in _lines(verdict)]
    counts = [f"{sum(v.outcome == outcome for v in verdicts)} {outcome}" for outcome in OUTCOMES]
    return "\n".join([*lines, f"{len(verdicts)} verdicts: {', '.join(counts)}"])


def read_rows(path: Path) -> pd.DataFrame:
    """Rows from a CSV that `rows_table` made; a missing file, column or number is a `HarnessError`."""
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    except OSError as error:
        raise HarnessError(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise HarnessError(f"{path} is not a table of rows: {str(error).splitlines()[0]}") from error
    missing = [name for name in FIXED_COLUMNS if name not in table.columns]
    if missing:
        raise HarnessError(f"{path} is not a table of rows: it lacks the column {missing[0]!r}")
    for name in ("severity", "seed", "clips", "failed", *DIRECTIONS, "auc_lo", "auc_hi"):
        try:
            table[name] = pd.to_numeric(table[name].replace("", None))
        except (ValueError, TypeError) as error:
            raise HarnessError(f"{path}: {name} holds something that is not a number ({error})") from error
    return table


def read_accepted(path: Path) -> pd.DataFrame:
    """Accepted rows, or an empty table when nothing was ever accepted."""
    return read_rows(path) if path.exists() else pd.DataFrame(columns=list(FIXED_COLUMNS))


def read_costs(path: Path) -> pd.DataFrame:
    """A cost table as `write_board` writes it; a missing file or column is a `HarnessError`."""
    try:
        table = pd.read_csv(path, dtype=dict.fromkeys(COST_KEY, str))
    except OSError as error:
        raise HarnessError(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise HarnessError(f"{path} is not a table of costs: {str(error).splitlines()[0]}") from error
    for name in (*COST_KEY, *(column for column, _ in COST_COLUMNS.values())):
        if name not in table.columns:
            raise HarnessError(f"{path} is not a table of costs: it lacks the column {name!r}")
    return table


def _row_verdict(
    key: Key, row: Mapping[str, Any], accepted: Mapping[str, Any] | None, limits: Mapping[str, float]
) -> Verdict:
    name = _name(key)
    if accepted is None:
        return Verdict(name, "incomparable", "not accepted yet")
    changed = [what for column, what in COMPARABLE.items() if _text(row[column]) != _text(accepted[column])]
    if changed:
        return Verdict(name, "incomparable", f"not the same {', '.join(changed)} as when it was accepted")
    if _count(row["failed"]) > _count(accepted["failed"]):
        more = f"{_count(row['failed'])} clips failed, {_count(accepted['failed'])} when accepted"
        return Verdict(name, "worse", more)
    steps = [
        _step(metric, row[metric], accepted[metric], direction, limits[metric])
        for metric, direction in DIRECTIONS.items()
    ]
    return _verdict(name, [step for step in steps if step is not None])


Step = tuple[str, str]
"""An outcome, and the numbers behind it."""


def _step(metric: str, now: Any, before: Any, direction: int, limit: float) -> Step | None:
    """How one number moved; None when it was not defined before either."""
    if pd.isna(before):
        return None
    if pd.isna(now):
        return "worse", f"{metric} was {number(float(before))}, now undefined"
    gain = direction * (float(now) - float(before))
    outcome = "same" if abs(gain) <= limit + 1e-9 else "better" if gain > 0 else "worse"
    allowed = "" if outcome == "same" else f" (tolerance {limit:.3g})"
    return outcome, f"{metric} {number(float(before))} -> {number(float(now))}{allowed}"


def _verdict(name: str, steps: Sequence[Step]) -> Verdict:
    for outcome in ("worse", "better"):
        moved = [said for found, said in steps if found == outcome]
        if moved:
            return Verdict(name, outcome, "; ".join(moved))
    return Verdict(
        name, "same", "; ".join(said for _, said in steps) or "no number defined, now or when accepted"
    )


def _cost_verdicts(costs: Costs, limits: Mapping[str, float]) -> list[Verdict]:
    before = _by_key(costs.accepted, COST_KEY, "accepted costs")
    found = []
    for key, now in _by_key(costs.now, COST_KEY, "costs").items():
        if key not in before:
            continue
        steps: list[Step] = []
        for metric, (column, direction) in COST_COLUMNS.items():
            accepted = before[key][column]
            share = 0.0 if pd.isna(accepted) else limits[metric] * abs(float(accepted))
            # VRAM that is not measured now (no GPU) cannot be of the same device, so None is left alone.
            step = None if pd.isna(now[column]) else _step(metric, now[column], accepted, direction, share)
            steps += [step] if step else []
        found.append(_verdict(f"cost of {key[0]} on {key[1]}", steps))
    return found


def _tolerances(given: Mapping[str, float]) -> dict[str, float]:
    for name in given:
        if name not in TOLERANCES:
            raise unknown("tolerance", name, TOLERANCES)
    return {**TOLERANCES, **given}


def _by_key(table: pd.DataFrame, key: Sequence[str], what: str) -> dict[Key, dict[str, Any]]:
    found: dict[Key, dict[str, Any]] = {}
    for line in table.to_dict("records"):
        named = tuple(_text(line[column]) for column in key)
        if named in found:
            raise HarnessError(f"{what}: {'/'.join(named)} is there twice")
        found[named] = {str(column): value for column, value in line.items()}
    return found


def _text(value: Any) -> str:
    """One spelling for a value, whether it comes from memory or from a CSV."""
    if pd.isna(value):
        return ""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _count(value: Any) -> int:
    return 0 if pd.isna(value) else int(value)


def _name(key: Key) -> str:
    detector, trained_on, tested_on, perturbation, severity, seed = key
    return str(Cell(detector, trained_on or None, tested_on, perturbation, int(severity), int(seed)))


def _lines(verdict: Verdict) -> list[str]:
    """A verdict as one line, or with its reason below when that is too long."""
    first = f"{verdict.outcome:12}  {verdict.row}"
    if len(first) + len(verdict.reason) + 2 <= WIDTH:
        return [f"{first}  {verdict.reason}"]
    indent = " " * 18
    return [
        *textwrap.wrap(first, WIDTH, subsequent_indent=indent, drop_whitespace=False),
        *textwrap.wrap(verdict.reason, WIDTH, initial_indent=indent, subsequent_indent=indent),
    ]
