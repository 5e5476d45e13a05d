"""An audit as text: its verdicts, the leading facts, the counterfactual, and what follows."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

from harness.data.audit.record import LIMIT, Audit, AuditPart, Counterfactual, Estimate
from harness.tables import Table, number, plain, wrapped

LONGEST_CELL = 30
VERDICTS = {
    "shortcut": f"a shortcut: the AUC is above {LIMIT}, and the whole interval above 0.5",
    "clear": f"clear: the whole interval is below {LIMIT}",
    "uncertain": "not shown either way",
    "undefined": "undefined",
}
LOOKED_AT = {
    "container": "facts of the file: no picture was looked at",
    "background": "the picture with the face covered",
}


def described(audit: Audit, root: Path | None = None) -> str:
    """The audit as text, at most 100 columns wide; `root` is where the clips lie, if that had to be said."""
    parts = [plain(_summary(audit))]
    parts += [plain(table) for part in audit.parts for table in _tables(part)]
    if audit.counterfactual is not None:
        parts.append(plain(_before_and_after(audit.counterfactual)))
    parts += [wrapped(line) for line in _conclusions(audit, root)]
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
        f"has not met: AUC with its 95 % interval. {audit.model} ({_draws(audit)}); never divided between "
        f"folds: {audit.groups}; seed {audit.seed}; {audit.listed} clips listed."
    )
    header = ("judged by", "AUC", "95 %", "verdict", "reals", "fakes", "failed r + f", "facts")
    return Table(f"Audit of {audit.dataset} (version {audit.version})", header, tuple(lines), note)


def _tables(part: AuditPart) -> Iterator[Table]:
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
    if judged.sharpness_before is not None and judged.sharpness_after is not None:
        sharp = f"{judged.sharpness_before:.3f} before and {judged.sharpness_after:.3f} after"
        note += f" Sharpness alone tells the classes apart by an AUC of {sharp}."
    return Table(f"Counterfactual: {judged.detector}", ("", "AUC", "95 %"), tuple(lines), note)


def _fall(judged: Counterfactual) -> str:
    """What the difference means, in a sentence, and what the treatment left."""
    before, after, apart = judged.before, judged.after, judged.difference
    alike = "once both classes are coded alike and have the same detail"
    left = judged.sharpness_after
    still = (
        f" Sharpness still tells the classes by an AUC of {left:.3f}: what is left may be no more than that."
        if left is not None and left > LIMIT
        else ""
    )
    if apart.high < 0:
        return (
            f"{judged.detector} loses {-apart.value:.3f} of its AUC of {before.value:.3f} {alike}: that much "
            f"came of how the files were made and of traces in the detail that the treatment takes from both "
            f"classes; {after.value:.3f} is what is left to its look at the pictures.{still}"
        )
    if apart.low > 0:
        return (
            f"{judged.detector} gains {apart.value:.3f} AUC {alike}: how the files were made stood in its "
            f"way here, and {after.value:.3f} is what its look at the pictures gives.{still}"
        )
    return (
        f"{judged.detector} does not lose AUC beyond chance {alike} ({apart.value:+.3f}, the interval holds "
        f"0): there is no sign that its {before.value:.3f} came of how the files were coded. A shortcut in "
        f"the pictures themselves would still be there.{still}"
    )


def _conclusions(audit: Audit, root: Path | None) -> Iterator[str]:
    for part in audit.parts:
        reason = part.reason or "; ".join(_doubts(part))
        yield f"{part.name}: {VERDICTS[part.verdict]}{': ' + reason if reason else ''}."
        if part.auc is not None and part.auc.value < 1 - LIMIT:
            yield (
                f"{part.name}: an AUC this far below 0.5 is no sign of a clean set. It is what comes of a "
                f"fake and its real clip in different folds (are targets or footage named?), or of a fact "
                f"that means fake for some people and real for others."
            )
        if part.untold and part.auc is not None:
            yield (
                f"{part.name}: nobody says which real clip {part.loose:,} of {part.fakes:,} fakes were made "
                f"from: they name neither target nor footage, and neither name nor look led to one. If it is "
                f"among the reals, the two may be divided between folds, and a shortcut looks like chance."
            )
        if part.unboxed:
            yield (
                f"{part.name}: {part.unboxed} clips came without a face box, and a central square was "
                f"covered: where the face is elsewhere, it was looked at."
            )
    if audit.counterfactual is not None:
        yield _fall(audit.counterfactual)
    elif audit.shortcut:
        place = ["--root", str(root)] if root is not None else []
        again = shlex.join(
            ["gapbench", "data", "audit", audit.dataset, *place, "--counterfactual", "DETECTOR"]
        )
        yield f"A score on {audit.dataset} may be a score for its files. See what is left of one: {again}"


def _doubts(part: AuditPart) -> Iterator[str]:
    """Why a part is neither clear nor a shortcut."""
    if part.verdict != "uncertain" or part.auc is None:
        return
    if part.auc.value > LIMIT and part.auc.low <= 0.5:
        yield f"the AUC is above {LIMIT}, but the interval reaches down to 0.5, where chance is"
    elif part.auc.value > LIMIT and part.limit > LIMIT:
        yield (f"the AUC is above {LIMIT}, but faces may be seen, and it is not clearly above {part.limit}")
    elif part.auc.value > LIMIT:
        yield f"told apart beyond chance, but the AUC is so near {LIMIT} that other folds may bring it below"
    elif part.auc.high >= LIMIT:
        yield f"the interval is not wholly below {LIMIT}"
    elif part.auc.value < 1 - LIMIT:
        yield f"the AUC is below {1 - LIMIT:.1f}"
    if part.untold:
        yield "nobody says which fake was made from which real clip"


def _draws(audit: Audit) -> str:
    counts = sorted({part.draws for part in audit.parts if part.draws})
    return f"{' and '.join(map(str, counts)) or 'no'} draws"


def _bounds(found: Estimate | None, sign: bool = False) -> str:
    if found is None:
        return "-"
    return f"[{found.low:+.3f}, {found.high:+.3f}]" if sign else f"[{found.low:.3f}, {found.high:.3f}]"


def _short(text: str) -> str:
    return text if len(text) <= LONGEST_CELL else text[: LONGEST_CELL - 3] + "..."
