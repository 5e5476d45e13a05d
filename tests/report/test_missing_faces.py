"""A board of which missing faces or failed clips make the numbers says so, and gives no rank."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from harness.metrics.measure import Terms
from harness.records import Board, Row
from harness.report.leaderboard import markdown
from harness.results.lines import lines_of
from harness.results.ranking import standings_of
from harness.results.rows import made_row, rows_table
from tests.report.made_boards import LAB, WILD, Making, scored
from tests.report.page_sections import column, section


def lost(row: Row, reals: int, fakes: int, note: str | None) -> Row:
    """The row, where so many clips of each class show no face: scored by a policy, or failed."""
    table = scored(row.cell.tested_on, 1.5, 1)
    table["note"], table["error"] = None, None
    for label, count in ((0, reals), (1, fakes)):
        gone = table.index[table["label"] == label][:count]
        table.loc[gone, "score"] = None if note is None else 0.5
        table.loc[gone, "note"] = note
        if note is None:
            table.loc[gone, "error"] = "too short"
    return made_row(row.cell, table, {**row.provenance, "no_face": "as-chance"}, Terms(draws=300))


@pytest.fixture
def board(tmp_path: Path) -> Board:
    making = Making(tmp_path)
    making.entry("strong", LAB, {LAB: 3.0, WILD: 2.0})
    making.entry("weak", LAB, {LAB: 3.0, WILD: 1.0})
    return making.board()


def changed(board: Board, reals: int, fakes: int, note: str | None) -> Board:
    """The board, where the first detector met clips like `lost` on the second test set."""
    first = board.entries[0]
    rows = (first.rows[0], lost(first.rows[1], reals, fakes, note))
    return dataclasses.replace(board, entries=(dataclasses.replace(first, rows=rows), *board.entries[1:]))


NOTE = "no face was found: as-chance"


def test_where_one_class_shows_no_face_there_is_no_rank_and_the_page_says_so(board: Board) -> None:
    page = markdown(changed(board, 0, 12, NOTE))
    note, lines = section(page, "Not ranked")
    why = " ".join(line[-1] for line in lines[1:])
    assert why.startswith("wild: no face in 0 of 40 real and 12 of 80 fake clips (Fisher's exact test: p =")
    assert "than chance explains (5 % level)" in note and "`unknown`" not in note
    note, lines = section(page, "Tested on wild")
    assert "No face was found in 0 of 40 real and 12 of 80 fake clips; scored as-chance" in note
    assert column(lines, "detector")[:2] == ["weak", "strong (not ranked)"]
    _, lines = section(page, "Clips without a face")
    assert lines[1][:4] == ["strong", "wild", "0 of 40", "12 of 80 *"]
    _, lines = section(page, "Leaderboard")
    assert column(lines, "detector") == ["weak"]


def test_a_manipulation_whose_fakes_show_no_face_is_marked_where_the_whole_set_is_not(board: Board) -> None:
    first = board.entries[0]
    table = scored(WILD, 1.5, 1)
    table["note"] = None
    gone = table.index[table["manipulation"] == "swap"][:6]
    table.loc[gone, "score"], table.loc[gone, "note"] = 0.5, NOTE
    row = made_row(first.rows[1].cell, table, first.rows[1].provenance, Terms(draws=300))
    entry = dataclasses.replace(first, rows=(first.rows[0], row))
    assert not row.unjudged and row.counts["faceless:swap"] == (0, 6)
    note, lines = section(
        markdown(dataclasses.replace(board, entries=(entry, *board.entries[1:]))), "Each manipulation of wild"
    )
    assert lines[1:3] == [["clips", "40+40", "40+40"], ["no face", "0+0", "0+6 *"]]
    assert "made by what is missing" in note


def test_missing_faces_that_are_even_and_few_keep_the_rank(board: Board) -> None:
    even = changed(board, 2, 4, NOTE)
    assert all(line.ranked for line in lines_of(even))
    page = markdown(even)
    assert "Not ranked" not in page
    _, lines = section(page, "Clips without a face")
    assert lines[1][:4] == ["strong", "wild", "2 of 40", "4 of 80"]
    many = changed(board, 6, 12, NOTE)
    assert [line.unjudged for line in lines_of(many)] == [
        "wild: no face in 6 of 40 real and 12 of 80 fake clips: over 10 %",
        "",
    ]


def test_failing_more_in_one_class_is_told_with_what_it_could_hide(board: Board) -> None:
    page = markdown(changed(board, 0, 11, None))
    _, lines = section(page, "Failed clips")
    assert lines[1][:5] == ["strong", "wild/clean", "11 of 120", "0 of 40", "11 of 80 *"]
    low, high = (float(text) for text in lines[1][-1].split(" to "))
    assert low < high
    assert not standings_of(changed(board, 0, 11, None)).lines[-1].counted


def test_rows_count_the_clips_of_each_class_and_say_why_they_have_no_rank(board: Board) -> None:
    table = rows_table(changed(board, 1, 12, NOTE).rows)
    line = table[table["tested_on"] == WILD].iloc[0]
    names = ["reals", "fakes", "failed_reals", "failed_fakes", "faceless_reals", "faceless_fakes"]
    assert line[names].tolist() == [40, 80, 0, 0, 1, 12]
    assert line["faceless"] == 13 and line["unjudged"].startswith("no face in 1 of 40 real")
    assert line["auc_with_face"] is not None and line["auc_with_face_lo"] < line["auc_with_face"]
    assert line[["fakes:gan", "fakes:swap"]].sum() == 80
    assert line["auc:gan_lo"] <= line["auc:gan"] <= line["auc:gan_hi"]


def test_a_board_of_which_nobody_knows_what_was_seen_is_not_headed_unseen(tmp_path: Path) -> None:
    making = Making(tmp_path)
    making.entry("onnx:mine", None, {WILD: 1.0})
    page = markdown(making.board())
    note, lines = section(page, "Leaderboard")
    assert lines[0] == ["#", "detector", "clips", "tested [95 %]"]
    assert lines[1][2] == "40+80"
    assert "whether they were seen in training is not known" in note and "unseen" not in page
    making.entry("own", LAB, {WILD: 1.0})
    note, lines = section(markdown(making.board()), "Leaderboard")
    assert "unseen [95 %]" in lines[0] and "`unseen` may be seen" in note
