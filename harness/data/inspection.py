"""All that can be found out about a dataset on this machine before a detector sees it."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.data import composition, fingerprints, leakage, problems
from harness.data.problems import SEVERITIES, Finding
from harness.registry import DatasetEntry
from harness.tables import WIDTH, Table, plain
from harness.types import Clip

SHOWN = 8
"""Names of a finding that the terminal shows; the page has them all."""


@dataclass(frozen=True, slots=True)
class Inspection:
    """What was found out about one dataset."""

    name: str
    root: Path
    clips: int
    findings: tuple[Finding, ...]
    """Errors first, then warnings, then notes."""
    tables: tuple[Table, ...] = ()

    def of(self, severity: str) -> list[Finding]:
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
        around = [clip for clip in elsewhere if clip.split != "test" and clip.path.exists()]
        prints |= fingerprints.read(around, f"datasets beside {entry.name}")
    own = {clip.id: prints[clip.id] for clip in there}
    tables, telling = composition.facts(there, own)
    found += [
        *gone,
        *composition.counts(clips, entry.official),
        *problems.unreadable(own),
        *leakage.doubles(there, own),
        *leakage.between_splits(clips, own),
        *leakage.between_datasets(clips, prints, others),
        *problems.extra(clips, root, elsewhere),
        *telling,
    ]
    found.sort(key=lambda finding: SEVERITIES.index(finding.severity))
    if clips:
        tables.insert(0, composition.balance(clips, entry.official))
    return Inspection(entry.name, root, len(clips), tuple(found), tuple(tables))


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
    tables = [f"\n{plain(table)}" for table in inspection.tables]
    return "\n".join([*lines, *tables])


def _folded(text: str, indent: str, width: int = WIDTH) -> list[str]:
    """Text broken to the width of a page, within a word where that is a long path."""
    shown = "".join(char if char.isprintable() else "?" for char in text)  # names may hold control characters
    return textwrap.wrap(shown, width, subsequent_indent=indent, break_on_hyphens=False) or [""]
