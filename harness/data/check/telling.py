"""Which facts of the files' headers tell fakes from reals, each by itself, and whether chance explains it.

A fact is judged by its values (a word, or a number that comes back) and, if it is a number, by its order.
The AUC by values is that of the best order of the values, so it is never below 0.5, and high by itself where
there are many: only what labels drawn by lot hardly reach counts. Facts that divide the clips alike are one.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harness.data.file_facts import Facts
from harness.tables import Table, number
from harness.types import FAKE, REAL

LIMIT = 0.6
"""AUC of a fact alone from which on it is said to tell the classes apart."""
ALONE = 0.05
"""Share of a class from which on a value that it alone has is worth a word, whatever the AUC."""
LEVEL = 0.05
"""Chance that any fact of a set is said to, where labels are drawn by lot (Holm 1979)."""
DRAWS = 9999
"""Labels drawn by lot for each fact."""
RARE, FEWEST = 0.02, 3
"""Share of clips, and clips, below which values are pooled as `others`."""
WORDS = 12
"""Values up to which a number is taken as a word."""
BINS = 64
"""Ranges that a number of more values is cut into when labels are drawn."""
ABSENT, OTHERS = "none", "others"
FIRST = (
    *("codec", "format", "x264 crf", "x264 build", "x264 ref", "encoder tag", "JPEG quality"),
    *("size in bytes", "bit rate"),
)
"""Named first among facts that divide the clips alike."""
MOST_NAMES, MOST_LINES, LONGEST = 12, 20, 30


@dataclass(frozen=True, slots=True)
class Telling:
    """Facts that divide the clips in the same way, and how well that tells fakes from reals."""

    facts: tuple[str, ...]
    auc: float
    """Of the order, or of the best order of the values; 0.5 to 1."""
    chance: float
    """p-value by labels drawn by lot, adjusted for all facts that differ from clip to clip."""
    real: str
    """The commonest value with its clips, or the middle number, among reals."""
    fake: str
    """The same among fakes."""
    apart: bool = False
    """Whether no value is found in both classes."""
    alone: str = ""
    """The commonest value that one class alone has, if a part of that class worth a word has it."""

    @property
    def tells(self) -> bool:
        """Whether the classes, or a part of one, are told apart, and not by chance."""
        return self.chance < LEVEL and (self.auc >= LIMIT or bool(self.alone))

    def __str__(self) -> str:
        return self.said(MOST_NAMES)

    def said(self, most: int) -> str:
        """What the facts tell, of which so many are named at most."""
        more = f" and {len(self.facts) - most} more" if len(self.facts) > most else ""
        names = ", ".join(self.facts[:most]) + more
        said = f"{names}: AUC {number(self.auc)}, {in_words(self.chance)}; real {self.real}, fake {self.fake}"
        return f"{said}; {self.alone}" if self.alone and not self.apart else said


def _chance(chance: float) -> str:
    return "<0.001" if chance < 0.001 else number(chance)


def in_words(chance: float) -> str:
    """A p-value, as it is printed."""
    return "p < 0.001" if chance < 0.001 else f"p = {number(chance)}"


def compared(labels: Sequence[int], table: Sequence[Facts]) -> list[Telling]:
    """What each fact that differs from clip to clip says of the class, most telling first.

    `labels` 0 or 1 and `table`, one mapping a clip, are of the same clips. Empty where a class has none.
    """
    label = np.asarray(labels)
    if not (label == REAL).any() or not (label == FAKE).any():
        return []
    views: dict[tuple[bool, bytes], list[str]] = {}
    for name in dict.fromkeys(name for facts in table for name in facts):
        for ordered, codes in _views([facts.get(name) for facts in table]):
            views.setdefault((ordered, codes.tobytes()), []).append(name)
    found = [(ordered, np.frombuffer(codes, np.int64)) for ordered, codes in views]
    judged = [_judged(label, codes, ordered) for ordered, codes in found]
    adjusted = _holm([chance for _, chance in judged])
    best: dict[str, tuple[bool, bool, int]] = {}
    for place, (names, chance) in enumerate(zip(views.values(), adjusted, strict=True)):
        for name in names:
            # By its order, unless only its values tell: a size that came back three times says nothing.
            rank = (chance >= LEVEL, not found[place][0], place)
            best[name] = min(best.get(name, rank), rank)
    groups: dict[int, list[str]] = {}
    for name, (_, _, place) in best.items():
        groups.setdefault(place, []).append(name)
    said = [_said(groups[k], judged[k][0], adjusted[k], found[k][0], label, table) for k in groups]
    return sorted(said, key=lambda each: (not each.tells, -each.auc, each.chance, _place(each.facts[0])))


def chance_of(some: tuple[int, int], all_: tuple[int, int]) -> float:
    """The chance that so unequal shares of two classes come of drawing by lot (Fisher's exact test)."""
    drawn, total = sum(some), sum(all_)

    def log_chance(of_first: int) -> float:
        return sum(
            math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
            for n, k in ((all_[0], of_first), (all_[1], drawn - of_first))
        )

    possible = [log_chance(k) for k in range(max(0, drawn - all_[1]), min(drawn, all_[0]) + 1)]
    whole = math.lgamma(total + 1) - math.lgamma(drawn + 1) - math.lgamma(total - drawn + 1)
    seen = log_chance(some[0]) + 1e-7
    return min(1.0, sum(math.exp(each - whole) for each in possible if each <= seen))


def table_of(found: Sequence[Telling], facts: int) -> Table:
    """The facts that differ from clip to clip by class, most telling first."""
    lines = [
        (
            _short(f"{each.facts[0]}{_more(each)}"),
            number(each.auc),
            _chance(each.chance),
            each.real,
            each.fake,
        )
        for each in found[:MOST_LINES]
    ]
    rest = f" The {len(found) - MOST_LINES} least telling are left out." if len(found) > MOST_LINES else ""
    note = (
        "AUC: how well the fact alone tells fakes from reals. p: the chance of that where labels are drawn "
        f"by lot, adjusted for all {facts} facts that differ (Holm). Told apart: AUC of {LIMIT} or more, or "
        f"a value of one class alone, and p below {LEVEL}.{rest}"
    )
    return Table("Facts of the files by class", ("fact", "AUC", "p", "real", "fake"), tuple(lines), note)


def _views(given: Sequence[float | str | None]) -> list[tuple[bool, np.ndarray]]:
    """(whether ordered, code of each clip int64 `[N]`) of each way to look at a fact that says anything."""
    views = []
    words = _words(given)
    counted = Counter(words)
    least = max(FEWEST, RARE * len(words))
    kept = [word if counted[word] >= least else OTHERS for word in words]
    if len(set(kept)) > 1:
        places = {word: place for place, word in enumerate(dict.fromkeys(kept))}
        views.append((False, np.array([places[word] for word in kept])))
    if len(counted) > WORDS and all(isinstance(value, float) for value in given):
        views.append((True, np.unique(np.array(given, dtype=float), return_inverse=True)[1].astype(np.int64)))
    return views


def _words(given: Sequence[float | str | None]) -> list[str]:
    return [
        ABSENT if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)
        for value in given
    ]


def _judged(label: np.ndarray, codes: np.ndarray, ordered: bool) -> tuple[float, float]:
    """AUC of codes int `[N]`, and the chance that labels drawn by lot reach it."""
    fakes = int((label == FAKE).sum())
    auc = float(_aucs(_tables(codes, label), ordered)[0])
    if ordered and codes.max() >= BINS:
        codes = np.searchsorted(np.quantile(codes, np.linspace(0, 1, BINS + 1)[1:-1]), codes)
        codes = np.unique(codes, return_inverse=True)[1]
    counts = np.bincount(codes)
    seen = float(_aucs(_tables(codes, label), ordered)[0])
    rng = np.random.default_rng(0)
    drawn = rng.multivariate_hypergeometric(counts, fakes, size=DRAWS, method="marginals")
    reached = _aucs(np.stack([counts - drawn, drawn]), ordered) >= seen - 1e-9
    return auc, float((1 + reached.sum()) / (1 + DRAWS))


def _tables(codes: np.ndarray, label: np.ndarray) -> np.ndarray:
    """Real and fake clips of each code, int `[2, 1, K]`."""
    return np.stack(
        [np.bincount(codes[label == one], minlength=codes.max() + 1)[None] for one in (REAL, FAKE)]
    )


def _aucs(tables: np.ndarray, ordered: bool) -> np.ndarray:
    """AUC of each table of real and fake clips by code, int `[2, D, K]`; the best one without an order."""
    real, fake = tables.astype(float)
    if not ordered:
        order = np.argsort(fake / np.maximum(real + fake, 1), axis=1, kind="stable")
        real, fake = (np.take_along_axis(part, order, axis=1) for part in (real, fake))
    below = np.cumsum(real, axis=1) - real / 2
    auc: np.ndarray = (fake * below).sum(axis=1) / (real.sum(axis=1) * fake.sum(axis=1))
    return np.maximum(auc, 1 - auc)


def _holm(values: Sequence[float]) -> list[float]:
    adjusted, highest = [1.0] * len(values), 0.0
    for place, at in enumerate(sorted(range(len(values)), key=values.__getitem__)):
        highest = max(highest, min(1.0, (len(values) - place) * values[at]))
        adjusted[at] = highest
    return adjusted


def _said(
    names: Sequence[str], auc: float, chance: float, ordered: bool, label: np.ndarray, table: Sequence[Facts]
) -> Telling:
    facts = sorted(names, key=_place)
    given = [facts_.get(facts[0]) for facts_ in table]
    classes = [
        [value for value, one in zip(given, label, strict=True) if one == kind] for kind in (REAL, FAKE)
    ]
    apart = not ordered and not set(_words(classes[0])) & set(_words(classes[1]))
    real, fake = (_middle(values) if ordered else _commonest(values) for values in classes)
    alone = "" if ordered else _alone([_words(values) for values in classes])
    return Telling(tuple(facts), auc, chance, real, fake, apart, alone)


def _alone(classes: Sequence[Sequence[str]]) -> str:
    found = [
        (count / len(words), f"only {kind} clips have {_short(word)} ({count:,} of {len(words):,})")
        for kind, words, others in zip(("real", "fake"), classes, reversed(classes), strict=True)
        for word, count in Counter(words).items()
        if word not in set(others) and count >= max(FEWEST, ALONE * len(words))
    ]
    return max(found)[1] if found else ""


def _place(name: str) -> int:
    return FIRST.index(name) if name in FIRST else len(FIRST)


def _middle(values: Sequence[float | str | None]) -> str:
    middle = float(np.median([value for value in values if isinstance(value, float)]))
    return f"{middle:,.0f}" if abs(middle) >= 1000 else f"{middle:.4g}"


def _commonest(values: Sequence[float | str | None]) -> str:
    word, count = Counter(_words(values)).most_common(1)[0]
    return f"{_short(word)} ({count:,} of {len(values):,})"


def _more(each: Telling) -> str:
    return f" and {len(each.facts) - 1} more" if len(each.facts) > 1 else ""


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."
