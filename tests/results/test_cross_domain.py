"""Reals of one dataset against fakes of another: known answers, intervals, and what takes no part."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from harness.metrics.intervals import delong
from harness.metrics.measure import Terms
from harness.records import Board, Entry
from harness.results.cross_domain import COLUMNS, domains_of
from harness.results.predictions import SCHEMA, write_predictions
from harness.results.rows import made_row
from harness.types import Cell, HarnessError

LAB, WILD = "lab", "wild"


def clips(reals: Sequence[float | None], fakes: Sequence[float | None], people: int = 0) -> pd.DataFrame:
    """Predictions with those scores (None failed); clip k shows person k, modulo `people` if any."""
    scores = [*reals, *fakes]
    label = [0] * len(reals) + [1] * len(fakes)
    numbers = [k % people if people else k for k in range(len(scores))]
    table = pd.DataFrame(dict.fromkeys(SCHEMA.names), index=range(len(scores)))
    return table.assign(
        clip_id=[f"c{k}" for k in range(len(scores))],
        label=label,
        manipulation=["gan" if fake else None for fake in label],
        target=[f"p{k}" for k in numbers],
        source=[f"p{(k + 1) % (people or 10**6)}" if label[at] else None for at, k in enumerate(numbers)],
        score=pd.Series(scores, dtype=float),
        frame_scores=[[] if score is None else [score] for score in scores],
        frame_indices=[[0]] * len(scores),
        error=[None if score is not None else "unreadable" for score in scores],
    )


def random_clips(seed: int, strength: float = 1.0) -> pd.DataFrame:
    """150 reals and 150 fakes of 40 people, scored with that strength."""
    rng = np.random.default_rng(seed)
    reals, fakes = (1 / (1 + np.exp(-rng.normal(mean, 1, 150))) for mean in (0, strength))
    return clips(list(reals), list(fakes), people=40)


def board_of(sets: Mapping[str, pd.DataFrame], folder: Path, detector: str = "eye") -> Board:
    """A board of one detector trained on `lab`, with a clean row for each of those test sets."""
    rows, files = [], {}
    for tested, predictions in sets.items():
        cell = Cell(detector, LAB, tested)
        files[str(cell)] = folder / f"{tested.replace(':', '-')}.parquet"
        write_predictions(files[str(cell)], predictions, {})
        rows.append(made_row(cell, predictions, {}, Terms()))
    return Board("m", "0", "", "about", (Entry(detector, LAB, 0, tuple(rows)),), predictions=files)


def by_pair(board: Board) -> pd.DataFrame:
    return domains_of(board).set_index(["reals_of", "fakes_of"])


def test_scores_that_shift_between_datasets_are_right_within_each_and_wrong_across(tmp_path: Path) -> None:
    low, high = clips([0.1, 0.15], [0.2, 0.25]), clips([0.8, 0.85], [0.9, 0.95])
    found = by_pair(board_of({LAB: low, WILD: high}, tmp_path))
    assert found.loc[(LAB, LAB), "auc"] == found.loc[(WILD, WILD), "auc"] == 1.0
    assert found.loc[(LAB, WILD), "auc"] == 1.0
    assert found.loc[(WILD, LAB), "auc"] == 0.0
    two_of_each = [0.0, pytest.approx(1 - 0.025 ** (1 / 2))]  # nothing is certain of two clips
    assert found.loc[(WILD, LAB), ["auc_lo", "auc_hi"]].tolist() == two_of_each


def test_ties_across_datasets_count_half(tmp_path: Path) -> None:
    found = by_pair(board_of({LAB: clips([0.2, 0.6], [0.5]), WILD: clips([0.5], [0.2, 0.7])}, tmp_path))
    assert found.loc[(LAB, WILD), "auc"] == (0.5 + 0 + 1 + 1) / 4
    assert found.loc[(WILD, LAB), "auc"] == 0.5


def test_a_dataset_with_itself_is_the_row_with_its_interval(tmp_path: Path) -> None:
    board = board_of({LAB: random_clips(1, 2.0), WILD: random_clips(2)}, tmp_path)
    found = by_pair(board)
    for row in board.rows:
        told = found.loc[(row.cell.tested_on, row.cell.tested_on)]
        assert told["auc"] == row.metrics["auc"]
        assert (told["auc_lo"], told["auc_hi"]) == row.intervals["auc"]


def test_people_of_two_datasets_are_drawn_independently_even_under_the_same_names(tmp_path: Path) -> None:
    """Where each person's real and fake clip score alike, weights that they share can move nothing."""
    scores = [k / 30 for k in range(30)]
    alike = clips(scores, scores, people=30).assign(source=None)
    found = by_pair(board_of({LAB: alike, WILD: alike}, tmp_path))
    assert (found["auc"] == 0.5).all()
    width = (found["auc_hi"] - found["auc_lo"]).to_dict()
    assert width[LAB, LAB] == pytest.approx(0, abs=1e-9)
    assert width[LAB, WILD] > 0.2
    assert width[WILD, LAB] > 0.2


def test_the_interval_across_datasets_is_as_wide_as_theory_has_it(tmp_path: Path) -> None:
    """Clips of one person each: the node bootstrap is then DeLong's interval, which is known."""
    rng = np.random.default_rng(5)
    reals, fakes = rng.normal(0.4, 0.1, 300).clip(0, 1), rng.normal(0.5, 0.1, 300).clip(0, 1)
    one, other = clips(list(reals), [0.9]), clips([0.1], list(fakes))
    other = other.assign(source=None)
    found = by_pair(board_of({LAB: one, WILD: other}, tmp_path)).loc[(LAB, WILD)]
    known = delong(np.repeat([0, 1], 300), np.concatenate([reals, fakes]))
    assert found["auc"] == pytest.approx(known.aucs[0])
    assert [found["auc_lo"], found["auc_hi"]] == pytest.approx(known.interval(), abs=0.006)


def test_the_same_board_gives_the_same_numbers_whatever_else_was_tested(tmp_path: Path) -> None:
    sets = {LAB: random_clips(1), WILD: random_clips(2), "third": random_clips(3)}
    three, two = by_pair(board_of(sets, tmp_path)), by_pair(board_of(dict(list(sets.items())[:2]), tmp_path))
    assert len(three) == 9
    for pair in two.index:
        assert three.loc[pair, ["auc", "auc_lo", "auc_hi"]].tolist() == pytest.approx(
            two.loc[pair, ["auc", "auc_lo", "auc_hi"]].tolist(), abs=1e-12
        )


def test_parts_of_a_dataset_and_perturbed_clips_take_no_part(tmp_path: Path) -> None:
    board = board_of({LAB: random_clips(1), WILD: random_clips(2), "lab:gan": random_clips(3)}, tmp_path)
    blurred = dataclasses.replace(board.rows[0].cell, tested_on="third", perturbation="blur", severity=2)
    rows = (*board.rows, dataclasses.replace(board.rows[0], cell=blurred))
    found = domains_of(dataclasses.replace(board, entries=(Entry("eye", LAB, 0, rows),)))
    assert set(found["reals_of"]) == set(found["fakes_of"]) == {LAB, WILD}


@pytest.mark.parametrize("names", [(LAB,), (LAB, "lab:gan"), ("lab:gan", "lab:swap")])
def test_without_two_datasets_there_is_an_empty_table(names: tuple[str, ...], tmp_path: Path) -> None:
    found = domains_of(board_of({name: random_clips(1) for name in names}, tmp_path))
    assert found.empty
    assert tuple(found.columns) == COLUMNS


def test_rows_whose_predictions_are_not_kept_take_no_part(tmp_path: Path) -> None:
    board = board_of({LAB: random_clips(1), WILD: random_clips(2)}, tmp_path)
    kept = dict(list(board.predictions.items())[:1])
    assert domains_of(dataclasses.replace(board, predictions=kept)).empty


def test_failed_clips_are_left_out_and_a_class_without_scores_is_undefined(tmp_path: Path) -> None:
    sets = {LAB: clips([0.1, None], [None]), WILD: clips([0.3], [0.2, None])}
    found = by_pair(board_of(sets, tmp_path))
    assert found.loc[(LAB, WILD), "auc"] == 1.0
    assert found.loc[(LAB, LAB)].tolist()[1:] == [1, 0, None, None, None]
    assert found.loc[(WILD, LAB)].tolist()[1:] == [1, 0, None, None, None]
    assert found.loc[(LAB, WILD), ["reals", "fakes"]].tolist() == [1, 1]


def test_where_every_clip_failed_nothing_is_defined(tmp_path: Path) -> None:
    found = domains_of(board_of({LAB: clips([None], [None]), WILD: clips([None], [None])}, tmp_path))
    assert len(found) == 4
    assert found["auc"].isna().all()


def test_a_missing_file_of_predictions_is_an_error_that_names_it(tmp_path: Path) -> None:
    board = board_of({LAB: random_clips(1), WILD: random_clips(2)}, tmp_path)
    (tmp_path / "wild.parquet").unlink()
    with pytest.raises(HarnessError, match=r"wild\.parquet"):
        domains_of(board)
