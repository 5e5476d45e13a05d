"""Published figures beside the measured ones, each with whether the two may be compared, and if not why."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from harness.records import Board, Row
from harness.report.published_figures import Figure, figures_in, meets, metric_beside, read_ledger, why_not
from harness.tables import WIDTH, Table, number, with_interval
from harness.types import parts_of, set_and_recipe, world_of

__all__ = ["Figure", "beside", "figures_in", "read_ledger", "why_not"]

LONGEST_NAME = 34
"""Characters of the first cell of a line; longer ones are broken."""
NARROWEST = 16
"""Characters that the last column has at least."""
TIED = "\N{NO-BREAK SPACE}"
"""Stands for a space at which a cell is not broken."""

Pair = tuple[Row, Figure]


def beside(board: Board, ledger: Iterable[Figure]) -> Iterator[Table]:
    """What was published beside what was measured, and what was published on the same test sets only."""
    listed = list(ledger)
    pairs = [(row, figure) for row in board.rows for figure in listed if meets(row, figure)]
    if pairs:
        yield _side_by_side(board, pairs)
    told = {figure for _, figure in pairs}
    named = [name for name in _tests(board) if parts_of(name)[0] not in board.absent]
    tests = list(dict.fromkeys(world_of(name) for name in named))
    left = [figure for figure in listed if figure not in told and world_of(figure.tested_on) in tests]
    if left:
        yield _not_measured(sorted(left, key=lambda figure: tests.index(world_of(figure.tested_on))))


def _tests(board: Board) -> list[str]:
    """The test sets the matrix names, and those that were measured."""
    return [*board.stated.get("test", ()), *(row.cell.tested_on for row in board.rows)]


def _side_by_side(board: Board, pairs: Sequence[Pair]) -> Table:
    matrix = board.stated
    recipes, other = matrix.get("recipes", {}), matrix.get("recipe", "published")
    trainings = {(row.cell.detector, row.cell.trained_on) for row, _ in pairs}
    alone = Counter(detector for detector, _ in trainings)
    reasons: dict[str, str] = {}
    sources = _numbered(figure.source for _, figure in pairs)
    body: dict[str, list[tuple[str, ...]]] = {}
    bases: dict[str, str] = {}
    for row, figure in pairs:
        cell, metric = row.cell, metric_beside(row, figure)
        recipe = set_and_recipe(cell.trained_on or "")[1] or recipes.get(cell.trained_on, other)
        why = [reasons.setdefault(each, _letters(len(reasons))) for each in why_not(row, figure, recipe)]
        seed = f"#{cell.seed}" if cell.seed else ""
        name = cell.detector + seed if alone[cell.detector] == 1 else cell.entry
        cells = (
            name,
            with_interval(row.metrics.get(metric), row.intervals.get(metric)),
            f"{_told(figure)} [{sources[figure.source]}]",
            f"not comparable: {' '.join(why)}" if why else "comparable",
        )
        on = f"on {cell.tested_on}" + f", {cell.condition}" * bool(cell.severity)
        body.setdefault(on, []).append(cells)
        base = row.metrics.get("base_rate")
        if metric == "accuracy" and base is not None:
            bases.setdefault(on, f" (base rate {number(base)})")
    note = (
        "AUC unless it says otherwise, over whole clips unless it says `frame` (and then without an"
        " interval); in brackets the 95 % interval of what was measured (`here`) and the source of what was"
        " published (`it`)."
        + (" Base rate: the accuracy of always saying the commoner class. " if bases else " ")
        + (f"Not comparable, because {_legend(reasons)}. " if reasons else "")
        + _origins(sources)
    )
    header = ("detector", "measured [95 %]", "published", "verdict")
    headed = {on: [(on + bases.get(on, ""), "", "", ""), *these] for on, these in body.items()}
    lines = _fitted([line for these in headed.values() for line in these], header)
    return Table("Published beside measured", header, lines, note)


def _not_measured(figures: Sequence[Figure]) -> Table:
    sources = _numbered(figure.source for figure in figures)
    body: dict[tuple[str, str], list[str]] = {}
    for figure in figures:
        marks = "*" * (figure.selection == "oracle") + " (claim)" * (figure.kind == "claim")
        over = figure.granularity if figure.metric == "auc" else figure.metric
        where = figure.tested_on + f", {figure.perturbation}" * (figure.perturbation != "clean")
        said = f"{figure.detector} {figure.value:g}{marks} [{sources[figure.source]}]"
        body.setdefault((where, over), []).append(said.replace(" ", TIED))
    note = "AUC unless it says otherwise. `*`: selected on test data. " + _origins(sources)
    header = ("tested on", "over", "published")
    lines = [(*key, ", ".join(told)) for key, told in body.items()]
    return Table("Published, not measured here", header, _fitted(lines, header), note)


def _told(figure: Figure) -> str:
    if figure.metric == "auc":
        return f"{figure.value:g}" + " frame" * (figure.granularity == "frame")
    return f"{figure.value:g} {figure.metric}"


def _numbered(texts: Iterable[str]) -> dict[str, int]:
    return {text: number for number, text in enumerate(dict.fromkeys(texts), 1)}


def _letters(number: int) -> str:
    """a ... z, aa ... zz: what a reason is called."""
    first, last = divmod(number, 26)
    return (chr(ord("a") + first - 1) if first else "") + chr(ord("a") + last)


def _legend(reasons: Mapping[str, str]) -> str:
    return "; ".join(f"`{letter}`: {reason}" for reason, letter in reasons.items())


def _origins(sources: Mapping[str, int]) -> str:
    return "Sources: " + "; ".join(f"[{number}] {source}" for source, number in sources.items()) + "."


def _fitted(lines: Sequence[tuple[str, ...]], header: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """The lines with first and last cells broken so that the table stays in one piece on a page."""
    firsts = [textwrap.wrap(line[0], LONGEST_NAME) for line in lines]
    columns = list(zip(header, *lines, strict=True))
    taken = [max(len(part) for part in (header[0], *(part for parts in firsts for part in parts)))]
    taken += [max(map(len, column)) for column in columns[1:-1]]
    room = max(NARROWEST, WIDTH - sum(width + 3 for width in taken) - 4)
    found = []
    for line, first in zip(lines, firsts, strict=True):
        last = textwrap.wrap(line[-1], room, break_on_hyphens=False)
        for k in range(max(1, len(first), len(last))):
            middle = line[1:-1] if k == 0 else ("",) * (len(line) - 2)
            ends = [parts[k] if k < len(parts) else "" for parts in (first, last)]
            found.append((ends[0], *middle, ends[1].replace(TIED, " ")))
    return tuple(found)
