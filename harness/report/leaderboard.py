"""The leaderboard: a finished matrix as tables in a file, in a terminal, and as plots."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pandas as pd

from harness.files import write_whole
from harness.guard.names import csv_text
from harness.records import Board, Cost
from harness.report import comparisons, operating_points, provenance, ranks, test_sets
from harness.report.costs import stored_cost
from harness.report.oracle import oracle_tables
from harness.report.plots.gallery import DRAWN, draw_plots
from harness.report.published import beside
from harness.report.published_figures import Figure, figures_in
from harness.results.cross_domain import domains_of
from harness.results.lines import headline
from harness.results.ranking import standings_of
from harness.results.rows import in_dataset_auc, rows_table
from harness.tables import Table, markdown_table, plain, prose, wrapped

_found: list[tuple[Board, pd.DataFrame]] = []
"""The board that was shown last, and its `domains_of`."""

__all__ = ["cost_table", "headline", "in_dataset_auc", "markdown", "rows_table", "terminal", "write_board"]


def markdown(board: Board, oracle: bool = False, published: Sequence[Figure] = ()) -> str:
    """The leaderboard as a Markdown file of at most 100 columns, headed by what it was measured on.

    `oracle` appends what choosing on the test clips would have claimed; that is never ranked. Figures
    that were `published` are set beside what was measured.
    """
    tables = [*_tables(board, _domains(board), published), *(oracle_tables(board) if oracle else ())]
    return _markdown(board, tables)


def _markdown(board: Board, tables: Iterable[Table]) -> str:
    parts = [f"# {board.matrix}", "", prose(board.about), ""]
    for line in provenance.known(board):
        parts += [prose(line), ""]
    for table in tables:
        parts += [markdown_table(table), ""]
    parts += [wrapped(f"{provenance.footer(board)} {provenance.timing(board)}"), ""]
    return "\n".join(parts)


def terminal(board: Board, oracle: bool = False, published: Sequence[Figure] = ()) -> str:
    """The leaderboard as plain text of at most 100 columns, as `markdown` gives it."""
    parts = [board.matrix, "=" * len(board.matrix), wrapped(board.about)]
    tables = [*_tables(board, _domains(board), published), *(oracle_tables(board) if oracle else ())]
    shown = [plain(table) for table in tables]
    known = [wrapped(line) for line in provenance.known(board)]
    return "\n\n".join(["\n".join(parts), *known, *shown, wrapped(provenance.timing(board))]).rstrip()


def cost_table(board: Board) -> pd.DataFrame:
    """What each detector costs, one line a detector and device, columns as in `Cost`; equal lines once."""
    names = [field.name for field in dataclasses.fields(Cost)]
    lines = [stored_cost(cost) for cost in provenance.costs_of(board)]
    return pd.DataFrame(lines, columns=names, dtype=object)


def write_board(board: Board, folder: Path, published: Sequence[Figure] | None = None) -> list[Path]:
    """Write `<matrix>.md`, the CSV files and the plots there are numbers for; each file whole.

    Figures that others published are those of the folder's ledger, unless they are given.
    """
    figures = figures_in(folder) if published is None else published
    frames = {".csv": rows_table(board.rows), "-cost.csv": cost_table(board).round(3)}
    domains = _domains(board)
    frames["-domains.csv"] = domains.infer_objects().round(4)
    written = [folder / f"{board.matrix}.md"]
    write_whole(written[0], _markdown(board, _tables(board, domains, figures)))
    for kind, frame in frames.items():
        if kind == ".csv" or not frame.empty:
            written.append(folder / f"{board.matrix}{kind}")
            write_whole(written[-1], csv_text(frame))
    return written + draw_plots(board, folder)


def _domains(board: Board) -> pd.DataFrame:
    """`domains_of`, found once for a board that is shown in several places: it takes long."""
    if not _found or _found[0][0] is not board:
        _found[:] = [(board, domains_of(board))]
    return _found[0][1]


def _tables(board: Board, domains: pd.DataFrame, published: Sequence[Figure]) -> Iterator[Table]:
    """Every table of a board, the most important first."""
    standings = standings_of(board)
    yield from ranks.leaderboard(standings)
    yield from ranks.by_detector(standings)
    yield from comparisons.comparisons(standings)
    yield from ranks.falls(standings)
    yield from ranks.seeds(standings)
    yield from test_sets.on_test_sets(standings)
    yield from test_sets.robustness(standings)
    yield from operating_points.operating_points(standings)
    yield from operating_points.drift(standings)
    yield from test_sets.cross_domain_table(standings, domains)
    yield from beside(board, published)
    yield from provenance.shared_footage(standings)
    yield from provenance.without_a_face(standings)
    yield from provenance.failed(standings)
    yield from provenance.made_in_parts(standings)
    yield from provenance.cost(board)
    yield from provenance.recipes(board)
    yield from provenance.absent(board)


def result_files(matrix: str, results: Path) -> list[Path]:
    """The finished tables and plots of a matrix that exist."""
    return [results / name for name in result_names(matrix) if (results / name).is_file()]


def result_names(matrix: str) -> list[str]:
    """What the tables and plots of a matrix are called, whether or not there are numbers for each."""
    tables = [f"{matrix}.md", f"{matrix}.csv", f"{matrix}-cost.csv", f"{matrix}-domains.csv"]
    return [*tables, *(f"{matrix}-{plot}.png" for plot in DRAWN)]
