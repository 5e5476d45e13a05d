"""The tables of single test sets: clean numbers, each manipulation, and under each perturbation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pandas as pd

from harness.metrics.significance import detectable, errors_among
from harness.records import Row
from harness.report.notes import Body, by_test_set, detectable_note, shortcut_note
from harness.results.ranking import LineOnTestSet, Standings, counted, unclaimed
from harness.results.rows import BASELINE, CROSS, mean_of
from harness.tables import Table, counts, first_that_fits, number, with_interval
from harness.types import parts_of

ENOUGH = 20
"""Identities below which a 95 % interval holds the truth less often: 94 % of the time at 20, 88 % at 10."""

METHODS = {
    "node": "drawing identities (node bootstrap)",
    "cluster": "drawing identities (cluster bootstrap)",
    "clip": "drawing clips (no identity is known)",
    "mixed": "drawing identities, and clips where none is known",
}


def on_test_sets(standings: Standings) -> Iterator[Table]:
    """The clean numbers on each test set, and on each of its manipulations."""
    explained = False
    for on in standings.tests:
        tested = sorted(standings.tested(on), key=_by_auc, reverse=True)
        if tested:
            yield _on_test_set(standings, on, tested, explained)
            yield from _by_manipulation(standings, on, tested)
            explained = True


def _by_auc(tested: LineOnTestSet) -> tuple[bool, float]:
    return counted(tested.line), tested.value("auc") or 0.0


def _on_test_set(standings: Standings, on: str, shown: Sequence[LineOnTestSet], explained: bool) -> Table:
    body = []
    for tested in shown:
        regime = tested.rows[0].cell.regime
        value, interval = tested.gap(standings.board)
        kind = "seen" if regime != "fixed" else "unknown" if unclaimed(tested.line) else "not trained"
        leaked = any(row.shares_footage for row in tested.rows)
        body.append(
            (
                standings.name(tested.line) + (" (not ranked)" if leaked or not counted(tested.line) else ""),
                with_interval(tested.value("auc"), tested.interval("auc")),
                "shared" if leaked else with_interval(value, interval) if regime in CROSS else kind,
                number(tested.value("eer")),
                with_interval(tested.value("accuracy"), tested.interval("accuracy")),
            )
        )
    rows = [row for tested in shown for row in tested.rows]
    explanation = (
        " Gap: AUC on forgeries trained on minus this AUC (`seen`: these were trained on). EER: error rate"
        " where as many reals as fakes are misjudged. `acc`: share judged right at the decision threshold."
    )
    note = (
        f"{clips_note(rows)} {detectable_note(detectable(errors_among(t.drawn() for t in shown)), 'here.')}"
    )
    warned = shortcut_note(standings.board, on)
    incomplete = standings.board.partial.get(parts_of(on)[0])
    note += f" Not the whole set: {incomplete} clips." if incomplete else ""
    listing = standings.board.listing.get(parts_of(on)[0])
    note += f" Listing: {listing}." if listing else ""
    note += ("" if explained else explanation) + (f" {warned}" if warned else "")
    header = ("detector", "AUC [95 %]", "gap [95 %]", "EER", "acc [95 %]")
    return Table(f"Tested on {standings.board.marked(on)}", header, tuple(body), note)


def clips_note(rows: Sequence[Row]) -> str:
    """How many clips and identities rows are over, and how their intervals were found."""
    said = f"{counts([row.clips - row.failed for row in rows])} clean clips"
    identities = [row.provenance["identities"] for row in rows if row.provenance.get("identities")]
    methods = dict.fromkeys(row.provenance.get("interval_method") for row in rows)
    known = [METHODS[name] for name in methods if name in METHODS]
    people = f" of {counts(identities)} identities" if identities and "clip" not in methods else ""
    found = said + people + (f"; intervals by {', '.join(known)}." if known else ".") + _faces_note(rows)
    few = bool(identities) and min(identities) < ENOUGH
    return found + (" With so few of them the intervals are too narrow." if few else "")


def _faces_note(rows: Sequence[Row]) -> str:
    """What was said of clips in which no face was found; empty where that did not happen."""
    faceless = max((row.provenance.get("faceless") or 0 for row in rows), default=0)
    policy = rows[0].provenance.get("no_face")
    return f" No face was found in {faceless} of them; scored {policy}." if faceless else ""


def _by_manipulation(standings: Standings, on: str, shown: Sequence[LineOnTestSet]) -> Iterator[Table]:
    metrics = sorted({name for t in shown for row in t.rows for name in row.metrics if name[:4] == "auc:"})
    if len(metrics) < 2:
        return
    header = ("detector", *(name.removeprefix("auc:") for name in metrics))
    forms = []
    for bounded in (True, False):
        body = tuple(
            (
                standings.name(t.line),
                *(with_interval(t.value(name), t.interval(name) if bounded else None) for name in metrics),
            )
            for t in shown
        )
        note = "AUC of each against all reals" + (" [95 %]." if bounded else ".")
        forms.append(Table(f"Each manipulation of {on}", header, body, note))
    yield first_that_fits(*forms)


def robustness(standings: Standings) -> Iterator[Table]:
    """AUC under each perturbation on each test set."""
    rows = [row for row in standings.board.rows if row.cell.severity]
    if not rows:
        return
    names = list(dict.fromkeys(row.cell.perturbation for row in rows))
    levels = ", ".join(map(str, sorted({row.cell.severity for row in rows})))
    every = [standings.tested(on, lambda row: row.cell.severity > 0) for on in standings.tests]
    least = detectable([error for shown in every for error in errors_among(t.drawn() for t in shown)])
    forms = []
    for bounded in (True, False):
        bodies = {on: _perturbed(standings, on, names, bounded) for on in standings.tests}
        body = by_test_set({on: lines for on, lines in bodies.items() if lines}, standings.board)
        worst = ("worst",) if len(names) > 1 else ()
        note = (
            f"AUC{' [95 %]' * bounded}, mean over the severities measured ({levels}; 1 is mild, 5 is strong)."
            f"{' `worst`: the lowest of the means.' * bool(worst)} "
            + detectable_note(least, "in the mean over all these.")
        )
        forms.append(Table("Perturbed", ("detector", "clean", *names, *worst), tuple(body), note))
    yield first_that_fits(*forms)


def _perturbed(standings: Standings, on: str, names: Sequence[str], bounded: bool) -> Body:
    clean = {tested.line.name: tested for tested in standings.tested(on)}
    body = []
    for tested in standings.tested(on, lambda row: row.cell.severity > 0):
        line = tested.line
        kinds = [
            LineOnTestSet(line, tuple(row for row in tested.rows if row.cell.perturbation == name))
            for name in names
        ]
        means = [kind.value("auc") if kind.rows else None for kind in kinds]
        cells = [
            with_interval(mean, kind.interval("auc") if bounded and kind.rows else None)
            for mean, kind in zip(means, kinds, strict=True)
        ]
        defined = [mean for mean in means if mean is not None]
        worst = [number(min(defined) if defined and len(defined) == len(means) else None)]
        first = number(clean[line.name].value("auc")) if line.name in clean else "-"
        body.append((standings.name(line), first, *cells, *(worst if len(names) > 1 else ())))
    return body


def cross_domain_table(standings: Standings, found: pd.DataFrame) -> Iterator[Table]:
    """AUC for reals of one dataset against fakes of another; `found` as `domains_of` makes it."""
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
