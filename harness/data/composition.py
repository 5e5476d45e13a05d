"""What a dataset consists of: clips by class and split, and the facts of their files by class."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence

from harness.data.fingerprints import Fingerprint
from harness.data.problems import Problem, kinds
from harness.tables import Table
from harness.types import FAKE, REAL, SPLITS, Clip

CLASSES = ((REAL, "real"), (FAKE, "fake"))
MOST_VALUES = 12
"""Values of a fact that a table tells apart."""
UNLIKELY = 0.05
"""Chance below which luck is not believed: that a value of one class is missing from the other."""

Fact = Callable[[Fingerprint], str]
FACTS: Mapping[str, Fact] = {
    "resolution": lambda each: f"{each.width}x{each.height}",
    "frames a second": lambda each: "" if each.fps is None else f"{each.fps:g}",
    "codec": lambda each: " ".join(filter(None, (each.container, each.codec, each.pixel_format))),
}


def counts(clips: Sequence[Clip], official: Mapping[str, int]) -> Iterator[Problem]:
    """Where the number of listed clips differs from the official one, and where a class is missing.

    Too many clips are an error, and so are too few test clips: scores on them are not those of the
    dataset. Too few elsewhere, or a manipulation that is absent as a whole, are a warning.
    """
    wrong: dict[str, list[str]] = {"error": [], "warning": []}
    for key, (found, wanted) in against(clips, official).items():
        if found != wanted:
            severe = found > wanted or (found > 0 and key.startswith("test/"))
            wrong["error" if severe else "warning"].append(f"{key}: {found:,} listed, {wanted:,} official")
    for severity, lines in wrong.items():
        if lines:
            said = f"{len(lines)} of {len(official)} official counts not met"
            yield Problem(severity, "counts", said, tuple(lines))
    for split in SPLITS:
        labels = {clip.label for clip in clips if clip.split == split}
        if len(labels) == 1:
            word = dict(CLASSES)[1 - labels.pop()]
            severity = "error" if split == "test" else "warning"
            yield Problem(severity, "a class is missing", f"there is no {word} clip in the {split} split")


def against(clips: Sequence[Clip], official: Mapping[str, int]) -> dict[str, tuple[int, int]]:
    """(listed, official) clips by official key, `split/kind`; in a key `*` stands for all splits."""
    have = kinds(clips)
    found = {}
    for key, wanted in official.items():
        split, _, kind = key.partition("/")
        found[key] = sum(n for (s, k), n in have.items() if k == kind and split in (s, "*")), wanted
    return found


def balance(clips: Sequence[Clip], official: Mapping[str, int]) -> Table:
    """Clips of each kind in each split, beside the official number where it differs."""
    have, wanted = kinds(clips), against(clips, official)
    names = sorted({kind for _, kind in have} | {key.partition("/")[2] for key in official})
    names = sorted(names, key=lambda name: name != "real")
    splits = [split for split in SPLITS if any(s == split for s, _ in have)]

    def cell(split: str, kind: str, listed: int) -> str:
        full = wanted.get(f"{split}/{kind}", (listed, listed))[1]
        return f"{listed:,}" if full == listed else f"{listed:,} of {full:,}"

    lines = []
    for kind in names:
        each = [have[split, kind] for split in splits]
        shown = [cell(split, kind, number) for split, number in zip(splits, each, strict=True)]
        lines.append((kind, *shown, cell("*", kind, sum(each))))
    return Table("Clips", ("kind", *splits, "all"), tuple(lines), note=_shares(clips, splits))


def _shares(clips: Sequence[Clip], splits: Sequence[str]) -> str:
    said = []
    for split in splits:
        labels = [clip.label for clip in clips if clip.split == split]
        said.append(f"{split} {labels.count(REAL) / len(labels):.0%}")
    return f"Real clips: {', '.join(said)}." if said else ""


def facts(clips: Sequence[Clip], prints: Mapping[str, Fingerprint]) -> tuple[list[Table], list[Problem]]:
    """A table of each fact of the files by class, and the values that one class alone has."""
    tables, findings = [], []
    for name, fact in FACTS.items():
        have = {label: _values(clips, prints, label, fact) for label, _ in CLASSES}
        total = have[REAL] + have[FAKE]
        if not total:
            continue
        tables.append(_table(name, have, total))
        telling = list(_telling(have))
        if telling:
            what = f"{name} of one class alone"
            said = f"{_plural(len(telling))} only one class has: the label can be told without the face"
            findings.append(Problem("warning", what, said, tuple(telling)))
    return tables, findings


def _values(clips: Sequence[Clip], prints: Mapping[str, Fingerprint], label: int, fact: Fact) -> Counter[str]:
    read = (prints[clip.id] for clip in clips if clip.label == label and clip.id in prints)
    return Counter(value for value in (fact(each) for each in read if not each.error) if value)


def _table(name: str, have: Mapping[int, Counter[str]], total: Counter[str]) -> Table:
    shown = [value for value, _ in total.most_common(MOST_VALUES)]
    lines = [(value, *(f"{have[label][value]:,}" for label, _ in CLASSES)) for value in shown]
    if len(total) > MOST_VALUES:
        rest = [sum(have[label].values()) - sum(have[label][v] for v in shown) for label, _ in CLASSES]
        lines.append((f"{len(total) - MOST_VALUES} others", *(f"{number:,}" for number in rest)))
    return Table(f"{name[0].upper()}{name[1:]}", (name, "real", "fake"), tuple(lines))


def _telling(have: Mapping[int, Counter[str]]) -> Iterator[str]:
    """Values of one class alone that the other, had it as many, would hardly lack by chance."""
    for label, word in CLASSES:
        mine, other = have[label], have[1 - label]
        of, there = sum(mine.values()), sum(other.values())
        for value, number in mine.most_common():
            if there and value not in other and (1 - number / of) ** there < UNLIKELY:
                yield f"{value}: {number:,} of {of:,} {word} clips, none of {there:,} others"


def _plural(values: int) -> str:
    return "a value" if values == 1 else f"{values} values"
