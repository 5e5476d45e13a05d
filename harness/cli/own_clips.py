"""A matrix made of the command line: clips of your own or a dataset, and the detectors that judge them."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness import own_sets, registry
from harness.data.clips import Subset
from harness.evaluation.matrix import known_matrices, parse_matrix
from harness.files import TABLES, digest, expanded, home, write_whole
from harness.trees import is_image, is_video
from harness.types import NO_FACE_POLICY, Cell, HarnessError, entry_parts

COLUMNS = ("path", "label", "split", "manipulation", "target", "source", "box")
"""Columns of a manifest that `--map` may name."""
OF_OWN = (
    *("detector", "test", "perturbation", "crop", "no_face", "faces", "present", "limit"),
    *("name", "people_from", "map", "labels"),
)
"""Options of `eval` that say something of clips, for which a matrix has its file."""
ABOUT = """
Clips brought by whoever ran this ({what}). The numbers are about these clips alone; their labels are taken
from {where}.
"""


def add_own(command: argparse._ActionsContainer) -> None:
    """The options that say what clips of one's own are called, and how they are read."""
    command.add_argument("--name", help="what these clips are called (default: the name of their folder)")
    command.add_argument(
        "--people-from",
        choices=own_sets.PEOPLE_FROM,
        help="who is seen: the folder a clip lies in, or the names of fakes that hold that of a real clip",
    )
    command.add_argument(
        "--map", action="append", default=[], metavar="OURS=THEIRS", help="a column that has another name"
    )
    command.add_argument(
        "--labels", metavar="REAL,FAKE", help="what a file calls them (default: 0 and 1, real and fake)"
    )


def brought(
    path: Path, name: str | None, options: argparse.Namespace, splits: bool = False
) -> own_sets.OwnSet:
    """The clips at a path under a name of their own, as the options of `add_own` say how they are read."""
    said: dict[str, Any] = {"people_from": options.people_from, "splits": splits}
    if options.map or options.labels:
        from harness.results.score_file import wording

        words = wording(options.map, options.labels, None, known=COLUMNS)
        said |= {"columns": words.columns, "labels": words.labels}
    own = own_sets.bring(path, name, said, registry.datasets.get)
    if not splits:
        return own
    from harness.data.splits import look_alike

    entry = registry.datasets.get(own.name)
    clips = tuple(entry.clips(Path(own.root)))
    if {"train", "val"} <= {clip.split for clip in clips}:  # nothing is split, so nothing has to be read
        return own
    return own_sets.bring(path, own.name, {"alike": look_alike(clips, own.name)}, registry.datasets.get)


def trained_on_of(options: argparse.Namespace) -> str:
    """What `gapbench train --on` names: a dataset, a part of one, or clips of one's own, which get a name."""
    if options.on in registry.datasets.names():
        return str(options.on)
    path = expanded(options.on)
    if own_sets.kind_of(path):
        return brought(path, options.name, options, splits=True).name
    name = Subset.parse(options.on).dataset
    own = own_sets.find_own(name)
    if own is not None:
        brought(Path(own.root), name, options, splits=True)
    elif name not in registry.datasets.names():
        raise own_sets.unknown_set(options.on, registry.datasets.names())
    return str(options.on)


def matrix_named(options: argparse.Namespace) -> str:
    """The name or file of the matrix that `gapbench eval` was asked for.

    A folder, a manifest (`files.TABLES`), or with `--detector` a dataset, becomes a matrix of the detectors
    named, kept in the home folder; so do several of them (`--test`). Anything else is a matrix, to which
    nothing can be added.
    """
    asked = [name for name in OF_OWN if getattr(options, name)]
    if not asked and options.matrix is None:
        raise HarnessError("say what is evaluated: a matrix, a folder or file of clips, or --test NAME=PATH")
    if not asked and options.matrix in known_matrices():
        return str(options.matrix)
    tested = _tested(options)
    if not tested:
        if asked and options.matrix not in known_matrices() and not expanded(options.matrix).exists():
            raise own_sets.unknown_set(options.matrix, registry.datasets.names())
        if asked:
            if (file := expanded(options.matrix)).is_file() and file.suffix != ".toml":
                one = "; gapbench predict judges one file" if is_video(file) or is_image(file) else ""
                raise HarnessError(f"{file} is no table of clips: those end in {', '.join(TABLES)}{one}")
            option = f"--{asked[0].replace('_', '-')}"
            raise HarnessError(f"{options.matrix} is no folder, manifest or dataset, which {option} is for")
        return str(options.matrix)
    if not options.detector:
        named = options.matrix or ", ".join(tested)
        raise HarnessError(
            f"say which detector judges {named}: --detector NAME (gapbench ls detectors lists them)"
        )
    words = [word for name, path in tested.items() for word in _words(path.absolute().stem if path else name)]
    places = [str(path.absolute()) for path in tested.values() if path]
    place = [digest(places[0] if len(places) == 1 else places)[:6]] if places else []  # names may be the same
    name = "-".join(["own", *words, *place])
    text = _toml(options, tested)
    parse_matrix(text, name)
    file = home() / "matrices" / f"{name}.toml"
    write_whole(file, text)
    return str(file)


def _words(text: str) -> list[str]:
    return re.findall("[a-z0-9]+", text.lower())


def _tested(options: argparse.Namespace) -> dict[str, Path | None]:
    """The datasets that are meant, and where a folder or manifest without a name lies; empty for a matrix."""
    named = [text.partition("=") for text in options.test]
    found: dict[str, Path | None] = {}
    if options.matrix is not None:
        found |= _of_path_or_name(options, options.matrix, options.name, bool(named))
        if not found:
            if named:
                raise own_sets.unknown_set(options.matrix, registry.datasets.names())
            return {}
    elif options.name:
        raise HarnessError("--name is for one folder or file; --test NAME=PATH names several")
    for name, sign, path in named:
        if sign and not own_sets.kind_of(expanded(path)):
            raise HarnessError(
                f"--test {name}={path}: {path} is neither a folder nor a table ({', '.join(TABLES)})"
            )
        one = _of_path_or_name(options, path if sign else name, name if sign else None, True)
        if not one:
            raise own_sets.unknown_set(name, registry.datasets.names())
        if one.keys() & found.keys():
            raise HarnessError(
                f"{next(iter(one))} is tested twice; give one of them another name: --test NAME=PATH"
            )
        found |= one
    return found


def _of_path_or_name(
    options: argparse.Namespace, text: str, name: str | None, several: bool
) -> dict[str, Path | None]:
    """One test set: clips at a path, under a name of their own where they need one, or a dataset."""
    path = expanded(text)
    kind = own_sets.kind_of(path)
    if kind:
        if not path.exists():
            raise HarnessError(f"{kind} {path} does not exist")
        reading = options.people_from or options.map or options.labels
        if name or several or reading or own_sets.known_as(path, registry.datasets.get):
            return {brought(path, name, options).name: None}
        return {kind: path}
    known = registry.datasets.knows(Subset.parse(text).dataset)
    return {text: None} if known and (options.detector or several) else {}


def _toml(options: argparse.Namespace, tested: Mapping[str, Path | None]) -> str:
    """The matrix as TOML; a wrong name is said by whoever reads it."""
    lines: dict[str, Any] = {
        "about": _about(tested),
        "detectors": _asked_for(options.detector),
        "test": list(tested),
        "perturbations": options.perturbation or [],
        "no_face": options.no_face or NO_FACE_POLICY,
    }
    lines |= {"faces": options.faces} if options.faces else {}
    lines |= {"present": True} if options.present else {}
    lines |= {"limit": options.limit} if options.limit else {}
    lines |= {"unseen_people": True} if options.unseen_people else {}
    said = [f"{key} = {_quoted(value)}" for key, value in lines.items()]
    if options.crop:
        sets = dict.fromkeys(Subset.parse(name).dataset for name in tested)
        said += ["[crop]", *(f"{name} = {_quoted(options.crop)}" for name in sets)]
    places = {name: path for name, path in tested.items() if path}
    if places:
        said += ["[data]", *(f"{name} = {_quoted(str(path.absolute()))}" for name, path in places.items())]
    return "\n".join(said) + "\n"


def _quoted(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _about(tested: Mapping[str, Path | None]) -> str:
    sets = {name: own_sets.find_own(Subset.parse(name).dataset) for name in tested}
    own = {name: one for name, one in sets.items() if one}
    if not own and not any(tested.values()):
        names = ", ".join(tested)
        return f"Detectors named on the command line, on {names}. The numbers say nothing about other clips."
    kinds = {path_kind for path_kind, path in tested.items() if path} | {one.kind for one in own.values()}
    where = {"folder": "its folders", "manifest": "the manifest"}
    whose = where[kinds.pop()] if len(kinds) == 1 and len(tested) == 1 else "their folders and manifests"
    what = [f"{name} {path.absolute().name}" if path else name for name, path in tested.items()]
    return ABOUT.format(what=", ".join(what), where=whose).strip()


def _asked_for(names: Sequence[str]) -> list[str]:
    """The detectors that are meant, weights by their full name: `xception@lab~procedural#1`."""
    asked = [entry_parts(name) for name in names]
    why = [registry.detectors.why_absent(detector) for detector, _, _ in asked]
    if all(why):  # else the others run, and its cells are absent
        raise HarnessError("; ".join(dict.fromkeys(why)))
    for (detector, trained_on, _), absent in zip(asked, why, strict=True):
        if absent:
            continue
        trainable = registry.detectors.get(detector).trainable
        if trainable and not trained_on:
            raise HarnessError(
                f"say what {detector} was trained on: {detector}@DATASET, or name imported weights"
            )
        if trained_on and not trainable:
            raise HarnessError(f"{detector} is a fixed detector; write {detector} without @{trained_on}")
    return list(dict.fromkeys(Cell(detector, on, "", seed=seed).entry for detector, on, seed in asked))
