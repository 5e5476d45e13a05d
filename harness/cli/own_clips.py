"""A matrix made of the command line: clips of your own or a dataset, and the detectors that judge them."""

from __future__ import annotations

import json
import re
import shlex
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from harness import registry
from harness.data.clips import Subset
from harness.evaluation.matrix import known_matrices, parse_matrix
from harness.files import TABLES, digest, expanded, home, write_whole
from harness.types import NO_FACE_POLICY, HarnessError

ABOUT = """
Clips brought by whoever ran this ({what}). The numbers are about these clips alone; their labels are taken
from {where}. Before believing them, ask whether the clips can be told apart without looking at the faces:
{command}.
"""


def matrix_named(options: Namespace) -> str:
    """The name or file of the matrix that `gapbench eval` was asked for.

    A folder, a manifest (`files.TABLES`), or with `--detector` a dataset, becomes a matrix of the
    detectors named, kept in the home folder; anything else is a matrix, to which nothing can be added.
    """
    asked = [name for name in ("detector", "perturbation", "crop", "no_face") if getattr(options, name)]
    if not asked and options.matrix in known_matrices():
        return str(options.matrix)
    dataset, path = _tested(options)
    if not dataset:
        if asked:
            option = f"--{asked[0].replace('_', '-')}"
            raise HarnessError(f"{options.matrix} is no folder, manifest or dataset, which {option} is for")
        return str(options.matrix)
    if not options.detector:
        raise HarnessError(
            f"say which detector judges {options.matrix}: --detector NAME (gapbench ls detectors lists them)"
        )
    words = re.findall("[a-z0-9]+", (path.absolute().stem if path else dataset).lower())
    place = [digest(str(path.absolute()))[:6]] if path else []  # two folders may have one name
    name = "-".join(["own", *words, *place])
    text = _toml(options, dataset, path)
    parse_matrix(text, name)
    file = home() / "matrices" / f"{name}.toml"
    write_whole(file, text)
    return str(file)


def _tested(options: Namespace) -> tuple[str, Path | None]:
    """The dataset that is meant, and the place where it lies; an empty name where a matrix is meant."""
    path = expanded(options.matrix)
    if path.name.lower().endswith(TABLES) and not path.is_dir():
        if not path.is_file():
            raise HarnessError(f"manifest {path} does not exist")
        return "manifest", path
    if path.is_dir():
        return "folder", path
    known = options.detector and Subset.parse(options.matrix).dataset in registry.datasets.names()
    return (str(options.matrix), None) if known else ("", None)


def _toml(options: Namespace, dataset: str, path: Path | None) -> str:
    """The matrix as TOML; a wrong name is said by whoever reads it."""
    detectors, train, seeds = _asked_for(options.detector)
    embedded = {name: registry.datasets.get(Subset.parse(name).dataset).embedded for name in train}
    lines = {
        "about": _about(dataset, path),
        "detectors": detectors,
        "train": train,
        "test": [dataset],
        "perturbations": options.perturbation or [],
        "recipe": "published",
        "seeds": seeds,
        "no_face": options.no_face or NO_FACE_POLICY,
    }
    said = [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in lines.items()]
    said += ["[recipes]", *(f'"{name}" = "procedural"' for name in train if embedded[name])]
    if options.crop:
        said += ["[crop]", f"{Subset.parse(dataset).dataset} = {json.dumps(options.crop)}"]
    if path:
        said += ["[data]", f"{dataset} = {json.dumps(str(path.absolute()), ensure_ascii=False)}"]
    return "\n".join(said) + "\n"


def _about(dataset: str, path: Path | None) -> str:
    if path is None:
        return (
            f"Detectors named on the command line, on {dataset}. The numbers say nothing about other clips."
        )
    where = "the manifest" if dataset == "manifest" else "its folders"
    command = f"gapbench data audit {dataset} --root {shlex.quote(str(path))}"
    return ABOUT.format(what=f"{dataset} {path.absolute().name}", where=where, command=command).strip()


def _asked_for(names: Sequence[str]) -> tuple[list[str], list[str], list[int]]:
    """Detectors, training sets and seeds of names such as `xception@lab#1`; a matrix is all their pairs."""
    named = [re.fullmatch(r"([^@]*)(?:@(.*?)(?:#(\d+))?)?", name) for name in names]
    parts = [match.groups() for match in named if match]
    for detector, trained, _ in parts:
        trainable = registry.detectors.get(detector).trainable
        if trainable and not trained:
            raise HarnessError(
                f"say what {detector} was trained on: {detector}@DATASET, or name imported weights"
            )
        if trained and not trainable:
            raise HarnessError(f"{detector} is a fixed detector; write {detector} without @{trained}")
    pairs = {(detector, trained, int(seed or 0)) for detector, trained, seed in parts if trained}
    train = sorted({trained for _, trained, _ in pairs})
    seeds = sorted({seed for _, _, seed in pairs}) or [0]
    if len(pairs) != len({detector for detector, _, _ in pairs}) * len(train) * len(seeds):
        raise HarnessError(
            f"{', '.join(names)}: trained detectors must all be trained on the same sets from the same seeds;"
            " run them one after the other, or write a matrix"
        )
    return list(dict.fromkeys(detector for detector, _, _ in parts)), train, seeds
