"""Which files under a dataset's root are no clips, and why: nothing is dropped without a word."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.contracts import DatasetEntry
from harness.trees import files_below
from harness.types import Clip, HarnessError

DOCUMENTS = frozenset(
    {"", ".cfg", ".csv", ".doc", ".docx", ".gz", ".h5", ".htm", ".html", ".ini", ".ipynb", ".json", ".jsonl"}
    | {".log", ".mat", ".md", ".npy", ".npz", ".parquet", ".pdf", ".pickle", ".pkl", ".py", ".rst", ".sh"}
    | {".db", ".sqlite", ".toml", ".tsv", ".txt", ".xls", ".xlsx", ".xml", ".yaml", ".yml"}
)
"""Endings of what comes along with clips; beside the clips of a list it is not told."""
MOST_REASONS = 8
"""Reasons that are told in one line, those of most files first."""
MOST_LOOKED_AT = 100_000
"""Files beside the clips of a list that are looked at: some datasets bring millions of masks."""
UNIMPORTANT = ("hidden", "masks of other images")
"""Reasons that ask for no footnote."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Files that are no clips, all for the same reason."""

    reason: str
    files: tuple[str, ...]
    """As seen from the root, sorted."""


def left_out(entry: DatasetEntry, root: Path, clips: Sequence[Clip]) -> tuple[LeftOut, ...]:
    """Every file under the root that is no part of a clip, by reason, most files first.

    A dataset that is what lies in its folders says so itself. Of one with lists of its own these are the
    files that no list names, documents aside; of a list in a file, those in the folders of its clips. Of
    an embedded one there are none.
    """
    found: dict[str, list[str]] = defaultdict(list)
    top = root if root.is_dir() else root.parent
    for path, reason in _left_out(entry, root, clips):
        found[reason].append(Path(os.path.relpath(path, top)).as_posix())
    listed = (LeftOut(reason, tuple(sorted(files))) for reason, files in found.items())
    return tuple(sorted(listed, key=lambda each: (-len(each.files), each.reason)))


def _left_out(entry: DatasetEntry, root: Path, clips: Sequence[Clip]) -> Iterator[tuple[Path, str]]:
    if entry.embedded:
        return
    if entry.left_out is not None:
        yield from entry.left_out(root)
        return
    known = {os.path.abspath(clip.path) for clip in clips}
    folders = [root] if root.is_dir() else sorted({clip.path.parent for clip in clips})
    found = (path for folder in folders for path in files_below(folder, known, deep=root.is_dir()))
    for number, path in enumerate(found):
        if number == MOST_LOOKED_AT:
            yield path, "with all after it not looked at"
            return
        if path.suffix.lower() not in DOCUMENTS:
            yield path, f"not among the listed clips ({_where(path, root)})"


def _where(path: Path, root: Path) -> str:
    """The folder right below the root that a file is in."""
    parts = Path(os.path.relpath(path, root if root.is_dir() else root.parent)).parts
    return f"{parts[0]}/" if len(parts) > 1 else "beside them"


def told(entry: DatasetEntry, root: Path, clips: Sequence[Clip]) -> str:
    """What whoever reads a number must know of how a dataset was listed, in one line; empty where nothing."""
    try:
        remarks = [*entry.remarks(root)] if entry.remarks is not None else []
        groups = left_out(entry, root, clips)
    except (HarnessError, OSError) as error:
        return f"which files are no clips is not known: {error}"
    if groups:
        number = sum(len(group.files) for group in groups)
        said = [f"{len(each.files):,} {each.reason} ({each.files[0]})" for each in groups[:MOST_REASONS]]
        rest = number - sum(len(group.files) for group in groups[:MOST_REASONS])
        said += [f"{rest:,} for other reasons"] if rest else []
        remarks.append(
            f"{number:,} {'file is no clip' if number == 1 else 'files are no clips'}: {'; '.join(said)}"
        )
    return ". ".join(remarks)
