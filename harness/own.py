"""A matrix for clips of your own: a folder or a manifest, and the detectors named on the command line."""

from __future__ import annotations

import json
import re
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from harness import registry
from harness.data import Subset
from harness.files import digest, home, write_whole
from harness.matrix import known_matrices, parse_matrix
from harness.types import NO_FACE_POLICY, HarnessError

MANIFESTS = (".csv", ".parquet")
ABOUT = """
Clips brought by whoever ran this ({what}). The numbers are about these clips alone; their labels are taken
from {where}. Before believing them, ask whether the clips can be told apart without looking at the faces:
gapbench data audit {dataset}.
"""


def matrix_named(options: Namespace) -> str:
    """The name or file of the matrix that `gapbench eval` was asked for.

    A folder or a manifest (`.csv`, `.parquet`) becomes a matrix, kept in the home folder, of the
    detectors named with `--detector`; anything else is a matrix, to which nothing can be added.
    """
    path = Path(options.matrix)
    manifest = path.suffix.lower() in MANIFESTS
    asked = [name for name in ("detector", "perturbation", "crop", "no_face") if getattr(options, name)]
    if (not manifest and not path.is_dir()) or (not asked and options.matrix in known_matrices()):
        if asked:
            option = f"--{asked[0].replace('_', '-')}"
            raise HarnessError(
                f"{options.matrix} is no folder or manifest: {option} is for clips of your own"
            )
        return str(options.matrix)
    if manifest and not path.is_file():
        raise HarnessError(f"manifest {path} does not exist")
    if not options.detector:
        raise HarnessError(
            f"say which detector judges {path}: --detector NAME (gapbench ls detectors lists them)"
        )
    dataset = "manifest" if manifest else "folder"
    words = re.findall("[a-z0-9]+", path.absolute().stem.lower())
    name = "-".join(["own", *words, digest(str(path.absolute()))[:6]])  # two folders may have one name
    text = _toml(options, dataset, path)
    parse_matrix(text, name)
    file = home() / "matrices" / f"{name}.toml"
    write_whole(file, text)
    return str(file)


def _toml(options: Namespace, dataset: str, path: Path) -> str:
    """The matrix as TOML; a wrong name is said by whoever reads it."""
    detectors, train, seeds = _asked_for(options.detector)
    embedded = {name: registry.datasets.get(Subset.parse(name).dataset).embedded for name in train}
    where = "the manifest" if dataset == "manifest" else "its folders"
    lines = {
        "about": ABOUT.format(what=f"{dataset} {path.absolute().name}", where=where, dataset=dataset).strip(),
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
        said += ["[crop]", f"{dataset} = {json.dumps(options.crop)}"]
    said += ["[data]", f"{dataset} = {json.dumps(str(path.absolute()), ensure_ascii=False)}"]
    return "\n".join(said) + "\n"


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
