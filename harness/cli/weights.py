"""The commands about imported weights: bring a file of them, list what was brought."""

from __future__ import annotations

import re
from argparse import ArgumentTypeError, Namespace
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from harness import weights
from harness.cli.options import Adder, Parser, natural, share
from harness.files import home
from harness.progress import show, tell
from harness.records import Weights
from harness.tables import Table, number, plain
from harness.types import HarnessError

Number = TypeVar("Number", int, float)


def add_weights(command: Adder) -> None:
    """The arguments of `gapbench weights`."""
    weights = command(
        "weights",
        "import published weights",
        "gapbench weights import Meso4_DF.h5 --detector meso4 --threshold 0.5 --selected fixed",
    )
    shelved = weights.add_subparsers(dest="action", metavar="ACTION", required=True, parser_class=Parser)
    shelved.add_parser("ls", help="list what was imported and what was trained here")
    bring = shelved.add_parser("import", help="bring a file of weights; no code in it is ever run")
    bring.add_argument("file", type=Path)
    bring.add_argument(
        "--detector", required=True, help="whose weights they are, e.g. meso4 or timm:resnet50"
    )
    bring.add_argument("--name", help="what they are called from now on (default: from the file's name)")
    bring.add_argument("--format", help="default: by the file's ending and the detector")
    bring.add_argument("--trained-on", metavar="DATASET", help="what they were trained on, if that is known")
    bring.add_argument("--threshold", type=share, help="decision threshold published with them")
    bring.add_argument(
        "--selected",
        choices=("fixed", "unknown"),
        default="unknown",
        help="fixed: they were chosen before any clip they will be tested on was looked at",
    )
    bring.add_argument("--size", type=natural, help="side of the input in pixels (default: as published)")
    bring.add_argument(
        "--frames", type=natural, help="frames of a clip that are scored (default: as published)"
    )
    bring.add_argument(
        "--mean",
        nargs="+",
        type=_numbers(float),
        metavar="X",
        help="with --std: what is shown is (pixel - mean) / std, e.g. --mean 0.5,0.5,0.5 (default: timm's)",
    )
    bring.add_argument(
        "--std",
        nargs="+",
        type=_numbers(float),
        metavar="X",
        help="three numbers for R, G and B, or one for all",
    )
    bring.add_argument(
        "--fake-class",
        nargs="+",
        type=_numbers(int),
        metavar="K",
        help="classes whose probabilities add up to P(fake), counted from 0 (default: the second of two)",
    )
    bring.add_argument(
        "--key", help="where in the file they lie, e.g. state_dict_ema (default: found and said)"
    )
    bring.add_argument("--replace", action="store_true", help="replace weights of that name")


TRAINED = ("detector", "px", "frames", "val AUC", "threshold", "sha256")
HEADER = ("detector", "trained on", "threshold", "selected", "px", "frames", "from", "sha256")


def run_weights(options: Namespace) -> int:
    """One of `weights import` and `weights ls`."""
    return {"import": _import, "ls": _ls}[options.action](options)


def _import(options: Namespace) -> int:
    from harness.training.importing import ImportRequest, import_weights

    record = import_weights(
        ImportRequest(
            file=options.file,
            detector=options.detector,
            name=options.name,
            format=options.format,
            trained_on=options.trained_on,
            threshold=options.threshold,
            selected=options.selected,
            size=options.size,
            frames=options.frames,
            key=options.key,
            mean=_joined(options.mean),
            std=_joined(options.std),
            fake_class=_joined(options.fake_class),
            replace=options.replace,
        )
    )
    tell(f"detector   {record.full_name} ({record.size} px, {record.frames} frames)")
    tell(f"weights    {record.path.with_suffix('.safetensors')}")
    tell(f"source     {record.source} ({record.format}, sha256 {record.source_sha256[:12]})")
    for line in record.assumed:
        tell(f"assumed    {line}")
    if record.difference is not None:
        tell(f"self-test  logits differ by at most {record.difference:.1e} of the largest")
    tell(f"claims     trained on {record.trained_on or 'nobody says what'}, {_threshold(record)}")
    tell(f"use it     gapbench predict {record.full_name} FILE")
    return 0


def _numbers(kind: Callable[[str], Number]) -> Callable[[str], list[Number]]:
    """What reads numbers between which commas, spaces or brackets stand."""

    def read(text: str) -> list[Number]:
        try:
            return [kind(word) for word in re.split(r"[\s,\[\]()]+", text) if word]
        except ValueError:
            hint = "numbers with commas between them (and FILE goes before this option)"
            raise ArgumentTypeError(f"{text!r} is not what is meant: {hint}") from None

    return read


def _joined(groups: list[list[Number]] | None) -> list[Number] | None:
    return None if groups is None else [number for group in groups for number in group]


def _threshold(record: weights.ImportedWeights) -> str:
    stated = "no threshold" if record.threshold is None else f"threshold {record.threshold:g}"
    return f"{stated}, chosen {'before any test' if record.selected == 'fixed' else 'nobody says how'}"


def _ls(_: Namespace) -> int:
    found = [(name, _found(name)) for name in weights.imported_names()]
    trained = weights.stored_weights(home() / "weights")
    if found:
        show(plain(Table("imported weights", HEADER, tuple(_line(name, record) for name, record in found))))
    else:
        tell("no weights were imported on this machine (see: gapbench weights import --help)")
    if trained:
        show(f"\n{plain(Table('weights trained here', TRAINED, tuple(map(_trained, trained))))}")
    return 0


def _trained(one: Weights) -> tuple[str, ...]:
    from harness.evaluation.contestants import full_name

    auc = number(one.provenance.get("val_auc"))
    shown = (str(one.recipe.size), str(one.recipe.frames), auc, number(one.threshold), one.sha256[:12])
    return (full_name(one), *shown)


def _found(name: str) -> weights.ImportedWeights | str:
    """The record, or what is wrong with it: one damaged record does not hide the others."""
    try:
        return weights.find_imported(name) or "it is gone"
    except HarnessError as error:
        return str(error)


def _line(name: str, record: weights.ImportedWeights | str) -> tuple[str, ...]:
    if isinstance(record, str):
        return (name, "damaged", *["-"] * (len(HEADER) - 2))
    shown = (record.trained_on or "-", number(record.threshold), record.selected, str(record.size))
    return (name, *shown, str(record.frames), record.source, record.sha256[:12])
