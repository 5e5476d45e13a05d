"""What a dataset consists of: clips by class and split, and the facts of their files by class."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from harness.data.check.telling import LEVEL, LIMIT, Telling, chance_of, compared, in_words, table_of
from harness.data.fingerprints import Fingerprint
from harness.data.problems import Problem, kinds
from harness.tables import Table
from harness.types import COMPRESSION, FAKE, REAL, SPLITS, Clip

CLASSES = ((REAL, "real"), (FAKE, "fake"))
MOST_VALUES = 12
"""Values of a fact that a table tells apart."""
UNLIKELY = 0.05
"""Chance below which luck is not believed: that a value of one class is missing from the other."""

SKEWED = 2
"""How many times as large one class may be as the other until it is told what that does to accuracy."""
FEW = 10
"""Clips of a class above which facts that divide the classes without exception are hardly an accident."""
PROMISED = {"raw": 0.0, "c0": 0.0, "c23": 23.0, "c40": 40.0}
"""Folder of a compression, and the quantiser of H.264 that it stands for (Roessler et al., ICCV 2019)."""

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


def skewed(clips: Sequence[Clip], official: Mapping[str, int]) -> Iterator[Problem]:
    """Splits in which one class is more than twice as large as the other, and what that does to accuracy.

    A warning; where it is the dataset's official split, a note.
    """
    met = {key: listed == wanted for key, (listed, wanted) in against(clips, official).items()}
    for split in SPLITS:
        count = Counter(clip.label for clip in clips if clip.split == split)
        few, many = sorted((count[REAL], count[FAKE]))
        if not few or many <= SKEWED * few:
            continue
        word, rate = ("fake", "false alarm rate") if count[FAKE] == many else ("real", "miss rate")
        official_one = bool(met) and all(met[key] for key in met if key.startswith((f"{split}/", "*/")))
        said = (
            f"the {split} split has {count[REAL]:,} real and {count[FAKE]:,} fake clips: whoever calls every "
            f"clip {word} is right in {many / (few + many):.1%} of them, so accuracy says little; read "
            f"balanced accuracy (0.500 for that) and AUC. One {('fake', 'real')[word == 'fake']} clip is "
            f"{1 / few:.1%} of the {rate}"
        )
        yield Problem("note" if official_one else "warning", "unequal classes", said)


def promises(clips: Sequence[Clip], prints: Mapping[str, Fingerprint], dataset: str) -> Iterator[Problem]:
    """Videos that are not compressed as their folder or their dataset says, by what their encoder wrote.

    An error; of `raw`, which may have been coded again without much loss, a warning. What no encoder
    wrote settings into cannot be judged, and is counted where that of others can.
    """
    broken: dict[str, list[tuple[str, str]]] = {"error": [], "warning": []}
    unknown, kept = [], 0
    for clip in clips:
        name, found = _promise(clip, dataset), prints.get(clip.id)
        if name is None or found is None or found.error or found.container in ("image", "frames"):
            continue
        wanted, is_ = PROMISED[name], found.facts
        crf = is_.get("x264 crf", is_.get("x264 qp"))
        if crf == wanted:
            kept += 1
        elif isinstance(crf, float) or found.codec != "h264":
            coded = f"crf {crf:g}" if isinstance(crf, float) else f"codec {found.codec}"
            build = f", x264 build {is_['x264 build']}" if "x264 build" in is_ else ""
            line = f"{clip.id}: {coded}{build}; {name} is H.264 with crf {wanted:g}"
            broken["error" if wanted else "warning"].append((clip.id, line))
        else:
            unknown.append(clip.id)
    judged = kept + sum(map(len, broken.values()))
    for severity, found_ in broken.items():
        if found_:
            said = f"{len(found_):,} of {judged:,} videos that tell are not compressed as their folder says"
            ids, lines = zip(*found_, strict=True)
            yield Problem(severity, "other compression", said, lines, ids)
    if judged and unknown:
        said = f"{len(unknown):,} videos do not tell how they were compressed; {judged:,} others do"
        yield Problem("note", "compression unknown", said, tuple(unknown))


def _promise(clip: Clip, dataset: str) -> str | None:
    """The compression that a clip's folders name, the nearest one, else that of the dataset's name.

    A folder called `raw` may mean anything, unless it holds `videos`.
    """
    parts = [part.lower() for part in clip.path.parts[:-1]]
    for place, part in reversed(list(enumerate(parts))):
        if part in PROMISED and (part != "raw" or parts[place + 1 : place + 2] == ["videos"]):
            return part
    match = re.search(COMPRESSION, dataset)
    return match[1] if match else None


def against(clips: Sequence[Clip], official: Mapping[str, int]) -> dict[str, tuple[int, int]]:
    """(listed, official) clips by official key, `split/kind`: `*` is all splits, `fake` all fakes."""
    have = kinds(clips)
    found = {}
    for key, wanted in official.items():
        split, _, kind = key.partition("/")
        of_kind = {k: k == kind or (kind == "fake" and k != "real") for _, k in have}
        found[key] = sum(n for (s, k), n in have.items() if of_kind[k] and split in (s, "*")), wanted
    return found


def balance(clips: Sequence[Clip], official: Mapping[str, int]) -> Table:
    """Clips of each kind in each split, beside the official number where it differs."""
    have, wanted = kinds(clips), against(clips, official)
    names = sorted({kind for _, kind in have} | {key.partition("/")[2] for key in official} - {"fake"})
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


def by_class(
    what: str, said: str, concerned: Sequence[str], clips: Sequence[Clip], mild: str | None = "warning"
) -> Iterator[Problem]:
    """Ids of clips of which something is said: an error where one class has more of them.

    A detector may then be right about them without having seen a forgery. `clips` are all that were
    looked at. `mild` is the severity where chance explains the shares (Fisher's exact test), if it
    is to be said then.
    """
    names = set(concerned)
    some, all_ = _of_classes(clip for clip in clips if clip.id in names), _of_classes(clips)
    counts = f"{some[0]:,} of {all_[0]:,} real and {some[1]:,} of {all_[1]:,} fake clips {said}"
    chance = chance_of(some, all_)
    if names and chance < LEVEL:
        why = f"more in one class than chance explains ({in_words(chance)}): it gives the class away"
        yield Problem("error", f"{what} of one class", f"{counts}; {why}", tuple(concerned), tuple(concerned))
    elif names and mild is not None:
        yield Problem(mild, what, counts, tuple(concerned), tuple(concerned))


def _of_classes(clips: Iterable[Clip]) -> tuple[int, int]:
    counted = Counter(clip.label for clip in clips)
    return counted[REAL], counted[FAKE]


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


def headers(
    clips: Sequence[Clip], prints: Mapping[str, Fingerprint]
) -> tuple[list[Table], list[Problem], list[Telling]]:
    """All facts of the headers by class as a table, what is to be said of them, and those that tell."""
    read = [clip for clip in clips if clip.id in prints and prints[clip.id].facts]
    found = compared([clip.label for clip in read], [prints[clip.id].facts for clip in read])
    if not found:
        return [], [], []
    telling = [each for each in found if each.tells]
    number = sum(len(each.facts) for each in found)
    findings = []
    if telling:
        said = (
            f"{sum(len(each.facts) for each in telling)} of {number} facts that differ from file to file "
            f"tell fakes from reals, each by itself (AUC of {LIMIT} or more, or a value of one class alone; "
            f"less than {LEVEL:.0%} chance that any does where labels are drawn by lot): a detector may know "
            "the files and not the forgery"
        )
        findings.append(Problem("warning", "headers tell the class", said, tuple(map(str, telling))))
    else:
        few = [each for each in found if each.apart]
        counted = Counter(clip.label for clip in read)
        if few and min(counted.values()) <= FEW:
            said = (
                f"facts that no real clip shares with a fake one; {counted[REAL]} real and {counted[FAKE]} "
                "fake clips are too few to say that it is no accident"
            )
            findings.append(Problem("note", "headers differ by class", said, tuple(map(str, few))))
    return [table_of(found, number)], findings, telling


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
