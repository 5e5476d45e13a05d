"""Who is weighted together: identities, worlds, and draws that are the same wherever a person appears."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from harness.metrics import bootstrap
from harness.metrics.bootstrap import exponentials, graph_of
from harness.types import HarnessError

REALS_AND_SWAPS = np.array([0, 0, 1, 1])


def weights_of(label: Any, target: Any, source: Any, *, draws: int = 300, **known: Any) -> np.ndarray:
    """Weights `[draws, N]` in one piece."""
    return np.concatenate(list(graph_of(np.asarray(label), target, source, **known).weights(draws)))


def correlation(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.corrcoef(one, other)[0, 1])


@pytest.mark.parametrize(
    ("target", "source", "method", "identities"),
    [
        (["a", "b", "a", "b"], [None, None, "b", "a"], "node", 2),
        (["a", "b", "a", "b"], [None, None, "a", "b"], "node", 2),
        (["a", "b", "a", "b"], [None, None, None, None], "cluster", 2),
        ([None, None, None, None], ["a", "b", "a", "c"], "cluster", 3),
        ([None, None, None, None], ["a", "b", "a", float("nan")], "mixed", 3),
        (["a", "b", "a", "b"], [None, None, "b", None], "mixed", 2),
        ([None, "b", "a", "b"], [None, None, "b", "a"], "mixed", 3),
        ([None] * 4, [None] * 4, "clip", 4),
    ],
)
def test_the_method_says_which_identities_were_known(
    target: list[Any], source: list[Any], method: str, identities: int
) -> None:
    found = graph_of(REALS_AND_SWAPS, target, source)
    assert (found.method, found.identities) == (method, identities)


def test_a_fake_weighs_the_product_of_its_two_identities_and_a_self_swap_only_one() -> None:
    alone = weights_of([0, 0, 1, 1], ["a", "b", "a", "b"], [None, None, "b", "b"])
    assert np.array_equal(alone[:, 2], alone[:, 0] * alone[:, 1])
    assert np.array_equal(alone[:, 3], alone[:, 1])


def test_a_person_is_the_same_as_target_as_source_and_in_a_real_clip() -> None:
    found = weights_of([0, 1, 1], ["a", "a", "b"], [None, "b", "a"])
    assert np.array_equal(found[:, 1], found[:, 2])
    assert graph_of(np.array([0, 1, 1]), ["a", "a", "b"], [None, "b", "a"]).identities == 2


def test_a_real_clip_shows_one_face_whatever_else_is_said_of_it() -> None:
    found = weights_of([0, 0, 0], ["a", "a", None], ["b", None, "a"])
    assert np.array_equal(found[:, 0], found[:, 1])
    assert np.array_equal(found[:, 0], found[:, 2])


def test_a_number_names_the_same_person_however_a_table_holds_it() -> None:
    found = weights_of([0, 1, 1], [7, "7", 3.0], [np.nan, 3.0, np.float64(7)])
    assert graph_of(np.array([0, 1, 1]), [7, "7", 3.0], [np.nan, 3.0, np.float64(7)]).identities == 2
    assert np.array_equal(found[:, 1], found[:, 2])


def test_the_same_identity_in_the_same_world_has_the_same_draws_in_two_tables() -> None:
    one = weights_of([0, 1], ["a", "b"], [None, "c"], world="celeb")
    other = weights_of([1, 0, 0], ["z", "a", "b"], ["y", None, None], world="celeb")
    assert np.array_equal(one[:, 0], other[:, 1])
    assert correlation(one[:, 0], other[:, 2]) == pytest.approx(0, abs=0.2)


def test_part_of_a_dataset_is_weighed_as_in_the_whole() -> None:
    rng = np.random.default_rng(0)
    label = np.arange(60) % 2
    target = [f"p{k}" if k < 9 else None for k in rng.integers(0, 12, 60)]
    ids = np.array([f"clip{k}" for k in range(60)])
    source = [f"p{k}" for k in rng.integers(0, 9, 60)]
    whole = weights_of(label, target, source, clip_ids=ids, world="w")
    part = np.arange(10, 35)
    some = weights_of(
        label[part],
        [target[k] for k in part],
        [source[k] for k in part],
        clip_ids=ids[part],
        world="w",
    )
    assert np.array_equal(some, whole[:, part])


def test_a_clip_that_names_nobody_is_weighted_alone_under_its_id() -> None:
    nobody = [None, None]
    one = weights_of([0, 1], nobody, nobody, clip_ids=["x", "y"], world="w")
    other = weights_of([1, 0], nobody, nobody, clip_ids=["y", "z"], world="w")
    assert np.array_equal(one[:, 1], other[:, 0])
    named = weights_of([0, 1], ["x", "y"], nobody, world="w")
    assert correlation(one[:, 0], named[:, 0]) == pytest.approx(0, abs=0.2)  # a clip is not a person


def test_worlds_are_independent_of_one_another() -> None:
    one, other = (
        weights_of([0, 1], ["a", "b"], [None, "a"], draws=20_000, world=world) for world in ("celeb", "ffpp")
    )
    for k in range(2):
        assert correlation(one[:, k], other[:, k]) == pytest.approx(0, abs=4 / np.sqrt(20_000))


@pytest.mark.parametrize("weights_in_memory", [1, 7, 100, 10**9])
def test_how_the_draws_are_cut_does_not_change_them(
    monkeypatch: pytest.MonkeyPatch, weights_in_memory: int
) -> None:
    people = [f"p{k}" for k in range(6)]
    whole = weights_of([0] * 3 + [1] * 3, people, [None] * 3 + people[:3], draws=37)
    monkeypatch.setattr(bootstrap, "CHUNK", weights_in_memory)
    pieces = list(graph_of(np.repeat([0, 1], 3), people, [None] * 3 + people[:3]).weights(37))
    assert all(len(piece) == 1 or piece.size <= weights_in_memory for piece in pieces)
    assert np.array_equal(np.concatenate(pieces), whole)


def test_more_draws_begin_with_the_fewer() -> None:
    few, many = (weights_of([0, 1], ["a", "b"], [None, "a"], draws=draws) for draws in (50, 200))
    assert np.array_equal(few, many[:50])


def test_the_weights_of_identities_are_exponential_with_mean_and_variance_one() -> None:
    keys = graph_of(np.zeros(400, dtype=int), [f"p{k}" for k in range(400)], [None] * 400).keys
    drawn = exponentials(keys, 0, 2000)
    assert drawn.min() > 0 and np.isfinite(drawn).all()
    assert drawn.mean() == pytest.approx(1, abs=0.005)  # 800,000 values: standard error 0.0011
    assert drawn.var() == pytest.approx(1, abs=0.015)  # and 0.0032
    for share in (0.01, 0.25, 0.5, 0.75, 0.99, 0.999):
        assert np.mean(drawn <= -np.log1p(-share)) == pytest.approx(share, abs=0.003)


def test_no_identity_follows_another_and_no_draw_the_one_before() -> None:
    keys = graph_of(np.zeros(60, dtype=int), [f"p{k}" for k in range(60)], [None] * 60).keys
    drawn = exponentials(keys, 0, 20_000)
    between_keys = np.corrcoef(drawn.T)[np.triu_indices(60, 1)]
    assert np.abs(between_keys).max() < 5 / np.sqrt(20_000)  # of 1,770 pairs
    assert between_keys.std() == pytest.approx(1 / np.sqrt(20_000), rel=0.1)
    for lag in (1, 2, 3, 7):
        follows = [correlation(drawn[:-lag, k], drawn[lag:, k]) for k in range(60)]
        assert np.abs(follows).max() < 4.5 / np.sqrt(20_000)


def test_the_draws_are_the_same_on_every_machine_and_in_every_process() -> None:
    found = weights_of([0, 1], ["a", "b"], [None, "a"], draws=2, world="celeb_df_v2")
    first = [0.2815162375753156, 0.14090585120642357, 0.45230802397201675, 0.3665682207647827]
    assert found.ravel().tolist() == pytest.approx(first, rel=1e-12)


@pytest.mark.parametrize(
    ("target", "source", "ids"),
    [(["a"], [None, None], None), (["a", "b"], [None], None), (["a", "b"], [None, "a"], ["x"])],
)
def test_a_name_for_each_clip_is_asked_for(target: list[Any], source: list[Any], ids: Any) -> None:
    with pytest.raises(HarnessError, match="one label, score, target and source"):
        graph_of(np.array([0, 1]), target, source, ids)
