"""Real and fake are told apart by facts that differ, which are named, and by nothing else."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from harness.data.audit.classifier import Separation, separate
from harness.data.file_facts import Facts
from harness.metrics.bootstrap import graph_of
from harness.types import FAKE, REAL

PEOPLE, SCENES = 30, 3


def world_of(facts: str, shift: float, seed: int = 0) -> tuple[Separation, int]:
    """Twins of 30 people in 3 scenes each: a scene looks alike in both, the fake is shifted by `shift`."""
    rng = np.random.default_rng(seed)
    table: list[Facts] = []
    for _ in range(PEOPLE):
        person = rng.normal(size=3)
        for _ in range(SCENES):
            scene = person + rng.normal(size=3)
            for label in (REAL, FAKE):
                values = scene + rng.normal(0, 0.3, 3) + shift * label * np.array([1, 0, 0])
                table.append({f"{facts} {k}": float(value) for k, value in enumerate(values)})
    label = np.arange(len(table)) % 2
    person = np.arange(len(table)) // (2 * SCENES)
    graph = graph_of(label, person, [None] * len(table))
    made = [("swap" if one else None) for one in label]
    return separate(table, label, person, made, graph, seed), len(table)


def test_twins_that_differ_in_nothing_but_noise_are_not_told_apart() -> None:
    values = []
    for seed in range(2):
        clean, _ = world_of("tone", shift=0.0, seed=seed)
        assert clean.auc is not None and clean.auc.low < 0.5 < clean.auc.high + 0.05
        values.append(clean.auc.value)
    # Divided between folds, twins would pull it far below; pairs of different folds would pull it to a side.
    assert 0.42 < np.mean(values) < 0.58


def test_a_shift_that_is_there_is_found_and_named() -> None:
    shifted, clips = world_of("tone", shift=3.0)
    assert shifted.auc is not None and shifted.auc.value > 0.8 and clips == 180
    assert shifted.leads[0].fact == "tone 0"
    assert shifted.leads[0].loss > 0.1 and shifted.leads[0].alone > 0.7
    assert float(shifted.leads[0].fake) > float(shifted.leads[0].real)


def test_two_facts_that_say_the_same_are_both_named() -> None:
    label = np.arange(80) % 2
    table: list[Facts] = [{"tag": "a" if one else "b", "rate": 25.0 if one else 30.0} for one in label]
    people = np.arange(80) // 4
    graph = graph_of(label, people, [None] * 80)
    said = separate(table, label, people, ["swap" if one else None for one in label], graph, 0)
    assert {(lead.fact, lead.real, lead.fake) for lead in said.leads} == {
        ("tag", "b (100 %)", "a (100 %)"),
        ("rate", "30", "25"),
    }
    assert all(lead.alone == 1.0 for lead in said.leads)


def test_the_same_seed_gives_the_same_audit_and_another_one_nearly_the_same() -> None:
    rng = np.random.default_rng(4)
    table: list[Facts] = [
        {f"tone {k}": float(x) for k, x in enumerate(row)} for row in rng.normal(size=(100, 8))
    ]
    label, alone = rng.permutation(np.arange(100) % 2), np.arange(100)
    graph = graph_of(label, [None] * 100, [None] * 100)
    first, again, other = (separate(table, label, alone, [None] * 100, graph, seed) for seed in (0, 0, 1))
    assert first == again != other
    # One draw of folds moves such a set by 0.06 and more.
    assert first.auc is not None and other.auc is not None
    assert abs(first.auc.value - other.auc.value) < 0.025
    assert first.draws == 40 and 0 < first.wobble < 0.01


def test_one_group_of_reals_is_a_reason_and_no_number() -> None:
    label, groups = np.array([0, 0, 1, 1, 1, 1]), np.array([0, 0, 1, 2, 3, 4])
    table: list[Facts] = [{"size": float(k)} for k in range(6)]
    said = separate(table, label, groups, [None] * 6, graph_of(label, groups, [None] * 6), 0)
    assert (said.auc, said.reason) == (None, "the real clips are of fewer than two groups")


def test_facts_that_never_vary_are_a_reason_and_no_number() -> None:
    label, groups = np.arange(20) % 2, np.arange(20) // 2
    said = separate([{"size": 1.0}] * 20, label, groups, [None] * 20, graph_of(label, groups, [None] * 20), 0)
    assert (said.auc, said.reason) == (None, "no fact differs from clip to clip")


def test_a_handful_of_clips_is_never_called_clear(tmp_path: Path) -> None:
    table = [{"codec": "h264" if k % 2 else "mpeg4"} for k in range(12)]
    label = np.arange(12) % 2
    graph = graph_of(label, [None] * 12, [None] * 12, [str(k) for k in range(12)], "few")
    found = separate(table, label, np.arange(12), [None] * 12, graph, 0)
    assert (
        found.auc is None and found.reason == "6 real and 6 fake clips; 20 of each are needed to learn from"
    )
