"""The tables of what results rest on: clips that failed, costs, recipes, what was absent, time and code."""

from __future__ import annotations

import dataclasses
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

from harness.environment import differences
from harness.guard.names import cut, markdown
from harness.metrics.bootstrap import DRAWS
from harness.metrics.missing import FEW, LEVEL, lopsided
from harness.records import Board, Cost, Entry, Row
from harness.report.costs import cost_tables
from harness.results.ranking import Standings
from harness.tables import Table, with_interval, without_empty
from harness.timing import network_share

MOST_REASONS, LONGEST_REASON = 3, 400
"""Failures that are told word for word, and letters of each; all are in the predictions."""
FACES = ("auc", "auc_with_face")
MOST_CELLS = 20
"""Cells with failed clips that are listed."""


def known(board: Board) -> Iterator[str]:
    """What has to be known of the clips before any number on them, a paragraph a test set."""
    for name, said in board.known.items():
        parts = [
            f"{said.present:,} of {said.listed:,} test files are here ({said.present / said.listed:.0%})."
        ] * (said.listed > said.present or (said.listed > 0 and bool(said.lines or said.unasked)))
        parts += [line if line.endswith(".") else f"{line}." for line in said.lines]
        parts += [f"Not asked yet: `{'`, `'.join(said.unasked)}`."] * bool(said.unasked)
        if parts:
            yield f"Clips of {name}: {' '.join(parts)}"


def failed(standings: Standings) -> Iterator[Table]:
    """Clips without a score in each cell, and what they could hide."""
    board = standings.board
    rows = sorted((row for row in board.rows if row.failed), key=lambda row: row.failed, reverse=True)
    if not rows:
        return
    names = {entry.name: standings.entry_name(entry) for entry in board.entries}
    body = tuple(
        (
            *(names[row.cell.entry], f"{row.cell.tested_on}/{row.cell.condition}"),
            *(f"{row.failed} of {row.clips}", *_of_classes(row, "failed")),
            *(with_interval(row.metrics.get("auc"), row.intervals.get("auc")), _band(row)),
        )
        for row in rows[:MOST_CELLS]
    )
    note = (
        "Clips that could not be scored. They are in no other number. Where more than"
        f" {100 * FEW:g} % failed, or more of one class than chance explains (`*`: Fisher's exact test, p"
        f" below {LEVEL:g}), the AUC if all of them had been judged wrong, and right."
    )
    reasons = dict.fromkeys(str(row.provenance["failure"]) for row in rows if row.provenance.get("failure"))
    if reasons:
        note += f" E.g. {'; '.join(cut(reason, LONGEST_REASON) for reason in list(reasons)[:MOST_REASONS])}."
    if len(rows) > MOST_CELLS:
        note += f" {len(rows) - MOST_CELLS} more cells with failed clips are in the CSV."
    header = ("detector", "cell", "failed", "real", "fake", "AUC [95 %]", "wrong to right")
    yield without_empty(Table("Failed clips", header, body, note, keep=2))


def without_a_face(standings: Standings) -> Iterator[Table]:
    """Clips that a policy scored, because no face was found in them, and the AUC without them."""
    rows = [
        row for row in standings.board.rows if sum(row.counts.get("faceless", ())) and not row.cell.severity
    ]
    names = {entry.name: standings.entry_name(entry) for entry in standings.board.entries}
    body = tuple(
        (
            *(names[row.cell.entry], row.cell.tested_on, *_of_classes(row, "faceless")),
            *(with_interval(row.metrics.get(name), row.intervals.get(name)) for name in FACES),
        )
        for row in rows
    )
    if body:
        policy = rows[0].provenance.get("no_face") or "a policy"
        note = (
            f"Clean clips in which no face was found: what was said of them is not the detector's ({policy})."
            " `*`: more of one class than chance explains (Fisher's exact test, p below"
            f" {LEVEL:g}), so that the AUC is made by missing faces; `with a face`: over the other clips."
        )
        header = ("detector", "tested on", "real", "fake", "AUC [95 %]", "with a face [95 %]")
        yield Table("Clips without a face", header, body, note, keep=2)


def _of_classes(row: Row, what: str) -> tuple[str, str]:
    """Of how many real and fake clips that is so, marked where it is more of one than chance explains."""
    if what not in row.counts:
        return "-", "-"
    lost, clips = row.counts[what], row.counts["clips"]
    reals, fakes = (f"{lost[k]} of {clips[k]}" for k in (0, 1))
    return reals, fakes + " *" * lopsided(lost, clips)


def _band(row: Row) -> str:
    worst, best = (row.metrics.get(f"auc_failed_{end}") for end in ("worst", "best"))
    return "-" if worst is None or best is None else f"{worst:.3f} to {best:.3f}"


def shared_footage(standings: Standings) -> Iterator[Table]:
    """Cells that are not ranked, because their test clips show recordings that were trained on."""
    names = {entry.name: standings.entry_name(entry) for entry in standings.board.entries}
    said = [
        (names[row.cell.entry], row.cell.tested_on, str(row.provenance["shared_footage"]))
        for row in standings.board.rows
        if row.shares_footage
    ]
    if said:
        body = tuple(
            (name if k == 0 else "", on if k == 0 else "", text)
            for name, on, why in dict.fromkeys(said)
            for k, text in enumerate(textwrap.wrap(why, 50))
        )
        note = (
            "Test clips that show recordings the weights were trained on. These cells are in no mean and no"
            " rank: an AUC on what was trained on says nothing of what was not."
        )
        yield Table("Shared footage", ("detector", "tested on", "what they share"), body, note, keep=2)
    unknown = [entry for entry in standings.board.entries if _not_compared(entry)]
    if unknown:
        lines = tuple((names[entry.name], str(entry.trained_on)) for entry in unknown)
        note = (
            "Imported weights: what they are said to be trained on is not here, so nobody looked for"
            " recordings that it shares with the test sets. Where it does, these numbers are too high."
        )
        yield Table("Footage not compared", ("detector", "said to be trained on"), lines, note)


def _not_compared(entry: Entry) -> bool:
    return any(row.provenance.get("footage_compared") is False for row in entry.rows)


def made_in_parts(standings: Standings) -> Iterator[Table]:
    """Cells whose clips were scored by more than one device or version."""
    names = {entry.name: standings.entry_name(entry) for entry in standings.board.entries}
    body = []
    for row in standings.board.rows:
        kinds = row.provenance.get("made") or []
        if len(kinds) > 1:
            found = [what for kind in kinds[1:] for what in differences(kinds[0], kind)]
            told = "; ".join(dict.fromkeys(found)) or "a part that does not say"
            cell = f"{row.cell.tested_on}/{row.cell.condition}"
            lines = textwrap.wrap(told, 50)
            body += [(names[row.cell.entry], cell, lines[0]), *(("", "", line) for line in lines[1:])]
    if body:
        note = (
            "Cells that were begun by one device or version and ended by another. Across devices scores"
            " differ in the last digits, across versions by what changed; `gapbench eval --rescore` makes"
            " them anew."
        )
        header = ("detector", "cell", "what changed on the way")
        yield Table("Made in parts", header, tuple(body), note, keep=2)


def costs_of(board: Board) -> list[Cost]:
    """What its detectors cost, equal costs once."""
    return list(dict.fromkeys(entry.cost for entry in board.entries if entry.cost is not None))


def cost(board: Board) -> Iterator[Table]:
    """Speed, latency and memory, a table a device."""
    yield from cost_tables(costs_of(board))


def recipes(board: Board) -> Iterator[Table]:
    """How the trained detectors were trained."""
    fields = {"size": "size", "frames": "frames", "clips": "clips", "epochs": "epochs", "batch": "batch"}
    lines = []
    for entry in board.entries:
        recipe = _recipe(entry)
        if recipe is not None:
            cells = ["all" if recipe.get(key) is None else str(recipe[key]) for key in fields.values()]
            lines.append((entry.detector, *cells, "ImageNet" if recipe.get("pretrained") else "random"))
    if lines:
        note = (
            "Input side in pixels, frames of a clip, training clips and epochs at most, clips a step, and"
            " what the weights started from. Where these are below the detector's published recipe, the"
            " matrix shrank them; the architecture and the loss are never changed."
        )
        yield Table("Trained with", ("detector", *fields, "start"), tuple(dict.fromkeys(lines)), note)


def absent(board: Board) -> Iterator[Table]:
    """What the matrix names and this machine has not: sets, detectors, perturbations."""
    if board.absent:
        lines = tuple(
            (name if k == 0 else "", text)
            for name, how in board.absent.items()
            for k, text in enumerate(textwrap.wrap(how, 60) or [""])
        )
        note = "What this matrix names and could not be had on this machine; its cells were left out."
        yield Table("Absent", ("what", "why, or what would make it present"), lines, note)


def footer(board: Board) -> str:
    """What the numbers were made of and by, and where they are explained."""
    lost = sum(row.failed for row in board.rows)
    commits = sorted(
        {str(row.provenance["commit"])[:10] for row in board.rows if row.provenance.get("commit")}
    )
    shown = [markdown(commit) for commit in commits]  # the page itself holds a link
    return (
        f"{len(board.rows)} cells, {lost} failed predictions; intervals from {DRAWS} draws; code"
        f" {', '.join(shown) or 'unknown'}. Every number and every column of `{board.matrix}.csv` is"
        " explained in [README.md](README.md)."
    )


def timing(board: Board) -> str:
    """Where the time of the runs went, and what scoring gave from end to end, as far as it is known."""
    known = board.environment.get("timing", {})
    said = []
    if "made_s" in known:
        said.append(f"Making the clips took {known['made_s']:.0f} s.")
    if known.get("training_s"):
        said.append(f"Training took {known['training_s']:.0f} s in all.")
    if "scoring_s" in known:
        frames, seconds = known["frames_scored"], known["scoring_s"]
        said.append(
            f"The last run that scored anything scored {frames} frames in {seconds:.0f} s,"
            f" {frames / seconds:.0f} a second from end to end (decode, perturb, crop, score, write)."
        )
    if "stages_s" in known:
        stages = known["stages_s"]
        said.append(
            f"Of the {sum(stages.values()):.0f} s of that run, forward, backward and optimizer took"
            f" {network_share(stages):.0%}."
        )
    return " ".join(said)


def _recipe(entry: Entry) -> Mapping[str, Any] | None:
    for row in entry.rows:
        if row.provenance.get("recipe"):
            return dict(row.provenance["recipe"])
    return dataclasses.asdict(entry.weights.recipe) if entry.weights else None
