"""Lines of the leaderboard: means and spreads over seeds, gaps with intervals, and who may be ranked."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest

from harness.records import Board, Entry, Row
from harness.results.lines import Line, line_of, lines_of, one_of
from harness.results.rows import made_row, terms_from
from harness.types import Cell

LAB, WILD, FAR = "procedural_lab", "procedural_wild", "far_away"
TRUSTED = {"threshold": 0.5, "threshold_source": "source-val", "checkpoint_source": "source-val"}


def row(
    tested_on: str,
    auc: float | None,
    drawn: Any = None,
    *,
    seed: int = 0,
    trained_on: str | None = LAB,
    condition: str = "clean-0",
    **said: Any,
) -> Row:
    """A row with that AUC, and `drawn` as its draws."""
    perturbation, severity = condition.split("-")
    cell = Cell("xception", trained_on, tested_on, perturbation, int(severity), seed)
    draws = {} if drawn is None else {"auc": np.asarray(drawn, dtype=np.float64)}
    return Row(cell, 100, 0, {"auc": auc}, provenance=TRUSTED | said, draws=draws)


def entry(*rows: Row) -> Entry:
    """The entry of those rows."""
    cell = rows[0].cell
    return Entry(cell.detector, cell.trained_on, cell.seed, rows)


def simulated_row(worlds: Any, tested_on: str, seed: int, *, auc: float = 0.8, trained_on: str = LAB) -> Row:
    """A row made from predictions on people called person0 to person39, whatever the dataset."""
    rng = np.random.default_rng(seed)
    faces = worlds.swaps(rng, 40, 150, 150)
    predictions = faces.predictions(worlds.scores(rng, faces, [auc], icc=0.3)[0])
    cell = Cell("xception", trained_on, tested_on)
    return made_row(cell, predictions, TRUSTED, terms_from(None, 0.01))


def test_with_one_seed_the_line_is_the_entry_and_nothing_is_spread() -> None:
    drawn = np.linspace(0.6, 0.8, 401)
    line = line_of([entry(row(LAB, 0.9, drawn + 0.2), row(WILD, 0.7, drawn))])
    assert (line.name, line.tests, line.ranked) == (f"xception@{LAB}", (WILD,), True)
    assert line.numbers["auc_unseen_mean"] == 0.7
    assert set(line.spreads.values()) == {None}
    assert np.array_equal(line.draws["auc_unseen_mean"], drawn)
    assert line.interval("auc_unseen_mean") == pytest.approx((0.605, 0.795))


def test_over_seeds_a_line_shows_the_mean_and_how_far_the_seeds_are_apart() -> None:
    entries = [
        entry(row(LAB, 0.95, seed=seed), row(WILD, auc, seed=seed))
        for seed, auc in enumerate((0.6, 0.7, 0.9))
    ]
    line = line_of(entries)
    assert line.numbers["auc_unseen_mean"] == pytest.approx(2.2 / 3)
    assert line.spreads["auc_unseen_mean"] == pytest.approx(0.3)
    assert line.spreads["auc_in_dataset"] == 0.0
    assert line.numbers["auc_gap"] == pytest.approx(0.95 - 2.2 / 3)
    assert line.name == f"xception@{LAB}"  # no seed in it


def test_each_draw_takes_one_seed_and_all_numbers_of_a_draw_the_same() -> None:
    drawn = np.zeros(2000)
    entries = [
        entry(row(LAB, 0.8 + level, drawn + 0.8 + level, seed=seed), row(WILD, 0.6, drawn + 0.6, seed=seed))
        for seed, level in enumerate((0.0, 0.1))
    ]
    line = line_of(entries)
    seen, gap = line.draws["auc_in_dataset"], line.draws["auc_gap"]
    assert set(np.round(seen, 6)) == {0.8, 0.9}
    assert np.mean(seen > 0.85) == pytest.approx(0.5, abs=0.05)
    assert gap == pytest.approx(seen - line.draws["auc_unseen_mean"])
    assert line.interval("auc_in_dataset") == pytest.approx((0.8, 0.9))
    assert np.array_equal(line_of(entries).draws["auc_gap"], gap)


def test_seeds_that_disagree_widen_the_interval_beyond_that_of_any_of_them() -> None:
    rng = np.random.default_rng(0)
    drawn = [rng.normal(0.7 + away, 0.01, 2000) for away in (-0.05, 0.0, 0.05)]
    line = line_of([entry(row(WILD, 0.7, one, seed=seed)) for seed, one in enumerate(drawn)])
    interval = line.interval("auc_unseen_mean")
    assert interval is not None
    wanted = np.sqrt(0.01**2 + np.var([-0.05, 0, 0.05]))
    assert np.std(line.draws["auc_unseen_mean"]) == pytest.approx(wanted, rel=0.05)
    assert interval[0] < 0.64 < 0.76 < interval[1]


def test_two_lines_choose_their_seeds_independently() -> None:
    drawn = [np.zeros(4000), np.ones(4000)]
    one, other = one_of(drawn, "xception@lab"), one_of(drawn, "airl@lab")
    assert abs(np.corrcoef(one, other)[0, 1]) < 0.05
    assert one_of(drawn[:1], "any") is drawn[0]


def test_a_number_that_one_seed_lacks_is_none_and_has_no_interval() -> None:
    drawn = np.full(50, 0.7)
    entries = [entry(row(WILD, 0.7, drawn)), entry(row(WILD, None, seed=1))]
    line = line_of(entries)
    assert line.numbers["auc_unseen_mean"] is line.spreads["auc_unseen_mean"] is None
    assert line.interval("auc_unseen_mean") is None
    assert not line.ranked


def test_the_lines_of_a_board_gather_the_seeds_of_a_detector_and_its_training_set() -> None:
    entries = [
        entry(row(WILD, 0.7)),
        entry(row(LAB, 0.7, trained_on=WILD)),
        entry(row(WILD, 0.8, seed=1)),
        entry(row(WILD, 0.5, trained_on=None)),
    ]
    board = Board("m", "", "", "", tuple(entries))
    found = lines_of(board)
    assert [line.name for line in found] == [f"xception@{LAB}", f"xception@{WILD}", "xception"]
    assert [len(line.entries) for line in found] == [2, 1, 1]
    assert {line.selection for line in found} == {"source-val"}


def _line(rows: Iterable[Row]) -> Line:
    return line_of([entry(*rows)])


def test_in_dataset_and_unseen_test_are_resampled_independently_though_names_repeat(worlds: Any) -> None:
    seen, unseen = simulated_row(worlds, LAB, 1, auc=0.9), simulated_row(worlds, WILD, 2, auc=0.75)
    line = _line([seen, unseen])
    one, other = seen.draws["auc"], unseen.draws["auc"]
    assert abs(np.corrcoef(one, other)[0, 1]) < 0.08
    assert np.var(line.draws["auc_gap"]) == pytest.approx(np.var(one) + np.var(other), rel=0.12)
    interval = line.interval("auc_gap")
    assert interval is not None
    assert line.numbers["auc_gap"] == seen.metrics["auc"] - unseen.metrics["auc"]  # type: ignore[operator]
    assert interval[0] < line.numbers["auc_gap"] < interval[1]


def test_parts_of_one_dataset_are_resampled_together(worlds: Any) -> None:
    clips = [simulated_row(worlds, tested_on, 3) for tested_on in (LAB, f"{LAB}:swap", WILD)]
    assert np.array_equal(clips[0].draws["auc"], clips[1].draws["auc"])
    assert not np.array_equal(clips[0].draws["auc"], clips[2].draws["auc"])


def test_the_relative_gap_is_the_share_lost_of_what_is_above_guessing() -> None:
    line = _line([row(LAB, 0.9, [0.9, 0.8, 0.9]), row(WILD, 0.7, [0.7, 0.7, 0.5])])
    assert line.numbers["auc_gap_relative"] == pytest.approx(0.2 / 0.4)
    assert line.draws["auc_gap_relative"] == pytest.approx([0.2 / 0.4, 0.1 / 0.3, 1.0])


@pytest.mark.parametrize("seen", [0.5, 0.4])
def test_where_nothing_was_learned_there_is_no_share_to_lose(seen: float) -> None:
    line = _line([row(LAB, seen, [seen] * 3), row(WILD, 0.5, [0.5] * 3)])
    assert line.numbers["auc_gap_relative"] is None
    assert "auc_gap_relative" not in line.draws
    assert line.numbers["auc_gap"] == pytest.approx(seen - 0.5)


def test_mean_and_worst_are_over_unseen_sets_and_over_perturbations_draw_by_draw() -> None:
    rows = [row(LAB, 0.95, [0.95] * 3), row(WILD, 0.7, [0.7, 0.6, 0.8]), row(FAR, 0.8, [0.8, 0.8, 0.7])]
    rows += [row(WILD, auc, [auc] * 3, condition=f"blur-{k}") for k, auc in ((1, 0.7), (2, 0.5))]
    rows += [row(WILD, auc, [auc] * 3, condition=f"jpeg-{k}") for k, auc in ((1, 0.68), (2, 0.64))]
    line = _line(rows)
    assert line.tests == (WILD, FAR)
    assert line.numbers["auc_unseen_mean"] == pytest.approx(0.75)
    assert line.numbers["auc_unseen_worst"] == 0.7
    assert line.draws["auc_unseen_mean"] == pytest.approx([0.75, 0.7, 0.75])
    assert line.draws["auc_unseen_worst"] == pytest.approx([0.7, 0.6, 0.7])
    assert line.numbers["auc_robust_mean"] == pytest.approx((0.7 + 0.5 + 0.68 + 0.64) / 4)
    assert line.numbers["auc_robust_worst"] == pytest.approx(0.6)  # blur, over its severities


@pytest.mark.parametrize(
    ("sources", "selection", "ranked"),
    [
        (("source-val", "source-val"), "source-val", True),
        (("source-val", "fixed"), "fixed", True),
        (("fixed", "fixed"), "fixed", True),
        (("source-val", "oracle"), "oracle", False),
        (("oracle", "unknown"), "unknown", False),
        (("source-val", None), "unknown", False),
        (("fixed", "my own choice"), "unknown", False),
    ],
)
def test_a_line_is_as_trustworthy_as_the_least_of_its_checkpoint_and_threshold(
    sources: tuple[str, str | None], selection: str, ranked: bool
) -> None:
    said = dict(zip(("checkpoint_source", "threshold_source"), sources, strict=True))
    line = _line([row(LAB, 0.9), row(WILD, 0.8, **said)])
    assert (line.selection, line.ranked) == (selection, ranked)
    assert line.numbers["auc_unseen_mean"] == 0.8


def test_a_threshold_of_unknown_origin_is_not_used_and_the_auc_stands(worlds: Any) -> None:
    rng = np.random.default_rng(0)
    faces = worlds.swaps(rng, 20, 50, 50)
    predictions = faces.predictions(worlds.scores(rng, faces, [0.8], icc=0.1)[0])
    cell, terms = Cell("xception", LAB, WILD), terms_from(None, 0.01)
    known = made_row(cell, predictions, TRUSTED, terms)
    for source in ("unknown", "oracle"):
        found = made_row(cell, predictions, TRUSTED | {"threshold_source": source}, terms)
        assert found.metrics["auc"] == known.metrics["auc"]
        assert found.metrics["accuracy"] is None
        assert source in found.reasons["accuracy"]
    assert known.metrics["accuracy"] is not None


def test_a_seed_of_worse_provenance_takes_the_rank_of_the_whole_line() -> None:
    entries = [entry(row(WILD, 0.8)), entry(row(WILD, 0.9, seed=1, checkpoint_source="oracle"))]
    assert not line_of(entries).ranked
