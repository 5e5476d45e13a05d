"""What a run gives again of the published board is said in one line; where none is published, nothing."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from harness.gate.reproduction import published_files, published_in, reproduced
from tests.test_checkout import ROOT

CHANGES = {
    "as published": ({}, "all 2 of 2 rows are equal to the printed digit"),
    "another AUC": ({"auc": ["0.5", "0.8"]}, "1 differ: airl@lab/lab/clean (auc 0.9 -> 0.8, -0.1000)"),
    "only another threshold": (
        {"accuracy": ["0.5", "0.7"]},
        "1 differ: airl@lab/lab/clean (accuracy 0.8 -> 0.7",
    ),
    "the same AUC": (
        {"accuracy": ["0.5", "0.7"]},
        "all 2 of 2 rows are equal to the printed digit in AUC, 1 of them in every number; 1 differ: airl",
    ),
    "no AUC": ({"auc": ["0.5", ""]}, "1 differ: airl@lab/lab/clean (auc 0.9 -> undefined)"),
    "another recipe": (
        {"recipe_sha256": ["a", "c"]},
        "1 were asked otherwise: airl@lab/lab/clean (another recipe)",
    ),
    "another machine": ({"weights_sha256": ["x", "z"], "commit": ["e", "e"]}, "all 2 of 2 rows are equal"),
    "a column that is new": ({"later": ["1", "2"]}, "all 2 of 2 rows are equal"),
    "other rows": (
        {"seed": [0, 1]},
        "1 were not measured here: airl@lab/lab/clean; 1 are not published: airl@lab#1",
    ),
}


def rows(**changed: list[object]) -> pd.DataFrame:
    same = {"tested_on": "lab", "perturbation": "clean", "severity": 0, "seed": 0, "runtime": "cpu-fp32-b8"}
    said = {
        "detector": ["constant", "airl"],
        "trained_on": ["", "lab"],
        **{name: [value] * 2 for name, value in same.items()},
        "auc": ["0.5", "0.9"],
        "accuracy": ["0.5", "0.8"],
        **{f"{name}_sha256": ["a", "b"] for name in ("recipe", "clips", "preprocessing", "weights")},
        "protocol": ["1", "1"],
        "commit": ["0123456789abcdef"] * 2,
    }
    return pd.DataFrame({**said, **changed})


@pytest.fixture
def published(tmp_path: Path) -> Path:
    folder = published_in(tmp_path)
    folder.mkdir()
    rows().to_csv(folder / "mine.csv", index=False)
    pd.DataFrame({"device": ["AMD EPYC, 2 threads"] * 2}).to_csv(folder / "mine-cost.csv", index=False)
    return tmp_path


@pytest.mark.parametrize("change", CHANGES)
def test_the_line_says_which_rows_are_equal_and_which_differ_by_how_much(
    change: str, published: Path
) -> None:
    changed, said = CHANGES[change]
    rows(**changed).to_csv(published / "mine.csv", index=False)
    line = reproduced("mine", published)
    assert line.startswith("published board of mine: ") and said in line and "\n" not in line
    assert line.endswith("the published ones were made on AMD EPYC, 2 threads, by code 0123456789")


def test_many_rows_are_counted_not_listed(published: Path) -> None:
    many = pd.concat([rows(seed=[seed, seed]) for seed in range(9)])
    many.to_csv(published_in(published) / "mine.csv", index=False)
    rows().to_csv(published / "mine.csv", index=False)
    line = reproduced("mine", published)
    assert "2 of 18 rows are equal" in line and "16 were not measured here" in line and "and 12 more" in line


def test_a_matrix_without_a_published_board_is_told_nothing_and_a_damaged_one_loses_no_run(
    published: Path,
) -> None:
    rows().to_csv(published / "other.csv", index=False)
    assert reproduced("other", published) == ""
    rows().to_csv(published / "mine.csv", index=False)
    (published_in(published) / "mine.csv").write_text("no table\n")
    assert "not compared" in reproduced("mine", published)


def test_tables_written_elsewhere_are_set_beside_the_boards_of_the_checkout(tmp_path: Path) -> None:
    assert published_files("smoke", tmp_path)[0] == ROOT / "results" / "published" / "smoke.csv"
