"""What is accepted of a run is read back as it was, and a damaged file is refused in one line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from harness.cli.gate import run_accept, run_gate
from harness.gate.accepted import (
    accept,
    accepted_file,
    accepted_form,
    as_accepted,
    read_accepted,
    read_costs,
    read_rows,
)
from harness.gate.cost_budgets import judge_costs
from harness.gate.judge import judge
from harness.results.rows import load_board, rows_table
from harness.types import Cell, HarnessError
from tests.gate.simulated_runs import (
    LAB,
    PROVENANCE,
    SEEN,
    UNSEEN,
    WILD,
    clips,
    costs,
    finish,
    options,
    scored,
    told,
)


def test_costs_read_back_from_csv_are_the_same(tmp_path: Path) -> None:
    costs().to_csv(tmp_path / "cost.csv", index=False)
    read = read_costs(tmp_path / "cost.csv")
    assert [v.reason for v in judge_costs(costs(), read, {"fps": 0.1})] == [
        "100.0 -> 100.0: +0 %, margin 10 %"
    ]
    (tmp_path / "other.csv").write_text("detector,device\n")
    with pytest.raises(HarnessError, match="lacks the column 'precision'"):
        read_costs(tmp_path / "other.csv")


def test_what_is_accepted_is_read_back_as_it_was_and_written_again_bit_by_bit(gated: Path) -> None:
    board = load_board("gated")
    files = accept(board, costs(), Path("results"))
    assert [path.name for path in files] == ["gated.parquet", "gated.csv", "gated-cost.csv"]
    bytes_then = [path.read_bytes() for path in files]
    now, read = accepted_form(board), read_accepted(Path("results"), "gated")
    assert list(read.rows) == list(now.rows)
    for name, table in now.predictions.items():
        pd.testing.assert_frame_equal(read.predictions[name], table, check_dtype=False)
    verdicts = judge(now, read, {"auc": 0.0, "gap": 0.0, "accuracy": 0.0}, draws=50)
    assert {v.reason.split(", ")[-1] for v in verdicts if v.rule != "failed"} == {"unchanged"}
    accept(board, costs(), Path("results"))
    assert [path.read_bytes() for path in files] == bytes_then


def test_scores_that_differ_only_beyond_single_precision_do_not_differ(gated: Path) -> None:
    told_apart = clips().assign(score=lambda table: 0.5 + 1e-12 * table["label"])
    finish({SEEN: scored(3.0), UNSEEN: told_apart})
    run_accept(options())
    assert read_rows(accepted_file(Path("results"), "gated")).loc[1, "auc"] == 1.0
    verdicts = judge(accepted_form(load_board("gated")), read_accepted(Path("results"), "gated"), draws=50)
    assert told(verdicts, "auc").reason == "0.500, unchanged"


def test_a_threshold_is_taken_as_tables_keep_it_on_both_sides(
    gated: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(PROVENANCE, "threshold", 0.5000004)
    finish({UNSEEN: clips().assign(score=lambda table: np.where(table["label"] == 1, 0.5000002, 0.1))})
    run_accept(options())
    sides = accepted_form(load_board("gated")), read_accepted(Path("results"), "gated")
    assert told(judge(*sides, {"accuracy": 0.1}, draws=50), "accuracy").reason == "1.000, unchanged"


def test_accepted_predictions_are_small(gated: Path) -> None:
    cells = [Cell("eye", LAB, WILD, name, level) for name in "abcd" for level in range(1, 6)]
    finish({cell: scored(1.0, 240, seed=k) for k, cell in enumerate(cells)})
    accept(load_board("gated"), costs(), Path("results"))
    size = accepted_file(Path("results"), "gated", ".parquet").stat().st_size
    assert size < 20 * 240 * 8


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("auc", "0.5", "has another AUC"),
        ("auc", "", "has an AUC in one of them only"),
        ("clips", "201", "has other counts"),
        ("failed", "2", "has other counts"),
        ("tested_on", "moon", "has no predictions"),
        ("auc", "high", "auc holds something that is not a number"),
        ("clips", "", "clips is missing in line 2"),
    ],
)
def test_accepted_rows_that_somebody_changed_are_refused_in_one_line(
    gated: Path, column: str, value: str, said: str
) -> None:
    run_accept(options())
    path = accepted_file(Path("results"), "gated")
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    table.loc[0, column] = value
    table.to_csv(path, index=False)
    with pytest.raises(HarnessError, match=said) as error:
        read_accepted(Path("results"), "gated")
    assert "\n" not in str(error.value)


def test_the_same_row_twice_is_refused(gated: Path) -> None:
    run_accept(options())
    path = accepted_file(Path("results"), "gated")
    table = read_rows(path)
    pd.concat([table, table]).to_csv(path, index=False)
    with pytest.raises(HarnessError, match="is there twice"):
        read_accepted(Path("results"), "gated")


def test_rows_accepted_before_a_column_was_there_are_still_compared(gated: Path) -> None:
    run_accept(options())
    path = accepted_file(Path("results"), "gated")
    table = read_rows(path)
    table.drop(columns="fp32_difference").to_csv(path, index=False)
    predictions = path.with_suffix(".parquet")  # as an earlier version wrote them: without digests
    pq.write_table(pq.read_table(predictions).replace_schema_metadata(None), predictions)
    assert run_gate(options()) == 0


@pytest.mark.parametrize("kind", [".csv", "-cost.csv", ".parquet"])
def test_an_edit_that_fits_everything_else_is_found_by_its_digest(gated: Path, kind: str) -> None:
    run_accept(options())
    path = accepted_file(Path("results"), "gated", kind)
    if kind == ".parquet":
        table = pq.read_table(path)
        scores = pc.min_element_wise(pc.add(table["score"], 1e-7), 1).cast("float32")
        pq.write_table(table.set_column(table.column_names.index("score"), "score", scores), path)
    else:
        path.write_text(path.read_text() + "\n" if kind == "-cost.csv" else edited(path))
    with pytest.raises(HarnessError, match=r"is not what was accepted: its digest is another; accept again"):
        as_accepted(path, "gated") if kind == "-cost.csv" else read_accepted(Path("results"), "gated")


def edited(path: Path) -> str:
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    table.loc[0, "accuracy"] = "0.9999"
    return str(table.to_csv(index=False))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "no rows"),
        ("", "not a table of rows"),
        ("detector,auc\nx,0.5\n", "lacks the column 'trained_on'"),
        ("\x00\x01\x02", "neither UTF-8 nor UTF-16 text"),
    ],
)
def test_a_file_that_is_not_a_table_of_rows_is_refused_in_one_line(
    tmp_path: Path, content: str | None, said: str
) -> None:
    if content is not None:
        (tmp_path / "rows.csv").write_text(content)
    with pytest.raises(HarnessError, match=said) as error:
        read_rows(tmp_path / "rows.csv")
    assert "\n" not in str(error.value)


def test_damaged_accepted_predictions_are_refused_in_one_line(gated: Path) -> None:
    run_accept(options())
    path = accepted_file(Path("results"), "gated", ".parquet")
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(HarnessError, match="cannot be read"):
        read_accepted(Path("results"), "gated")


def test_the_table_of_rows_has_what_is_kept_of_them(gated: Path) -> None:
    board = load_board("gated")
    run_accept(options())
    read = read_accepted(Path("results"), "gated")
    line = rows_table(board.rows).iloc[0]
    row = next(iter(read.rows.values()))
    assert row.selection == "source-val"
    assert (row.clips, row.metrics["auc"], row.provenance["threshold"]) == (
        *(line["clips"], line["auc"], line["threshold"]),
    )


def _with(name: str, change: Callable[[list[Any]], Any], kind: Any = None) -> Callable[[pa.Table], pa.Table]:
    def edit(table: pa.Table) -> pa.Table:
        values = change(table[name].to_pylist())
        return table.set_column(table.column_names.index(name), name, pa.array(values, kind))

    return edit


EDITED: dict[str, Callable[[pa.Table], pa.Table]] = {
    "half the rows": lambda table: table.slice(0, len(table) // 2),
    "no rows": lambda table: table.slice(0, 0),
    "labels turned": _with("label", lambda said: [1 - label for label in said]),
    "a label of 7": _with("label", lambda said: [7, *said[1:]]),
    "labels of text": _with("label", lambda said: ["fake"] * len(said)),
    "a score of 2": _with("score", lambda said: [2.0, *said[1:]]),
    "a score that is no number": _with("score", lambda said: [float("nan"), *said[1:]]),
    "scores of text": _with("score", lambda said: ["0.5"] * len(said)),
    "scores in lists": _with("score", lambda said: [[0.5]] * len(said)),
    "names of bytes": _with("clip_id", lambda said: [str(name).encode() for name in said]),
    "names that are no text": _with("clip_id", lambda said: [b"\xff"] * len(said)),
    "cells without a name": _with("cell", lambda said: [None, *said[1:]], pa.string()),
    "a column twice": lambda table: table.append_column("score", table["score"]),
    "no column of scores": lambda table: table.drop_columns(["score"]),
    "no column of notes": lambda table: table.drop_columns(["note"]).slice(1),
}
DIGESTS = (None, b"{", b"[]", b"null", b"3", b"[" * 100_000, b"\xff", b'{"predictions": 5}', b'{"stored": 5}')


@pytest.mark.parametrize("edit", EDITED.values(), ids=EDITED)
def test_accepted_predictions_that_somebody_changed_are_refused_in_one_line(
    gated: Path, edit: Callable[[pa.Table], pa.Table]
) -> None:
    run_accept(options())
    path = accepted_file(Path("results"), "gated", ".parquet")
    table = pq.read_table(path)
    for metadata in (table.schema.metadata, None):  # an earlier version's has no digest
        pq.write_table(edit(table).replace_schema_metadata(metadata), path)
        with pytest.raises(HarnessError) as error:
            read_accepted(Path("results"), "gated")
        assert "\n" not in str(error.value) and "gated" in str(error.value)


def test_digests_that_are_none_are_refused_in_one_line(gated: Path) -> None:
    run_accept(options())
    path = accepted_file(Path("results"), "gated", ".parquet")
    table = pq.read_table(path)
    written = json.loads(table.schema.metadata[b"gapbench"])
    edited = json.dumps({**written, ".csv": "0" * 64}).encode()
    for said in (*DIGESTS, edited):
        pq.write_table(table.replace_schema_metadata(said and {b"gapbench": said}), path)
        if said is None:
            read_accepted(Path("results"), "gated")
            continue
        with pytest.raises(HarnessError, match="is not what was accepted"):
            read_accepted(Path("results"), "gated")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (",".join(map(str, range(20_000))) + "\n", "20,000 columns, more than 10,000"),
        ("detector\n" + "a\n" * 300, "300 rows, more than 200"),
        ("", "is not a table of rows"),
        ("\0" * 4096, "is not a table of rows"),
        ("PK\x03\x04", "a spreadsheet or a zip archive"),
    ],
)
def test_a_table_of_more_than_one_can_hold_is_refused_before_it_is_read(
    text: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GAPBENCH_ALLOW_TABLE_ROWS", "200")
    (tmp_path / "rows.csv").write_text(text)
    with pytest.raises(HarnessError, match=said):
        read_rows(tmp_path / "rows.csv")
