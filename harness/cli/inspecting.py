"""The command `gapbench data check`."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness import registry
from harness.data.inspection import Inspection, inspect, report
from harness.data.inspection_page import page
from harness.data.location import Subset, absent, how_to_bring, missing, root_of
from harness.data.problems import listed
from harness.evaluation.matrix import Matrix, load_matrix
from harness.files import home, write_whole
from harness.progress import say
from harness.registry import DatasetEntry
from harness.types import Clip, HarnessError

Clips = Mapping[str, Sequence[Clip]]


@dataclass(frozen=True)
class Asked:
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


def run_data_check(options: argparse.Namespace) -> int:
    """Inspect datasets, print what was found and write it as a page; 1 if anything is an error, else 0."""
    asked = _asked(options)
    others = _others(asked)
    found: list[Inspection] = []
    for name, root in asked.roots.items():
        found.append(inspect(registry.datasets.get(name), root, others.get(name)))
        print(report(found[-1]), end="\n\n")
    file = options.html or home() / "reports" / f"{asked.title}.html"
    write_whole(file, page(asked.title, found))
    print(f"page: {file}")
    return 1 if any(inspection.of("error") for inspection in found) else 0


def _asked(options: argparse.Namespace) -> Asked:
    """The datasets that were named or, where none was, all that are on this machine."""
    names = list(dict.fromkeys(options.name))
    if options.root is not None:
        if len(names) != 1 or options.matrix:
            raise HarnessError("--root says where one dataset lies: name exactly one, and no matrix")
        entry = registry.datasets.get(names[0])
        if not options.root.exists():
            raise HarnessError(f"{options.root} does not exist")
        return Asked(entry.name, {entry.name: options.root})
    if options.matrix:
        return _of_matrix(load_matrix(options.matrix), names)
    if not names:
        return _present()
    roots = {name: _root(registry.datasets.get(name)) for name in names}
    return _with_each_other(names[0] if len(names) == 1 else "datasets", roots)


def _root(entry: DatasetEntry, data: Mapping[str, str] | None = None) -> Path:
    why = missing(entry, data)
    if why:
        raise HarnessError(f"dataset {entry.name}: {why}")
    return root_of(entry, data)


def _present() -> Asked:
    """All datasets that are on this machine; an embedded one that was not made yet is not made for this."""
    roots = {}
    for name, why in registry.datasets.broken().items():
        say(f"dataset {name} cannot be imported: {why}")
    for name in registry.datasets.names():
        entry = registry.datasets.get(name)
        if absent(entry) is None and root_of(entry).exists():
            roots[name] = root_of(entry)
    if not roots:
        first = registry.datasets.get(registry.datasets.names()[0])
        raise HarnessError(f"no dataset is on this machine; {how_to_bring(first)}")
    return _with_each_other("all", roots)


def _of_matrix(matrix: Matrix, names: Sequence[str]) -> Asked:
    """The datasets of a matrix (of `names` alone, where any are given) that are on this machine."""
    needed = dict.fromkeys(Subset.parse(text).dataset for text in (*matrix.train, *matrix.test))
    for name in names:
        if name not in needed:
            raise HarnessError(f"matrix {matrix.name} does not use {name} (it uses {', '.join(needed)})")
    roots: dict[str, Path] = {}
    for name in needed:
        why = absent(registry.datasets.get(name), matrix.data)
        if why:
            say(f"{name} is not checked: {why}")
        else:
            roots[name] = root_of(registry.datasets.get(name), matrix.data)
    if not roots:
        raise HarnessError(f"no dataset of matrix {matrix.name} is on this machine")
    tested = {Subset.parse(text).dataset for text in matrix.test}
    chosen = {name: root for name, root in roots.items() if not names or name in names}
    train = [text for text in matrix.train if Subset.parse(text).dataset in roots]
    against = {name: train for name in chosen if name in tested}
    return Asked(matrix.name, chosen, against, roots, trains=True)


def _with_each_other(title: str, roots: Mapping[str, Path]) -> Asked:
    return Asked(title, roots, {name: [other for other in roots if other != name] for name in roots}, roots)


def _others(asked: Asked) -> dict[str, Clips]:
    """Dataset -> what its test clips must share nothing with: the clips of other datasets, by name."""
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
