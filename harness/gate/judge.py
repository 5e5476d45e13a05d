"""The regression gate: predictions against accepted predictions, a verdict for each rule.

Rows are compared only when recipe, clip list and protocol agree. File bytes, weights and runtime may
differ, so another machine that trained its own weights can be judged too. Both sides are weighted by
the same draws of the same identities, so what the clips share cancels in the difference.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from harness.gate.accepted import (
    AcceptedRun,
    accepted_file,
    accepted_form,
    as_accepted,
    read_accepted,
    read_costs,
)
from harness.gate.cost_budgets import ABSOLUTE, RELATIVE, judge_costs, not_judged
from harness.gate.paired import PairedCell, paired
from harness.gate.verdicts import Verdict
from harness.metrics.bootstrap import DRAWS
from harness.progress import say
from harness.records import Board, Entry, Row
from harness.results.lines import Line, line_of
from harness.tables import number, rounded
from harness.types import GATE_RULES, unknown

LINE_RULES = {
    "gap": ("auc_gap", -1),
    "unseen_worst": ("auc_unseen_worst", 1),
    "robust_worst": ("auc_robust_worst", 1),
}
"""Rule -> the number of `lines.headline` it judges, and whether more of it is better."""

COMPARABLE = {
    "recipe_sha256": "recipe",
    "clips_sha256": "clip list",
    "preprocessing_sha256": "preprocessing",
    "protocol": "protocol",
}

SURE = 1.6448536269514722
"""95 percent point of the normal distribution, for one-sided bounds."""

POWER = 0.8416212335729143
"""80 percent point: how often the stated number of clips would do."""

FEWEST = 6
"""Clips below which no order of them is surer than 95 %: 3 and 3 have 20 orders."""

EXACT = 1e-9
"""Differences below this are of the arithmetic, not of the detectors."""


def judge(
    now: AcceptedRun, accepted: AcceptedRun, margins: Mapping[str, float] | None = None, draws: int = DRAWS
) -> list[Verdict]:
    """Verdicts on every cell and every line of the leaderboard, now or when accepted; costs are apart.

    `margins`: rule -> how much may be lost, replacing those of `GATE_RULES`. With the change d (positive is
    better), its standard error by the paired draws and the bounds d -+ 1.645 standard errors: `worse`
    when the upper bound is below -margin, `better` when the lower is above the margin, `same` when
    the lower is not below -margin, else `inconclusive`. A number that was accepted and is now
    undefined is worse, and so are more failed clips than accepted. One rule wrongly says `worse` of an
    equal detector in less than 5 % of cases, and far less with a margin well above the standard error.
    """
    limits = margins_of(margins or {})
    pairs: dict[str, PairedCell] = {}
    found: list[Verdict] = []
    for name in dict.fromkeys([*now.rows, *accepted.rows]):
        why = _incomparable(now.rows.get(name), accepted.rows.get(name))
        if not why:
            row, before = now.rows[name], accepted.rows[name]
            sides = (row, now.predictions[name]), (before, accepted.predictions[name])
            pair = paired(*sides, draws)
            found += _of_cell(name, pair, limits)
            why = pair.apart
        if why:
            found.append(Verdict(name, "auc", "incomparable", why))
        else:
            pairs[name] = pair
    return found + _of_lines([*now.rows.values(), *accepted.rows.values()], pairs, limits)


def judge_board(
    board: Board, results: Path, margins: Mapping[str, float], costs: pd.DataFrame | None = None
) -> list[Verdict]:
    """Verdicts on a board against what was accepted of its matrix in a folder of results.

    `costs` is its cost table, where speed and memory are to be judged as well. What is not accepted, or
    damaged, is a `HarnessError` (`accepted.lacking` says beforehand whether anything is missing).
    """
    verdicts = judge(accepted_form(board), read_accepted(results, board.matrix), margins)
    if costs is None or not margins.keys() & (RELATIVE.keys() | ABSOLUTE.keys()):
        return verdicts
    before = None
    if margins.keys() & RELATIVE.keys():
        path = accepted_file(results, board.matrix, "-cost.csv")
        as_accepted(path, board.matrix)
        before = read_costs(path)
        for name in not_judged(costs, before):
            say(f"speed and memory not judged: nothing is accepted of {name}")
    return verdicts + judge_costs(costs, before, margins)


def margins_of(given: Mapping[str, float]) -> dict[str, float]:
    """The margins in force, by rule; an unknown rule is a `HarnessError`."""
    for name in given:
        if name not in GATE_RULES:
            raise unknown("rule of the gate", name, GATE_RULES)
    return {name: margin for name, margin in GATE_RULES.items() if margin is not None} | dict(given)


@dataclass(frozen=True, slots=True)
class Change:
    """How a number moved between two runs on the same clips."""

    before: float
    now: float
    gain: float
    """Positive is better."""
    error: float
    """Standard error of the gain, by draws that weigh both runs alike."""
    clips: int
    """Clips it rests on."""

    def outcome(self, margin: float) -> str:
        """`better`, `same`, `worse` or `inconclusive` at a margin of 0 or more."""
        low, high = self.bounds
        if abs(self.gain) > margin + EXACT and self.clips < FEWEST:
            return "inconclusive"
        if high < -margin - EXACT:
            return "worse"
        if low > margin + EXACT:
            return "better"
        return "same" if low >= -margin - EXACT else "inconclusive"

    @property
    def bounds(self) -> tuple[float, float]:
        """One-sided 95 % bounds of the gain: each alone holds in 95 % of cases.

        Normal, not percentiles of the draws: with 1,000 simulated clips they agree, but with 100, at an
        AUC of 0.9, percentiles call equal detectors better or worse twice as often (44 to 22 of 3,000).
        """
        return self.gain - SURE * self.error, self.gain + SURE * self.error

    def said(self, margin: float) -> str:
        """The numbers, and what would settle them where these clips do not."""
        if self.gain == self.error == 0:
            return f"{number(self.now)}, unchanged"
        low, high = (f"{rounded(bound):+.3f}" for bound in self.bounds)
        text = f"{number(self.before)} -> {number(self.now)}: {rounded(self.gain):+.3f} [{low}, {high}]"
        text += f", margin {margin:g}"
        return f"{text}; {self.settled(margin)}" if self.outcome(margin) == "inconclusive" else text

    def settled(self, margin: float) -> str:
        """How many clips, of as many more identities, would decide 4 times in 5."""
        if self.bounds[1] < 0:  # a loss: as many as show on which side of the margin it lies
            beyond = max(abs(abs(self.gain) - margin), EXACT)
            told = f"about {self._needed(beyond):,.0f} clips would tell, here {self.clips:,}"
            return f"a loss, perhaps within the margin; {told}"
        if margin == 0:
            return "no number of clips finds equal detectors within a margin of 0"
        needed = self._needed(margin)
        text = f"about {needed:,.0f} clips would settle it, here {self.clips:,}"
        enough = f"about {needed:,.0f} clips settle equal detectors, here {self.clips:,}: perhaps a loss"
        return text if needed > self.clips else enough

    def _needed(self, distance: float) -> float:
        """Clips that tell a gain from one so far off, to two digits."""
        return float(f"{self.clips * ((SURE + POWER) * self.error / distance) ** 2:.1e}")


def _incomparable(now: Row | None, before: Row | None) -> str:
    """Why a cell cannot be compared; empty when it can."""
    if now is None or before is None:
        return "accepted before, missing now" if now is None else "not accepted yet"
    one, other = now.provenance, before.provenance
    changed = [what for name, what in COMPARABLE.items() if str(one.get(name)) != str(other.get(name))]
    if now.selection != before.selection:
        changed.append(f"origin of checkpoint and threshold ({before.selection}, now {now.selection})")
    return f"not the same {', '.join(changed)} as when it was accepted" if changed else ""


def _of_cell(name: str, pair: PairedCell, limits: Mapping[str, float]) -> list[Verdict]:
    found = []
    now, before = pair.now.failed, pair.before.failed
    if now or before:
        outcome = "worse" if now > before else "better" if now < before else "same"
        found.append(Verdict(name, "failed", outcome, f"{before} -> {now} clips failed"))
    for rule in ("auc", "accuracy"):
        if rule in limits and not (rule == "auc" and pair.apart):
            numbers = pair.before.metrics[rule], pair.now.metrics[rule]
            drawn = pair.before.draws.get(rule), pair.now.draws.get(rule)
            outcome, reason = _moved(numbers, drawn, limits[rule], (1, len(pair.clips)))
            found.append(Verdict(name, rule, outcome, reason + ("" if None in numbers else pair.note)))
    return found


def _of_lines(
    rows: Iterable[Row], pairs: Mapping[str, PairedCell], limits: Mapping[str, float]
) -> list[Verdict]:
    """Verdicts on the lines whose every cell can be compared."""
    cells: dict[tuple[str, str | None], dict[str, Row]] = {}
    for row in rows:
        cells.setdefault((row.cell.detector, row.cell.trained_on), {})[row.cell.measured] = row
    found = []
    for mine in cells.values():
        both = [pairs[name] for name in mine if name in pairs]
        if len(both) == len(mine):
            found += _of_line(both, limits)
        elif both:
            name = _line([pair.now for pair in both]).name
            lost = f"{len(mine) - len(both)} of its {len(mine)} cells cannot be compared"
            found.append(Verdict(name, "line", "incomparable", lost))
    return found


def _of_line(pairs: Sequence[PairedCell], limits: Mapping[str, float]) -> list[Verdict]:
    now, before = _line([pair.now for pair in pairs]), _line([pair.before for pair in pairs])
    found = []
    for rule, (name, sign) in LINE_RULES.items():
        numbers = before.numbers[name], now.numbers[name]
        if numbers == (None, None):
            continue
        clean = rule != "robust_worst"
        clips = {clip for pair in pairs if (pair.now.cell.severity == 0) == clean for clip in pair.clips}
        drawn = before.draws.get(name), now.draws.get(name)
        found.append(Verdict(now.name, rule, *_moved(numbers, drawn, limits[rule], (sign, len(clips)))))
    return found


def _line(rows: Sequence[Row]) -> Line:
    seeds: dict[int, list[Row]] = {}
    for row in rows:
        seeds.setdefault(row.cell.seed, []).append(row)
    first = rows[0].cell
    entries = [Entry(first.detector, first.trained_on, seed, tuple(mine)) for seed, mine in seeds.items()]
    return line_of(entries)


def _moved(
    numbers: tuple[float | None, float | None],
    drawn: tuple[Any, Any],
    margin: float,
    sense: tuple[int, int],
) -> tuple[str, str]:
    """(outcome, reason) from a number before and now, each under every draw too; `sense`: sign, clips.

    Where both numbers are defined both have draws.
    """
    before, now = numbers
    if before is None or now is None:
        if before is None and now is None:
            return "same", "undefined, now and when accepted"
        if now is None:
            return "worse", f"was {number(before)}, now undefined"
        return "better", f"was undefined, now {number(now)}"
    sign, clips = sense
    error = float(np.std(np.subtract(*drawn), ddof=1))
    change = Change(before, now, sign * (now - before), error, clips)
    return change.outcome(margin), change.said(margin)
