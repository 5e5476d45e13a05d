"""The audit of a dataset: can real and fake be told apart without looking at the face?"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from harness.contracts import DatasetEntry
from harness.data.audit.background_facts import background_facts
from harness.data.audit.classifier import MODEL, separate
from harness.data.audit.fact_table import FOLDS
from harness.data.audit.record import Audit, AuditPart
from harness.data.clips import content_of, identity_of
from harness.data.file_facts import Facts, container_facts
from harness.guard.clip_bounds import clip_clock, named_failure
from harness.metrics.bootstrap import graph_of
from harness.progress import Progress
from harness.types import FAKE, REAL, Clip, HarnessError

GIANT = 1 / FOLDS
"""Share of the clips in one group from which on groups are made of targets alone."""
READERS = 4


@dataclass(frozen=True, slots=True)
class ClipFacts:
    """What was found out about one clip without its face; a text in place of facts says what failed."""

    container: Facts | str
    background: Facts | str
    boxed: bool = True


def audit_dataset(
    entry: DatasetEntry, clips: tuple[Clip, ...], chosen: Sequence[Clip], seed: int = 0
) -> tuple[Audit, tuple[str, ...]]:
    """The audit of a dataset by some of its clips (`chosen_clips`), and what failed, one line a kind.

    `clips` are all of the dataset, of every split: a shortcut is learned in training and rewarded in
    testing. The chosen ones carry a `box` or `faces` where a face is known.
    """
    looks = _look_at(entry.name, chosen)
    groups, said = groups_of(chosen)
    container, background = (
        _part(name, chosen, [getattr(look, name) for look in looks], groups, entry.name, seed)
        for name in ("container", "background")
    )
    background = dataclasses.replace(background, unboxed=sum(not look.boxed for look in looks))
    facts = (entry.name, entry.version, identity_of(clips, entry), len(clips), seed, MODEL, said)
    content = content_of(clips, entry)
    return Audit(*facts, container, background, content_sha256=content), _failures(looks)


def chosen_clips(clips: Sequence[Clip], limit: int, of: str = "") -> list[Clip]:
    """At most `limit` clips of each class, evenly spread over the listing; a missing class is an error.

    `of` says in the error what clips these are.
    """
    kept: list[Clip] = []
    for label, word in ((REAL, "real"), (FAKE, "fake")):
        these = [clip for clip in clips if clip.label == label]
        if not these:
            raise HarnessError(
                f"an audit needs real and fake clips, and there is no {word} clip {of}".rstrip()
            )
        if len(these) > limit:
            these = [these[(2 * k + 1) * len(these) // (2 * limit)] for k in range(limit)]
        kept += these
    return kept


def groups_of(clips: Sequence[Clip]) -> tuple[np.ndarray, str]:
    """The group of each clip, int `[N]`, and what a group is.

    Clips joined by target, source or footage are one group. Where everybody was swapped with everybody
    (Celeb-DF) that would be all of them: then groups share a target or footage. A clip that names nothing
    is a group of its own.
    """
    named = sum(bool(clip.target or clip.attributes.get("footage")) for clip in clips)
    whole = _joined(clips, with_source=True)
    if np.bincount(whole).max() <= max(GIANT * len(clips), 1):
        groups, what = whole, "clips joined by target, source or footage"
    else:
        groups, what = _joined(clips, with_source=False), "clips of one target or footage"
    if not named:
        what = "single clips, for nobody is named: a fake and the real clip it was made from may be divided"
    elif named < len(clips):
        what += f"; {len(clips) - named} clips that name neither are alone"
    return groups, what


def _joined(clips: Sequence[Clip], with_source: bool) -> np.ndarray:
    above: dict[tuple[str, str], tuple[str, str]] = {}

    def top(name: tuple[str, str]) -> tuple[str, str]:
        while above.setdefault(name, name) != name:
            above[name] = above[above[name]]
            name = above[name]
        return name

    for clip in clips:
        shown = [("person", clip.target), ("footage", clip.attributes.get("footage"))]
        shown += [("person", clip.source)] if with_source else []
        for kind, name in shown:
            if name is not None:
                above[top((kind, str(name)))] = top(("clip", clip.id))
    tops = [top(("clip", clip.id)) for clip in clips]
    numbers = {name: number for number, name in enumerate(dict.fromkeys(tops))}
    return np.array([numbers[name] for name in tops])


def _look_at(dataset: str, clips: Sequence[Clip]) -> list[ClipFacts]:
    readers = min(READERS, os.cpu_count() or 1)
    looks = []
    with Progress(f"audit {dataset}", len(clips)) as progress, ThreadPoolExecutor(readers) as pool:
        for found in pool.map(look_at, clips):
            looks.append(found)
            progress.advance()
    return looks


def look_at(clip: Clip) -> ClipFacts:
    """The facts of one clip's file and background; what cannot be found is said, never guessed."""
    container: Facts | str
    try:
        container = container_facts(clip.path)
    except HarnessError as error:
        container = str(error)
    try:
        with clip_clock(clip.path.name), named_failure(f"{clip.path.name}: looking at its background"):
            found = background_facts(clip)
    except HarnessError as error:
        return ClipFacts(container, str(error))
    return ClipFacts(container, {**found.facts}, found.boxed)


def _part(
    name: str,
    clips: Sequence[Clip],
    looked: Sequence[Facts | str],
    groups: np.ndarray,
    world: str,
    seed: int,
) -> AuditPart:
    """One kind of facts, judged; the interval weighs targets alone, for the source's face is covered.

    With sources too it would be twice as wide as the AUC varies where labels are drawn by chance
    (procedural_wild: a standard deviation of 0.048 where 0.025 is true; by targets 0.029).
    """
    kept = [number for number, facts in enumerate(looked) if not isinstance(facts, str)]
    failed = [clip.label for clip, facts in zip(clips, looked, strict=True) if isinstance(facts, str)]
    these = [clips[number] for number in kept]
    label = np.array([clip.label for clip in these], dtype=np.int64)
    counts = (int((label == REAL).sum()), int((label == FAKE).sum()))
    lost = (failed.count(REAL), failed.count(FAKE))
    if not all(counts):
        return AuditPart(name, *counts, lost, None, "no clip of both classes could be read")
    targets, nobody = [clip.target for clip in these], [None] * len(these)
    graph = graph_of(label, targets, nobody, [clip.id for clip in these], world)
    table = [facts for facts in looked if not isinstance(facts, str)]
    found = separate(table, label, groups[kept], [clip.manipulation for clip in these], graph, seed)
    return AuditPart(
        *(name, *counts, lost, found.auc),
        reason=found.reason,
        facts=found.facts,
        folds=found.folds,
        method=graph.method,
        leads=found.leads,
        manipulations=found.manipulations,
    )


def _failures(looks: Sequence[ClipFacts]) -> tuple[str, ...]:
    """The first clip that failed in each part, with how many did."""
    lines = []
    for name in ("container", "background"):
        said = [getattr(look, name) for look in looks if isinstance(getattr(look, name), str)]
        if said:
            lines.append(f"{name}: {len(said)} clips could not be looked at; first: {said[0]}")
    return tuple(lines)
