"""Verdicts and how they are told: as a table, as JUnit XML, as Markdown, as an exit code."""

from __future__ import annotations

import textwrap
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass

from harness.guard import names
from harness.tables import WIDTH

OUTCOMES = ("same", "better", "inconclusive", "incomparable", "worse")
"""Verdicts, the one that matters most last."""

EXPLAINED = (
    "Numbers: accepted -> now: change [its one-sided 95 % bounds], positive is better; then the margin."
    " worse: surely beyond the margin; same: surely not; inconclusive: these clips cannot tell."
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the gate says of one thing by one rule."""

    row: str
    """A cell (`airl@procedural_lab/procedural_wild/clean`), a line of the leaderboard
    (`airl@procedural_lab`), `cost of airl on <device>`, or a matrix."""
    rule: str
    """A name of `types.GATE_RULES`; `failed` (more clips failed), `line` (some cells of a line cannot be
    compared) or `accepted` (nothing is accepted)."""
    outcome: str
    """One of `OUTCOMES`."""
    reason: str
    """One line: the numbers, or why there is nothing to compare."""


def exit_code(verdicts: Sequence[Verdict], allow_inconclusive: bool = False) -> int:
    """1 when any is worse; else 4 when any is incomparable or there is none; else 3 when any is
    inconclusive and that is not allowed; else 0."""
    outcomes = {verdict.outcome for verdict in verdicts}
    if "worse" in outcomes:
        return 1
    if "incomparable" in outcomes or not outcomes:
        return 4
    return 3 if "inconclusive" in outcomes and not allow_inconclusive else 0


def verdict_table(verdicts: Sequence[Verdict]) -> str:
    """The verdicts as text of at most 100 columns: one a line, the worst last, then how many of each."""
    lines = [line for verdict in _ordered(verdicts) for line in _lines(verdict)]
    return "\n".join([*lines, *textwrap.wrap(EXPLAINED, WIDTH), counted(verdicts)])


def counted(verdicts: Sequence[Verdict]) -> str:
    """How many verdicts there are of each kind."""
    counts = [f"{sum(v.outcome == outcome for v in verdicts)} {outcome}" for outcome in OUTCOMES]
    return f"{len(verdicts)} verdicts: {', '.join(counts)}"


def markdown_summary(matrix: str, verdicts: Sequence[Verdict], allow_inconclusive: bool = False) -> str:
    """The verdicts for a CI job page: the one that counts, then everything that is not `same`."""
    code = exit_code(verdicts, allow_inconclusive)
    worst = max((v.outcome for v in verdicts), key=OUTCOMES.index, default="nothing to compare")
    allowed = " (allowed here)" if worst == "inconclusive" and allow_inconclusive else ""
    parts = [f"## Gate {matrix}: {worst}{allowed}, {'failed' if code else 'passed'}", "", counted(verdicts)]
    moved = [verdict for verdict in reversed(_ordered(verdicts)) if verdict.outcome != "same"]
    if moved:
        parts += ["", "| verdict | rule | of | numbers |", "| --- | --- | --- | --- |"]
        parts += [_markdown_line(verdict) for verdict in moved]
        parts += ["", EXPLAINED]
    return "\n".join(parts) + "\n"


def junit(matrix: str, verdicts: Sequence[Verdict], allow_inconclusive: bool = False) -> bytes:
    """The verdicts as JUnit XML, a test case each, its class `gate.<matrix>.<rule>`.

    `worse` is a failure: judged, and found wanting. What could not be judged is an error, so that the
    report is red exactly when the exit code is not 0: `incomparable`, and `inconclusive` unless it is
    allowed; then it is skipped. `better` and `same` pass, their numbers in `system-out`.
    """
    kinds = {"worse": "failure", "incomparable": "error", "inconclusive": "error"}
    if allow_inconclusive:
        kinds["inconclusive"] = "skipped"
    found = [kinds.get(verdict.outcome, "") for verdict in verdicts]
    counts = {"tests": len(verdicts), "failures": found.count("failure"), "errors": found.count("error")}
    summed = {name: str(count) for name, count in (counts | {"skipped": found.count("skipped")}).items()}
    top = ET.Element("testsuites", {"name": "gapbench gate", **summed})
    suite = ET.SubElement(top, "testsuite", {"name": f"gate {matrix}", **summed})
    for verdict, kind in zip(verdicts, found, strict=True):
        named = {"classname": f"gate.{matrix}.{verdict.rule}", "name": names.line(verdict.row)}
        said = names.line(f"{verdict.outcome}: {verdict.reason}")
        case = ET.SubElement(suite, "testcase", named)
        if kind:
            told = ET.SubElement(case, kind, {"message": said})
            if kind != "skipped":
                told.set("type", verdict.outcome)
        else:
            ET.SubElement(case, "system-out").text = said
    ET.indent(top)
    return bytes(ET.tostring(top, encoding="utf-8", xml_declaration=True)) + b"\n"


def _ordered(verdicts: Sequence[Verdict]) -> list[Verdict]:
    return sorted(verdicts, key=lambda verdict: OUTCOMES.index(verdict.outcome))


def _markdown_line(verdict: Verdict) -> str:
    row, reason = names.code(verdict.row), names.cell(verdict.reason, 3 * names.NAME)
    return f"| {verdict.outcome} | {verdict.rule} | `{row}` | {reason} |"


def _lines(verdict: Verdict) -> list[str]:
    """A verdict as one line, or with its reason below when that is too long."""
    first = f"{verdict.outcome:12}  {verdict.rule:12}  {names.words(verdict.row)}"
    reason = names.line(verdict.reason)
    if len(first) + len(reason) + 2 <= WIDTH:
        return [f"{first}  {reason}"]
    indent = " " * 28
    return [
        *textwrap.wrap(first, WIDTH, subsequent_indent=indent, drop_whitespace=False),
        *textwrap.wrap(reason, WIDTH, initial_indent=indent, subsequent_indent=indent),
    ]
