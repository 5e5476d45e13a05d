"""The tables of who stands where: ranks, what is not ranked, how far each falls, seeds, detectors."""

from __future__ import annotations

import dataclasses
import textwrap
from collections.abc import Iterator, Sequence

from harness.metrics.missing import COVERED, LEVEL, MOST
from harness.metrics.significance import detectable
from harness.records import BADGE, Row
from harness.report.notes import detectable_note, over
from harness.results.lines import Line
from harness.results.ranking import Standings, detector_means, unclaimed
from harness.results.rows import BASELINE, unseen_rows
from harness.tables import (
    Table,
    doubted,
    first_that_fits,
    number,
    rate,
    with_interval,
    without,
    without_empty,
)
from harness.types import RANKED

MEANT = {
    "clips": "scored real and fake clips of each of its test sets",
    "unseen": "mean over the clean test sets of forgeries not trained on; it gives the order",
    "tested": (
        "mean over the clean test sets; whether they were seen in training is not known; it gives the order"
    ),
    "worst": "the lowest of these",
    "seen": "clean forgeries trained on",
    "gap": "seen minus unseen",
    "robust": "mean over all perturbed cells",
    "fps": "frames scored a second (`~`: INVALID, see Cost)",
}
"""What the columns of the leaderboard mean."""

EXPLAINED = (
    "AUC of whole clips: the share of real-fake pairs in the right order; 0.5 is guessing. In brackets the"
    " 95 % interval: where it may lie with other people and footage of the same kind."
)
"""How to read an AUC and its interval."""

WHY = 58
"""Characters that a name, and a line of why it is not ranked, may take together."""
LEAST = 24
"""Characters that such a line has at least."""


def leaderboard(standings: Standings) -> Iterator[Table]:
    """The lines that can have a rank, and below them those that cannot."""
    lines = [line for line in standings.lines if line.counted]
    if lines:
        table = _that_fits(standings, lines)
        yield dataclasses.replace(table, note=_leaderboard_note(standings, table.header))
    below = [line for line in standings.lines if not line.counted]
    if below:
        room = max(LEAST, WHY - max(len(standings.name(line)) for line in below))
        body = []
        for line in below:
            first, *rest = textwrap.wrap(why_unranked(line), room) or [""]
            numbers = judged(line, "auc_unseen_mean"), number(line.numbers["auc_in_dataset"])
            body.append((standings.name(line), over(_judged(line)), *numbers, first))
            body += [("", "", "", "", text) for text in rest]
        header = ("detector", "clips", f"{standings.unseen} [95 %]", "seen", "why")
        note = ("" if lines else _explained(standings)) + _not_ranked_note(below)
        yield without_empty(Table("Not ranked", header, tuple(body), note))


def _that_fits(standings: Standings, lines: Sequence[Line]) -> Table:
    """The leaderboard with as much as fits in one piece: what is left out stands in other tables too."""
    forms = []
    for bounded in (True, False):
        first = ("#", "detector", "clips", f"{standings.unseen} [95 %]", "worst")
        header = (*first, "seen [95 %]" if bounded else "seen", "gap [95 %]", "robust", "fps")
        body = tuple(_standing(standings, line, bounded) for line in lines)
        table = without_empty(Table("Leaderboard", header, body, keep=2))
        forms += [table, without(table, "fps")]
    return first_that_fits(*forms, without(forms[-2], "clips"), without(forms[-1], "clips"))


def _all_clips(standings: Standings) -> str:
    return over([row for line in standings.lines if line.counted for row in _judged(line)])


def _unseen(line: Line) -> list[Row]:
    return [row for entry in line.entries for row in unseen_rows(entry)]


def _judged(line: Line) -> list[Row]:
    """The rows that a line's first number is over: unseen test sets, where it met some."""
    return _unseen(line) or [row for entry in line.entries for row in entry.rows if not row.cell.severity]


def _not_ranked_note(lines: Sequence[Line]) -> str:
    chosen = (
        "nobody says on which clips checkpoint or threshold was chosen (`unknown`), or it was on the test"
        " clips (`oracle`): no number that needs a threshold is given"
    )
    lost = (
        "missing faces or failed clips make an AUC of their own: one class lost more of its clips than"
        f" chance explains ({100 * LEVEL:g} % level), or more than {100 * MOST:g} % of all are lost, or"
        f" fewer than {100 * COVERED:g} % of the listed files are here"
    )
    said = [chosen] * any(line.selection not in RANKED for line in lines)
    said += [lost] * any(line.unjudged for line in lines)
    return f"Not ranked, because {'; or because '.join(said)}."


def _standing(standings: Standings, line: Line, bounded: bool) -> tuple[str, ...]:
    said = line.numbers
    mark = " (to beat)" if line.entries[0].detector == BASELINE else ""
    robust = number(said["auc_robust_mean"])
    if _perturbations(standings) > 1:
        robust += "/" + number(said["auc_robust_worst"]).removeprefix("0")
    return (
        standings.ranks[line.name],
        standings.name(line) + mark,
        over(_judged(line)),
        judged(line, "auc_unseen_mean"),
        number(said["auc_unseen_worst"]) if _many_unseen(standings) else "-",
        judged(line, "auc_in_dataset") if bounded else number(said["auc_in_dataset"]),
        judged(line, "auc_gap"),
        robust if said["auc_robust_mean"] is not None else "-",
        doubted(rate(said["fps"]), any(one.cost and one.cost.throughput_invalid for one in line.entries)),
    )


def _many_unseen(standings: Standings) -> bool:
    """Whether a mean over unseen test sets is one of several; the row to beat is the same on any."""
    return any(len(line.tests) > 1 for line in standings.lines if line.entries[0].detector != BASELINE)


def _unlike(standings: Standings) -> bool:
    """Whether some lines but the row to beat met other test sets than others."""
    return len({line.tests for line in standings.lines if line.entries[0].detector != BASELINE}) > 1


def _perturbations(standings: Standings) -> int:
    return len({row.cell.perturbation for row in standings.board.rows if row.cell.severity})


def _leaderboard_note(standings: Standings, header: Sequence[str]) -> str:
    names = [name.split()[0] for name in header]
    meant = [f"`{name}`: {text}" for name, text in MEANT.items() if name in names]
    if "robust" in names and _perturbations(standings) > 1:
        meant = [text + " / of the worst perturbation" * text.startswith("`robust`") for text in meant]
    least = detectable([each.error for each in standings.differences])
    return (
        _explained(standings)
        + ("; ".join(meant) + ". " if meant else "")
        + ("" if "clips" in names else f"Over {_all_clips(standings)} real and fake clips. ")
        + "Equal rank (#): not told apart from the best of the group. "
        + ("Not all met the same tests; those that did are compared below. " if _unlike(standings) else "")
        + detectable_note(least, "on these clips (one comparison, 5 % level).")
        + _warned(standings)
        + _unclaimed(standings)
        + _undefined(standings)
        + _counted_wrong(standings)
    )


def _explained(standings: Standings) -> str:
    """What the first table of a page says: how to read an AUC, and what its names leave out."""
    if not standings.trained_on:
        return f"{EXPLAINED} "
    left_out = any(" -" in standings.name(line) for line in standings.lines)
    more = " (`-name`: without that manipulation)" if left_out else ""
    return f"{EXPLAINED} All that is trained was trained on {standings.trained_on}{more}. "


def _warned(standings: Standings) -> str:
    """Which test sets have a shortcut, so that what is said of them is doubted here too."""
    names = [on for on in standings.tests if standings.board.marked(on) != on]
    return f" {BADGE} Told apart without a look at the face: {', '.join(names)}; see below." if names else ""


def _unclaimed(standings: Standings) -> str:
    """Whose weights were trained on nobody knows what: what is called unseen may have been seen."""
    names = [standings.name(line) for line in standings.lines if unclaimed(line)]
    if standings.unseen != "unseen":  # its heading says so of all
        return ""
    return f" Nobody says what {', '.join(names)} was trained on: `unseen` may be seen." if names else ""


def _undefined(standings: Standings) -> str:
    """Why a line that may have a rank has no mean AUC."""
    lines = [line for line in standings.lines if line.counted and line.numbers["auc_unseen_mean"] is None]
    reasons = {row.reasons["auc"]: None for line in lines for row in _unseen(line) if "auc" in row.reasons}
    said = f" No rank where an AUC is undefined: {'; '.join(reasons)}." if reasons else ""
    leaked = any(row.shares_footage for line in lines if not _unseen(line) for row in _judged(line))
    return said + " No rank where all that is unseen shares footage with the training." * leaked


def _counted_wrong(standings: Standings) -> str:
    """Whose failed clips count as wrong, because others scored them."""
    lost: dict[str, int] = {}
    for line in standings.lines:
        cells = [str(row.cell) for entry in line.entries for row in entry.rows]
        number = sum(len(standings.board.wrong.get(cell, ())) for cell in cells)
        lost |= {standings.name(line): number} if number else {}
    if not lost:
        return ""
    said = ", ".join(f"{name} {number}" for name, number in lost.items())
    return f" A clip without a score that another detector scored counts as judged wrong: {said}."


def why_unranked(line: Line) -> str:
    """Why a line may have no rank; empty where it may."""
    rows = [row for entry in line.entries for row in entry.rows]
    said = [
        f"{what} {row.provenance.get(f'{what}_source') or 'unknown'}"
        for what in ("checkpoint", "threshold")
        for row in rows
        if row.provenance.get(f"{what}_source") not in RANKED
    ]
    said += [line.unjudged] * bool(line.unjudged)
    return ", ".join(dict.fromkeys(said))


FALLS = {
    "gap, relative": ("auc_gap_relative", "gap as a share of what the seen AUC has above guessing"),
    "worst test set": (
        "auc_unseen_worst",
        "AUC on the worst of these test sets (real and fake clips)",
    ),
    "perturbed": ("auc_robust_mean", "AUC over all perturbed cells"),
    "worst perturbation": (
        "auc_robust_worst",
        "AUC over the cells of the worst perturbation (clips of a cell)",
    ),
}
"""Columns of `falls`: the number, and what it is."""


def falls(standings: Standings) -> Iterator[Table]:
    """How far each line falls, beside the numbers of the leaderboard, with intervals."""
    alone = {"worst test set": _many_unseen(standings), "worst perturbation": _perturbations(standings) > 1}
    names = [name for name in FALLS if alone.get(name, True)]
    lines = [line for line in standings.lines if line.counted and line.entries[0].detector != BASELINE]
    body = tuple((standings.name(line), *(_fall(line, FALLS[name][0]) for name in names)) for line in lines)
    table = without_empty(Table("How far each falls", ("detector", *names), body))
    meant = [f"`{name}`: {FALLS[name][1]}" for name in names if name in table.header]
    if meant:
        note = f"In brackets 95 % intervals. {'; '.join(meant)}."
        yield dataclasses.replace(table, note=note)


def _fall(line: Line, key: str) -> str:
    """A number of a line with its interval; those of the worst with how many clips they are over."""
    said = judged(line, key)
    if not key.endswith("_worst") or said == "-":
        return said
    if key == "auc_robust_worst":
        rows = [row for entry in line.entries for row in entry.rows if row.cell.severity]
    else:
        rows = [min(unseen_rows(entry), key=lambda row: row.metrics["auc"] or 0.0) for entry in line.entries]
    return f"{said} ({over(rows)})"


def seeds(standings: Standings) -> Iterator[Table]:
    """How much training again moves a line, where it was trained from several seeds."""
    body = tuple(
        (
            *(standings.name(line), str(len(line.entries)), judged(line, "auc_unseen_mean")),
            *(number(line.spreads[key]) for key in ("auc_unseen_mean", "auc_in_dataset")),
            *(judged(line, "auc_gap"), number(line.spreads["auc_gap"])),
        )
        for line in standings.lines
        if len(line.entries) > 1
    )
    if body:
        note = (
            "All numbers of a detector are means over its training seeds. `spread`: largest minus smallest"
            " over the seeds. The intervals draw a seed, then identities, so they hold both chances. Over"
            " several seeds only AUC, gap and accuracy have them; each seed alone is in the CSV."
        )
        unseen = f"{standings.unseen} [95 %]"
        header = ("detector", "seeds", unseen, "spread", "of seen", "gap [95 %]", "of gap")
        yield Table("Seeds", header, body, note)


def by_detector(standings: Standings) -> Iterator[Table]:
    """Detectors over all they were trained on: the fair comparison where training sets differ."""
    means = detector_means(standings)
    if means:
        body = tuple(
            (
                *(line.name, str(len({entry.trained_on for entry in line.entries}))),
                *(judged(line, key) for key in ("auc_unseen_mean", "auc_in_dataset", "auc_gap")),
            )
            for line in means
        )
        note = "Means over the lines above of each detector (`lines`: what it was trained on)."
        header = ("detector", "lines", f"{standings.unseen} [95 %]", "seen [95 %]", "gap [95 %]")
        yield without_empty(Table("By detector", header, body, note))


def judged(line: Line, key: str) -> str:
    """A number of a line with its interval."""
    return with_interval(line.numbers[key], line.interval(key))
