"""A table too wide for a page is cut into parts that each say whose numbers they are."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from harness.report.leaderboard import markdown
from harness.tables import WIDTH, Table, bracketed, markdown_table, number, plain, with_interval
from tests.report.made_boards import LAB, WILD, Making
from tests.report.page_sections import section


def test_every_part_of_a_table_that_was_cut_repeats_its_key_columns() -> None:
    header = ("detector", "against", *(f"a long heading of number {k}" for k in range(6)))
    lines = (("one", "other", *map(str, range(6))), ("", "", *[""] * 5, "more"), ("two", "third", *"abcdef"))
    table = Table("Wide", header, lines, keep=2)
    for text in (plain(table), markdown_table(table)):
        heads = [line for line in text.splitlines() if "detector" in line]
        assert len(heads) > 1 and all("against" in line for line in heads)
        assert text.count("third") == len(heads) == text.count("other")
        assert max(map(len, text.splitlines())) <= WIDTH
    assert "\n\n\n" not in plain(dataclasses.replace(table, note=""))  # no line of nothing but blanks


def test_tables_whose_lines_have_two_keys_keep_both_where_names_are_long(tmp_path: Path) -> None:
    making = Making(tmp_path, drawn=20)
    for name in ("one", "other"):
        for on in (LAB, WILD):
            making.entry(f"a_detector_with_a_long_name_{name}", f"{on}_of_many_words", {WILD: 1}, failed=1)
    page = markdown(making.board())
    for title, second in (("Compared on the same clips", "against"), ("Failed clips", "cell")):
        _, lines = section(page, title)
        heads = [line[:2] for line in lines if line[0] == "detector"]
        assert len(heads) > 1 and all(head == ["detector", second] for head in heads), title


def test_bounds_stand_with_their_value_and_without_one_where_only_they_are_known() -> None:
    assert with_interval(0.5, (0.25, 1.0)) == "0.500 [.250, 1.000]"
    assert with_interval(None, (0.25, 1.0)) == "- [.250, 1.000]"
    assert (with_interval(None, None), with_interval(0.5, None)) == ("-", "0.500")


def test_nothing_has_no_sign() -> None:
    assert number(-0.0004) == "0.000"
    assert bracketed((-0.0004, 0.0004)) == "[.000, .000]"
    assert with_interval(-0.0002, (-0.01, 0.01), "+") == "+0.000 [-.010, .010]"
    assert number(-0.0006) == "-0.001"
