"""What `data check` and `data audit` found out about clips, kept so that whoever shows a number can say it.

Findings hold for the very files that were looked at: where one was added, taken away or changed since,
or lies elsewhere, there are none, and the command that would find them is recommended.
"""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.data.audit.record import Audit, read_audit
from harness.files import home, plain, read_json, write_whole
from harness.guard.stored import record_of, sealed, shape_of
from harness.types import HarnessError

FORMAT = 1
"""Raised whenever a stored check no longer means the same."""
Counts = tuple[int, int]
"""Real and fake clips."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What `gapbench data check` found out about the clips of one dataset at one root."""

    dataset: str
    content_sha256: str
    """Digest of the clips and their files (`clips.content_of`): a check of others says nothing here."""
    listed: Counts
    present: Counts
    """Of those listed, the clips whose files are there."""
    unreadable: Counts
    """Of those present."""
    blank: Counts
    """Of those read, the clips that show a single colour where they were looked at."""
    sought: Counts
    """Clips in which a face was looked for; (0, 0) where none could be, or the dataset shows other things."""
    faceless: Counts
    """Of those, the clips without one."""
    errors: tuple[str, ...] = ()
    """Findings that make a number wrong, `kind: sentence` each."""
    warnings: tuple[str, ...] = ()
    """Findings that ask for a footnote."""
    telling: tuple[str, ...] = ()
    """Facts of the files' headers that tell fakes from reals, worst first, one sentence each."""

    @property
    def coverage(self) -> float:
        """Share of the listed clips whose files are there, in [0, 1]."""
        return sum(self.present) / sum(self.listed)


@dataclass(frozen=True, slots=True)
class Findings:
    """What is known of the clips of one dataset; None of what was not asked, or asked of other files."""

    dataset: str
    checked: Checked | None = None
    audited: Audit | None = None

    @property
    def lines(self) -> tuple[str, ...]:
        """One sentence for each thing that a reader of numbers on these clips must know, gravest first."""
        said = []
        if self.audited is not None and self.audited.warning:
            said.append(f"Told apart without a look at the face ({self.audited.warning}).")
        found = self.checked
        if found is None:
            return tuple(said)
        if found.telling:
            said.append(f"Headers alone tell fakes from reals: {found.telling[0]}{_others(found.telling)}.")
        if sum(found.blank):
            said.append(f"Blank: {_of(found.blank, found.present)}.")
        if sum(found.faceless):
            said.append(f"Without a face: {_of(found.faceless, found.sought)}.")
        if sum(found.unreadable):
            said.append(f"Unreadable: {_of(found.unreadable, found.present)}.")
        if found.coverage < 1:
            present, listed = sum(found.present), sum(found.listed)
            said.append(f"Files present: {present:,} of {listed:,} listed ({found.coverage:.1%}).")
        rest = len(found.errors)
        if rest:
            said.append(f"The check found {rest} error{'s' if rest > 1 else ''}, first: {found.errors[0]}.")
        return tuple(said)

    @property
    def columns(self) -> Mapping[str, float | int | str]:
        """What is known as single values: columns of a table, tags of a run.

        `coverage` (share), `blank_real blank_fake faceless_real faceless_fake` (clips), `shortcut` (what
        the audit warns of), `telling` (the worst fact of the headers), `check_errors` (how many).
        """
        said: dict[str, float | int | str] = {}
        found = self.checked
        if found is not None:
            said |= {"coverage": found.coverage, "check_errors": len(found.errors)}
            said |= dict(zip(("blank_real", "blank_fake"), found.blank, strict=True))
            if sum(found.sought):
                said |= dict(zip(("faceless_real", "faceless_fake"), found.faceless, strict=True))
            if found.telling:
                said["telling"] = found.telling[0]
        if self.audited is not None and self.audited.warning:
            said["shortcut"] = self.audited.warning
        return said

    def recommended(self, root: Path | str | None = None) -> tuple[str, ...]:
        """The commands that would find out what is not known yet; none where all was asked.

        `root` is where the clips lie, where the dataset's name alone does not say it.
        """
        wanted = [("check", self.checked), ("audit", self.audited)]
        place = ["--root", str(root)] if root is not None else []
        return tuple(
            shlex.join(["gapbench", "data", action, self.dataset, *place])
            for action, known in wanted
            if known is None
        )


def findings_of(dataset: str, content_sha256: str, clips_sha256: str) -> Findings:
    """What was found out about the clips of a dataset, as far as it still holds for them.

    `content_sha256` is the digest of the whole listing with its files (`clips.content_of`),
    `clips_sha256` that of the listing alone (`clips.identity_of`). A damaged record is a `HarnessError`
    that names it.
    """
    audited = read_audit(dataset, clips_sha256, content_sha256)
    return Findings(dataset, read_check(dataset, content_sha256), audited)


def check_file(dataset: str, content_sha256: str) -> Path:
    """Where the check of these clips is kept."""
    return home() / "checks" / f"{dataset}-{content_sha256[:8]}.json"


def write_check(found: Checked) -> Path:
    """Keep what a check found, in place of an older one of the same clips; returns its file."""
    file = check_file(found.dataset, found.content_sha256)
    write_whole(file, json.dumps(sealed({"format": FORMAT, **plain(found)}), indent=1) + "\n")
    return file


def read_check(dataset: str, content_sha256: str) -> Checked | None:
    """What the check of these clips found; None where there is none or only an older format."""
    file = check_file(dataset, content_sha256)
    if not os.path.lexists(file):
        return None
    hint = f"check again: gapbench data check {dataset}"
    told = record_of(read_json(file), file, "a check", {"format": int}, hint)
    if told.pop("format") != FORMAT or told.get("content_sha256") != content_sha256:
        return None
    told = record_of(told, file, "a check", shape_of(Checked), hint)
    found = {name: _frozen(value) for name, value in told.items()}
    counts = (found[name] for name in ("listed", "present", "unreadable", "blank", "sought", "faceless"))
    if any(len(pair) != 2 or {*map(type, pair)} != {int} for pair in counts) or not sum(found["listed"]):
        raise HarnessError(f"{file} does not describe a check: its counts are none; {hint}")
    try:
        return Checked(**found)
    except TypeError as error:
        raise HarnessError(f"{file} does not describe a check: {error}; {hint}") from error


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _of(some: Counts, all_: Counts) -> str:
    return f"{some[0]:,} of {all_[0]:,} real and {some[1]:,} of {all_[1]:,} fake clips"


def _others(said: tuple[str, ...]) -> str:
    return f" (and {len(said) - 1} more)" if len(said) > 1 else ""
