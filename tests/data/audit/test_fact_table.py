"""Words become columns of the table of facts, and rare ones are pooled."""

from __future__ import annotations

from harness.data.audit.fact_table import columns_of
from harness.data.file_facts import Facts


def test_words_become_columns_and_rare_ones_are_pooled() -> None:
    table: list[Facts] = [{"tag": "a" if k % 2 else "b", "same": 1.0} for k in range(100)]
    table[7] = {"tag": "once", "same": 1.0}
    table[8] = {"same": 1.0}
    columns = columns_of(table)
    assert columns.facts == ("tag",)
    assert columns.values.shape == (100, 3)  # a, b, and the other two together
    assert columns.values.sum() == 100 and sorted(columns.values.sum(axis=0)) == [2, 49, 49]
