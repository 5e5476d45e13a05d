"""What is said beside tables: why a number is undefined, what an audit found, what could have been seen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from harness.records import BADGE, DOUBT, Board, Row
from harness.results.ranking import LineOnTestSet
from harness.types import parts_of

MOST_REASONS = 2
"""Reasons that are given why a column is not defined somewhere; the CSV has all."""

Body = list[tuple[str, ...]]
"""Lines of a table."""


def over(rows: Iterable[Row], metric: str = "auc") -> str:
    """How many scored clips a number is over: `120+40` real and fake ones, or `40` of the class it is of.

    Where rows differ, the fewest and the most: `118+40 to 120+40`; a dash where nobody counted.
    """
    part = metric.partition(":")[2]
    known = sorted(
        {row.counts[key] for row in rows if (key := f"auc:{part}" if part else "auc") in row.counts}
    )
    told = [_over(counts, metric) for counts in (known[:1] + known[-1:])]
    return " to ".join(dict.fromkeys(told)) or "-"


def _over(counts: tuple[int, int], metric: str) -> str:
    name = metric.partition(":")[0]
    if name == "tpr" or name.startswith("miss_at_val"):
        return str(counts[1])
    return str(counts[0]) if name.startswith("fpr") else f"{counts[0]}+{counts[1]}"


def shortcut_note(board: Board, on: str) -> str:
    """What the audit of a test set warns of, or that there was none; empty where nothing is to be said."""
    dataset = parts_of(on)[0]
    said = board.shortcuts.get(dataset, "")
    if said is None:
        return "Not audited for shortcuts."
    if said.startswith(DOUBT):
        return f"An audit could not rule out a shortcut ({said.removeprefix(DOUBT)})."
    return (
        f"{BADGE} Real and fake are told apart here without a look at the face ({said}): a high AUC proves"
        " little."
        if said
        else ""
    )


def by_test_set(bodies: Mapping[str, Body], board: Board) -> Body:
    """Lines of several test sets as one body, each set announced by a line of its own."""
    if len(bodies) < 2:
        return [line for body in bodies.values() for line in body]
    width = max(len(line) for body in bodies.values() for line in body)
    found: Body = []
    for on, body in bodies.items():
        found += [(f"on {board.marked(on)}", *[""] * (width - 1)), *body]
    return found


def why_undefined(columns: Mapping[str, str], shown: Iterable[LineOnTestSet]) -> str:
    """Why some numbers are not there: a sentence naming columns (title -> metric) and their reasons."""
    listed = list(shown)
    titles: dict[str, list[str]] = {}
    for title, metric in columns.items():
        reasons = list(dict.fromkeys(reason for tested in listed for reason in tested.reasons(metric)))
        if reasons:
            more = "; and others" if len(reasons) > MOST_REASONS else ""
            titles.setdefault("; ".join(reasons[:MOST_REASONS]) + more, []).append(f"`{title}`")
    said = [f"{', '.join(names)} ({reasons})" for reasons, names in titles.items()]
    return f" Undefined: {', '.join(said)}." if said else ""


def detectable_note(least: float | None, where: str) -> str:
    """How large a difference must be to be seen `where`; empty where nothing is compared."""
    if least is None:
        return ""
    return f"A difference must be about {least:.2g} AUC to be found with 80 % chance {where}"
