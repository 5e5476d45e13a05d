"""A matrix for clips of your own: a folder or a manifest, and the detectors named on the command line."""

from __future__ import annotations

import json
import re
from argparse import Namespace
from pathlib import Path

from harness import registry
from harness.data import Subset
from harness.files import home, write_whole
from harness.matrix import parse_matrix
from harness.types import HarnessError

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
    if not manifest and not path.is_dir():
        if options.detector or options.perturbation or options.crop:
            raise HarnessError(
                f"{options.matrix} is no folder or manifest: --detector, --perturbation and --crop are for"
                " clips of your own; a matrix names its own"
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
    name = "-".join(["own", *words])
    text = _toml(options, dataset, path)
    parse_matrix(text, name)
    file = home() / "matrices" / f"{name}.toml"
    write_whole(file, text)
    return str(file)


def _toml(options: Namespace, dataset: str, path: Path) -> str:
    """The matrix as TOML; a wrong name is said by whoever reads it."""
    pairs = [name.partition("@") for name in options.detector]
    detectors = list(dict.fromkeys(detector for detector, _, _ in pairs))
    train = list(dict.fromkeys(trained for _, _, trained in pairs if trained))
    for detector, _, trained in pairs:
        trainable = registry.detectors.get(detector).trainable
        if trainable and not trained:
            raise HarnessError(f"say what {detector} was trained on: {detector}@DATASET, or imported weights")
        if trained and not trainable:
            raise HarnessError(f"{detector} is a fixed detector; write {detector} without @{trained}")
    embedded = all(registry.datasets.get(Subset.parse(name).dataset).embedded for name in train)
    where = "the manifest" if dataset == "manifest" else "its folders"
    lines = {
        "about": ABOUT.format(what=f"{dataset} {path.absolute().name}", where=where, dataset=dataset).strip(),
        "detectors": detectors,
        "train": train,
        "test": [dataset],
        "perturbations": options.perturbation or [],
        "recipe": "procedural" if embedded else "published",
        "no_face": options.no_face,
    }
    said = [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in lines.items()]
    if options.crop:
        said += ["[crop]", f"{dataset} = {json.dumps(options.crop)}"]
    said += ["[data]", f"{dataset} = {json.dumps(str(path.absolute()), ensure_ascii=False)}"]
    return "\n".join(said) + "\n"
