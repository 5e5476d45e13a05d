"""The gate: each verdict, what is comparable, and the exit codes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from harness.gate import (
    Costs,
    Verdict,
    exit_code,
    judge,
    read_accepted,
    read_costs,
    read_rows,
    verdict_table,
)
from harness.leaderboard import rows_table
from harness.types import Cell, HarnessError, Row

LAB, WILD = "procedural_lab", "procedural_wild"
TOLERANCES = {"auc": 0.05, "gap": 0.07, "accuracy": 0.08}


def rows(wild_auc: float | None = 0.7, **said: Any) -> pd.DataFrame:
    """Three rows as `rows_table` makes them: constant, and xception on two sets."""
    provenance = {"recipe_sha256": "1e5", "clips_sha256": "0012", "protocol": 1} | said
    made = [
        Row(Cell("constant", None, WILD), 200, 0, {"auc": 0.5, "accuracy": None}, provenance=provenance),
        Row(Cell("xception", LAB, LAB), 200, 0, {"auc": 0.9, "accuracy": 0.8}, provenance=provenance),
        Row(Cell("xception", LAB, WILD), 200, 0, {"auc": wild_auc, "accuracy": 0.6}, provenance=provenance),
    ]
    return rows_table(made)


def changed(table: pd.DataFrame, line: int, **values: Any) -> pd.DataFrame:
    """The table with some values of one line replaced."""
    table = table.copy()
    for name, value in values.items():
        table.loc[line, name] = value
    return table


def outcomes(verdicts: list[Verdict]) -> list[str]:
    return [verdict.outcome for verdict in verdicts]


def test_the_same_rows_are_the_same_and_the_gate_is_open() -> None:
    verdicts = judge(rows(), rows(), TOLERANCES)
    assert outcomes(verdicts) == ["same"] * 3
    assert exit_code(verdicts) == 0


def test_rows_read_back_from_csv_are_the_same(tmp_path: Path) -> None:
    rows().to_csv(tmp_path / "now.csv", index=False)
    accepted = read_accepted(tmp_path / "now.csv")
    assert outcomes(judge(rows(), accepted, TOLERANCES)) == ["same"] * 3
    assert outcomes(judge(read_rows(tmp_path / "now.csv"), accepted, TOLERANCES)) == ["same"] * 3


@pytest.mark.parametrize(
    ("values", "outcome"),
    [
        ({"auc": 0.651}, "same"),
        ({"auc": 0.65}, "same"),
        ({"auc": 0.649}, "worse"),
        ({"auc": 0.751}, "better"),
        ({"gap": 0.28}, "worse"),
        ({"gap": 0.12}, "better"),
        ({"accuracy": 0.51}, "worse"),
        ({"accuracy": 0.69}, "better"),
        ({"auc": 0.8, "accuracy": 0.5}, "worse"),
        ({"auc": None}, "worse"),
        ({"failed": 1}, "worse"),
        ({"brier": 0.9, "weights_sha256": "other", "runtime": "cuda-bf16-b64", "dirty": True}, "same"),
    ],
)
def test_each_number_has_its_tolerance_and_its_direction(values: dict[str, Any], outcome: str) -> None:
    verdicts = judge(changed(rows(), 2, **values), rows(), TOLERANCES)
    assert outcomes(verdicts) == ["same", "same", outcome]
    assert exit_code(verdicts) == (1 if outcome == "worse" else 0)


def test_a_detector_that_now_says_one_half_of_everything_is_worse() -> None:
    verdicts = judge(rows(wild_auc=0.5), rows(), TOLERANCES)
    assert verdicts[2].outcome == "worse"
    assert "auc 0.700 -> 0.500" in verdicts[2].reason
    assert verdicts[2].row == f"xception@{LAB}/{WILD}/clean"


def test_a_number_that_was_never_defined_is_not_held_against_a_row() -> None:
    verdicts = judge(changed(rows(), 0, accuracy=0.5), rows(), TOLERANCES)
    assert verdicts[0].outcome == "same"


@pytest.mark.parametrize("column", ["recipe_sha256", "clips_sha256", "protocol"])
def test_rows_of_another_recipe_clip_list_or_protocol_are_not_compared(column: str) -> None:
    verdicts = judge(rows(wild_auc=0.1), changed(rows(), 2, **{column: 2}), TOLERANCES)
    assert outcomes(verdicts) == ["same", "same", "incomparable"]
    assert exit_code(verdicts) == 4


def test_a_row_not_accepted_yet_and_one_missing_now_are_incomparable() -> None:
    verdicts = judge(rows().iloc[1:], rows().iloc[:2], TOLERANCES)
    assert {verdict.row.split("/")[0]: verdict.reason for verdict in verdicts[1:]} == {
        f"xception@{LAB}": "not accepted yet",
        "constant": "accepted before, missing now",
    }
    assert outcomes(verdicts) == ["same", "incomparable", "incomparable"]
    assert exit_code(verdicts) == 4


def test_worse_outweighs_incomparable() -> None:
    now = changed(changed(rows(), 1, protocol=2), 2, auc=0.1)
    assert exit_code(judge(now, rows(), TOLERANCES)) == 1


def test_nothing_accepted_and_nothing_at_all_are_4(tmp_path: Path) -> None:
    nothing = read_accepted(tmp_path / "missing.csv")
    verdicts = judge(rows(), nothing, TOLERANCES)
    assert {verdict.reason for verdict in verdicts} == {"not accepted yet"}
    assert exit_code(verdicts) == 4
    assert exit_code(judge(nothing, nothing, TOLERANCES)) == 4


def test_rows_of_another_seed_are_other_rows() -> None:
    assert "incomparable" in outcomes(judge(changed(rows(), 2, seed=1), rows(), TOLERANCES))


def costs(device: str = "cpu", fps: float = 100.0, vram: float | None = None) -> pd.DataFrame:
    """One line of a cost table."""
    line = {"detector": "xception", "device": device, "precision": "fp32", "size": 96, "frames": 8}
    return pd.DataFrame([line | {"frames_per_second": fps, "peak_vram_allocated_mib": vram}])


@pytest.mark.parametrize(
    ("now", "before", "outcome"),
    [
        (costs(), costs(), "same"),
        (costs(fps=60), costs(), "worse"),
        (costs(fps=80), costs(), "same"),
        (costs(fps=200), costs(), "better"),
        (costs("gpu", vram=1200), costs("gpu", vram=1000), "worse"),
        (costs("gpu", vram=1050), costs("gpu", vram=1000), "same"),
    ],
)
def test_speed_and_memory_are_judged_as_shares_on_the_same_device(
    now: pd.DataFrame, before: pd.DataFrame, outcome: str
) -> None:
    verdicts = judge(rows(), rows(), TOLERANCES, Costs(now, before))
    assert outcomes(verdicts) == ["same"] * 3 + [outcome]


def test_costs_read_back_from_csv_are_the_same(tmp_path: Path) -> None:
    costs(vram=None).to_csv(tmp_path / "cost.csv", index=False)
    both = Costs(costs(vram=None), read_costs(tmp_path / "cost.csv"))
    assert outcomes(judge(rows(), rows(), TOLERANCES, both)) == ["same"] * 4
    (tmp_path / "other.csv").write_text("detector,device\n")
    with pytest.raises(HarnessError, match="lacks the column 'precision'"):
        read_costs(tmp_path / "other.csv")


def test_speed_on_another_device_is_not_judged() -> None:
    verdicts = judge(rows(), rows(), TOLERANCES, Costs(costs("slow", fps=1), costs("fast", fps=1000)))
    assert outcomes(verdicts) == ["same"] * 3


def test_the_verdicts_are_a_table_of_a_hundred_columns_with_the_worst_last() -> None:
    now = rows(wild_auc=0.1)
    now["tested_on"] = [
        WILD,
        LAB,
        "a_data_set_with_a_name_that_is_as_long_as_anybody_would_ever_make_it_really",
    ]
    before = now.copy()
    before.loc[2, ["auc", "gap", "accuracy"]] = [0.9, 0.01, 0.95]
    lines = verdict_table(judge(now, before, TOLERANCES)).splitlines()
    assert max(map(len, lines)) <= 100
    assert lines[0].startswith("same")
    assert any(line.startswith("worse") for line in lines)
    assert lines[-1] == "3 verdicts: 2 same, 0 better, 0 incomparable, 1 worse"


def test_an_unknown_tolerance_is_answered_with_the_nearest() -> None:
    with pytest.raises(HarnessError, match="did you mean 'accuracy'"):
        judge(rows(), rows(), {"acuracy": 0.1})


def test_the_same_row_twice_is_refused() -> None:
    with pytest.raises(HarnessError, match="there twice"):
        judge(pd.concat([rows(), rows()]), rows(), TOLERANCES)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "cannot read"),
        ("", "not a table of rows"),
        ("detector,auc\nx,0.5\n", "lacks the column 'trained_on'"),
        ("\x00\x01\x02", "not a table of rows"),
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


def test_a_word_where_a_number_belongs_is_refused(tmp_path: Path) -> None:
    changed(rows(), 1, auc="high").to_csv(tmp_path / "rows.csv", index=False)
    with pytest.raises(HarnessError, match="auc holds something that is not a number"):
        read_rows(tmp_path / "rows.csv")
