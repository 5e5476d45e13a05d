"""What detectors cost against what was accepted and against budgets: verdicts on speed and memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from harness.gate.accepted import COST_KEY
from harness.gate.verdicts import Verdict
from harness.tables import number
from harness.types import HarnessError

SPEED, MEMORY = "frames_per_second", "peak_vram_allocated_mib"
INVALID = "throughput_invalid"
"""The column that says why a speed is INVALID; empty where it is VALID."""
RELATIVE = {"fps": (SPEED, 1), "vram": (MEMORY, -1)}
"""Rule -> the column it judges as a share of the accepted one, and whether more of it is better."""
ABSOLUTE = {"fps_min": SPEED, "vram_max_mib": MEMORY}
"""Rule -> the column it judges against a budget."""
EXACT = 1e-9

Key = tuple[str, ...]


def judge_costs(
    now: pd.DataFrame, accepted: pd.DataFrame | None, margins: Mapping[str, float]
) -> list[Verdict]:
    """Verdicts by the rules of `RELATIVE` and `ABSOLUTE` that `margins` names; costs have no interval.

    Tables as `cost_table` makes them. A relative rule holds between measurements of one device,
    precision, size and frames; what was accepted on no such device has no verdict (`not_judged` lists
    it). A budget needs nothing accepted; one for memory that this machine does not measure is
    incomparable. A speed that is INVALID decides nothing: what disturbs a measurement slows it down, so
    only a budget that it meets all the same is kept.
    """
    before = {} if accepted is None else _by_key(accepted, "accepted costs")
    found = []
    for key, cost in _by_key(now, "costs").items():
        name = f"cost of {key[0]} on {key[1]}"
        for rule, (column, sign) in RELATIVE.items():
            if rule in margins and key in before:
                outcome, reason = _moved(before[key][column], cost[column], sign, margins[rule])
                if column == SPEED and outcome:
                    outcome, reason = _believed(outcome, reason, accepted=before[key], now=cost)
                found += [Verdict(name, rule, outcome, reason)] if outcome else []
        for rule, column in ABSOLUTE.items():
            if rule in margins:
                outcome, reason = _within(cost[column], margins[rule], column)
                if column == SPEED and outcome == "worse":
                    outcome, reason = _believed(outcome, reason, now=cost)
                found.append(Verdict(name, rule, outcome, reason))
    return found


def not_judged(now: pd.DataFrame, accepted: pd.DataFrame) -> list[str]:
    """Which costs were accepted on no such device, precision, size and frames: `<detector> on <device>`."""
    before = _by_key(accepted, "accepted costs")
    return [f"{key[0]} on {key[1]}" for key in _by_key(now, "costs") if key not in before]


def _moved(before: Any, now: Any, sign: int, share: float) -> tuple[str, str]:
    """(outcome, reason); no outcome where a cost was not measured when accepted, or not now.

    Memory is not measured without a GPU, and one device is not both.
    """
    if pd.isna(before) or pd.isna(now):
        return "", ""
    gain, allowed = sign * (float(now) - float(before)), share * abs(float(before))
    outcome = "same" if abs(gain) <= allowed + EXACT else "better" if gain > 0 else "worse"
    moved = f"{100 * gain / float(before):+.0f} %, margin " if before else "margin "
    return outcome, f"{number(float(before), 1)} -> {number(float(now), 1)}: {moved}{100 * share:g} %"


def _believed(outcome: str, reason: str, **measured: Mapping[str, Any]) -> tuple[str, str]:
    """(outcome, reason), inconclusive where a speed it rests on is INVALID; older tables do not say."""
    why = {when: str(cost.get(INVALID) or "") for when, cost in measured.items()}
    doubts = [f"{when} INVALID: {said}" for when, said in why.items() if said not in ("", "nan")]
    return ("inconclusive", f"{reason}; {'; '.join(doubts)}") if doubts else (outcome, reason)


def _within(now: Any, budget: float, column: str) -> tuple[str, str]:
    unit, word = ("frames/s", "least") if column == SPEED else ("MiB", "most")
    asked = f"at {word} {budget:g} {unit}"
    if pd.isna(now):
        return "incomparable", f"{asked} asked, not measured on this device"
    kept = float(now) >= budget if column == SPEED else float(now) <= budget
    return "same" if kept else "worse", f"{number(float(now), 1)} {unit}, {asked} asked"


def _by_key(table: pd.DataFrame, what: str) -> dict[Key, dict[str, Any]]:
    found: dict[Key, dict[str, Any]] = {}
    for line in table.to_dict("records"):
        named = tuple(str(line[column]) for column in COST_KEY)
        if named in found:
            raise HarnessError(f"{what}: {'/'.join(named)} is there twice")
        found[named] = {str(column): value for column, value in line.items()}
    return found
