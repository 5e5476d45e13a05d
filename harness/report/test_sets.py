"""The tables of single test sets: clean numbers, each manipulation, and under each perturbation."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

import pandas as pd

from harness.metrics.missing import counted, lopsided
from harness.metrics.significance import detectable, errors_among
from harness.records import Row
from harness.report.notes import Body, by_test_set, detectable_note, over, shortcut_note, why_undefined
from harness.results.ranking import LineOnTestSet, Standings, unclaimed
from harness.results.rows import BASELINE, CROSS, mean_of
from harness.tables import Table, counts, first_that_fits, number, with_interval, without, without_empty
from harness.types import parts_of

ENOUGH = 20
"""Identities below which a 95 % interval holds the truth less often: 94 % of the time at 20, 88 % at 10."""

OF_SEVERAL = {
    "each": "each was judged, and the score is the mean over all (`each`)",
    "max": "each was judged, and the score is the highest (`max`)",
}
"""Policy of `types.FACE_POLICIES` other than the default -> how a page says it."""
METHODS = {
    "node": "drawing identities (node bootstrap)",
    "cluster": "drawing identities (cluster bootstrap)",
    "clip": "drawing clips (no identity is known)",
    "mixed": "drawing identities, and clips where none is known",
}


MISSING = {"faceless": "no face", "failed": "failed"}
"""What lines of clips that a detector did not judge are called."""
LOST = (
    " `no face`, `failed`: real + fake clips without a score of the detector's own; `*`: more of one class"
    " than chance explains, so that the AUC below is made by what is missing."
)
DECIDED = {"accuracy": "acc [95 %]", "balanced_accuracy": "bal acc [95 %]"}
"""Headings of the share judged right at the decision threshold, and of its mean over both classes."""
MEANT = {
    "accuracy": (
        " `acc`: share judged right at the decision threshold; as many are real as fake, so always saying"
        " one of them gets 0.5."
    ),
    "balanced_accuracy": (
        " `bal acc`: mean of the shares of reals and of fakes judged right at the decision threshold, because"
        " there are more of one; guessing gets 0.5."
    ),
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
    return tested.line.counted, tested.value("auc") or 0.0


def _on_test_set(standings: Standings, on: str, shown: Sequence[LineOnTestSet], explained: bool) -> Table:
    rows = [row for tested in shown for row in tested.rows]
    decided = "accuracy" if all(map(_balanced, rows)) else "balanced_accuracy"
    with_face = any(sum(row.counts.get("faceless", ())) for row in rows)
    forms = []
    columns = {"AUC": "auc", "EER": "eer"} | ({"with a face": "auc_with_face"} if with_face else {})
    for bounded in (True, False):
        first = ("detector", "AUC [95 %]", "with a face [95 %]", "gap [95 %]")
        header = (*first, "EER [95 %]" if bounded else "EER", DECIDED[decided])
        body = tuple(_tested(standings, tested, decided, bounded) for tested in shown)
        table = without_empty(Table(f"Tested on {standings.board.marked(on)}", header, body))
        forms.append(without(table, "gap [95 %]") if standings.unseen == "tested" else table)
    if all(tested.value("auc") is None for tested in shown):  # of one class alone
        forms = [_of_one_class(standings, on, shown)]
    explanation = " EER: error rate where as many reals as fakes are misjudged."
    if standings.unseen != "tested":
        leaked = "; `shared`: test clips share footage with the training" * any(
            r.shares_footage for r in rows
        )
        gap = f" Gap: AUC on forgeries trained on minus this AUC (`seen`: these were trained on{leaked})."
        explanation = gap + explanation
    note = (
        f"{clips_note(rows)} {detectable_note(detectable(errors_among(t.drawn() for t in shown)), 'here.')}"
    )
    warned = shortcut_note(standings.board, on)
    incomplete = standings.board.partial.get(parts_of(on)[0])
    note += f" Not the whole set: {incomplete}." if incomplete else ""
    listing = standings.board.listing.get(parts_of(on)[0])
    note += f" Listing: {listing}." if listing else ""
    meant = MEANT[decided] if any(t.value(decided) is not None for t in shown) else ""
    note += ("" if explained else explanation) + meant + why_undefined(columns, shown)
    note += f" {warned}" if warned else ""
    return dataclasses.replace(first_that_fits(*forms), note=note)


def _of_one_class(standings: Standings, on: str, shown: Sequence[LineOnTestSet]) -> Table:
    """What clips of one class can say: how many reals are called fake, or how many fakes are caught."""
    body = tuple((standings.name(t.line), _sure(t, "fpr"), _sure(t, "tpr")) for t in shown)
    header = ("detector", "reals called fake [95 %]", "fakes caught [95 %]")
    return without_empty(Table(f"Tested on {standings.board.marked(on)}", header, body))


def _balanced(row: Row) -> bool:
    """Whether as many reals as fakes were scored, so that a base rate of 0.5 goes without saying."""
    reals, fakes = row.counts.get("auc", (0, 0))
    return reals == fakes


def _tested(standings: Standings, tested: LineOnTestSet, decided: str, bounded: bool) -> tuple[str, ...]:
    regime = tested.rows[0].cell.regime
    value, interval = tested.gap(standings.board)
    kind = "seen" if regime != "fixed" else "unknown" if unclaimed(tested.line) else "not trained"
    leaked = any(row.shares_footage for row in tested.rows)
    left_out = leaked or not tested.line.counted or any(row.unjudged for row in tested.rows)
    return (
        standings.name(tested.line) + " (not ranked)" * left_out,
        _sure(tested, "auc"),
        _sure(tested, "auc_with_face"),
        "shared" if leaked else with_interval(value, interval) if regime in CROSS else kind,
        _sure(tested, "eer") if bounded else number(tested.value("eer")),
        _sure(tested, decided),
    )


def _sure(tested: LineOnTestSet, metric: str) -> str:
    return with_interval(tested.value(metric), tested.interval(metric))


def clips_note(rows: Sequence[Row]) -> str:
    """How many clips and identities rows are over, and how their intervals were found."""
    said = f"{counts([row.clips - row.failed for row in rows])} clean clips{_classes(rows)}"
    identities = [row.provenance["identities"] for row in rows if row.provenance.get("identities")]
    methods = dict.fromkeys(row.provenance.get("interval_method") for row in rows)
    known = [METHODS[name] for name in methods if name in METHODS]
    people = f" of {counts(identities)} identities" if identities and "clip" not in methods else ""
    found = said + people + (f"; intervals by {', '.join(known)}." if known else ".") + _faces_note(rows)
    few = bool(identities) and min(identities) < ENOUGH
    return found + (" With so few of them the intervals are too narrow." if few else "")


def _classes(rows: Sequence[Row]) -> str:
    """How many of them are real and fake."""
    known = [row.counts["auc"] for row in rows if "auc" in row.counts]
    if not known:
        return ""
    reals, fakes = (counts([each[k] for each in known]) for k in (0, 1))
    return f" ({reals} real, {fakes} fake)"


def _faces_note(rows: Sequence[Row]) -> str:
    """Who of several people was judged, unless the largest; what was said of clips without a face."""
    whose = {OF_SEVERAL[row.provenance["faces"]]: None for row in rows if row.provenance.get("faces")}
    judged = f" Of several people in a clip {' or '.join(whose)}." if whose else ""
    lost = max((row for row in rows), key=lambda row: sum(row.counts.get("faceless", ())))
    faceless = lost.counts.get("faceless", (0, 0))
    if not sum(faceless):
        return judged
    policy = lost.provenance.get("no_face") or "by a policy"
    said = f"{judged} No face was found in {counted(faceless, lost.counts['clips'])}; scored {policy}."
    return said + " `with a face`: AUC over the other clips alone."


def _by_manipulation(standings: Standings, on: str, shown: Sequence[LineOnTestSet]) -> Iterator[Table]:
    metrics = sorted({name for t in shown for row in t.rows for name in row.metrics if name[:4] == "auc:"})
    if len(metrics) < 2:
        return
    header = ("detector", *(name.removeprefix("auc:") for name in metrics))
    rows = [row for tested in shown for row in tested.rows]
    missing = [line for kind in MISSING if (line := _missing(kind, rows, header[1:]))]
    forms = []
    for bounded in (True, False):
        body = (
            ("clips", *(over(rows, name) for name in metrics)),
            *missing,
            *(
                (
                    standings.name(t.line),
                    *(with_interval(t.value(k), t.interval(k) if bounded else None) for k in metrics),
                )
                for t in shown
            ),
        )
        note = "AUC of each against all reals" + " [95 %]" * bounded + "; `clips`: scored reals + its fakes."
        note += LOST if missing else ""
        forms.append(Table(f"Each manipulation of {on}", header, body, note))
    yield first_that_fits(*forms)


def _missing(kind: str, rows: Sequence[Row], manipulations: Sequence[str]) -> tuple[str, ...]:
    """A line of how many reals and fakes of each manipulation are missing, at most; empty where none is."""
    found = []
    for name in manipulations:
        known = [
            (row.counts[f"{kind}:{name}"], row.counts[f"clips:{name}"])
            for row in rows
            if f"{kind}:{name}" in row.counts
        ]
        lost, clips = max(known, key=lambda pair: sum(pair[0]), default=((0, 0), (0, 0)))
        found.append((lost, f"{lost[0]}+{lost[1]}" + " *" * lopsided(lost, clips)))
    return (MISSING[kind], *(text for _, text in found)) if any(sum(lost) for lost, _ in found) else ()


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
    shown = standings.tested(on, lambda row: row.cell.severity > 0)
    rows = [row for tested in shown for row in tested.rows]
    over_these = [over([row for row in rows if row.cell.perturbation == name]) for name in names]
    before = over([row for tested in clean.values() for row in tested.rows])
    body = [("clips", before, *over_these, *([""] if len(names) > 1 else []))] if shown else []
    for tested in shown:
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
        body.append(
            ("clips", "", *(counts([*found.loc[found["fakes_of"] == name, "fakes"]]) for name in fakes))
        )
        for line in standings.lines:
            mine = found[found["entry"].isin([entry.name for entry in line.entries])]
            for k, (reals, these) in enumerate(mine.groupby("reals_of", sort=False)):
                across = dict(iter(these.groupby("fakes_of", sort=False)))
                cells = [_domain(across[name], bounded) if name in across else "-" for name in fakes]
                told = f"{reals} ({counts([*these['reals']])})"
                body.append((standings.name(line) if k == 0 else "", told, *cells))
        note = (
            f"AUC{' [95 %]' * bounded} of clean fakes of a dataset (across) against reals of another (down),"
            " each with how many clips were scored."
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
