"""The verdict of the audit on sets with nothing to find, and on sets in which something was planted.

Facts are rows of real ones, those of rendered clips, drawn anew for each set, so that the truth
where nothing is planted is an AUC of 0.5. SETS=200 takes hours and gives shares to 0.02.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from harness import registry
from harness.data.audit.classifier import separate
from harness.data.audit.record import AuditPart
from harness.data.audit.shortcuts import look_at
from harness.data.file_facts import Facts
from harness.metrics.bootstrap import graph_of

SETS = int(os.environ.get("SETS", "8"))
KINDS = ("clips", "twins", "people", "people with twins")
PLANTS: Mapping[str, tuple[tuple[str, float], ...]] = {
    "grid shift": (("8 px blocking across", 2.5), ("8 px blocking down", 2.5)),
    "border": (("black pixels", 2.5),),
    "letterbox": (("black pixels", 3.0), ("mean of red", -1.0), ("mean of green", -1.0)),
    "crf": (("empty part of band 6-7", 2.0), ("empty part of band 8-10", 2.0)),
    "bit rate": (("bit rate", 2.5), ("size in bytes", 2.5)),
    "frames a second": (("frames a second", 2.5),),
    "GOP": (("frames between key frames", 2.5),),
}
"""What is moved in fakes, by so many standard deviations."""


@dataclass(frozen=True)
class Rows:
    """Facts of real clips: `[N, F]`, and what moves each by one standard deviation."""

    names: tuple[str, ...]
    values: np.ndarray
    spread: np.ndarray


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Rows:
    entry = registry.datasets.get("procedural_tiny")
    root: Path = tmp_path_factory.mktemp("tiny")
    assert entry.prepare is not None
    entry.prepare(root)
    looks = [look_at(clip) for clip in entry.clips(root)]
    table = [
        {**look.background, **{k: v for k, v in look.container.items() if isinstance(v, float)}}
        for look in looks
        if not isinstance(look.background, str) and not isinstance(look.container, str)
    ]
    kept = {name for plant in PLANTS.values() for name, _ in plant} | set(looks[0].background)
    names = tuple(name for name in table[0] if name in kept)
    values = np.array([[facts[name] for name in names] for facts in table], dtype=float)
    spread = values.std(axis=0)
    return Rows(names, values, np.where(spread > 0, spread, np.maximum(1, abs(values[0]) / 20)))


def a_set(
    rows: Rows, kind: str, clips: int, rng: np.random.Generator, plant: str = "", share: float = 1.0
) -> tuple[list[Facts], np.ndarray, np.ndarray, list[int | None]]:
    """Facts, labels, groups and people of one set."""
    group = np.arange(clips) // {"clips": 1, "twins": 2}.get(kind, 4)
    scene = np.arange(clips) // (2 if "twins" in kind else 1)

    def drawn(of: np.ndarray) -> np.ndarray:
        found: np.ndarray = rows.values[rng.integers(len(rows.values), size=of.max() + 1)][of]
        return found

    values = drawn(scene)
    if "people" in kind:
        values = 0.5 * values + 0.5 * drawn(group)
    values = values + 0.1 * rows.spread * rng.normal(size=values.shape)
    label = np.arange(clips) % 2
    label = label if "twins" in kind else rng.permutation(label)
    hit = (label == 1) & (rng.random(clips) < share)
    for name, by in PLANTS.get(plant, ()):
        at = rows.names.index(name)
        values[hit, at] += by * rows.spread[at]
    table: list[Facts] = [dict(zip(rows.names, map(float, each), strict=True)) for each in values]
    people = [None] * clips if kind == "clips" else group.tolist()
    return table, label, group, people


def judged(rows: Rows, kind: str, clips: int, plant: str = "", share: float = 1.0) -> list[AuditPart]:
    found = []
    for number in range(SETS):
        rng = np.random.default_rng([number, clips, KINDS.index(kind)])
        table, label, group, people = a_set(rows, kind, clips, rng, plant, share)
        graph = graph_of(label, people, [None] * clips, [str(k) for k in range(clips)], f"set {number}")
        said = separate(table, label, group, [None] * clips, graph, number)
        half = clips // 2
        found.append(AuditPart("background", half, half, (0, 0), said.auc, wobble=said.wobble))
    return found


def line(what: str, clips: int, found: Sequence[AuditPart]) -> tuple[float, float]:
    """Print, and return, the share called a shortcut and the share of intervals that hold 0.5."""
    estimates = [each.auc for each in found if each.auc is not None]
    shortcut = float(np.mean([each.verdict == "shortcut" for each in found]))
    held = float(np.mean([each.low < 0.5 < each.high for each in estimates]))
    value = np.array([each.value for each in estimates])
    print(
        f"{what:34s} {clips:5d} clips  AUC {value.mean():.3f} +- {value.std():.3f}  shortcut {shortcut:.3f}"
        f"  clear {np.mean([each.verdict == 'clear' for each in found]):.3f}  holds 0.5 {held:.3f}"
    )
    return shortcut, held


@pytest.mark.parametrize("clips", [40, 100, 400])
def test_sets_without_a_shortcut_are_called_none(rows: Rows, clips: int) -> None:
    print()
    found = [line(f"nothing planted, {kind}", clips, judged(rows, kind, clips)) for kind in KINDS]
    # at most 0.05, and 0.93 to 0.97, and what so many sets vary by
    spare = 3 * np.sqrt(0.06 * 0.94 / (len(KINDS) * SETS))
    assert np.mean([shortcut for shortcut, _ in found]) <= 0.05 + spare
    assert np.mean([held for _, held in found]) >= 0.93 - spare


@pytest.mark.parametrize("plant", PLANTS)
def test_what_was_planted_is_called_a_shortcut(rows: Rows, plant: str) -> None:
    print()
    in_all, _ = line(f"{plant} in all fakes", 100, judged(rows, "clips", 100, plant))
    in_half, _ = line(f"{plant} in half of the fakes", 100, judged(rows, "clips", 100, plant, 0.5))
    assert in_all >= 0.85 and in_half >= 0.4
