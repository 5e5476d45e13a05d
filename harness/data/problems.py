"""What is wrong with the list and the files of a dataset, by name."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.contracts import DatasetEntry
from harness.data import left_out
from harness.data.clips import arranged
from harness.data.fingerprints import EMPTY, Fingerprint
from harness.data.location import near_miss
from harness.trees import files_below, is_image
from harness.types import Clip, HarnessError

SEVERITIES = ("error", "warning", "note")
MOST_FOLDERS = 20
"""Folders of extra files that are told apart; above, they count under the folder that holds them."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that was found out about a dataset."""

    severity: str
    """`error` (a number measured on it would be wrong), `warning` (it would need a footnote) or `note`."""
    what: str
    """The kind of finding in a few words, e.g. `missing files`."""
    text: str
    """One sentence, with numbers."""
    names: tuple[str, ...] = ()
    """Whom it concerns, one line each, all of them."""
    clips: tuple[str, ...] = ()
    """Ids of clips whose pictures show it; copies stand side by side."""


def listed(entry: DatasetEntry, root: Path) -> tuple[tuple[Clip, ...], list[Problem]]:
    """The clips with different ids, as far as the list could be read, and what is wrong with it."""
    found: dict[str, Clip] = {}
    twice: dict[str, Clip] = {}
    wrong: list[Problem] = []
    try:
        if entry.prepare is not None:
            entry.prepare(root)
        for clip in entry.clips(root):
            (twice if clip.id in found else found).setdefault(clip.id, clip)
    except (HarnessError, OSError) as error:  # a folder that may not be opened, for one
        hint = "" if found else near_miss(entry, root)
        wrong.append(Problem("error", "list", f"the list of clips cannot be read to its end: {error}{hint}"))
    if twice:
        said = f"{_counted(len(twice), 'id is', 'ids are')} given to two clips; the first one counts here"
        wrong.append(Problem("error", "ids given twice", said, tuple(sorted(twice))))
    if not found and not wrong:
        wrong.append(Problem("error", "list", f"no clip under {root}{near_miss(entry, root)}"))
    try:
        return arranged(entry, tuple(found.values())), wrong
    except HarnessError as error:
        wrong.append(Problem("error", "list", f"the clips cannot be arranged: {error}"))
        return tuple(found.values()), wrong


def absent(clips: Sequence[Clip], root: Path) -> tuple[list[Clip], list[Problem]]:
    """The clips whose files are there, and the names of those that are not."""
    there = [clip for clip in clips if os.path.exists(clip.path)]
    gone = {clip.id for clip in clips} - {clip.id for clip in there}
    if not gone:
        return there, []
    names = tuple(name_under(clip.path, root) for clip in clips if clip.id in gone)
    said = f"{len(gone):,} of {_counted(len(clips), 'listed clip', 'listed clips')}: there is no such file"
    return there, [Problem("error", "missing files", said, names)]


def unreadable(prints: Mapping[str, Fingerprint]) -> Iterator[Problem]:
    """Empty, damaged and cut off files, and clips of one frame."""
    empty = [each.clip_id for each in prints.values() if each.error == EMPTY]
    if empty:
        said = _counted(len(empty), "clip is an empty file", "clips are empty files")
        yield Problem("error", "empty files", said, tuple(empty))
    broken = [f"{each.clip_id}: {each.error}" for each in prints.values() if each.error not in ("", EMPTY)]
    if broken:
        said = f"{_counted(len(broken), 'clip', 'clips')} cannot be read in full"
        yield Problem("error", "unreadable clips", said, tuple(broken))
    videos = [each for each in prints.values() if not each.error and each.container != "image"]
    single = [each.clip_id for each in videos if each.frames == 1]
    if single:
        said = f"{_counted(len(single), 'video has', 'videos have')} a single frame"
        yield Problem("warning", "one-frame clips", said, tuple(single), tuple(single))


def blank(prints: Mapping[str, Fingerprint]) -> list[str]:
    """The clips that can be read and show a single colour where they were looked at."""
    return [name for name, each in prints.items() if not each.error and not each.perceptual]


def extra(clips: Sequence[Clip], root: Path, others: Iterable[Clip] = ()) -> Iterator[Problem]:
    """Files under the root that no clip refers to, nor one of `others`, folder by folder; documents aside.

    Beside clips of their kind they are a warning. In a folder without any, which may belong to another
    dataset, they are a note.
    """
    top = root if root.is_dir() else root.parent
    known = {os.path.abspath(clip.path) for clip in (*clips, *others)}
    homes = {(os.path.dirname(path), is_image(Path(path))) for path in known}
    folders: dict[bool, dict[str, list[str]]] = {True: defaultdict(list), False: defaultdict(list)}
    for path in files_below(top, known):
        if path.suffix.lower() not in left_out.DOCUMENTS and path != root.absolute():
            folders[(str(path.parent), is_image(path)) in homes][str(path.parent)].append(path.name)
    for beside, severity, where in (
        (True, "warning", "beside the clips, not in the list"),
        (False, "note", "without a listed clip"),
    ):
        found = folders[beside]
        if found:
            lines = _grouped({name_under(Path(folder), top): names for folder, names in found.items()})
            files = sum(map(len, found.values()))
            said = (
                f"{_counted(files, 'file', 'files')} in {_counted(len(found), 'folder', 'folders')} {where}"
            )
            yield Problem(severity, "extra files", said, tuple(lines))


def dropped(entry: DatasetEntry, root: Path) -> Iterator[Problem]:
    """What a check says of such a dataset: how names were taken, and a finding a reason, with every file.

    What may be a clip that nobody reads, or lies in a folder that says neither class, is a warning.
    """
    try:
        faults = list(entry.faults(root)) if entry.faults is not None else []
        remarks = list(entry.remarks(root)) if entry.remarks is not None else []
        groups = left_out.left_out(entry, root, ()) if entry.left_out is not None else ()
    except (HarnessError, OSError):  # said by the list of clips already
        return
    for fault in faults:
        yield Problem("error", "folders", fault)
    for remark in remarks:
        yield Problem("note", "frames", remark)
    for each in groups:
        documents = {Path(name).suffix.lower() for name in each.files} <= left_out.DOCUMENTS
        what = f"{len(each.files):,} {'file is no clip' if len(each.files) == 1 else 'files are no clips'}"
        severity = "note" if documents or each.reason in left_out.UNIMPORTANT else "warning"
        yield Problem(severity, "left out", f"{what}: {each.reason}", each.files)


def _grouped(folders: Mapping[str, list[str]]) -> list[str]:
    """One line a folder; the deepest ones are merged until there are few."""
    groups = dict(folders)
    while len(groups) > MOST_FOLDERS:
        deepest = max(len(Path(folder).parts) for folder in groups)
        if deepest <= 1:
            break
        merged: dict[str, list[str]] = defaultdict(list)
        for folder, names in groups.items():
            path = Path(folder)
            if len(path.parts) == deepest:
                merged[str(path.parent)] += [f"{path.name}/{name}" for name in names]
            else:
                merged[folder] += names
        groups = merged
    lines = []
    for folder, names in sorted(groups.items()):
        more = "" if len(names) <= 3 else " ..."
        lines.append(
            f"{folder}: {_counted(len(names), 'file', 'files')}: {', '.join(sorted(names)[:3])}{more}"
        )
    return lines


def name_under(path: Path, root: Path) -> str:
    """A path as seen from the root, where it lies under it."""
    top = root if root.is_dir() else root.parent
    try:
        return path.absolute().relative_to(top.absolute()).as_posix()
    except ValueError:
        return str(path)


def kinds(clips: Iterable[Clip]) -> Counter[tuple[str, str]]:
    """How many clips there are of each (split, `real` or manipulation)."""
    return Counter((clip.split, clip.manipulation or "real") for clip in clips)


def _counted(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"
