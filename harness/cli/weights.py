"""What `gapbench weights` does: bring a file of weights, list what was brought."""

from __future__ import annotations

from argparse import Namespace

from harness import weights
from harness.tables import Table, number, plain
from harness.types import HarnessError

HEADER = ("detector", "trained on", "threshold", "selected", "px", "frames", "from", "sha256")


def run_weights(options: Namespace) -> int:
    """One of `weights import` and `weights ls`."""
    return {"import": _import, "ls": _ls}[options.action](options)


def _import(options: Namespace) -> int:
    from harness.training.importing import Wish, import_weights

    record = import_weights(
        Wish(
            file=options.file,
            detector=options.detector,
            name=options.name,
            format=options.format,
            trained_on=options.trained_on,
            threshold=options.threshold,
            selected=options.selected,
            size=options.size,
            frames=options.frames,
            replace=options.replace,
        )
    )
    print(f"detector   {record.full_name} ({record.size} px, {record.frames} frames)")
    print(f"weights    {record.path.with_suffix('.safetensors')}")
    print(f"source     {record.source} ({record.format}, sha256 {record.source_sha256[:12]})")
    if record.difference is not None:
        print(f"self-test  logits differ by at most {record.difference:.1e} of the largest")
    print(f"claims     trained on {record.trained_on or 'nobody says what'}, {_threshold(record)}")
    print(f"use it     gapbench predict {record.full_name} FILE")
    return 0


def _threshold(record: weights.Shelved) -> str:
    stated = "no threshold" if record.threshold is None else f"threshold {record.threshold:g}"
    return f"{stated}, chosen {'before any test' if record.selected == 'fixed' else 'nobody says how'}"


def _ls(_: Namespace) -> int:
    found = [(name, _found(name)) for name in weights.names()]
    if not found:
        print("no weights were imported on this machine (see: gapbench weights import --help)")
        return 0
    print(plain(Table("imported weights", HEADER, tuple(_line(name, record) for name, record in found))))
    return 0


def _found(name: str) -> weights.Shelved | str:
    """The record, or what is wrong with it: one damaged record does not hide the others."""
    try:
        return weights.find(name) or "it is gone"
    except HarnessError as error:
        return str(error)


def _line(name: str, record: weights.Shelved | str) -> tuple[str, ...]:
    if isinstance(record, str):
        return (name, "damaged", *["-"] * (len(HEADER) - 2))
    shown = (record.trained_on or "-", number(record.threshold), record.selected, str(record.size))
    return (name, *shown, str(record.frames), record.source, record.sha256[:12])
