"""The gate: each verdict and its edges, what is comparable, what is kept, and how often it errs."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from statistics import NormalDist
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

from harness.cli.gate import run_accept, run_gate
from harness.evaluation.matrix import load_matrix
from harness.gate.accepted import (
    AcceptedRun,
    accept,
    accepted_file,
    accepted_form,
    lacking,
    read_accepted,
    read_costs,
    read_rows,
)
from harness.gate.cost_budgets import judge_costs, not_judged
from harness.gate.judge import Change, judge
from harness.gate.paired import paired
from harness.gate.verdicts import Verdict, exit_code
from harness.metrics.bootstrap import graph_of
from harness.metrics.intervals import resampled
from harness.metrics.weighted import auc_statistic
from harness.records import Row
from harness.results.predictions import write_predictions
from harness.results.rows import load_board, rows_table
from harness.tracking import publish
from harness.types import GATE_RULES, Cell, HarnessError

LAB, WILD, CITY = "lab", "wild", "city"
SEEN, UNSEEN, OTHER = (Cell("eye", LAB, tested_on) for tested_on in (LAB, WILD, CITY))
BLURRED, JPEG = Cell("eye", LAB, WILD, "blur", 3), Cell("eye", LAB, WILD, "jpeg", 1)
FIXED = Cell("rule", None, WILD)
PROVENANCE = {
    **{"recipe_sha256": "1e5", "clips_sha256": "0012", "protocol": 1},
    **{"threshold": 0.5, "threshold_source": "source-val", "checkpoint_source": "source-val"},
}
Scored = Mapping[Cell, pd.DataFrame]


def clips(number: int = 200, identities: int = 40, seed: int = 0) -> pd.DataFrame:
    """Half reals, half swaps of two identities each; without scores."""
    rng = np.random.default_rng(seed)
    label = np.repeat([0, 1], [number // 2, number - number // 2])
    target = rng.integers(0, identities, number)
    source = (target + rng.integers(1, identities, number)) % identities
    return pd.DataFrame(
        {
            "clip_id": [f"clip/{k}" for k in range(number)],
            "label": label,
            "manipulation": np.where(label == 1, "swap", None),
            "target": [f"p{k}" for k in target],
            "source": np.where(label == 1, [f"p{k}" for k in source], None),
        }
    )


def scored(strength: float = 1.5, number: int = 200, seed: int = 0) -> pd.DataFrame:
    """Clips whose fakes score `strength` standard deviations above the reals; the same noise for a seed."""
    table = clips(number)
    noise = np.random.default_rng([1, seed]).normal(size=number)
    return table.assign(score=squashed(noise + strength * table["label"]))


def squashed(values: Any) -> np.ndarray:
    """Any numbers in their order as scores between 0 and 1, as single-precision numbers."""
    return (1 / (1 + np.exp(-np.asarray(values, dtype=np.float64)))).astype(np.float32)


def kept(predictions: Scored, **said: Any) -> AcceptedRun:
    """What a run keeps of these cells; `said` replaces some of their provenance."""
    rows = {}
    for cell, table in predictions.items():
        failed = int(table["score"].isna().sum())
        rows[str(cell)] = Row(cell, len(table), failed, {}, provenance=PROVENANCE | said)
    return AcceptedRun(rows, {str(cell): table for cell, table in predictions.items()})


def without(table: pd.DataFrame, lost: Any) -> pd.DataFrame:
    """The same clips, some of which failed."""
    return table.assign(score=table["score"].mask(lost))


def told(verdicts: list[Verdict], rule: str, row: object = UNSEEN) -> Verdict:
    """The one verdict on a row by a rule."""
    (found,) = [verdict for verdict in verdicts if (verdict.rule, verdict.row) == (rule, str(row))]
    return found


def outcomes(verdicts: list[Verdict]) -> set[str]:
    return {verdict.outcome for verdict in verdicts}


BOARD = {SEEN: scored(3.0, seed=1), UNSEEN: scored(), BLURRED: scored(1.0), JPEG: scored(1.2)}


def test_identical_predictions_are_the_same_by_every_rule_at_every_margin() -> None:
    for margin in (0.01, 0.0):
        verdicts = judge(kept(BOARD), kept(BOARD), dict.fromkeys(GATE_RULES, margin), draws=50)
        assert outcomes(verdicts) == {"same"}
        assert {verdict.rule for verdict in verdicts} == {
            *("auc", "accuracy", "gap", "unseen_worst", "robust_worst")
        }
        assert all(verdict.reason.endswith("unchanged") for verdict in verdicts)
        assert exit_code(verdicts) == 0


@pytest.mark.parametrize(
    ("gain", "error", "margin", "outcome"),
    [
        (0.0, 0.0, 0.01, "same"),
        (0.0, 0.0, 0.0, "same"),
        (-0.01, 0.0, 0.01, "same"),
        (-0.0101, 0.0, 0.01, "worse"),
        (0.01, 0.0, 0.01, "same"),
        (0.0101, 0.0, 0.01, "better"),
        (-1e-6, 0.0, 0.0, "worse"),
        (0.0, 0.006, 0.01, "same"),
        (0.0, 0.0062, 0.01, "inconclusive"),
        (-0.02, 0.006, 0.01, "worse"),
        (-0.02, 0.0062, 0.01, "inconclusive"),
        (0.03, 0.006, 0.01, "better"),
        (0.02, 0.0062, 0.01, "same"),
        (0.0, 0.001, 0.0, "inconclusive"),
        (0.002, 0.001, 0.0, "better"),
    ],
)
def test_the_bounds_of_the_difference_decide_against_the_margin(
    gain: float, error: float, margin: float, outcome: str
) -> None:
    assert Change(0.8, 0.8 + gain, gain, error, 500).outcome(margin) == outcome


def test_inconclusive_says_how_many_clips_would_settle_it() -> None:
    change = Change(0.9, 0.895, -0.005, 0.01, 1000)
    wanted = 1000 * ((NormalDist().inv_cdf(0.95) + NormalDist().inv_cdf(0.8)) * 0.01 / 0.01) ** 2
    assert round(wanted, -2) == 6200
    assert "margin 0.01; about 6,200 clips would settle it, here 1,000" in change.said(0.01)
    assert "no number of clips finds equal detectors within a margin of 0" in change.said(0.0)


def test_a_loss_that_may_be_within_the_margin_is_called_a_loss() -> None:
    said = Change(0.9, 0.892, -0.008, 0.004, 1000).said(0.01)
    assert said.endswith("a loss, perhaps within the margin; about 25,000 clips would tell, here 1,000")
    perhaps = Change(0.9, 0.8937, -0.0063, 0.004, 1000).said(0.01)
    assert perhaps.endswith("about 990 clips settle equal detectors, here 1,000: perhaps a loss")


def test_a_difference_is_told_with_its_numbers_bounds_and_margin() -> None:
    assert Change(0.634, 0.6, -0.034, 0.01, 9).said(0.01) == (
        "0.634 -> 0.600: -0.034 [-0.050, -0.018], margin 0.01"
    )


def test_a_detector_that_got_worse_is_worse_and_the_other_way_round_better() -> None:
    fallen = BOARD | {UNSEEN: scored(0.2)}
    verdicts = judge(kept(fallen), kept(BOARD), draws=200)
    assert {told(verdicts, "auc").outcome, told(verdicts, "unseen_worst", f"eye@{LAB}").outcome} == {"worse"}
    assert told(verdicts, "auc", SEEN).outcome == "same"
    assert exit_code(verdicts) == 1
    assert told(judge(kept(BOARD), kept(fallen), draws=200), "auc").outcome == "better"


def test_a_detector_that_now_says_one_half_of_everything_is_worse() -> None:
    half = {UNSEEN: scored().assign(score=0.5)}
    verdict = told(judge(kept(half), kept({UNSEEN: scored()}), {"auc": 0.07}, draws=100), "auc")
    assert verdict.outcome == "worse"
    assert "-> 0.500" in verdict.reason


def test_the_gap_widens_when_only_the_forgeries_trained_on_are_found_better() -> None:
    now = {SEEN: scored(3.0), UNSEEN: scored(1.0)}
    before = {SEEN: scored(1.5), UNSEEN: scored(1.0)}
    verdicts = judge(kept(now), kept(before), draws=200)
    assert told(verdicts, "auc", SEEN).outcome == "better"
    assert told(verdicts, "gap", f"eye@{LAB}").outcome == "worse"
    assert told(judge(kept(before), kept(now), draws=200), "gap", f"eye@{LAB}").outcome == "better"


def test_the_worst_unseen_set_and_the_worst_perturbation_are_rules_of_their_own() -> None:
    before = BOARD | {OTHER: scored(2.0)}
    now = before | {UNSEEN: scored(1.0), OTHER: scored(2.6), BLURRED: scored(0.3)}
    verdicts = judge(kept(now), kept(before), draws=200)
    lines = {rule: told(verdicts, rule, f"eye@{LAB}") for rule in ("unseen_worst", "robust_worst")}
    assert {verdict.outcome for verdict in lines.values()} == {"worse"}
    assert lines["unseen_worst"].reason[:14] == told(verdicts, "auc").reason[:14]
    assert lines["robust_worst"].reason[:14] == told(verdicts, "auc", BLURRED).reason[:14]
    loose = judge(kept(now), kept(before), {"unseen_worst": 0.3, "robust_worst": 0.4}, draws=200)
    assert {told(loose, rule, f"eye@{LAB}").outcome for rule in lines} == {"same"}
    assert told(loose, "auc").outcome == "worse"


def test_a_fixed_detector_is_judged_by_its_worst_set_and_has_no_gap() -> None:
    verdicts = judge(kept({FIXED: scored()}), kept({FIXED: scored()}), draws=50)
    assert [(verdict.row, verdict.rule) for verdict in verdicts] == [
        (str(FIXED), "auc"),
        ("rule", "unseen_worst"),
    ]


def test_accuracy_is_judged_only_where_it_is_named_and_its_threshold_known() -> None:
    now, before = kept({UNSEEN: scored(0.0)}), kept({UNSEEN: scored(4.0)})
    assert "accuracy" not in {verdict.rule for verdict in judge(now, before, draws=50)}
    assert told(judge(now, before, {"accuracy": 0.1}, draws=50), "accuracy").outcome == "worse"
    unsure = [kept({UNSEEN: scored(4.0)}, threshold_source="unknown") for _ in range(2)]
    verdict = told(judge(*unsure, {"accuracy": 0.1}, draws=50), "accuracy")
    assert verdict.reason == "undefined, now and when accepted"


def test_the_draws_of_both_sides_weigh_the_same_identities_so_what_they_share_cancels() -> None:
    now, before = scored(1.4), scored(1.5)
    row = kept({UNSEEN: now}).rows[str(UNSEEN)]
    pair = paired((row, now), (row, before))
    graph = graph_of(*(now[name].to_numpy() for name in ("label", "target", "source", "clip_id")), WILD)
    alone = auc_statistic(now["label"].to_numpy(), now["score"].to_numpy(dtype=float))
    assert pair.now.draws["auc"] == pytest.approx(resampled(graph, {"auc": alone})["auc"])
    change = np.std(pair.now.draws["auc"] - pair.before.draws["auc"])
    assert 0 < change < 0.3 * np.std(pair.now.draws["auc"])


def test_a_number_that_was_accepted_and_is_now_undefined_is_worse_and_so_are_more_failed_clips() -> None:
    lost = {UNSEEN: without(scored(), scored()["label"] == 1)}
    verdicts = judge(kept(lost), kept({UNSEEN: scored()}), draws=50)
    assert told(verdicts, "auc") == Verdict(str(UNSEEN), "auc", "worse", "was 0.882, now undefined")
    assert told(verdicts, "failed").outcome == "worse"
    assert told(verdicts, "unseen_worst", f"eye@{LAB}").outcome == "worse"
    back = judge(kept({UNSEEN: scored()}), kept(lost), draws=50)
    assert {verdict.outcome for verdict in back} == {"better"}
    assert told(back, "auc").reason == "was undefined, now 0.882"


def test_a_number_that_was_never_defined_is_not_held_against_a_row() -> None:
    lost = {UNSEEN: without(scored(), scored()["label"] == 1)}
    verdicts = judge(kept(lost), kept(lost), draws=50)
    assert told(verdicts, "auc").reason == "undefined, now and when accepted"
    assert outcomes(verdicts) == {"same"}


def test_one_clip_more_that_failed_is_worse_whatever_the_rest() -> None:
    now = {UNSEEN: without(scored(), scored().index == 7)}
    verdicts = judge(kept(now), kept({UNSEEN: scored()}), draws=50)
    assert told(verdicts, "failed").reason == "0 -> 1 clips failed"
    assert told(verdicts, "auc").reason.endswith("unchanged; on the 199 clips scored both times")
    assert [verdict.rule for verdict in verdicts if verdict.outcome == "worse"] == ["failed"]


def test_runs_that_scored_different_clips_are_compared_on_those_both_scored() -> None:
    now, before = without(scored(), scored().index < 5), without(scored(), scored().index >= 195)
    verdicts = judge(kept({UNSEEN: now}), kept({UNSEEN: before}), draws=50)
    assert outcomes(verdicts) == {"same"}
    assert "unchanged; on the 190 clips scored both times" in told(verdicts, "auc").reason


def test_runs_that_scored_no_clip_both_times_are_incomparable() -> None:
    odd = scored().index % 2 == 1
    verdicts = judge(
        kept({UNSEEN: without(scored(), odd)}), kept({UNSEEN: without(scored(), ~odd)}), draws=50
    )
    assert told(verdicts, "auc").outcome == "incomparable"
    assert exit_code(verdicts) == 4


@pytest.mark.parametrize(
    ("column", "what"),
    [("recipe_sha256", "recipe"), ("clips_sha256", "clip list"), ("protocol", "protocol")],
)
def test_rows_of_another_recipe_clip_list_or_protocol_are_not_compared(column: str, what: str) -> None:
    verdicts = judge(kept({UNSEEN: scored(0.0)}, **{column: 2}), kept({UNSEEN: scored()}))
    assert verdicts == [
        Verdict(str(UNSEEN), "auc", "incomparable", f"not the same {what} as when it was accepted")
    ]


def test_other_weights_runtime_and_commit_are_compared() -> None:
    said = {"weights_sha256": "other", "commit": "c0ffee", "dirty": True, "threshold": 0.4}
    assert outcomes(judge(kept(BOARD, **said), kept(BOARD), draws=50)) == {"same"}


def test_a_cell_not_accepted_yet_and_one_missing_now_are_incomparable_and_so_is_their_line() -> None:
    now = {cell: table for cell, table in BOARD.items() if cell != JPEG} | {OTHER: scored()}
    verdicts = judge(kept(now | {FIXED: scored()}), kept(BOARD), draws=50)
    assert told(verdicts, "auc", OTHER).reason == told(verdicts, "auc", FIXED).reason == "not accepted yet"
    assert told(verdicts, "auc", JPEG).reason == "accepted before, missing now"
    assert told(verdicts, "line", f"eye@{LAB}").reason == "2 of its 5 cells cannot be compared"
    assert not [verdict for verdict in verdicts if verdict.row == "rule"]
    assert exit_code(verdicts) == 4


def test_a_line_is_judged_by_the_mean_over_its_seeds_and_each_seed_by_its_cells() -> None:
    again = replace(UNSEEN, seed=1)
    before = {UNSEEN: scored(1.0), again: scored(1.0, seed=1)}
    now = {UNSEEN: scored(3.0), again: scored(0.0, seed=1)}
    verdicts = judge(kept(now), kept(before), draws=200)
    assert told(verdicts, "auc").outcome == "better"
    assert told(verdicts, "auc", again).outcome == "worse"
    cells = [told(verdicts, "auc", cell).reason for cell in now]
    means = np.mean([[float(part[:5]) for part in reason.split(" -> ")] for reason in cells], axis=0)
    line = told(verdicts, "unseen_worst", f"eye@{LAB}").reason
    assert [float(part[:5]) for part in line.split(" -> ")] == pytest.approx(means, abs=2e-3)


def test_an_unknown_rule_is_answered_with_the_nearest() -> None:
    with pytest.raises(HarnessError, match="did you mean 'accuracy'"):
        judge(kept(BOARD), kept(BOARD), {"acuracy": 0.1})


# Costs and budgets


def costs(device: str = "cpu", fps: float = 100.0, vram: float | None = None) -> pd.DataFrame:
    """One line of a cost table."""
    line = {"detector": "eye", "device": device, "precision": "fp32", "size": 96, "frames": 8}
    return pd.DataFrame([line | {"frames_per_second": fps, "peak_vram_allocated_mib": vram}])


@pytest.mark.parametrize(
    ("now", "before", "found"),
    [
        (costs(), costs(), {"fps": "same"}),
        (costs(fps=60), costs(), {"fps": "worse"}),
        (costs(fps=80), costs(), {"fps": "same"}),
        (costs(fps=75), costs(), {"fps": "same"}),
        (costs(fps=200), costs(), {"fps": "better"}),
        (costs("gpu", vram=1200), costs("gpu", vram=1000), {"fps": "same", "vram": "worse"}),
        (costs("gpu", vram=1050), costs("gpu", vram=1000), {"fps": "same", "vram": "same"}),
        (costs("gpu", vram=500), costs("gpu", vram=1000), {"fps": "same", "vram": "better"}),
        (costs("slow", fps=1), costs("fast", fps=1000), {}),
    ],
)
def test_speed_and_memory_are_judged_as_shares_on_the_same_device(
    now: pd.DataFrame, before: pd.DataFrame, found: dict[str, str]
) -> None:
    verdicts = judge_costs(now, before, {"fps": 0.25, "vram": 0.1})
    assert {verdict.rule: verdict.outcome for verdict in verdicts} == found
    assert (not found) == bool(not_judged(now, before))
    assert judge_costs(now, before, {"auc": 0.1}) == []


def test_a_cost_is_told_with_its_numbers() -> None:
    (verdict,) = judge_costs(costs(fps=60), costs(), {"fps": 0.25})
    assert verdict == Verdict("cost of eye on cpu", "fps", "worse", "100.0 -> 60.0: -40 %, margin 25 %")


@pytest.mark.parametrize(
    ("now", "budget", "outcome"),
    [
        (costs(fps=25), {"fps_min": 25}, "same"),
        (costs(fps=24.9), {"fps_min": 25}, "worse"),
        (costs("gpu", vram=4000), {"vram_max_mib": 4000}, "same"),
        (costs("gpu", vram=4001), {"vram_max_mib": 4000}, "worse"),
        (costs(), {"vram_max_mib": 4000}, "incomparable"),
    ],
)
def test_a_budget_is_kept_or_not_without_anything_accepted(
    now: pd.DataFrame, budget: dict[str, float], outcome: str
) -> None:
    (verdict,) = judge_costs(now, None, budget)
    assert (verdict.rule, verdict.outcome) == (next(iter(budget)), outcome)


def test_costs_read_back_from_csv_are_the_same(tmp_path: Path) -> None:
    costs().to_csv(tmp_path / "cost.csv", index=False)
    read = read_costs(tmp_path / "cost.csv")
    assert [v.reason for v in judge_costs(costs(), read, {"fps": 0.1})] == [
        "100.0 -> 100.0: +0 %, margin 10 %"
    ]
    (tmp_path / "other.csv").write_text("detector,device\n")
    with pytest.raises(HarnessError, match="lacks the column 'precision'"):
        read_costs(tmp_path / "other.csv")


# What is kept of a run, and the commands

TOML = """
about = "Simulated."
detectors = ["eye"]
train = ["lab"]
test = ["lab", "wild"]
perturbations = ["blur-3"]
[gate]
auc = 0.05
robust_worst = 0.05
accuracy = 0.1
"""


@pytest.fixture
def gated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with the finished run of the matrix `gated.toml`, in the working directory."""
    monkeypatch.setenv("GAPBENCH_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "gated.toml").write_text(TOML)
    finish({SEEN: scored(3.0), UNSEEN: scored(), BLURRED: without(scored(0.7), scored().index == 3)})
    return tmp_path


def finish(predictions: Scored) -> None:
    """Leave the record and the predictions of a run, as `gapbench eval` does."""
    home, matrix, kept_cells = Path("home").absolute(), load_matrix("gated.toml"), []
    for cell, table in predictions.items():
        path = home / "predictions" / f"{str(cell).replace('/', '_')}.parquet"
        frames = [[] if pd.isna(score) else [score] for score in table["score"]]
        error = np.where(table["score"].isna(), "no frame", None)
        whole = table.assign(frame_scores=frames, frame_indices=[[0]] * len(table), error=error)
        write_predictions(path, whole, {})
        file = str(path.relative_to(home))
        kept_cells.append({"file": file, "cell": asdict(cell), "provenance": PROVENANCE})
    cost = {"detector": "eye", "device": "cpu", "precision": "fp32", "size": 96, "frames": 8, "batch": 1}
    cost |= {"frames_per_second": 100.0, "latency_ms_p50": 1.0, "latency_ms_p90": None}
    cost |= {"latency_ms_p99": None, "parameters": 1}
    cost |= {"peak_vram_allocated_mib": None, "peak_vram_reserved_mib": None}
    entry = {"detector": "eye", "trained_on": LAB, "seed": 0, "weights": None, "cost": cost}
    record = {"matrix": "gated", "matrix_sha256": matrix.sha256, "matrix_toml": matrix.toml, "about": "x"}
    record |= {"entries": [entry | {"cells": kept_cells}], "absent": {}, "environment": {}}
    (home / "runs").mkdir(parents=True, exist_ok=True)
    (home / "runs" / "gated.json").write_text(json.dumps(record))


def options(**said: Any) -> Namespace:
    given = {"matrix": "gated.toml", "results": Path("results"), "junit": None, "summary": None}
    return Namespace(**given | {"allow_inconclusive": False} | said)


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
    assert run_gate(options()) == 0


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


def test_damaged_accepted_predictions_are_refused_in_one_line(gated: Path) -> None:
    run_accept(options())
    path = accepted_file(Path("results"), "gated", ".parquet")
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(HarnessError, match="cannot be read"):
        read_accepted(Path("results"), "gated")


def test_the_gate_says_4_then_0_then_1_and_writes_what_it_was_asked_for(
    gated: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = options(junit=Path("ci/gate.xml"), summary=Path("ci/summary.md"))
    assert run_gate(asked) == 4
    assert "to accept: gapbench accept gated.toml" in capsys.readouterr().out
    assert "nothing is accepted" in Path("ci/summary.md").read_text()
    assert ElementTree.parse("ci/gate.xml").getroot().get("errors") == "1"
    assert run_accept(options()) == 0
    assert run_gate(asked) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("10 verdicts: 10 same")
    finish({SEEN: scored(3.0), UNSEEN: scored(0.0), BLURRED: without(scored(0.7), scored().index == 3)})
    assert run_gate(asked) == 1
    headings = [line for line in Path("ci/summary.md").read_text().splitlines() if line.startswith("## ")]
    assert headings == [
        "## Gate gated: incomparable, failed",
        "## Gate gated: same, passed",
        "## Gate gated: worse, failed",
    ]


def test_what_too_few_clips_cannot_decide_is_3_unless_it_is_allowed(gated: Path) -> None:
    run_accept(options())
    finish(
        {SEEN: scored(3.0), UNSEEN: scored(1.5, seed=5), BLURRED: without(scored(0.7), scored().index == 3)}
    )
    assert run_gate(options()) == 3
    assert run_gate(options(allow_inconclusive=True)) == 0


def test_accepted_rows_without_accepted_predictions_are_nothing_accepted(
    gated: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_accept(options())
    accepted_file(Path("results"), "gated", ".parquet").unlink()
    assert lacking(Path("results"), "gated") == Path("results/accepted/gated.parquet")
    assert run_gate(options()) == 4
    assert "results/accepted/gated.parquet is missing; to accept:" in capsys.readouterr().out
    assert publish._verdicts(load_board("gated"), Path("results")) == {f"eye@{LAB}": "nothing accepted"}


def test_accepted_costs_are_asked_for_only_where_they_are_judged(gated: Path) -> None:
    run_accept(options())
    accepted_file(Path("results"), "gated", "-cost.csv").unlink()
    assert run_gate(options()) == 0
    (gated / "gated.toml").write_text(TOML + "fps = 0.2\n")
    assert run_gate(options()) == 4
    (gated / "gated.toml").write_text(TOML + "fps_min = 101\n")
    assert run_gate(options()) == 1


def test_an_entry_is_published_with_the_worst_verdict_on_its_cells_and_its_line(gated: Path) -> None:
    run_accept(options())
    assert publish._verdicts(load_board("gated"), Path("results")) == {f"eye@{LAB}": "same"}
    # Every cell loses less than its margin, the perturbed line more than its own.
    finish({SEEN: scored(3.0), UNSEEN: scored(), BLURRED: without(scored(0.6), scored().index == 3)})
    board = load_board("gated")
    strict = replace(board, matrix_toml=TOML.replace("robust_worst = 0.05", "robust_worst = 0.001"))
    assert publish._verdicts(strict, Path("results")) == {f"eye@{LAB}": "worse"}
    assert publish._verdicts(board, Path("results")) == {f"eye@{LAB}": "same"}


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


# How often it errs


def simulated(number: int, aucs: tuple[float, float], seed: int) -> tuple[AcceptedRun, AcceptedRun]:
    """One detector before and after, on swaps of 100 identities: scores of both correlate by 0.8.

    An identity is worth 0.2 of the variance of a score, in a fake its target and its source each.
    """
    rng = np.random.default_rng(seed)
    table = clips(number, 100, seed)
    fake = table["label"].to_numpy() == 1
    target, source = (
        np.array([0 if pd.isna(name) else int(name[1:]) for name in table[column]])
        for column in ("target", "source")
    )
    sides = []
    first: list[np.ndarray] = [rng.normal(size=size) for size in (100, 100, number)]
    other = [0.8 * part + 0.6 * rng.normal(size=len(part)) for part in first]
    for (bodies, faces, noise), auc in zip((first, other), aucs, strict=True):
        known = np.sqrt(0.2) * (bodies[target] + np.where(fake, faces[source], 0))
        rest = np.where(fake, np.sqrt(0.6), np.sqrt(0.8)) * noise
        score = known + rest + fake * NormalDist().inv_cdf(auc) * np.sqrt(2)
        sides.append(kept({replace(FIXED, tested_on=f"set{seed}"): table.assign(score=squashed(score))}))
    return sides[1], sides[0]


def simulate(number: int, aucs: tuple[float, float]) -> list[list[Verdict]]:
    """The verdicts of 100 gates at the default margin of 0.01."""
    return [judge(*simulated(number, aucs, seed), draws=500) for seed in range(100)]


def test_an_equal_detector_is_called_worse_at_most_5_times_in_100() -> None:
    assert sum(exit_code(verdicts) == 1 for verdicts in simulate(1000, (0.90, 0.90))) <= 5


def test_a_loss_of_5_points_is_called_worse_at_least_95_times_in_100() -> None:
    assert sum(exit_code(verdicts) == 1 for verdicts in simulate(1000, (0.90, 0.85))) >= 95


def test_at_100_clips_the_honest_answer_is_mostly_inconclusive_and_says_how_many_would_do() -> None:
    found = [verdicts[0] for verdicts in simulate(100, (0.90, 0.90))]
    unsure = [verdict.reason for verdict in found if verdict.outcome == "inconclusive"]
    assert len(unsure) >= 80
    asked = [int(reason.split("about ")[1].split(" clips")[0].replace(",", "")) for reason in unsure]
    assert min(asked) >= 150
    assert max(asked) <= 20_000
