"""The tables of decisions: what is caught and wrongly accused at thresholds, and how these drift."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence

from harness.metrics.thresholds import DRIFT_RATES
from harness.report.notes import by_test_set, over, why_undefined
from harness.results.ranking import LineOnTestSet, Standings
from harness.tables import Table, first_that_fits, with_interval, without


def operating_points(standings: Standings) -> Iterator[Table]:
    """What each line catches and wrongly accuses at its threshold, and whether P(fake) is a probability."""
    listed = [tested for on in standings.tests for tested in standings.tested(on)]
    if not listed:
        return
    points = {
        **{"TPR [95 %]": "tpr", "FPR [95 %]": "fpr", "PPV [95 %]": "ppv"},
        **{"TPR@1% [95 %]": "tpr_at_fpr_1pct", "TPR@.1% [95 %]": "tpr_at_fpr_0.1pct"},
    }
    note = (
        "At the decision threshold: `TPR`, fakes caught; `FPR`, reals called fake; `PPV`, share of fakes in"
        f" what is called fake where {100 * standings.prevalence:g} % of clips are fake. `TPR@1%`: fakes"
        " caught where 1 % of these very reals are called fake. `clips`: how many each is over."
        + why_undefined(points, listed)
        + _why_no_drift(listed)
    )
    yield dataclasses.replace(_by_metric(standings, "Operating points", points), note=note)
    calibration = {"Brier [95 %]": "brier", "ECE": "ece"}
    note = (
        "Brier: squared distance of P(fake) from the truth (always 0.5 gives 0.25). ECE: distance of P(fake)"
        " from the share of fakes, in 10 bins of equal size. Both hold for these clips and their share of"
        f" fakes.{why_undefined(calibration, listed)}"
    )
    yield dataclasses.replace(_by_metric(standings, "Calibration", calibration), note=note)


def _by_metric(standings: Standings, title: str, columns: Mapping[str, str]) -> Table:
    """A column a metric, under each test set how many clips each is over, and then a line a detector."""
    bodies = {}
    for on in standings.tests:
        if tested := standings.tested(on):
            rows = [row for each in tested for row in each.rows]
            bodies[on] = [("clips", *(over(rows, metric) for metric in columns.values()))]
            bodies[on] += [_points(standings, each, columns) for each in tested]
    table = Table(title, ("detector", *columns), tuple(by_test_set(bodies, standings.board)))
    undefined = [name for name, metric in columns.items() if not _anywhere(standings, metric)]
    return without(table, *undefined)


def _anywhere(standings: Standings, metric: str) -> bool:
    listed = [tested for on in standings.tests for tested in standings.tested(on)]
    return any(each.value(metric) is not None or each.interval(metric) for each in listed)


def _points(standings: Standings, tested: LineOnTestSet, columns: Mapping[str, str]) -> tuple[str, ...]:
    cells = [with_interval(tested.value(metric), tested.interval(metric)) for metric in columns.values()]
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
        rows = [row for tested in shown for row in tested.rows]
        title = f"False-positive drift on {standings.board.marked(on)}"
        known = {
            name: metric
            for name, metric in columns.items()
            if any(t.value(metric) is not None for t in shown)
        }
        header = ("detector", *known, *(name.removeprefix(missed) for name in parts))
        forms = []
        for bounded in (True, False):
            body = [("clips", *(over(rows, name) for name in (*known.values(), *parts)))]
            for tested in shown:
                sure = [with_interval(tested.value(name), tested.interval(name)) for name in known.values()]
                told = [tested.interval(name) if bounded else None for name in parts]
                sure += [with_interval(tested.value(name), b) for name, b in zip(parts, told, strict=True)]
                body.append((standings.name(tested.line), *sure))
            forms.append(Table(title, header, tuple(body), note))
        yield first_that_fits(*forms)
        note = ""


def _drift_note(standings: Standings) -> str:
    listed = [tested for on in standings.tests for tested in standings.tested(on)]
    shown = [tested for tested in listed if _has_drift([tested])]
    without = dict.fromkeys(standings.name(t.line) for t in listed if not _has_drift([t]))
    return (
        "Thresholds set for 5 % and 1 % false positives on the validation split of what was trained on: the"
        " share of these reals they call fake [95 %], and under each manipulation the share of its fakes that"
        f" the first of them misses. `clips`: how many each is over.{why_undefined(_drift_columns(), shown)}"
        + (f" Without such thresholds: {', '.join(without)}." if without else "")
    )
