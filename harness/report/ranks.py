"""The tables of who stands where: ranks, what is not ranked, how far each falls, seeds, detectors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.metrics.significance import detectable
from harness.records import BADGE
from harness.report.notes import detectable_note
from harness.results.lines import Line
from harness.results.ranking import Standings, counted, detector_means, unclaimed
from harness.results.rows import BASELINE
from harness.tables import Table, doubted, fits, number, rate, with_interval, without, without_empty
from harness.types import RANKED

MEANT = {
    "unseen": "mean over the clean test sets of forgeries not trained on; it gives the order",
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


def leaderboard(standings: Standings) -> Iterator[Table]:
    """The lines that can have a rank, and below them those that cannot."""
    lines = [line for line in standings.lines if counted(line)]
    if lines:
        body = tuple(_standing(standings, line) for line in lines)
        header = ("#", "detector", "unseen [95 %]", "worst", "seen", "gap [95 %]", "robust", "fps")
        table = without_empty(Table("Leaderboard", header, body, keep=2))
        if not fits(table) and fits(short := without(table, "fps")):  # the table of costs has it too
            table = short
        yield Table(table.title, table.header, table.lines, _leaderboard_note(standings, table.header), 2)
    below = [line for line in standings.lines if not counted(line)]
    if below:
        body = tuple(
            (
                *(
                    standings.name(line),
                    judged(line, "auc_unseen_mean"),
                    number(line.numbers["auc_in_dataset"]),
                ),
                _why_not_ranked(line),
            )
            for line in below
        )
        note = ("" if lines else _explained(standings)) + (
            "Not ranked, because nobody says on which clips checkpoint or threshold was chosen (`unknown`),"
            " or because it was on the test clips (`oracle`). No number that needs a threshold is given."
        )
        yield Table("Not ranked", ("detector", "unseen [95 %]", "seen", "why"), body, note)


def _standing(standings: Standings, line: Line) -> tuple[str, ...]:
    said = line.numbers
    mark = " (to beat)" if line.entries[0].detector == BASELINE else ""
    robust = number(said["auc_robust_mean"])
    if _perturbations(standings) > 1:
        robust += "/" + number(said["auc_robust_worst"]).removeprefix("0")
    return (
        standings.ranks[line.name],
        standings.name(line) + mark,
        judged(line, "auc_unseen_mean"),
        number(said["auc_unseen_worst"]) if _many_unseen(standings) else "-",
        number(said["auc_in_dataset"]),
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
        + "Equal rank (#): not told apart from the best of the group. "
        + ("Not all met the same tests; those that did are compared below. " if _unlike(standings) else "")
        + detectable_note(least, "on these clips (one comparison, 5 % level).")
        + _warned(standings)
        + _unclaimed(standings)
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
    return f" Nobody says what {', '.join(names)} was trained on: `unseen` may be seen." if names else ""


def _why_not_ranked(line: Line) -> str:
    rows = [row for entry in line.entries for row in entry.rows]
    said = [
        f"{what} {row.provenance.get(f'{what}_source') or 'unknown'}"
        for what in ("checkpoint", "threshold")
        for row in rows
        if row.provenance.get(f"{what}_source") not in RANKED
    ]
    return ", ".join(dict.fromkeys(said))


FALLS = {
    "gap, relative": ("auc_gap_relative", "gap as a share of what the seen AUC has above guessing"),
    "worst test set": ("auc_unseen_worst", "AUC on the worst unseen test set"),
    "perturbed": ("auc_robust_mean", "AUC over all perturbed cells"),
    "worst perturbation": ("auc_robust_worst", "AUC over the cells of the worst perturbation"),
}
"""Columns of `falls`: the number, and what it is."""


def falls(standings: Standings) -> Iterator[Table]:
    """How far each line falls, beside the numbers of the leaderboard, with intervals."""
    alone = {"worst test set": _many_unseen(standings), "worst perturbation": _perturbations(standings) > 1}
    names = [name for name in FALLS if alone.get(name, True)]
    lines = [line for line in standings.lines if counted(line) and line.entries[0].detector != BASELINE]
    body = tuple((standings.name(line), *(judged(line, FALLS[name][0]) for name in names)) for line in lines)
    table = without_empty(Table("How far each falls", ("detector", *names), body))
    meant = [f"`{name}`: {FALLS[name][1]}" for name in names if name in table.header]
    if meant:
        note = f"In brackets 95 % intervals. {'; '.join(meant)}."
        yield Table(table.title, table.header, table.lines, note)


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
        header = ("detector", "seeds", "unseen [95 %]", "spread", "of seen", "gap [95 %]", "of gap")
        yield Table("Seeds", header, body, note)


def by_detector(standings: Standings) -> Iterator[Table]:
    """Detectors over all they were trained on: the fair comparison where training sets differ."""
    means = detector_means(standings)
    if means:
        body = tuple(
            (
                *(line.name, str(len({entry.trained_on for entry in line.entries}))),
                *(judged(line, "auc_unseen_mean"), number(line.numbers["auc_in_dataset"])),
                judged(line, "auc_gap"),
            )
            for line in means
        )
        note = "Means over the lines above of each detector (`lines`: what it was trained on)."
        yield Table("By detector", ("detector", "lines", "unseen [95 %]", "seen", "gap [95 %]"), body, note)


def judged(line: Line, key: str) -> str:
    """A number of a line with its interval."""
    return with_interval(line.numbers[key], line.interval(key))
