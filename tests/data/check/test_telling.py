"""A fact of the headers tells the classes apart or it does not, and luck in few clips is not believed."""

from __future__ import annotations

import math

import numpy as np
import pytest

from harness.data.check.telling import LEVEL, Telling, chance_of, compared, table_of
from harness.data.file_facts import Facts
from harness.types import FAKE, REAL

Many = list[Facts]


def labels(reals: int, fakes: int) -> list[int]:
    return [REAL] * reals + [FAKE] * fakes


def words(real: str, fake: str, reals: int = 30, fakes: int = 30) -> Many:
    return [{"codec": real}] * reals + [{"codec": fake}] * fakes


def only(found: list[Telling]) -> Telling:
    assert len(found) == 1, found
    return found[0]


def test_a_word_of_each_class_tells_everything() -> None:
    found = only(compared(labels(30, 30), words("h264", "hevc")))
    assert found.tells and found.auc == 1 and found.apart and found.chance < 0.001
    assert str(found) == "codec: AUC 1.000, p < 0.001; real h264 (30 of 30), fake hevc (30 of 30)"


def test_a_number_tells_by_its_order_and_by_a_value_that_comes_back() -> None:
    rng = np.random.default_rng(0)
    sizes = [float(size) for size in (*rng.normal(100, 5, 30), *rng.normal(130, 5, 30))]
    found = only(compared(labels(30, 30), [{"size in bytes": size} for size in sizes]))
    assert found.tells and found.auc > 0.95
    lengths = [float(seconds) for seconds in (*rng.uniform(0, 10, 30), *[5.0] * 30)]
    found = only(compared(labels(30, 30), [{"duration": seconds} for seconds in lengths]))
    assert found.tells and found.auc == 1 and "fake 5 (30 of 30)" in str(found)  # neither longer nor shorter


def test_a_fact_that_one_class_lacks_tells() -> None:
    found = only(compared(labels(20, 20), [{"EXIF Make": "Canon"}] * 20 + [{}] * 20))
    assert found.tells and found.fake == "none (20 of 20)"


def test_a_value_that_a_part_of_one_class_alone_has_is_told_whatever_the_auc() -> None:
    table = words("23", "23", 100, 88) + words("", "40", 0, 12)
    found = only(compared(labels(100, 100), table))
    assert found.tells and found.auc == pytest.approx(0.56) and not found.apart
    assert str(found).endswith(
        "real 23 (100 of 100), fake 23 (88 of 100); only fake clips have 40 (12 of 100)"
    )
    few = words("23", "23", 100, 98) + words("", "40", 0, 2)
    assert not only(compared(labels(100, 100), few)).tells


def test_facts_that_divide_the_clips_alike_are_one_and_the_worst_comes_first() -> None:
    table: Many = [
        {"x264 build": "152", "x264 crf": 23.0, "sound": "aac", "width": float(place % 5)}
        for place in range(40)
    ]
    table += [
        {"x264 build": "160", "x264 crf": 24.0, "sound": "aac" if place % 2 else "none", "width": 2.0}
        for place in range(40)
    ]
    found = compared(labels(40, 40), table)
    assert found[0].facts == ("x264 crf", "x264 build") and found[0].auc == 1
    assert [each.auc for each in found] == sorted((each.auc for each in found), reverse=True)
    table_ = table_of(found, 4)
    assert table_.lines[0][:3] == ("x264 crf and 1 more", "1.000", "<0.001")


@pytest.mark.parametrize("each", [6, 20, 100])
def test_labels_drawn_by_lot_raise_no_alarm(each: int) -> None:
    rng, alarms, draws = np.random.default_rng(each), 0, 60
    for _ in range(draws):
        table: Many = [
            {
                "size": float(rng.normal()),
                "rate": float(rng.integers(1e6)),
                "width": float(rng.choice([256, 512, 1024])),
                "tag": str(rng.choice(list("abcdefgh"))),
                "made": f"{rng.integers(1e9)}",  # a word of its own for each clip
            }
            for _ in range(2 * each)
        ]
        alarms += any(found.tells for found in compared(labels(each, each), table))
    assert alarms <= 8  # of 60 at 5 %: more than that once in a hundred


def test_what_three_clips_have_in_common_is_not_believed_and_told_as_apart() -> None:
    found = only(compared(labels(3, 3), words("h264", "hevc", 3, 3)))
    assert found.auc == 1 and found.apart and found.chance > LEVEL and not found.tells


def test_one_class_alone_is_not_compared() -> None:
    assert compared([REAL] * 5, words("h264", "h264", 5, 0)) == [] == compared([], [])


@pytest.mark.parametrize(
    ("some", "all_", "chance"),
    [
        ((3, 0), (3, 3), 0.1),
        ((0, 60), (60, 60), 2 / math.comb(120, 60)),
        ((5, 5), (50, 50), 1.0),
        ((0, 0), (4, 0), 1.0),
    ],
)
def test_the_chance_of_unequal_shares_is_fishers(
    some: tuple[int, int], all_: tuple[int, int], chance: float
) -> None:
    assert chance_of(some, all_) == pytest.approx(chance)
