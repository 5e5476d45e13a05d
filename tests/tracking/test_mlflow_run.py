"""What MLflow is told of an entry has legal names and finite values."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from pathlib import Path

from harness.tracking.mlflow_run import path_of, points_of
from harness.types import Cell
from tests.tracking.published_boards import LAB, PROVENANCE, WILD, board

LEGAL = re.compile(r"[A-Za-z0-9_\-. ]+(/[A-Za-z0-9_\-. ]+)?")


def test_names_are_legal_and_values_finite(tmp_path: Path) -> None:
    points = list(points_of(board(tmp_path).entries[0]))
    assert all(LEGAL.fullmatch(name) for name, _, _ in points)
    assert all(math.isfinite(value) and value == round(value, 4) for _, _, value in points)
    names = {name for name, _, _ in points}
    assert {f"auc/{LAB}", f"auc_lo/{WILD}", f"acc/{WILD}.gan", "fps", "auc_robust_mean"} <= names
    assert f"auc/{WILD}.gan" not in names
    assert "vram_peak_mib" not in names


def test_what_nobody_knows_the_origin_of_has_no_number_to_be_ranked_by(tmp_path: Path) -> None:
    (entry,) = board(tmp_path).entries
    unknown = {**PROVENANCE, "checkpoint_source": "unknown"}
    doubtful = replace(entry, rows=tuple(replace(row, provenance=unknown) for row in entry.rows))
    trusted, left = ({name for name, _, _ in points_of(each)} for each in (entry, doubtful))
    assert "auc_robust_mean" in trusted
    assert not {name for name in left if name.startswith(("auc_unseen", "auc_gap", "auc_robust"))}
    assert f"auc/{WILD}" in left


def test_a_perturbation_is_a_curve_whose_steps_are_severities(tmp_path: Path) -> None:
    points = list(points_of(board(tmp_path).entries[0]))
    assert [(step, value) for name, step, value in points if name == f"curve.{WILD}/blur"] == [
        (0, 0.65),
        (1, 0.6),
        (3, 0.55),
    ]
    assert ("val/auc", 1, 0.6) in points
    assert [point for point in points if point[0] == "val/auc"] == [("val/auc", 1, 0.6)]
    assert ("train/loss", 2, 0.5) in points


def test_every_cell_has_a_path_that_mlflow_takes() -> None:
    from mlflow.utils.uri import validate_path_is_safe

    for cell in (Cell("a", f"{LAB}-gan", f"{LAB}:gan", "blur", 3, 12), Cell("constant", None, WILD)):
        assert validate_path_is_safe(path_of(cell)) == path_of(cell)
