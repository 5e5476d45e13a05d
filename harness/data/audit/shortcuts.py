"""The audit of a dataset: can real and fake be told apart without looking at the face?"""

from __future__ import annotations

import dataclasses
import os
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from harness.contracts import DatasetEntry
from harness.data import fingerprints
from harness.data.audit.background_facts import background_facts
from harness.data.audit.classifier import MODEL, separate
from harness.data.audit.grouping import Grouping, grouping_of, unnamed
from harness.data.audit.record import Audit, AuditPart
from harness.data.clips import content_of, identity_of
from harness.data.file_facts import Facts, container_facts
from harness.guard.clip_bounds import clip_clock, named_failure
from harness.metrics.bootstrap import graph_of
from harness.progress import Progress
from harness.types import FAKE, REAL, Clip, HarnessError

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
    hashes: list[str] = []
    if unnamed(chosen):
        prints = fingerprints.read(chosen, entry.name)
        hashes = [prints[clip.id].perceptual for clip in chosen]
    grouping = grouping_of(chosen, hashes)
    container, background = (
        _part(name, chosen, [getattr(look, name) for look in looks], grouping, entry.name, seed)
        for name in ("container", "background")
    )
    background = dataclasses.replace(background, unboxed=sum(not look.boxed for look in looks))
    facts = (entry.name, entry.version, identity_of(clips, entry), len(clips), seed, MODEL, grouping.said)
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
    grouping: Grouping,
    world: str,
    seed: int,
) -> AuditPart:
    """One kind of facts, judged; the interval weighs targets alone, for the source's face is covered.

    A clip that names no target is weighed with the first of its group that does, else with its group.

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
    targets, nobody = _weighed_as(these, grouping.groups[kept]), [None] * len(these)
    graph = graph_of(label, targets, nobody, [clip.id for clip in these], world)
    table = [facts for facts in looked if not isinstance(facts, str)]
    found = separate(table, label, grouping.groups[kept], [clip.manipulation for clip in these], graph, seed)
    return AuditPart(
        *(name, *counts, lost, found.auc),
        reason=found.reason,
        facts=found.facts,
        folds=found.folds,
        draws=found.draws,
        wobble=found.wobble,
        loose=int(grouping.loose[kept].sum()),
        method=graph.method,
        leads=found.leads,
        manipulations=found.manipulations,
    )


def _weighed_as(clips: Sequence[Clip], groups: np.ndarray) -> list[str | None]:
    """Whom each clip is weighed with: its target, else that of its group, else its group; None if alone."""
    of_group: dict[int, str] = {}
    for clip, group in zip(clips, groups.tolist(), strict=True):
        if clip.target is not None:
            of_group.setdefault(group, str(clip.target))
    count = Counter(groups.tolist())
    return [
        clip.target
        if clip.target is not None
        else of_group.get(group, f"group {group}" if count[group] > 1 else None)
        for clip, group in zip(clips, groups.tolist(), strict=True)
    ]


def _failures(looks: Sequence[ClipFacts]) -> tuple[str, ...]:
    """The first clip that failed in each part, with how many did."""
    lines = []
    for name in ("container", "background"):
        said = [getattr(look, name) for look in looks if isinstance(getattr(look, name), str)]
        if said:
            lines.append(f"{name}: {len(said)} clips could not be looked at; first: {said[0]}")
    return tuple(lines)
