"""How numbers, their intervals and what is undefined are written in the cells and notes of a table."""

from __future__ import annotations

import dataclasses
import shlex
import tomllib
from collections.abc import Iterable, Mapping, Sequence

from harness.results.ranking import Bounds, Tested
from harness.tables import WIDTH, Table, number
from harness.types import DOUBT, Board, parts_of

MOST_PRINTED_RATE = 1e5
"""Frames a second above which there is no network to speak of."""

MOST_REASONS = 2
"""Reasons that are given why a column is not defined somewhere; the CSV has all."""

BADGE = "[!]"
"""Marks a test set whose audit found a shortcut."""

Body = list[tuple[str, ...]]
"""Lines of a table."""


def bracketed(bounds: Bounds | None, digits: int = 3) -> str:
    """An interval as short as it reads well: `[.537, .720]`; empty where there is none."""
    if bounds is None:
        return ""
    low, high = (number(bound, digits).replace("0.", ".", 1) for bound in bounds)
    return f"[{low}, {high}]"


def with_interval(value: float | None, bounds: Bounds | None, sign: str = "") -> str:
    """`0.634 [.537, .720]`, or a dash where it is undefined; `sign` `+` writes that too."""
    if value is None:
        return "-"
    return f"{value:{sign}.3f} {bracketed(bounds)}".rstrip()


def rate(value: float | None) -> str:
    """Frames a second."""
    if value is None or value < 100:
        return number(value, 1)
    return number(value, 0) if value < MOST_PRINTED_RATE else "100k+"


def fits(table: Table) -> bool:
    """Whether the table stays in one piece in a Markdown file."""
    columns = zip(table.header, *table.lines, strict=True)
    return sum(max(3, *(len(cell) for cell in column)) + 3 for column in columns) + 1 <= WIDTH


def first_that_fits(*tables: Table) -> Table:
    """The first of several forms of a table, richest first, that stays in one piece; else the last."""
    return next((table for table in tables if fits(table)), tables[-1])


def marked(board: Board, on: str) -> str:
    """A test set, with a badge where real and fake are told apart there without a look at the face."""
    said = board.shortcuts.get(parts_of(on)[0])
    return f"{on} {BADGE}" if said and not said.startswith(DOUBT) else on


def shortcut_note(board: Board, on: str) -> str:
    """What the audit of a test set warns of, or that there was none; empty where nothing is to be said."""
    dataset = parts_of(on)[0]
    said = board.shortcuts.get(dataset, "")
    if said is None:
        root = tomllib.loads(board.matrix_toml).get("data", {}).get(dataset)
        place = f" --root {shlex.quote(root)}" if root else ""
        return f"Not audited for shortcuts: gapbench data audit {dataset}{place}."
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
        found += [(f"on {marked(board, on)}", *[""] * (width - 1)), *body]
    return found


def without_empty(table: Table) -> Table:
    """The table without the columns that hold nothing but dashes."""
    columns = list(zip(table.header, *table.lines, strict=True))
    return without(table, *(cells[0] for cells in columns[table.keep :] if {*cells[1:]} <= {"-", ""}))


def without(table: Table, *titles: str) -> Table:
    """The table without these columns."""
    kept = [k for k, title in enumerate(table.header) if title not in titles]
    lines = tuple(tuple(line[k] for k in kept) for line in table.lines)
    return dataclasses.replace(table, header=tuple(table.header[k] for k in kept), lines=lines)


def why_undefined(columns: Mapping[str, str], shown: Iterable[Tested]) -> str:
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


def counts(values: Sequence[int]) -> str:
    """`240`, or `238 to 240`."""
    return " to ".join(str(value) for value in dict.fromkeys((min(values), max(values))))


def detectable_note(least: float | None, where: str) -> str:
    """How large a difference must be to be seen `where`; empty where nothing is compared."""
    if least is None:
        return ""
    return f"A difference must be about {least:.2g} AUC to be found with 80 % chance {where}"
