"""Published figures stand beside the measured numbers of their kind, with whether they may be compared."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from harness.records import Board
from harness.report.published import beside
from harness.report.published_figures import Figure
from harness.tables import WIDTH, Table, markdown_table, plain
from tests.report.comparable_figure import COMPARABLE
from tests.report.made_boards import Making


def table_of(tables: list[Table], title: str) -> Table:
    """The table of that title."""
    return next(table for table in tables if table.title == title)


def lines_of(board: Board, *figures: Figure) -> list[tuple[str, ...]]:
    """What stands beside what was measured."""
    return list(table_of(list(beside(board, figures)), "Published beside measured").lines)


def test_a_figure_stands_beside_the_number_of_its_kind(tmp_path: Path) -> None:
    making = Making(tmp_path, drawn=20)
    entry = making.entry("xception", "ffpp_c23", {"celeb_df_v2": 2.0})
    row = dataclasses.replace(entry.rows[0], metrics={**entry.rows[0].metrics, "frame_auc": 0.611})
    board = dataclasses.replace(making.board(), entries=(dataclasses.replace(entry, rows=(row,)),))
    kinds: tuple[dict[str, Any], ...] = (
        {"granularity": "frame"},
        {},
        {"metric": "accuracy"},
        {"metric": "eer", "value": 0.25},
    )
    shown = lines_of(board, *(dataclasses.replace(COMPARABLE, **kind) for kind in kinds))
    assert shown[0] == ("on celeb_df_v2 (base rate 0.667)", "", "", "")  # an accuracy is among them
    assert shown[1] == ("xception", "0.611", "0.7 frame [1]", "comparable")
    assert [line[1][:5] for line in shown[2:]] == [
        f"{row.metrics[m]:.3f}" for m in ("auc", "accuracy", "eer")
    ]
    assert [line[2] for line in shown[2:]] == ["0.7 [1]", "0.7 accuracy [1]", "0.25 eer [1]"]
    assert "[" in shown[2][1]
    clip_based = dataclasses.replace(row, metrics={**row.metrics, "frame_auc": None})
    board = dataclasses.replace(making.board(), entries=(dataclasses.replace(entry, rows=(clip_based,)),))
    assert lines_of(board, dataclasses.replace(COMPARABLE, granularity="frame"))[1][-1] == "not comparable: a"


def test_a_figure_under_a_perturbation_stands_beside_rows_under_it_alone(tmp_path: Path) -> None:
    making = Making(tmp_path, drawn=20)
    making.entry(
        "xception", "ffpp_c23", {"celeb_df_v2": 2.0, "celeb_df_v2/blur-3": 1.0, "celeb_df_v2/jpeg-3": 1}
    )
    for said, why in (("blur-3", "comparable"), ("blur", "not comparable: a")):
        tables = list(beside(making.board(), [dataclasses.replace(COMPARABLE, perturbation=said)]))
        told = table_of(tables, "Published beside measured")
        assert [line[0] for line in told.lines] == ["on celeb_df_v2, blur-3", "xception"]
        assert told.lines[1][-1] == why
    assert "`a`: its severity is not said." in told.note
    none = list(beside(making.board(), [dataclasses.replace(COMPARABLE, perturbation="blur-4")]))
    assert [table.title for table in none] == ["Published, not measured here"]


def test_a_row_is_told_by_what_it_was_trained_on_only_where_that_differs(tmp_path: Path) -> None:
    making = Making(tmp_path, drawn=20)
    for trained in ("ffpp_c23", "procedural_lab"):
        making.entry("xception", trained, {"celeb_df_v2": 2.0}, seed=1)
    names = [line[0] for line in lines_of(making.board(), COMPARABLE)[1:]]
    assert names == ["xception@ffpp_c23#1", "xception@procedural_lab#1"]


def test_what_is_not_measured_is_listed_for_the_test_sets_of_the_matrix_alone(tmp_path: Path) -> None:
    making = Making(tmp_path, toml='test = ["celeb_df_v2", "dfd"]', drawn=20)
    making.entry("xception", "ffpp_c23", {"celeb_df_v2": 2.0})
    ledger = [
        COMPARABLE,
        dataclasses.replace(COMPARABLE, detector="ucf", selection="oracle"),
        dataclasses.replace(COMPARABLE, detector="spsl", kind="claim", value=0.954),
        dataclasses.replace(COMPARABLE, tested_on="dfd", granularity="frame"),
        dataclasses.replace(COMPARABLE, tested_on="dfdc"),
    ]
    told = table_of(list(beside(making.board(), ledger)), "Published, not measured here")
    assert told.lines == (
        ("celeb_df_v2", "video", "ucf 0.7* [1], spsl 0.954 (claim) [1]"),
        ("dfd", "frame", "xception 0.7 [1]"),
    )
    assert "[1] Somebody 2024." in told.note


def test_procedural_boards_have_no_published_figures(ledger: list[Figure], tmp_path: Path) -> None:
    making = Making(tmp_path, drawn=20)
    making.entry("xception", "procedural_lab", {"procedural_lab": 2.0, "procedural_wild": 1.0})
    assert list(beside(making.board(), ledger)) == []


def test_nothing_measured_yet_is_comparable_with_what_was_published(
    ledger: list[Figure], tmp_path: Path
) -> None:
    making = Making(tmp_path, drawn=20)
    ours = {f"deepfakebench_{on}": 1.0 for on in ("ffpp", "celeb_df_v1", "celeb_df_v2", "dfdc_preview")}
    making.entry("deepfakebench_efficientnet_b4", "deepfakebench_ffpp", ours)
    making.entry("deepfakebench_xception:a_checkpoint_with_a_very_long_name", "ffpp_c23", ours)
    making.entry("airl", "ffpp_c23", {"celeb_df_v2": 2.0, "celeb_df_v2/blur_jpeg-3": 1.0})
    tables = list(beside(making.board(), ledger))
    told = table_of(tables, "Published beside measured")
    assert {line[-1] for line in told.lines} >= {"not comparable: a"}
    assert not any(line[-1] == "comparable" for line in told.lines)
    for text in (draw(table) for table in tables for draw in (markdown_table, plain)):
        assert max(map(len, text.splitlines())) <= WIDTH
    assert markdown_table(told).count("| verdict") == 1, "the table is in one piece"
    assert "inconsistent" in told.note
