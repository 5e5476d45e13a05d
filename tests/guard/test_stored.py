"""A digest is over what is said, however it is written, and a shape tells what a record lacks."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from harness.guard.stored import (
    CHANGED,
    below,
    fault_of,
    large_digest,
    opened,
    record_of,
    sealed,
    set_aside,
    shape_of,
    table_digest,
)
from harness.types import HarnessError

TABLE = pa.table(
    {
        "name": pa.array(["a", None, "c"]),
        "label": pa.array([0, 1, None], pa.int8()),
        "score": pa.array([0.5, None, 0.25], pa.float64()),
        "frames": pa.array([[0.5, 1.0], [], None], pa.list_(pa.float32())),
    }
)


@pytest.mark.parametrize(
    "how",
    [
        {"compression": "zstd"},
        {"use_dictionary": False},
        {"row_group_size": 1},
        {"version": "1.0"},
        {"data_page_version": "2.0"},
    ],
)
def test_the_digest_of_a_table_does_not_depend_on_how_it_is_written(
    tmp_path: Path, how: dict[str, Any]
) -> None:
    pq.write_table(TABLE, tmp_path / "t.parquet", **how)
    assert table_digest(pq.read_table(tmp_path / "t.parquet")) == table_digest(TABLE)
    assert table_digest(pa.concat_tables([TABLE.slice(0, 1), TABLE.slice(1)])) == table_digest(TABLE)


@pytest.mark.parametrize(
    "change",
    [
        lambda table: table.slice(1),
        lambda table: table.take([1, 0, 2]),
        lambda table: table.rename_columns(["other", *table.column_names[1:]]),
        lambda table: table.select(table.column_names[::-1]),
        lambda table: table.set_column(1, "label", table["label"].cast(pa.int64())),
        lambda table: table.set_column(2, "score", pa.array([0.5, 0.0, 0.25])),
        lambda table: table.set_column(3, "frames", pa.array([[0.5], [1.0], None], pa.list_(pa.float32()))),
        lambda table: table.set_column(3, "frames", pa.array([[0.5, 1.0], None, []], pa.list_(pa.float32()))),
    ],
)
def test_whatever_is_changed_in_a_table_changes_its_digest(change: Callable[[pa.Table], pa.Table]) -> None:
    assert table_digest(change(TABLE)) != table_digest(TABLE)


def test_a_record_is_opened_as_it_was_sealed_and_any_edit_is_found() -> None:
    record = {"a": [1, 2.5, None], "10": {"x": "y"}, "b": True}
    kept = json.loads(json.dumps(sealed(record), indent=1, sort_keys=True))
    assert opened(kept) == (record, "")
    assert opened({**kept, "b": False}) == ({**record, "b": False}, CHANGED)
    assert opened(kept, "another file beside it")[1] == CHANGED
    assert opened(record) == (record, ""), "an earlier version's"
    assert "version 2" in opened({**kept, "stored": {"version": 2}})[1]
    for other in ([], None, 3, "x"):
        assert "not a record" in opened(other)[1]


def test_a_shape_names_what_does_not_fit() -> None:
    shape = {"name": str, "size?": int, "rate": (None, float), "parts": [{"of": [float]}], "more": dict}
    good = {"name": "x", "rate": 1, "parts": [{"of": [1, 2.5]}], "more": {}, "unknown": 1}
    assert fault_of(good, shape) == ""
    assert fault_of({**good, "size": 2.5}, shape) == "has a number for size"
    assert fault_of({**good, "size": True}, shape) == "has true or false for size"
    assert fault_of({**good, "parts": [{}]}, shape) == "lacks 'of' in one of parts"
    assert fault_of({**good, "parts": [{"of": ["x"]}]}, shape) == "has a text for one of one of parts.of"
    assert fault_of({**good, "rate": "fast"}, shape) == "has a text for rate"
    assert fault_of([], shape) == "holds a list, not a record"


def test_the_shape_of_a_record_class_is_that_of_its_fields() -> None:
    @dataclasses.dataclass
    class Inner:
        value: float

    globals()["Inner"] = Inner

    @dataclasses.dataclass
    class Outer:
        inner: Inner | None
        path: Path
        sides: tuple[int, int]
        names: tuple[str, ...] = ()

    shape = shape_of(Outer)
    assert shape == {"inner": ({"value": float}, None), "path": str, "sides": list, "names?": [str]}


@pytest.mark.parametrize("said", ["/etc/passwd", "../x", "a/../../x", "", "a\0b"])
def test_a_path_that_leaves_its_folder_is_refused_by_the_name_of_the_record(
    tmp_path: Path, said: str
) -> None:
    with pytest.raises(HarnessError, match=r"r\.json names"):
        below(tmp_path, said, tmp_path / "r.json")
    assert below(tmp_path, "a/b.mp4", tmp_path / "r.json") == tmp_path / "a/b.mp4"


def test_what_is_set_aside_is_kept_and_takes_no_other_s_name(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    for number in (1, 2):
        path.write_text(str(number))
        line = set_aside(path, "is damaged", "made again")
        assert line == f"{path} is damaged: it is set aside as a.json.set-aside-{number}, and made again"
        assert (tmp_path / f"a.json.set-aside-{number}").read_text() == str(number)
    path.mkdir()
    set_aside(path, "is a folder", "made again")
    assert (tmp_path / "a.json.set-aside-3").is_dir()
    assert "made again" in set_aside(path, "is gone", "made again"), "another run was faster"


def test_a_record_that_does_not_fit_is_named_with_its_fault(tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match=r"r\.json does not describe a run: it lacks 'matrix'; run again"):
        record_of({}, tmp_path / "r.json", "a run", {"matrix": str}, "run again")


def test_a_large_file_is_digested_piece_by_piece(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from harness.guard import stored

    monkeypatch.setattr(stored, "PIECE", 10)
    path = tmp_path / "large"
    path.write_bytes(bytes(range(25)))
    before = large_digest(path)
    path.write_bytes(bytes([*range(24), 99]))
    assert large_digest(path) != before
