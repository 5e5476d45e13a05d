"""Clips of one's own under a name of their own: where they lie, and how they are read.

What is trained on, or judged beside others, needs a name that stays when its folder moves. The name, the
place and what was said of the clips are kept on this machine; only the name goes into weights and tables.
"""

from __future__ import annotations

import dataclasses
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePath
from typing import Any

from harness.contracts import NAME, DatasetEntry
from harness.files import TABLES, digest, home, read_json, write_whole
from harness.guard.regular import can_be_named, shown
from harness.guard.stored import fault_of, record_of, sealed, shape_of
from harness.progress import say
from harness.trees import clip_content
from harness.types import Clip, HarnessError, unknown

PEOPLE_FROM = ("parent", "names")
"""What may say who is seen: the folder a clip lies in; the names of clips, where those of fakes hold the name
of a real clip."""


@dataclass(frozen=True, slots=True)
class OwnSet:
    """A folder or a manifest of the user's, under a name of its own; stored as JSON in the home folder."""

    name: str
    kind: str
    """The dataset that reads it: `folder` or `manifest`."""
    root: str
    """Where it lies, as an absolute path: it is printed here, and never published."""
    content: str
    """sha256 (hex) of its list of clips and of what is in their files; a folder that moved keeps it."""
    people_from: str = ""
    """One of `PEOPLE_FROM`, or empty."""
    columns: Mapping[str, str] = field(default_factory=dict)
    """Column of a manifest -> what the file calls it, where it has another name."""
    labels: tuple[str, ...] = ()
    """What a manifest calls real and fake, where it has other words."""
    splits: bool = False
    """Whether clips of no stated split are split into train, val and test: they were trained on."""

    alike: Mapping[str, str] = field(default_factory=dict)
    """Id of a clip, without the name -> what it shares with those that look like copies of it."""

    @property
    def path(self) -> Path:
        """The file that says all this."""
        return home() / "own" / f"{self.name}.json"


SHAPE = {**shape_of(OwnSet), "labels?": [str]}


def kind_of(path: Path) -> str:
    """The dataset that reads a path: `folder`, `manifest`, or empty where it is neither."""
    folder = os.path.isdir(path)
    if path.name.lower().endswith(TABLES) and not folder:
        return "manifest"
    return "folder" if folder else ""


def own_names() -> list[str]:
    """The names given to clips of one's own on this machine, sorted."""
    return sorted(path.stem for path in (home() / "own").glob("*.json") if NAME.fullmatch(path.stem))


def find_own(name: str) -> OwnSet | None:
    """What is known under a name, None if nothing is; a damaged record is a `HarnessError`."""
    path = home() / "own" / f"{name}.json"
    if not NAME.fullmatch(name) or not os.path.lexists(path):
        return None
    again = "remove it, and give the clips their name again"
    said = record_of(read_json(path), path, "clips of one's own", SHAPE, again)
    try:
        found = OwnSet(**{**said, "labels": tuple(said.get("labels", ()))})
    except TypeError as error:
        raise HarnessError(f"{path} does not describe clips of one's own: {error}; {again}") from error
    other = bool(fault_of([*found.columns.values(), *found.alike.values()], [str]))
    other = other or not os.path.isabs(found.root) or not can_be_named(found.root)
    other = other or found.kind not in ("folder", "manifest") or len(found.labels) not in (0, 2)
    if other or found.name != name or found.people_from not in ("", *PEOPLE_FROM):
        raise HarnessError(f"{path} does not describe {name}; {again}")
    return found


def known_as(path: Path, get: Callable[[str], DatasetEntry]) -> OwnSet | None:
    """The set that lies at a path, or whose clips do since it was moved; None where nobody named it."""
    place = os.path.realpath(path)
    known = [found for name in own_names() if (found := find_own(name))]
    known.sort(key=lambda one: not one.splits)  # what was trained on first
    for one in known:
        if os.path.realpath(one.root) == place:
            return one
    alike = [one for one in known if one.kind == kind_of(path) and not os.path.exists(one.root)]
    for one in alike:
        if _content(dataclasses.replace(one, root=place), get) == one.content:
            moved = dataclasses.replace(one, root=place)
            _keep(moved)
            return moved
    return None


def bring(
    path: Path, name: str | None, said: Mapping[str, Any], get: Callable[[str], DatasetEntry]
) -> OwnSet:
    """Give a folder or a manifest a name, that of the folder unless another is given, and keep it.

    `said` are fields of `OwnSet` that were asked for now; what was said of the set before stays otherwise. A
    name that belongs to other clips, or to a dataset, is a `HarnessError`.
    """
    if not kind_of(path) or not os.path.exists(path):
        raise HarnessError(f"{shown(path)} is neither a folder nor a table of clips ({', '.join(TABLES)})")
    known = known_as(path, get)
    if known is not None and name not in (None, known.name):
        if known.splits:
            raise HarnessError(f"{path.name} was trained on as {known.name}; it keeps that name, not {name}")
        known = None
    root = os.path.realpath(path)
    chosen = name or (known.name if known else _name_of(path, get))
    if not NAME.fullmatch(chosen):
        raise HarnessError(f"the name {chosen!r} of {path.name} must be lower-case words joined by '_'")
    if _is_dataset(chosen, get):
        raise HarnessError(f"{chosen} is the name of a dataset; give {path.name} another one")
    before = find_own(chosen)
    if before is not None and before != known and os.path.exists(before.root) and not _at(before, root):
        raise HarnessError(
            f"the name {chosen} belongs to the clips in {before.root}; give {path.name} another one,"
            f" e.g. {chosen}_2"
        )
    if before is not None and not _at(before, root):
        say(f"the name {chosen} is that of {path.name} now; the clips that had it are gone")
    made = before if before is not None and _at(before, root) else OwnSet(chosen, kind_of(path), root, "")
    made = dataclasses.replace(
        made, kind=kind_of(path), root=root, **{k: v for k, v in said.items() if v not in (None, False)}
    )
    made = dataclasses.replace(made, content=_content(made, get))
    if made != before:
        _keep(made)
    return made


def _at(own: OwnSet, root: str) -> bool:
    return os.path.realpath(own.root) == root


def own_entry(name: str, get: Callable[[str], DatasetEntry]) -> DatasetEntry | None:
    """The dataset that clips of one's own are under their name; None where nothing has it."""
    found = find_own(name)
    if found is None:
        return None
    base = get(found.kind)
    return dataclasses.replace(
        base,
        name=name,
        clips=partial(_clips, base, found),
        about=f"clips of your own, a {found.kind}: {Path(found.root).name}",
        root=Path(found.root),
        people_from=found.people_from,
        splits=found.splits,
        alike=found.alike,
        remarks=None if found.columns or found.labels else base.remarks,
    )


def _keep(record: OwnSet) -> None:
    write_whole(record.path, json.dumps(sealed(dataclasses.asdict(record)), indent=1))


def _is_dataset(name: str, get: Callable[[str], DatasetEntry]) -> bool:
    try:
        return get(name).root is None
    except HarnessError:
        return False


def _name_of(path: Path, get: Callable[[str], DatasetEntry]) -> str:
    """The name of a folder or file in lower-case words; `own_...` where it has none, or a dataset's."""
    words = re.findall("[a-z0-9]+", Path(os.path.realpath(path)).stem.lower())
    name = "_".join(words)
    return f"own_{name or 'clips'}" if not name or _is_dataset(name, get) else name


def _clips(base: DatasetEntry, own: OwnSet, root: Path) -> Iterator[Clip]:
    """The clips of a set, under ids that begin with its name and hold no folder above them."""
    listed = list(_read(base, own, root))
    above = _above([clip.id.removeprefix(f"{own.kind}/") for clip in listed])
    for clip in listed:
        inner = clip.id.removeprefix(f"{own.kind}/")
        yield dataclasses.replace(clip, id=f"{own.name}/{inner.removeprefix(above)}")


def _read(base: DatasetEntry, own: OwnSet, root: Path) -> Iterator[Clip]:
    if own.columns or own.labels:
        if own.kind != "manifest":
            raise HarnessError(f"{root.name} is a folder: --map and --labels are for a table of clips")
        return base.clips(root, columns=own.columns, labels=own.labels)  # type: ignore[call-arg]
    return base.clips(root)


def _above(names: list[str]) -> str:
    """What the clips outside a manifest's folder, listed by absolute paths, have above them in common."""
    outside = [os.path.dirname(name) for name in names if PurePath(name).is_absolute()]
    return os.path.join(os.path.commonpath(outside), "") if outside else ""


def _content(own: OwnSet, get: Callable[[str], DatasetEntry]) -> str:
    """sha256 (hex) of a list of clips and of what is in their files, wherever they lie."""
    listed = _clips(get(own.kind), dataclasses.replace(own, name="own"), Path(own.root))
    return digest([[c.id, c.label, c.split, c.manipulation, clip_content(c.path)] for c in listed])


def unknown_set(name: str, datasets: list[str]) -> HarnessError:
    """The error for what is neither a dataset, nor the name of clips of one's own, nor a folder or file."""
    error = unknown("dataset", name, [*datasets, *own_names()])
    return HarnessError(f"{error}; nor is there a folder, .csv or .parquet file {name}")
