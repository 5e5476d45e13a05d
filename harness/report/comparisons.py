"""The tables of who is apart from whom, pair by pair on the same clips."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations, pairwise

from harness.metrics.significance import Difference, Values, differences
from harness.results.lines import Line
from harness.results.ranking import Standings, detector_means
from harness.results.rows import BASELINE, unseen_rows
from harness.tables import Table, bracketed, number, rounded

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
            *(
                names[each.one],
                names[each.other],
                f"{rounded(each.value):+.3f} {bracketed((each.low, each.high))}",
            ),
            "<.001" if each.adjusted < 0.0005 else number(each.adjusted),
            "apart" if each.separated else "not told apart",
        )
        for each in shown
    )
    return Table(title, ("detector", "against", "difference [95 %]", "p", "verdict"), body, note, keep=2)
