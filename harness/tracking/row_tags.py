"""What stands beside the numbers of a run in MLflow: its rank, what it is over, what is doubtful of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from harness.guard.names import visible
from harness.records import BADGE, DOUBT, Board, Entry, Row
from harness.report.notes import over
from harness.report.ranks import why_unranked
from harness.results.ranking import Standings
from harness.tables import with_interval
from harness.types import parts_of

LEADING = ("rank", "auc", "shortcut", "invalid", "clips", "faceless", "coverage", "people")
"""Tags of a run that stand first in the leaderboard view, from left to right."""
LONGEST = 400
"""Characters of a tag; MLflow takes 5,000."""


def tags_of(entry: Entry, standings: Standings) -> Mapping[str, str]:
    """The tags `LEADING` of an entry: words, so that a column can say why there is no number.

    `rank` (a dash and why where it has none), `auc` (the mean over the test sets with its 95 % interval,
    and whether they are unseen), `shortcut` (test sets whose classes are told apart without a look at the
    face), `invalid` (why its speed or latency is INVALID), `clips` (scored real + fake ones of each clean
    test set), `faceless` (clips scored by a policy, of each class), `coverage` (test sets not whole),
    `people` (test clips of people whom training clips show); besides, what check and audit counted.
    """
    line = next(line for line in standings.lines if entry in line.entries)
    clean = [row for row in entry.rows if row.cell.severity == 0]
    rank, mean = standings.ranks[line.name], line.numbers["auc_unseen_mean"]
    said = {
        "rank": rank if rank != "-" else f"- {why_unranked(line)}".rstrip(),
        "auc": f"{with_interval(mean, line.interval('auc_unseen_mean'))} {standings.unseen}",
        "shortcut": _each(clean, lambda row: _shortcut(standings.board, row)) or "none known",
        "invalid": _invalid(entry) or "no",
        "clips": _each(clean, lambda row: over([row])),
        "faceless": _each(clean, _faceless) or "none",
        "coverage": _each(clean, lambda row: _coverage(standings.board, row)) or "whole",
        "people": _each(clean, lambda row: str(row.provenance.get("shared_people") or "")) or "none known",
    }
    told = {**_facts(clean, standings.board), **said}
    return {name: visible(text)[:LONGEST] for name, text in told.items()}


def _facts(rows: Iterable[Row], board: Board) -> Mapping[str, str]:
    """What check and audit counted in the clips (`blank_fake` ...), of each test set that has it."""
    facts: dict[str, dict[str, str]] = {}
    for name in dict.fromkeys(parts_of(row.cell.tested_on)[0] for row in rows):
        for key, value in (board.known[name].facts if name in board.known else {}).items():
            facts.setdefault(key, {})[name] = str(value)
    return {key: "; ".join(f"{name}: {text}" for name, text in told.items()) for key, told in facts.items()}


def _each(rows: Iterable[Row], of: Callable[[Row], str]) -> str:
    """What is said of test sets, with their names; nothing of those of which nothing is said."""
    told = {row.cell.tested_on: of(row) for row in rows}
    return "; ".join(f"{on}: {text}" for on, text in told.items() if text)


def _faceless(row: Row) -> str:
    lost, clips = (row.counts.get(name, (0, 0)) for name in ("faceless", "clips"))
    return f"{lost[0]} of {clips[0]} real, {lost[1]} of {clips[1]} fake" if sum(lost) else ""


def _coverage(board: Board, row: Row) -> str:
    """How many of the listed files are here, and what the list lacks; empty where nothing is lacking."""
    name = parts_of(row.cell.tested_on)[0]
    known = board.known.get(name)
    here = f"{known.present} of {known.listed} files" if known and known.present < known.listed else ""
    return ", ".join(filter(None, (here, board.partial.get(name, ""))))


def _shortcut(board: Board, row: Row) -> str:
    said = board.shortcuts.get(parts_of(row.cell.tested_on)[0], "")
    if said is None:
        return "not audited"
    return f"{BADGE} {said}" if said and not said.startswith(DOUBT) else said.replace(DOUBT, "perhaps, ")


def _invalid(entry: Entry) -> str:
    cost = entry.cost
    kinds = {"speed": cost.throughput_invalid, "latency": cost.latency_invalid} if cost else {}
    return "; ".join(f"INVALID {kind}: {why}" for kind, why in kinds.items() if why)
