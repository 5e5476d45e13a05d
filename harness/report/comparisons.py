"""The tables that say how far to trust results: comparisons, operating points, drift, domains."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations, pairwise

import pandas as pd

from harness.metrics.thresholds import DRIFT_RATES
from harness.report.notes import (
    bracketed,
    by_test_set,
    first_that_fits,
    marked,
    why_undefined,
    with_interval,
    without_empty,
)
from harness.report.ranks import detector_means
from harness.results.comparison import Difference, Values, differences
from harness.results.lines import Line
from harness.results.ranking import Standings, Tested
from harness.results.standing import BASELINE, mean_of, unseen_rows
from harness.tables import Table, number

MOST_PAIRS = 12
"""Comparisons that are all shown; of more, those of neighbours and those with the best."""


def comparisons(standings: Standings) -> Iterator[Table]:
    """Which of the differences between lines are more than chance, and those between detectors."""
    found = [each for each in standings.differences if each.paired or _of_guessing(standings, each)]
    if found:
        names = {line.name: standings.name(line) for line in standings.lines}
        made = len(standings.differences)
        note = (
            "Difference of the mean unseen AUCs, both weighed by the same draws of identities, on the clips"
            " that both scored, with its own 95 % interval. `p`: of no difference, adjusted by Holm for the"
            f" number of comparisons ({made}); below 0.05 the two are `apart`."
        )
        yield _comparison_table("Compared on the same clips", found, names, note, made)
    means = detector_means(standings)
    found = _between(means)
    if found:
        names = {line.name: line.name for line in means}
        note = "As above, for the means over all training sets, adjusted among themselves."
        yield _comparison_table("Detectors compared", found, names, note, math.comb(len(means), 2))


def _of_guessing(standings: Standings, difference: Difference) -> bool:
    """Whether one of the two is the row to beat, which has the same AUC on any clips."""
    guessing = {line.name for line in standings.lines if line.entries[0].detector == BASELINE}
    return bool(guessing & {difference.one, difference.other})


def _between(lines: Sequence[Line]) -> list[Difference]:
    """Differences of means over lines that met the same test sets."""
    named, values = [], []
    for one, other in combinations(lines, 2):
        if BASELINE in (one.name, other.name) or _met(one) == _met(other):
            pair = [_value(line) for line in (one, other)]
            if pair[0] and pair[1]:
                named.append((one.name, other.name))
                values.append((pair[0], pair[1]))
    return differences(named, values)


def _met(line: Line) -> list[str]:
    """The unseen test sets of each training set, whatever the seed."""
    pairs = {(entry.trained_on, row.cell.tested_on) for entry in line.entries for row in unseen_rows(entry)}
    return sorted(tested_on for _, tested_on in pairs)


def _value(line: Line) -> Values | None:
    value, drawn = line.numbers["auc_unseen_mean"], line.draws.get("auc_unseen_mean")
    return None if value is None or drawn is None else (value, drawn)


def _comparison_table(
    title: str, found: Sequence[Difference], names: Mapping[str, str], note: str, made: int
) -> Table:
    """`names`: name of each line -> what it is called, in order; `made`: comparisons, shown or not."""
    neighbours = set(pairwise(names))
    shown = list(found)
    if len(found) > MOST_PAIRS:
        best = next(iter(names))
        shown = [x for x in found if x.one == best or (x.one, x.other) in neighbours]
    if len(found) < made:
        note += " Pairs that met different test sets are not shown."
    if len(shown) < len(found):
        note += f" Of {len(found)}, those between neighbours and those with the best are shown."
    body = tuple(
        (
            *(names[each.one], names[each.other], f"{each.value:+.3f} {bracketed((each.low, each.high))}"),
            "<.001" if each.adjusted < 0.0005 else number(each.adjusted),
            "apart" if each.separated else "not told apart",
        )
        for each in shown
    )
    return Table(title, ("detector", "against", "difference [95 %]", "p", "verdict"), body, note)


def operating_points(standings: Standings) -> Iterator[Table]:
    """What each line catches and wrongly accuses at its threshold, and whether P(fake) is a probability."""
    columns = {
        "TPR@1%": "tpr_at_fpr_1pct",
        "TPR@.1%": "tpr_at_fpr_0.1pct",
        **{"TPR": "tpr", "FPR": "fpr", "PPV": "ppv", "Brier [95 %]": "brier", "ECE": "ece"},
    }
    shown = {on: standings.tested(on) for on in standings.tests}
    bodies = {on: [_points(standings, t, columns) for t in tested] for on, tested in shown.items() if tested}
    body = by_test_set(bodies, standings.board)
    if not body:
        return
    table = without_empty(Table("Operating points and calibration", ("detector", *columns), tuple(body)))
    listed = [tested for those in shown.values() for tested in those]
    note = (
        "At the decision threshold: `TPR`, fakes caught; `FPR`, reals called fake; `PPV`, share of fakes in"
        f" what is called fake where {100 * standings.prevalence:g} % of clips are fake. `TPR@1%`: fakes"
        " caught where 1 % of these very reals are called fake. Brier: squared distance of P(fake) from the"
        " truth (always 0.5 gives 0.25). ECE: distance of P(fake) from the share of fakes, in 10 bins of"
        " equal size. Both hold for these clips and their share of fakes."
        + why_undefined(columns, listed)
        + _why_no_drift(listed)
    )
    yield Table(table.title, table.header, table.lines, note)


def _points(standings: Standings, tested: Tested, columns: Mapping[str, str]) -> tuple[str, ...]:
    cells = [
        with_interval(tested.value(metric), tested.interval(metric) if "[" in title else None)
        for title, metric in columns.items()
    ]
    return (standings.name(tested.line), *cells)


def _drift_columns() -> dict[str, str]:
    falling = sorted(DRIFT_RATES, key=lambda name: DRIFT_RATES[name], reverse=True)
    return {f"{100 * DRIFT_RATES[name]:g} % becomes": f"fpr_at_val_{name}" for name in falling}


def _has_drift(shown: Sequence[Tested]) -> bool:
    return any(t.value(metric) is not None for t in shown for metric in _drift_columns().values())


def _why_no_drift(shown: Sequence[Tested]) -> str:
    """Why the board has no table of drift; empty where it has one."""
    if _has_drift(shown):
        return ""
    reasons = dict.fromkeys(r for t in shown for name in _drift_columns().values() for r in t.reasons(name))
    return f" False-positive drift is not known: {'; '.join(reasons)}." if reasons else ""


def drift(standings: Standings) -> Iterator[Table]:
    """What the thresholds set for 5 % and 1 % false positives on source validation give on each test set."""
    columns, rate = _drift_columns(), max(DRIFT_RATES, key=lambda name: DRIFT_RATES[name])
    missed, note = f"miss_at_val_{rate}:", _drift_note(standings)
    for on in standings.tests:
        shown = [tested for tested in standings.tested(on) if _has_drift([tested])]
        if not shown:
            continue
        metrics = {name for tested in shown for row in tested.rows for name in row.metrics}
        parts = sorted(name for name in metrics if name.startswith(missed))
        body = tuple(
            (
                standings.name(tested.line),
                *(with_interval(tested.value(name), tested.interval(name)) for name in columns.values()),
                *(number(tested.value(name)) for name in parts),
            )
            for tested in shown
        )
        header = ("detector", *columns, *(name.removeprefix(missed) for name in parts))
        yield without_empty(
            Table(f"False-positive drift on {marked(standings.board, on)}", header, body, note)
        )
        note = ""


def _drift_note(standings: Standings) -> str:
    listed = [tested for on in standings.tests for tested in standings.tested(on)]
    shown = [tested for tested in listed if _has_drift([tested])]
    without = dict.fromkeys(standings.name(t.line) for t in listed if not _has_drift([t]))
    return (
        "Thresholds set for 5 % and 1 % false positives on the validation split of what was trained on: the"
        " share of these reals they call fake [95 %], and under each manipulation the share of its fakes that"
        f" the first of them misses.{why_undefined(_drift_columns(), shown)}"
        + (f" Without such thresholds: {', '.join(without)}." if without else "")
    )


def domains(standings: Standings, found: pd.DataFrame) -> Iterator[Table]:
    """AUC for reals of one dataset against fakes of another; `found` as `domains.domains_of` makes it."""
    guessing = found["entry"] == BASELINE
    found = found[~guessing]
    if found.empty:
        return
    fakes = list(dict.fromkeys(found["fakes_of"]))
    forms = []
    for bounded in (True, False):
        body = []
        for line in standings.lines:
            mine = found[found["entry"].isin([entry.name for entry in line.entries])]
            for k, (reals, these) in enumerate(mine.groupby("reals_of", sort=False)):
                cells = [_domain(these[these["fakes_of"] == name], bounded) for name in fakes]
                body.append((standings.name(line) if k == 0 else "", str(reals), *cells))
        note = (
            f"AUC{' [95 %]' * bounded} of clean fakes of a dataset (across) against reals of another (down)."
            " A detector whose scores shift from dataset to dataset shows it here and nowhere else: it ranks"
            " well within each, and fails, or looks too good, between them."
            + " The row to beat has 0.5 always."
            * bool(guessing.any())
        )
        header = ("detector", "reals of", *(f"fakes of {name}" for name in fakes))
        forms.append(Table("Reals of one dataset, fakes of another", header, tuple(body), note, keep=2))
    yield first_that_fits(*forms)


def _domain(these: pd.DataFrame, bounded: bool) -> str:
    """The AUC, the mean over the seeds; its interval where there is but one."""
    values = [None if pd.isna(value) else float(value) for value in these["auc"]]
    if len(values) != 1 or not bounded:
        return number(mean_of(values))
    low, high = these["auc_lo"].iloc[0], these["auc_hi"].iloc[0]
    return with_interval(values[0], None if pd.isna(low) else (float(low), float(high)))
