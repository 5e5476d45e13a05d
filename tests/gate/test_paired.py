"""Two runs of a cell are compared on the clips that both scored, weighed alike."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from harness.gate.judge import judge
from harness.gate.paired import paired
from harness.gate.verdicts import exit_code
from harness.metrics.bootstrap import graph_of
from harness.metrics.intervals import resampled
from harness.metrics.weighted import auc_statistic
from tests.gate.simulated_runs import UNSEEN, WILD, kept, outcomes, scored, told, without


def test_the_draws_of_both_sides_weigh_the_same_identities_so_what_they_share_cancels() -> None:
    now, before = scored(1.4), scored(1.5)
    row = kept({UNSEEN: now}).rows[str(UNSEEN)]
    pair = paired((row, now), (row, before))
    graph = graph_of(*(now[name].to_numpy() for name in ("label", "target", "source", "clip_id")), WILD)
    alone = auc_statistic(now["label"].to_numpy(), now["score"].to_numpy(dtype=float))
    assert pair.now.draws["auc"] == pytest.approx(resampled(graph, {"auc": alone})["auc"])
    change = np.std(pair.now.draws["auc"] - pair.before.draws["auc"])
    assert 0 < change < 0.3 * np.std(pair.now.draws["auc"])


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


def test_a_clip_scored_as_chance_is_half_right_on_whichever_side_of_half_the_threshold_is() -> None:
    now = scored().assign(note=None)
    lost = now.index[now["label"] == 1][:20]
    now.loc[lost, "score"], now.loc[lost, "note"] = 0.5, "no face was found: as-chance"
    row = kept({UNSEEN: now}).rows[str(UNSEEN)]
    sides = [
        dataclasses.replace(row, provenance={**row.provenance, "threshold": t}) for t in (0.4999, 0.5001)
    ]
    pair = paired((sides[0], now), (sides[1], now), draws=20)
    assert pair.now.metrics["accuracy"] == pytest.approx(pair.before.metrics["accuracy"])
