"""Speed and memory are judged on the same device only, against what was accepted and against budgets."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from harness.gate.cost_budgets import judge_costs, not_judged
from harness.gate.verdicts import Verdict
from harness.records import Board, Entry
from harness.report.leaderboard import cost_table
from tests.gate.simulated_runs import costs
from tests.runtime.known_cost import cost


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


@pytest.mark.parametrize(
    ("now", "before", "margins", "outcome"),
    [
        ({"frames_per_second": 60.0, "throughput_invalid": "heat"}, {}, {"fps": 0.25}, "inconclusive"),
        ({"frames_per_second": 60.0}, {"throughput_invalid": "heat"}, {"fps": 0.25}, "inconclusive"),
        ({"frames_per_second": 60.0, "latency_invalid": "heat"}, {}, {"fps": 0.25}, "worse"),
        ({"throughput_invalid": "heat"}, {}, {"fps_min": 300}, "inconclusive"),
        ({"throughput_invalid": "heat"}, {}, {"fps_min": 200}, "same"),
        ({}, {}, {"fps_min": 300}, "worse"),
    ],
)
def test_an_invalid_speed_decides_nothing_but_a_budget_it_keeps_all_the_same(
    now: dict[str, Any], before: dict[str, Any], margins: dict[str, float], outcome: str
) -> None:
    boards = [Board("m", "0", "", "", (Entry("x", "a", 0, (), cost(**said)),)) for said in (now, before)]
    (verdict,) = judge_costs(cost_table(boards[0]), cost_table(boards[1]), margins)
    assert verdict.outcome == outcome
    assert ("heat" in verdict.reason) == (outcome == "inconclusive")
