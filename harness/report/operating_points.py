"""The tables of decisions: what is caught and wrongly accused at thresholds, and how these drift."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from harness.metrics.thresholds import DRIFT_RATES
from harness.report.notes import by_test_set, why_undefined
from harness.results.ranking import LineOnTestSet, Standings
from harness.tables import Table, number, with_interval, without_empty


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


def _points(standings: Standings, tested: LineOnTestSet, columns: Mapping[str, str]) -> tuple[str, ...]:
    cells = [
        with_interval(tested.value(metric), tested.interval(metric) if "[" in title else None)
        for title, metric in columns.items()
    ]
    return (standings.name(tested.line), *cells)


def _drift_columns() -> dict[str, str]:
    falling = sorted(DRIFT_RATES, key=lambda name: DRIFT_RATES[name], reverse=True)
    return {f"{100 * DRIFT_RATES[name]:g} % becomes": f"fpr_at_val_{name}" for name in falling}


def _has_drift(shown: Sequence[LineOnTestSet]) -> bool:
    return any(t.value(metric) is not None for t in shown for metric in _drift_columns().values())


def _why_no_drift(shown: Sequence[LineOnTestSet]) -> str:
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
            Table(f"False-positive drift on {standings.board.marked(on)}", header, body, note)
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
