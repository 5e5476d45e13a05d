"""Tables as text, never wider than a page: the same rows for a Markdown file and for a terminal."""

from __future__ import annotations

import dataclasses
import textwrap
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from harness.guard import names

WIDTH = 100
"""Columns of text a table may take."""
DOUBTED = "~"
"""Stands before a number that is INVALID."""
MOST_PRINTED_RATE = 1e5
"""Frames a second above which there is no network to speak of."""
Bounds = tuple[float, float]
"""The bounds of a 95 % interval."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table with its heading and what is said about it."""

    title: str
    header: tuple[str, ...]
    lines: tuple[tuple[str, ...], ...]
    """Cells as text; every line is as long as the header."""
    note: str = ""
    keep: int = 1
    """First columns that are repeated when a table too wide is cut into several."""


def number(value: float | None, digits: int = 3) -> str:
    """A number with so many decimals, or a dash where it is undefined."""
    return "-" if value is None or value != value else f"{rounded(value, digits):.{digits}f}"


def rounded(value: float, digits: int = 3) -> float:
    """A number as it is printed with so many decimals: what is nothing then has no sign."""
    return round(value, digits) + 0.0


def wrapped(text: str) -> str:
    """A paragraph, broken to the width of a page."""
    shown = names.words(" ".join(text.split()))
    return textwrap.fill(shown, WIDTH, break_long_words=False, break_on_hyphens=False)


def prose(text: str) -> str:
    """A paragraph of a Markdown file, broken to the width of a page; no name in it makes more of it."""
    return names.paragraph(wrapped(names.markdown(" ".join(text.split()))))


def _safe(table: Table, title: Callable[[str], str], cell: Callable[[str], str]) -> Table:
    """The table with its texts as they may be written."""
    header, lines = tuple(map(cell, table.header)), tuple(tuple(map(cell, line)) for line in table.lines)
    return dataclasses.replace(table, title=title(names.cut(table.title)), header=header, lines=lines)


def plain(table: Table) -> str:
    """The table for a terminal: aligned columns under a ruled heading."""
    table = _safe(table, names.words, lambda text: names.words(names.cut(text)))
    parts = [table.title, "-" * min(len(table.title), WIDTH)]
    if table.note:
        parts.append(wrapped(table.note))
    for header, lines in _fitting(table, gap=2, edge=0):
        widths, numeric = _widths(header, lines), _numeric(header, lines)
        rows = [_aligned(cells, widths, numeric) for cells in (header, *lines)]
        parts += ["  ".join(cells).rstrip() for cells in rows] + [""]
    return "\n".join(parts).rstrip()


def markdown_table(table: Table) -> str:
    """The table for a Markdown file, aligned so that it also reads as text."""
    table = _safe(table, names.markdown, names.cell)
    parts = [f"## {table.title}", ""]
    if table.note:
        parts += [prose(table.note), ""]
    for header, lines in _fitting(table, gap=3, edge=4):
        widths, numeric = _widths(header, lines), _numeric(header, lines)
        widths = [max(3, width) for width in widths]
        rule = ["-" * (w - 1) + (":" if right else "-") for w, right in zip(widths, numeric, strict=True)]
        rows = [_aligned(header, widths, numeric), rule, *(_aligned(line, widths, numeric) for line in lines)]
        parts += [f"| {' | '.join(cells)} |" for cells in rows] + [""]
    return "\n".join(parts).rstrip()


Cut = tuple[tuple[str, ...], list[tuple[str, ...]]]


def _fitting(table: Table, gap: int, edge: int) -> Iterator[Cut]:
    """The table cut by columns into as many as it takes to stay within the width."""
    widths = _widths(table.header, table.lines)
    kept = list(range(table.keep))
    room = WIDTH - edge - sum(widths[k] + gap for k in kept) + gap
    chosen: list[int] = []
    for column in range(table.keep, len(table.header)):
        used = sum(widths[k] + gap for k in chosen)
        if chosen and used + widths[column] + gap > room:
            yield _cut(table, kept + chosen)
            chosen = []
        chosen.append(column)
    yield _cut(table, kept + chosen)


def _cut(table: Table, columns: list[int]) -> Cut:
    lines = [tuple(line[k] for k in columns) for line in table.lines]
    return tuple(table.header[k] for k in columns), [line for line in lines if any(line)]


def _widths(header: Sequence[str], lines: Sequence[Sequence[str]]) -> list[int]:
    return [max(len(cells[k]) for cells in (header, *lines)) for k in range(len(header))]


def _numeric(header: Sequence[str], lines: Sequence[Sequence[str]]) -> list[bool]:
    """Columns whose every cell starts like a number; they are set to the right."""
    return [
        bool(lines) and all(line[k][:1].isdigit() or line[k][:1] in "-+.~" for line in lines)
        for k in range(len(header))
    ]


def _aligned(cells: Sequence[str], widths: Sequence[int], numeric: Sequence[bool]) -> list[str]:
    return [
        cell.rjust(width) if right else cell.ljust(width)
        for cell, width, right in zip(cells, widths, numeric, strict=True)
    ]


def doubted(text: str, invalid: str | bool) -> str:
    """A number as it is printed, marked where it is INVALID."""
    return f"{DOUBTED}{text}" if invalid and text != "-" else text


def bracketed(bounds: Bounds | None, digits: int = 3) -> str:
    """An interval as short as it reads well: `[.537, .720]`; empty where there is none."""
    if bounds is None:
        return ""
    low, high = (number(bound, digits).replace("0.", ".", 1) for bound in bounds)
    return f"[{low}, {high}]"


def with_interval(value: float | None, bounds: Bounds | None, sign: str = "") -> str:
    """`0.634 [.537, .720]`; `sign` `+` writes that too.

    A dash where it is undefined: alone, or with what bounds are known all the same.
    """
    if value is None:
        return f"- {bracketed(bounds)}".rstrip()
    return f"{rounded(value):{sign}.3f} {bracketed(bounds)}".rstrip()


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


def without_empty(table: Table) -> Table:
    """The table without the columns that hold nothing but dashes."""
    columns = list(zip(table.header, *table.lines, strict=True))
    return without(table, *(cells[0] for cells in columns[table.keep :] if {*cells[1:]} <= {"-", ""}))


def without(table: Table, *titles: str) -> Table:
    """The table without these columns."""
    kept = [k for k, title in enumerate(table.header) if title not in titles]
    lines = tuple(tuple(line[k] for k in kept) for line in table.lines)
    return dataclasses.replace(table, header=tuple(table.header[k] for k in kept), lines=lines)


def counts(values: Sequence[int]) -> str:
    """`240`, or `238 to 240`."""
    return " to ".join(str(value) for value in dict.fromkeys((min(values), max(values))))
