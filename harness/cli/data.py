"""`gapbench data`: say where a dataset lies, check it, audit it."""

from __future__ import annotations

import dataclasses
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from harness import registry
from harness.cli.options import Adder, Parser, add_face_model, natural
from harness.contracts import DatasetEntry
from harness.data.clips import Subset, absent_files, list_clips
from harness.data.location import how_to_bring, root_of, set_root, why_absent, why_no_folder
from harness.evaluation.matrix import Matrix, load_matrix
from harness.files import expanded, home, write_whole
from harness.own_sets import kind_of
from harness.progress import say, show, tell
from harness.types import Clip, HarnessError

if TYPE_CHECKING:
    from harness.data.audit.record import Counterfactual
    from harness.data.check.inspection import Inspection


def add_data(command: Adder) -> None:
    """The arguments of `gapbench data`."""
    data = command("data", "bring a dataset, check it, audit it", "gapbench data set ffpp_c23 /data/ffpp")
    actions = data.add_subparsers(dest="action", metavar="ACTION", required=True, parser_class=Parser)

    place = actions.add_parser("set", help="say where a dataset lies (written to data.toml)")
    place.add_argument("dataset")
    place.add_argument("folder", type=Path, metavar="PATH")

    check = actions.add_parser("check", help="what is wrong with it: counts, files, clips, overlaps")
    check.add_argument("name", nargs="*", metavar="DATASET", help="default: all that are on this machine")
    check.add_argument("--matrix", help="also look for what its training and test sets share")
    check.add_argument("--root", type=expanded, metavar="PATH", help="where it lies, for this once")
    check.add_argument("--html", type=Path, metavar="FILE", help="where the page goes")

    audit = actions.add_parser("audit", help="can real and fake be told apart without looking at the face?")
    audit.add_argument("dataset")
    audit.add_argument("--root", type=expanded, metavar="PATH", help="where it lies, for this once")
    audit.add_argument(
        "--counterfactual",
        metavar="DETECTOR",
        help="AUC before and after both classes get one detail and coding",
    )
    audit.add_argument("--clips", type=natural, default=1000, help="clips of a class at most (default: 1000)")
    audit.add_argument("--seed", type=natural, default=0)
    for one in (check, audit):
        add_face_model(one)


def run_data(options: Namespace) -> int:
    """One of `data set`, `data check` and `data audit`."""
    return {"set": _set, "check": run_data_check, "audit": run_data_audit}[options.action](options)


def _set(options: Namespace) -> int:
    entry = registry.datasets.get(options.dataset)
    place = expanded(options.folder)
    clips = list_clips(entry, place) if place.exists() and not entry.embedded else ()
    file = set_root(options.dataset, options.folder)
    tell(f"{options.dataset} = {place.absolute()} (in {file})")
    lacking = absent_files(clips)
    said = f", of which {lacking} have no file" if lacking else ""
    tell(f"{len(clips)} clips listed{said}; look at them with: gapbench data check {options.dataset}")
    return 0


Clips = Mapping[str, Sequence[Clip]]


@dataclass(frozen=True)
class CheckRequest:
    """What is to be checked."""

    title: str
    """Names the page: a dataset, a matrix, or `all`."""
    roots: Mapping[str, Path]
    """Dataset -> where it lies."""
    against: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Dataset -> what it must share nothing with: training sets of a matrix, or all other datasets."""
    homes: Mapping[str, Path] = field(default_factory=dict)
    """Where those lie."""
    trains: bool = False
    """Whether `against` names training sets, so that their other clips do not matter."""


def run_data_check(options: Namespace) -> int:
    """Inspect datasets, print what was found and write it as a page; 1 if anything is an error, else 0."""
    from harness.data.check.contact_sheet import contact_sheet
    from harness.data.check.inspection import inspect, page, report

    asked = _asked(options)
    others = _others(asked)
    found: list[Inspection] = []
    for name, root in asked.roots.items():
        found.append(inspect(registry.datasets.get(name), root, others.get(name)))
        _keep(found[-1])
        show(report(found[-1]), end="\n\n")
    file = options.html or home() / "reports" / f"{asked.title}.html"
    sheets = {each.name: contact_sheet(each.pictures) for each in found if each.pictures}
    write_whole(file, page(asked.title, found, sheets))
    tell(f"page: {file}")
    for name, sheet in sheets.items():
        pictures = file.with_name(f"{file.stem}{f'-{name}' if len(found) > 1 else ''}.png")
        write_whole(pictures, sheet)
        tell(f"pictures: {pictures}")
    for each in found:
        for command in _not_asked(each, options.root):
            say(f"not asked yet: {command}")
    return 1 if any(inspection.of("error") for inspection in found) else 0


def _not_asked(found: Inspection, root: Path | None) -> tuple[str, ...]:
    """What else can be asked of clips that somebody brought."""
    from harness.data.audit.findings import findings_of

    if registry.datasets.get(found.name).embedded or not all(found.tally.present):
        return ()
    return findings_of(found.name, found.content_sha256, found.clips_sha256).recommended(root)


def _keep(found: Inspection) -> None:
    """Keep what was found, for whoever shows a number on these clips."""
    from harness.data.audit.findings import Checked, write_check

    if not sum(found.tally.listed):
        return
    errors, warnings = (
        tuple(f"{each.what}: {each.text}" for each in found.of(severity)) for severity in ("error", "warning")
    )
    tally = {each.name: getattr(found.tally, each.name) for each in dataclasses.fields(found.tally)}
    write_check(
        Checked(
            *(found.name, found.content_sha256),
            **tally,
            errors=errors,
            warnings=warnings,
            telling=found.telling,
        )
    )


def _asked(options: Namespace) -> CheckRequest:
    """The datasets that were named or, where none was, all that are on this machine."""
    names = list(dict.fromkeys(options.name))
    if options.root is not None:
        if len(names) != 1 or options.matrix:
            raise HarnessError("--root says where one dataset lies: name exactly one, and no matrix")
        entry = registry.datasets.get(names[0])
        if not options.root.exists():
            raise HarnessError(f"{options.root} does not exist")
        return CheckRequest(entry.name, {entry.name: options.root})
    if options.matrix:
        return _of_matrix(load_matrix(options.matrix), names)
    if not names:
        return _present()
    roots = {name: _root(_entry(name, "check")) for name in names}
    return _with_each_other(names[0] if len(names) == 1 else "datasets", roots)


def _entry(name: str, command: str) -> DatasetEntry:
    """The dataset of a name; of a folder or a list of clips, which has none, the command that reads it."""
    kind = kind_of(expanded(name))
    if kind and not registry.datasets.knows(name):
        said = f"{name} is a {kind} of clips: gapbench data {command} {kind} --root {name}"
        raise HarnessError(said if expanded(name).exists() else f"{name} does not exist")
    return registry.datasets.get(name)


def _root(entry: DatasetEntry, data: Mapping[str, str] | None = None) -> Path:
    why = why_no_folder(entry, data)
    if why:
        raise HarnessError(f"dataset {entry.name}: {why}")
    return root_of(entry, data)


def _present() -> CheckRequest:
    """All datasets that are on this machine; an embedded one that was not made yet is not made for this."""
    roots = {}
    for name, why in registry.datasets.broken().items():
        say(f"dataset {name} cannot be imported: {why}")
    for name in registry.datasets.names():
        entry = registry.datasets.get(name)
        if why_absent(entry) is None and root_of(entry).exists():
            roots[name] = root_of(entry)
    if not roots:
        first = registry.datasets.get(registry.datasets.names()[0])
        raise HarnessError(f"no dataset is on this machine; {how_to_bring(first)}")
    return _with_each_other("all", roots)


def _of_matrix(matrix: Matrix, names: Sequence[str]) -> CheckRequest:
    """The datasets of a matrix (of `names` alone, where any are given) that are on this machine."""
    needed = dict.fromkeys(Subset.parse(text).dataset for text in (*matrix.learnt, *matrix.test))
    for name in names:
        if name not in needed:
            raise HarnessError(f"matrix {matrix.name} does not use {name} (it uses {', '.join(needed)})")
    roots: dict[str, Path] = {}
    for name in needed:
        why = why_absent(registry.datasets.get(name), matrix.data)
        if why:
            say(f"{name} is not checked: {why}")
        else:
            roots[name] = root_of(registry.datasets.get(name), matrix.data)
    if not roots:
        raise HarnessError(f"no dataset of matrix {matrix.name} is on this machine")
    tested = {Subset.parse(text).dataset for text in matrix.test}
    chosen = {name: root for name, root in roots.items() if not names or name in names}
    train = [text for text in matrix.learnt if Subset.parse(text).dataset in roots]
    against = {name: train for name in chosen if name in tested}
    return CheckRequest(matrix.name, chosen, against, roots, trains=True)


def _with_each_other(title: str, roots: Mapping[str, Path]) -> CheckRequest:
    return CheckRequest(
        title, roots, {name: [other for other in roots if other != name] for name in roots}, roots
    )


def _others(asked: CheckRequest) -> dict[str, Clips]:
    """Dataset -> what its test clips must share nothing with: the clips of other datasets, by name."""
    from harness.data.problems import listed

    needed = {Subset.parse(text).dataset for texts in asked.against.values() for text in texts}
    clips = {name: listed(registry.datasets.get(name), asked.homes[name])[0] for name in sorted(needed)}
    found: dict[str, Clips] = {}
    for name, texts in asked.against.items():
        subsets = {text: Subset.parse(text) for text in texts}
        found[name] = {
            text: subset.for_training(clips[subset.dataset]) if asked.trains else clips[subset.dataset]
            for text, subset in subsets.items()
            if subset.dataset != name and clips[subset.dataset]
        }
    return found


def run_data_audit(options: Namespace) -> int:
    """Audit one dataset; 1 when real and fake are told apart without looking at the face, else 0."""
    from harness.data.audit.findings import findings_of
    from harness.data.audit.record import write_audit
    from harness.data.audit.shortcuts import audit_dataset, chosen_clips
    from harness.data.audit.summary import described

    entry = _entry(options.dataset, "audit")
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
    show("\n" + described(audit, options.root) + "\n")
    for line in failures:
        say(f"warning: {line}")
    tell(f"wrote {file}")
    known = findings_of(entry.name, audit.content_sha256, audit.clips_sha256)
    for command in () if entry.embedded else known.recommended(options.root):
        say(f"not asked yet: {command}")
    return 1 if audit.shortcut else 0


Judge = Callable[[DatasetEntry, Sequence[Clip]], "Counterfactual"]


def _judge(name: str) -> Judge:
    """What gives a detector's counterfactual; the detector is found at once, so that a misspelt one is told.

    It judges the test split alone: it may know the others by heart.
    """
    from harness.evaluation.contestants import contestant_of
    from harness.evaluation.counterfactual import before_and_after
    from harness.runtime.device import device_of
    from harness.video.face_tracks import located

    contestant = contestant_of(name, device_of("auto"))

    def judge(entry: DatasetEntry, clips: Sequence[Clip]) -> Counterfactual:
        shown = located(clips, entry.crop, entry.name, [contestant.frames])
        return before_and_after(contestant, name, shown, "test split", entry.crop, entry.name)

    return judge


def _with_faces(name: str, clips: list[Clip]) -> Sequence[Clip]:
    """The clips with the places of their faces, found where they did not come along."""
    from harness.data.audit.background_facts import FRAMES
    from harness.video.face_tracks import faces_missing, located

    if all(clip.attributes.get("box") is not None for clip in clips):
        return clips
    why = faces_missing()
    if why is not None:
        say(f"warning: no face can be found, so a central square is covered instead: {why}")
        return clips
    return located(clips, "face", name, [FRAMES])
