"""Each verdict and its edges are as told, what is comparable is compared, and the gate seldom errs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from statistics import NormalDist

import numpy as np
import pandas as pd
import pytest

from harness.cli.gate import run_accept
from harness.gate.accepted import AcceptedRun
from harness.gate.judge import Change, judge
from harness.gate.verdicts import Verdict, exit_code
from harness.results.rows import load_board
from harness.tracking import publish
from harness.types import GATE_RULES, HarnessError
from tests.gate.simulated_runs import (
    BLURRED,
    FIXED,
    JPEG,
    LAB,
    OTHER,
    SEEN,
    TOML,
    UNSEEN,
    clips,
    finish,
    kept,
    options,
    outcomes,
    scored,
    squashed,
    told,
    without,
)

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


def test_an_entry_is_published_with_the_worst_verdict_on_its_cells_and_its_line(gated: Path) -> None:
    run_accept(options())
    assert publish._verdicts(load_board("gated"), Path("results")) == {f"eye@{LAB}": "same"}
    # Every cell loses less than its margin, the perturbed line more than its own.
    finish({SEEN: scored(3.0), UNSEEN: scored(), BLURRED: without(scored(0.6), scored().index == 3)})
    board = load_board("gated")
    strict = replace(board, matrix_toml=TOML.replace("robust_worst = 0.05", "robust_worst = 0.001"))
    assert publish._verdicts(strict, Path("results")) == {f"eye@{LAB}": "worse"}
    assert publish._verdicts(board, Path("results")) == {f"eye@{LAB}": "same"}


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
