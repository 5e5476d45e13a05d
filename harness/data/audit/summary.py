"""What `gapbench data audit` does: audits a dataset, keeps the audit, and says what was found."""

from __future__ import annotations

import dataclasses
import shlex
from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence

from harness import registry
from harness.data.audit.record import LIMIT, Audit, Counterfactual, Estimate, Part, write_audit
from harness.data.audit.shortcuts import audit_dataset, chosen_clips
from harness.data.location import list_clips, root_of
from harness.progress import say
from harness.tables import Table, number, plain, wrapped
from harness.types import Clip, HarnessError
from harness.video.places import faces_missing, located

LONGEST_CELL = 30
VERDICTS = {
    "shortcut": f"a shortcut: the AUC is above {LIMIT}",
    "clear": f"clear: the whole interval is below {LIMIT}",
    "uncertain": f"not shown either way: the interval is not wholly below {LIMIT}",
    "undefined": "undefined",
}
LOOKED_AT = {
    "container": "facts of the file: nothing was decoded",
    "background": "the picture with the face covered",
}


def run_data_audit(options: Namespace) -> int:
    """Audit one dataset; 1 when real and fake are told apart without looking at the face, else 0."""
    entry = registry.datasets.get(options.dataset)
    if entry.embedded and options.root:
        raise HarnessError(f"{entry.name} is made by GapBench; --root is for datasets that you bring")
    if options.clips < 1:
        raise HarnessError("--clips is at least 1")
    judge = _judge(options.counterfactual) if options.counterfactual else None
    clips = list_clips(entry, options.root or root_of(entry))
    tested = [clip for clip in clips if clip.split == "test"]
    judged = chosen_clips(tested, options.clips, "of the test split ") if judge else []
    chosen = _with_faces(entry.name, chosen_clips(clips, options.clips))
    audit, failures = audit_dataset(entry, clips, chosen, options.seed)
    file = write_audit(audit)
    if judge is not None:
        audit = dataclasses.replace(audit, counterfactual=judge(entry, judged))
        write_audit(audit)
    print("\n" + described(audit) + "\n")
    for line in failures:
        say(f"warning: {line}")
    print(f"wrote {file}")
    return 1 if audit.shortcut else 0


Judge = Callable[[registry.DatasetEntry, Sequence[Clip]], Counterfactual]


def _judge(name: str) -> Judge:
    """What gives a detector's counterfactual; the detector is found at once, so that a misspelt one is told.

    It judges the test split alone: it may know the others by heart.
    """
    from harness.evaluation.counterfactual import before_and_after
    from harness.evaluation.naming import contestant_of, device_of

    contestant = contestant_of(name, device_of("auto"))

    def judge(entry: registry.DatasetEntry, clips: Sequence[Clip]) -> Counterfactual:
        shown = located(clips, entry.crop, entry.name)
        return before_and_after(contestant, name, shown, "test split", entry.crop, entry.name)

    return judge


def _with_faces(name: str, clips: list[Clip]) -> Sequence[Clip]:
    """The clips with the places of their faces, found where they did not come along."""
    if all(clip.attributes.get("box") is not None for clip in clips):
        return clips
    why = faces_missing()
    if why is not None:
        say(f"warning: no face can be found, so a central square is covered instead: {why}")
        return clips
    return located(clips, "face", name)


def described(audit: Audit) -> str:
    """The audit as text, at most 100 columns wide."""
    parts = [plain(_summary(audit))]
    parts += [plain(table) for part in audit.parts for table in _tables(part)]
    if audit.counterfactual is not None:
        parts.append(plain(_before_and_after(audit.counterfactual)))
    parts += [wrapped(line) for line in _conclusions(audit)]
    return "\n\n".join(parts)


def _summary(audit: Audit) -> Table:
    lines = [
        (
            part.name,
            number(part.auc.value if part.auc else None),
            _bounds(part.auc),
            part.verdict,
            f"{part.reals}",
            f"{part.fakes}",
            f"{part.failed[0]} + {part.failed[1]}",
            f"{part.facts}",
        )
        for part in audit.parts
    ]
    note = (
        f"How well real and fake are told apart without looking at the face, on people that the classifier "
        f"has not met: AUC with its 95 % interval. {audit.model}; never divided between folds: "
        f"{audit.groups}; seed {audit.seed}; {audit.listed} clips listed."
    )
    header = ("judged by", "AUC", "95 %", "verdict", "reals", "fakes", "failed r + f", "facts")
    return Table(f"Audit of {audit.dataset} (version {audit.version})", header, tuple(lines), note)


def _tables(part: Part) -> Iterator[Table]:
    if part.leads and part.verdict != "clear":
        lines = [
            (lead.fact, number(lead.alone), number(lead.loss), _short(lead.real), _short(lead.fake))
            for lead in part.leads
        ]
        header = ("fact", "AUC alone", "missed by", "real", "fake")
        note = (
            "AUC alone: of a small tree that knows this fact only. Missed by: what the AUC loses when it is "
            "shuffled (0 where other facts say the same). Real, fake: middle number or commonest word."
        )
        yield Table(f"Leading facts: {part.name} ({LOOKED_AT[part.name]})", header, tuple(lines), note)
    if len(part.manipulations) > 1 and part.verdict != "clear":
        rows = [(name, number(found.value), _bounds(found)) for name, found in part.manipulations.items()]
        yield Table(f"Each manipulation: {part.name}", ("manipulation", "AUC", "95 %"), tuple(rows))


def _before_and_after(judged: Counterfactual) -> Table:
    lines = [
        ("as the files are", number(judged.before.value), _bounds(judged.before)),
        ("both classes treated alike", number(judged.after.value), _bounds(judged.after)),
        ("difference", f"{judged.difference.value:+.3f}", _bounds(judged.difference, sign=True)),
    ]
    counts = f"{judged.reals} real and {judged.fakes} fake clips, {judged.failed} could not be shown"
    note = f"{judged.clips}: {counts}. Treatment: {judged.treatment}."
    return Table(f"Counterfactual: {judged.detector}", ("", "AUC", "95 %"), tuple(lines), note)


def _conclusions(audit: Audit) -> Iterator[str]:
    for part in audit.parts:
        said = f"{VERDICTS[part.verdict]}{': ' + part.reason if part.reason else ''}"
        yield f"{part.name}: {said}."
        if part.auc is not None and part.auc.value < 1 - LIMIT:
            yield (
                f"{part.name}: an AUC this far below 0.5 is no sign of a clean set. It is what comes of a "
                f"fake and its real clip in different folds (are targets or footage named?), or of a fact "
                f"that means fake for some people and real for others."
            )
        if part.unboxed:
            yield (
                f"{part.name}: {part.unboxed} clips came without a face box, and a central square was "
                f"covered: where the face is elsewhere, it was looked at."
            )
    if audit.shortcut:
        again = shlex.join(["gapbench", "data", "audit", audit.dataset, "--counterfactual", "DETECTOR"])
        yield f"A score on {audit.dataset} may be a score for its files. See what is left of one: {again}"


def _bounds(found: Estimate | None, sign: bool = False) -> str:
    if found is None:
        return "-"
    return f"[{found.low:+.3f}, {found.high:+.3f}]" if sign else f"[{found.low:.3f}, {found.high:.3f}]"


def _short(text: str) -> str:
    return text if len(text) <= LONGEST_CELL else text[: LONGEST_CELL - 3] + "..."
