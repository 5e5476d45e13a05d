"""Audits of datasets: the records, where they are kept, and reading them back without computing anything."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.files import home, plain, read_json, write_whole
from harness.guard.stored import record_of, sealed, shape_of
from harness.types import HarnessError

FORMAT = 2
"""Raised whenever a stored audit no longer means the same."""
LIMIT = 0.6
"""AUC without a look at the face from which on a dataset is said to have a shortcut, if it is not chance."""
LOOSE = 0.2
"""Share of the fakes of which nobody can say what they were made from, above which nothing is clear."""
UNCOVERED = 0.2
"""Share of clips without a face box above which a background may show faces."""
PLAIN = 0.8
"""AUC that the facts of a background need where faces may be seen: those of HiDF gave 0.73 to 0.75."""
SURE = 3.0
"""Standard deviations of the draw of folds by which the AUC has to exceed a limit: no seed decides."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """An AUC, or a difference of two, with the bounds of its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class LeadingFact:
    """One fact that the classifier leans on."""

    fact: str
    alone: float
    """AUC, out of fold, of a small tree that knows this fact only."""
    loss: float
    """By how much the AUC falls when this fact is shuffled among the clips judged."""
    real: str
    """Its middle number, or its commonest word, among real clips."""
    fake: str
    """The same among fakes."""


@dataclass(frozen=True, slots=True)
class AuditPart:
    """How well one kind of facts tells real from fake, on people the classifier has not met."""

    name: str
    """`container` or `background`."""
    reals: int
    fakes: int
    failed: tuple[int, int]
    """Real and fake clips whose facts could not be found; they are in no number."""
    auc: Estimate | None
    """None is undefined, and `reason` says why."""
    reason: str = ""
    facts: int = 0
    """Facts that differ from clip to clip."""
    folds: int = 0
    method: str = ""
    """How the interval was found: `node`, `cluster`, `mixed` or `clip`."""
    leads: tuple[LeadingFact, ...] = ()
    """Most telling first."""
    manipulations: Mapping[str, Estimate] = field(default_factory=dict)
    """AUC of the fakes of each manipulation against all reals, by the same scores."""
    unboxed: int = 0
    """Clips without a face box, of which a central square was covered."""
    draws: int = 0
    """Draws of folds and forests that the AUC is the mean of."""
    wobble: float = 0.0
    """Standard deviation of the AUC where only the draw of folds and forests is another one."""
    loose: int = 0
    """Fakes that name neither target nor footage and were joined with no real clip: see `grouping`."""

    @property
    def verdict(self) -> str:
        """`shortcut`, `clear`, `uncertain`, or `undefined`.

        A shortcut has an AUC above 0.6, whatever the seed, and an interval wholly above 0.5; a background
        that may show faces has an AUC above 0.8. Clear is an interval wholly below 0.6, unless the AUC is
        below 0.4 (a classifier that is sure to be wrong has found something too) or more than a fifth of
        the fakes are loose (their real clips may hide a shortcut).
        """
        if self.auc is None:
            return "undefined"
        if self.auc.low > 0.5 and self.auc.value - SURE * self.wobble > self.limit:
            return "shortcut"
        low = self.auc.high < LIMIT and self.auc.value >= 1 - LIMIT
        return "clear" if low and not self.untold else "uncertain"

    @property
    def limit(self) -> float:
        """The AUC above which this is a shortcut."""
        shown = self.unboxed > UNCOVERED * (self.reals + self.fakes)
        return PLAIN if shown else LIMIT

    @property
    def untold(self) -> bool:
        """Whether of too many fakes nobody can say which real clip they were made from."""
        return self.loose > LOOSE * self.fakes


@dataclass(frozen=True, slots=True)
class Counterfactual:
    """A detector's AUC as the files are, and after the same treatment of both classes."""

    detector: str
    treatment: str
    clips: str
    """Which clips were judged."""
    reals: int
    fakes: int
    failed: int
    before: Estimate
    after: Estimate
    difference: Estimate
    """After minus before, clip by clip the same draws."""
    sharpness_before: float | None = None
    """AUC of how sharp a clip is, in whichever direction tells more, in [0.5, 1]; None in early records."""
    sharpness_after: float | None = None


@dataclass(frozen=True, slots=True)
class Audit:
    """What was found out about one dataset without looking at a face."""

    dataset: str
    version: str
    clips_sha256: str
    """Digest of all clips listed (`clips.identity_of`): an audit of other clips says nothing here."""
    listed: int
    seed: int
    model: str
    """The classifier, fixed before any dataset was seen."""
    groups: str
    """What is never divided between folds."""
    container: AuditPart
    background: AuditPart
    counterfactual: Counterfactual | None = None
    content_sha256: str = ""
    """Digest of the clips and their files (`clips.content_of`); empty in an audit of an earlier version."""

    @property
    def parts(self) -> tuple[AuditPart, AuditPart]:
        """Both kinds of facts."""
        return self.container, self.background

    @property
    def shortcut(self) -> bool:
        """Whether real and fake are told apart without a face, by either kind of facts."""
        return any(part.verdict == "shortcut" for part in self.parts)

    @property
    def warning(self) -> str:
        """The worse AUC and what it came from, for a badge; empty where there is no shortcut."""
        worst = max(
            ((part.auc.value, part.name) for part in self.parts if part.auc and part.verdict == "shortcut"),
            default=None,
        )
        return f"AUC {worst[0]:.2f} by {worst[1]} alone" if worst else ""

    @property
    def doubt(self) -> str:
        """Which kinds of facts were not shown to be clear, where none is a shortcut; empty where all are."""
        if self.shortcut:
            return ""
        open_ = [f"{part.name} {part.verdict}" for part in self.parts if part.verdict != "clear"]
        return ", ".join(open_)


def audit_file(dataset: str, clips_sha256: str = "") -> Path:
    """Where the last audit of a dataset is kept, or that of these clips: two folders may be one dataset."""
    return home() / "audits" / f"{'-'.join(filter(None, (dataset, clips_sha256[:8])))}.json"


def write_audit(audit: Audit) -> Path:
    """Keep an audit, in place of an older one; returns its file."""
    text = json.dumps(sealed({"format": FORMAT, **plain(audit)}), indent=1) + "\n"
    write_whole(audit_file(audit.dataset, audit.clips_sha256), text)
    write_whole(audit_file(audit.dataset), text)
    return audit_file(audit.dataset)


def read_audit(dataset: str, clips_sha256: str = "", content_sha256: str = "") -> Audit | None:
    """The audit kept of a dataset, or of these clips; None where there is none or only an older format.

    `content_sha256`: None too where it was an audit of other files under the same names. A damaged file
    is a `HarnessError` that names it.
    """
    file = audit_file(dataset, clips_sha256)
    if not os.path.lexists(file):
        return None
    hint = f"audit again: gapbench data audit {dataset}"
    told = record_of(read_json(file), file, "an audit", {"format": int}, hint)
    if told.pop("format") != FORMAT:
        return None
    told = record_of(told, file, "an audit", shape_of(Audit), hint)
    try:
        judged = told.pop("counterfactual")
        container, background = _part(told.pop("container")), _part(told.pop("background"))
        again = _counterfactual(judged) if judged else None
        audit = Audit(**told, container=container, background=background, counterfactual=again)
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise HarnessError(f"{file} is not an audit ({type(error).__name__}: {error}); {hint}") from error
    changed = content_sha256 and audit.content_sha256 and audit.content_sha256 != content_sha256
    return None if changed else audit


def _part(told: dict[str, Any]) -> AuditPart:
    auc = told.pop("auc")
    manipulations = told.pop("manipulations")
    leads, failed = told.pop("leads"), told.pop("failed")
    return AuditPart(
        **told,
        failed=(failed[0], failed[1]),
        auc=Estimate(**auc) if auc else None,
        leads=tuple(LeadingFact(**lead) for lead in leads),
        manipulations={name: Estimate(**found) for name, found in manipulations.items()},
    )


def _counterfactual(told: dict[str, Any]) -> Counterfactual:
    found: dict[str, Any] = {name: Estimate(**told.pop(name)) for name in ("before", "after", "difference")}
    return Counterfactual(**told, **found)
