"""A cost is told with its numbers, and one that is INVALID is marked with its reason."""

from __future__ import annotations

import json

from harness.records import Board, Entry
from harness.report.costs import cost_tables, describe_cost, stored_cost
from harness.report.leaderboard import cost_table
from harness.report.provenance import costs_of
from tests.runtime.known_cost import cost


def test_an_invalid_number_is_marked_in_tables_and_its_reason_told_once() -> None:
    why = "other processes used 1.0 of 2 cores"
    (table,) = cost_tables([cost(throughput_invalid=why), cost(detector="airl", latency_invalid=why)])
    assert [line[5:8] for line in table.lines] == [("~229", "35.0", "40.0"), ("229", "~35.0", "~40.0")]
    assert table.note.count(why) == 1
    assert "~ INVALID: xception, airl" in table.note
    (quiet,) = cost_tables([cost()])
    assert "~" not in str(quiet)
    assert f"speed is           INVALID: {why}" in describe_cost(cost(throughput_invalid=why))
    assert "1: 114.3, 16: 229.4" in describe_cost(cost())


def test_the_throughput_by_batch_is_json_in_the_csv() -> None:
    line = stored_cost(cost())
    assert json.loads(line["throughput"]) == [[1, 114.3], [16, 229.4]]
    board = Board("m", "0", "", "", tuple(Entry("x", on, 0, (), cost()) for on in ("a", "b")))
    assert costs_of(board) == [cost()]
    assert list(cost_table(board).columns) == list(line)
