"""All that can be found out about a dataset on this machine before a detector sees it."""

from __future__ import annotations

import base64
import os
import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness import __version__
from harness.contracts import DatasetEntry
from harness.data import fingerprints, problems
from harness.data.check import composition, leakage
from harness.data.check.contact_sheet import Group
from harness.data.clips import content_of, identity_of
from harness.data.fingerprints import Fingerprint
from harness.data.problems import SEVERITIES, Problem
from harness.guard import names
from harness.tables import WIDTH, Table, plain
from harness.types import FAKE, REAL, Clip
from harness.video.face_tracks import faces_missing, located

SHOWN = 8
"""Names of a finding that the terminal shows; the page has them all."""
SOUGHT = 200
"""Clips of a class, evenly spread over the listing, in which a face is looked for."""
EXAMPLES = 6
"""Clips of each class that the page shows as they are."""
ODD, ODD_SHARE = 3, 0.02
"""Clips, and share of all, up to which a resolution, a frame rate or a codec is odd."""
NAMED = 3
"""Facts of one kind that are named where a record says in one line what headers tell."""
Counts = tuple[int, int]
"""Real and fake clips."""


@dataclass(frozen=True, slots=True)
class Tally:
    """How many clips of each class are what."""

    listed: Counts = (0, 0)
    present: Counts = (0, 0)
    unreadable: Counts = (0, 0)
    blank: Counts = (0, 0)
    sought: Counts = (0, 0)
    """Clips in which a face was looked for."""
    faceless: Counts = (0, 0)


@dataclass(frozen=True, slots=True)
class Inspection:
    """What was found out about one dataset."""

    name: str
    root: Path
    clips: int
    findings: tuple[Problem, ...]
    """Errors first, then warnings, then notes."""
    tables: tuple[Table, ...] = ()
    tally: Tally = Tally()
    telling: tuple[str, ...] = ()
    """Facts of the headers that tell fakes from reals, worst first."""
    content_sha256: str = ""
    """Digest of the clips and their files (`clips.content_of`)."""
    clips_sha256: str = ""
    """Digest of the clips alone (`clips.identity_of`)."""
    pictures: tuple[Group, ...] = ()
    """What the page shows: clips of the findings, odd ones, and some of each class as they are."""

    def of(self, severity: str) -> list[Problem]:
        """The findings of one severity."""
        return [finding for finding in self.findings if finding.severity == severity]

    @property
    def verdict(self) -> str:
        """How many errors and warnings there are, in words."""
        parts = []
        for severity in SEVERITIES[:2]:
            number = len(self.of(severity))
            if number:
                parts.append(f"{number} {severity}{'s' if number > 1 else ''}")
        return ", ".join(parts) or "nothing wrong"


def inspect(
    entry: DatasetEntry, root: Path, others: Mapping[str, Sequence[Clip]] | None = None
) -> Inspection:
    """Read a dataset through and say what is wrong with it.

    `others`: name -> clips of datasets whose training and validation clips the test clips must share
    nothing with; files that belong to them are not called extra. Nothing a user could mend is raised.
    """
    clips, found = problems.listed(entry, root)
    others = others or {}
    there, gone = problems.absent(clips, root)
    prints = fingerprints.read(there, entry.name)
    elsewhere = [clip for name in others for clip in others[name]]
    if others:
        around = [clip for clip in elsewhere if clip.split != "test" and os.path.exists(clip.path)]
        prints |= fingerprints.read(around, f"datasets beside {entry.name}")
    own = {clip.id: prints[clip.id] for clip in there}
    sound = [clip for clip in there if not own[clip.id].error]
    broken, blank = [clip.id for clip in there if own[clip.id].error], problems.blank(own)
    sought, faceless, unsought = _faces(entry, sound)
    facts, alone = composition.facts(there, own)
    headers, told, telling = composition.headers(there, own)
    found += [
        *gone,
        *composition.counts(clips, entry.official),
        *problems.unreadable(own),
        *composition.by_class("unreadable clips", "cannot be read", broken, there, None),
        *composition.by_class("blank clips", "show a single colour where they were looked at", blank, sound),
        *composition.by_class("clips without a face", "have no face that was found", faceless, sought),
        *unsought,
        *composition.promises(there, own, entry.name),
        *leakage.doubles(there, own),
        *leakage.between_splits(clips, own),
        *leakage.between_datasets(clips, prints, others),
        *problems.dropped(entry, root),
        *(() if entry.left_out else problems.extra(clips, root, elsewhere)),
        *told,
        *alone,
        *composition.skewed(clips, entry.official),
    ]
    found.sort(key=lambda finding: SEVERITIES.index(finding.severity))
    tables = [composition.balance(clips, entry.official)] if clips else []
    kinds = (clips, there, _named(broken, there), _named(blank, there), sought, _named(faceless, sought))
    return Inspection(
        *(entry.name, root, len(clips), tuple(found), (*tables, *headers, *facts)),
        tally=Tally(*map(_counts, kinds)),
        telling=tuple(each.said(NAMED) for each in telling),
        content_sha256=content_of(clips, entry),
        clips_sha256=identity_of(clips, entry),
        pictures=tuple(_pictures(found, (*there, *elsewhere), own)),
    )


def _faces(entry: DatasetEntry, clips: Sequence[Clip]) -> tuple[list[Clip], list[str], list[Problem]]:
    """The clips in which a face was looked for, the ids of those without one, and why none was looked for."""
    if entry.crop != "face" or not clips:
        return [], [], []
    why = faces_missing()
    if why is not None:
        return [], [], [Problem("note", "faces not looked for", why)]
    chosen = [
        clip for label in (REAL, FAKE) for clip in _spread([c for c in clips if c.label == label], SOUGHT)
    ]
    looked = [clip for clip in located(chosen, "face", entry.name) if "faces" in clip.attributes]
    return looked, [clip.id for clip in looked if not any(clip.attributes["faces"].values())], []


def _pictures(
    found: Iterable[Problem], clips: Sequence[Clip], prints: Mapping[str, Fingerprint]
) -> Iterator[Group]:
    known = {clip.id: clip for clip in clips}
    for each in found:
        shown = tuple(known[name] for name in each.clips if name in known)
        if shown:
            yield Group(f"{each.severity}: {each.what}", shown)
    own = [clip for clip in clips if clip.id in prints and not prints[clip.id].error]
    odd: dict[str, Clip] = {}
    for fact in composition.FACTS.values():
        value = {clip.id: fact(prints[clip.id]) for clip in own}
        counted = Counter(value.values())
        rare = {word for word, n in counted.items() if n <= min(ODD, ODD_SHARE * len(own))}
        odd |= {clip.id: clip for clip in own if value[clip.id] in rare}
    if odd:
        yield Group("odd: a resolution, frame rate or codec that hardly any other has", tuple(odd.values()))
    for label, word in composition.CLASSES:
        some = _spread([clip for clip in own if clip.label == label], EXAMPLES)
        if some:
            yield Group(f"{word}, as they are", tuple(some))


def _spread(clips: Sequence[Clip], most: int) -> Sequence[Clip]:
    """At most so many clips, evenly spread."""
    number = min(most, len(clips))
    return [clips[(2 * place + 1) * len(clips) // (2 * number)] for place in range(number)]


def _named(names: Sequence[str], clips: Sequence[Clip]) -> list[Clip]:
    wanted = set(names)
    return [clip for clip in clips if clip.id in wanted]


def _counts(clips: Sequence[Clip]) -> Counts:
    fakes = sum(clip.label == FAKE for clip in clips)
    return len(clips) - fakes, fakes


def report(inspection: Inspection) -> str:
    """The inspection as text for a terminal."""
    head = f"{inspection.name}: {inspection.verdict} ({inspection.clips:,} clips in {inspection.root})"
    lines = _folded(head, "")
    for finding in inspection.findings:
        lines += _folded(f"{finding.severity}: {finding.what}: {finding.text}", "  ")
        for name in finding.names[:SHOWN]:
            lines += [f"    {line}" for line in _folded(name, "  ", WIDTH - 4)]
        if len(finding.names) > SHOWN:
            lines.append(f"    ... and {len(finding.names) - SHOWN:,} more (the page has them all)")
    if inspection.clips:
        lines += _folded(leakage.LOOKED_FOR, "")
    tables = [f"\n{plain(table)}" for table in inspection.tables]
    return "\n".join([*lines, *tables])


def _folded(text: str, indent: str, width: int = WIDTH) -> list[str]:
    """Text broken to the width of a page, within a word where that is a long path."""
    return textwrap.wrap(names.visible(text), width, subsequent_indent=indent, break_on_hyphens=False) or [""]


OPEN = 20
"""Names that are shown at once; longer lists are folded."""
MOST = 5000
"""Names of one finding on the page; a dataset that is absent as a whole needs no more."""

STYLE = """
:root { color-scheme: light; --ink: #1d2530; --soft: #5b6675; --line: #d9dee5; --error: #b3261e;
  --warning: #8a5a00; --note: #33608c; }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2rem 1.25rem 4rem; max-width: 64rem; background: #fff; color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", sans-serif; }
h1 { font-size: 1.6rem; margin: 0 0 .25rem; }
h2 { font-size: 1.3rem; margin: 2.5rem 0 .25rem; padding-top: 1rem; border-top: 2px solid var(--ink); }
h3 { font-size: 1rem; margin: 0 0 .4rem; }
p { margin: .25rem 0 .75rem; }
.soft { color: var(--soft); overflow-wrap: anywhere; }
.finding { margin: .75rem 0; padding: .6rem .9rem .7rem; border: 1px solid var(--line);
  border-left: 5px solid var(--kind); border-radius: 4px; }
.error { --kind: var(--error); } .warning { --kind: var(--warning); } .note { --kind: var(--note); }
.finding b { color: var(--kind); } .finding p { margin: .1rem 0 .4rem; }
ul { margin: .3rem 0 0; padding-left: 1.1rem; }
li { font: 13px/1.5 ui-monospace, "DejaVu Sans Mono", monospace; overflow-wrap: anywhere; }
summary { cursor: pointer; color: var(--soft); }
.tables { display: flex; flex-wrap: wrap; gap: 1.75rem 2.5rem; margin-top: 1.5rem; align-items: flex-start; }
.table { max-width: 100%; overflow-x: auto; }
table { border-collapse: collapse; }
th, td { padding: .2rem .9rem .2rem 0; border-bottom: 1px solid var(--line); text-align: right; }
th { color: var(--soft); font-weight: 600; }
.sheet { max-width: 100%; border: 1px solid var(--line); }
th:first-child, td:first-child { text-align: left; }
"""


def page(title: str, inspections: Sequence[Inspection], sheets: Mapping[str, bytes] | None = None) -> str:
    """A whole HTML document; names from disk are escaped. `sheets`: dataset -> contact sheet, as PNG."""
    sheets = sheets or {}
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{_text(title)}: data check</title><style>{STYLE}</style></head><body>",
        f"<h1>Data check: {_text(title)}</h1>",
        f'<p class="soft">GapBench {_text(__version__)}. An error would make a number wrong, a warning asks '
        "for a footnote, a note is for your information.</p>",
        *(_dataset(inspection, sheets.get(inspection.name)) for inspection in inspections),
        "</body></html>",
    ]
    return "\n".join(parts) + "\n"


def _dataset(inspection: Inspection, sheet: bytes | None) -> str:
    parts = [
        f"<section><h2>{_text(inspection.name)}: {_text(inspection.verdict)}</h2>",
        f'<p class="soft">{inspection.clips:,} clips in {_text(str(inspection.root))}</p>',
        *map(_finding, inspection.findings),
        f'<p class="soft">{_text(leakage.LOOKED_FOR)}</p>',
        '<div class="tables">',
        *map(_table, inspection.tables),
        "</div>",
        *([_sheet(inspection, sheet)] if sheet else []),
        "</section>",
    ]
    return "\n".join(parts)


def _sheet(inspection: Inspection, sheet: bytes) -> str:
    what = "; ".join(f"{each.title}: {', '.join(c.id for c in each.shown)}" for each in inspection.pictures)
    image = base64.b64encode(sheet).decode()
    return f'<h3>Pictures</h3><img class="sheet" alt="{_text(what)}" src="data:image/png;base64,{image}">'


def _finding(finding: Problem) -> str:
    names = "".join(f"<li>{_text(name)}</li>" for name in finding.names[:MOST])
    if len(finding.names) > MOST:
        names += f"<li>... and {len(finding.names) - MOST:,} more</li>"
    listed = f"<ul>{names}</ul>" if names else ""
    if len(finding.names) > OPEN:
        listed = f"<details><summary>{len(finding.names):,} names</summary>{listed}</details>"
    return (
        f'<div class="finding {finding.severity}"><p><b>{finding.severity}: {_text(finding.what)}</b><br>'
        f"{_text(finding.text)}</p>{listed}</div>"
    )


def _table(table: Table) -> str:
    head = "".join(f"<th>{_text(cell)}</th>" for cell in table.header)
    body = "".join(
        "<tr>" + "".join(f"<td>{_text(cell)}</td>" for cell in line) + "</tr>" for line in table.lines
    )
    note = f'<p class="soft">{_text(table.note)}</p>' if table.note else ""
    return (
        f'<div class="table"><h3>{_text(table.title)}</h3>{note}'
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _text(text: str) -> str:
    return names.html(text)
