"""Every reader of a user's files refuses what is no regular file, and no module opens one by itself."""

from __future__ import annotations

import ast
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from harness.detectors._checkpoints import read_checkpoint

from harness import registry
from harness.evaluation.matrix import load_matrix
from harness.files import file_digest, read_json, read_toml, text_of
from harness.guard.parsed import parquet
from harness.results.predictions import read_parquet
from harness.results.score_file import read_scores
from harness.training.importing import ImportRequest, import_weights
from harness.types import HarnessError

ROOT = Path(__file__).resolve().parents[2]


def read_table(path: Path) -> None:
    with parquet(path):
        pass


READERS: dict[str, tuple[str, Callable[[Path], Any]]] = {
    "json": (".json", read_json),
    "toml": (".toml", read_toml),
    "text": (".txt", text_of),
    "digest": (".bin", file_digest),
    "table": (".parquet", read_table),
    "predictions": (".parquet", lambda path: read_parquet(path, [], "stored predictions")),
    "scores": (".csv", read_scores),
    "scores-packed": (".csv.gz", read_scores),
    "scores-parquet": (".parquet", read_scores),
    "manifest": (".csv", lambda path: list(registry.datasets.get("manifest").clips(path))),
    "manifest-parquet": (".parquet", lambda path: list(registry.datasets.get("manifest").clips(path))),
    "matrix": (".toml", lambda path: load_matrix(str(path))),
    "torch": (".pth", lambda path: read_checkpoint(path, ["a"])),
    "safetensors": (".safetensors", lambda path: read_checkpoint(path, ["a"])),
    "import": (".h5", lambda path: import_weights(ImportRequest(path, "meso4", name="a"))),
    "onnx": (".onnx", lambda path: registry.detectors.get(f"onnx:{path.name}")),
}
KINDS = ("pipe", "device", "folder", "circle", "gone", "nul", "long")


def made(kind: str, folder: Path, ending: str) -> Path:
    """What is no regular file, under a name of that ending."""
    path = folder / f"it{ending}"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "folder":
        path.mkdir()
    elif kind == "circle":
        path.symlink_to(path.name)
    return folder / {"nul": f"a\0{ending}", "long": "a" * 5000 + ending}.get(kind, path.name)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("reader", READERS)
def test_every_reader_refuses_what_is_no_regular_file(
    reader: str, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ending, read = READERS[reader]
    with pytest.raises(HarnessError) as raised:
        read(made(kind, tmp_path, ending))
    assert "\n" not in str(raised.value)


OPENING = {"open", "read_bytes", "read_text", "read_table", "read_csv", "File", "load_file", "ZipFile"}
OPENING |= {"read_schema", "load_model", "FaceDetectorYN_create", "is_zipfile", "is_tarfile", "read_parquet"}
GUARDED = {"regular", "why_not", "sized", "check_safetensors", "sheet_of", "settings_of", "text_of"}
OWN = {
    "a program, or what it says of itself": (
        *("harness.cli.entry._done", "harness.environment.with_helpers", "harness.environment._flags"),
        "harness.process.usable_cores",
        "harness.runtime.cost_process._entry",
        *("harness.runtime.hardware._times_slowed", "harness.runtime.hardware._lines"),
    ),
    "what is written, or was a moment ago": (
        *(
            "harness.progress.with_streams",
            "harness.cli.gate._report",
            "harness.report.plots.style.save",
        ),
        *("harness.training.checkpoint.save", "harness.datasets.procedural.encoder.encode"),
        "harness.datasets.procedural.planted._encoded_again",
    ),
    "whoever calls it looked first": (
        *("harness.data.file_facts._image", "harness.data.fingerprints._of_images", "harness.trees._ends"),
        *("harness.video.packets.open_film", "harness.results.score_file._as_text"),
        *("harness.detectors._torch_files._read_archive", "harness.detectors._torch_files._refuse_many"),
        *("harness.detectors._torch_files.is_tar", "harness.detectors.meso._keras_layers"),
        *("harness.gate.accepted.read_rows", "harness.gate.accepted.read_costs"),
        *("harness.gate.reproduction._rows", "harness.gate.reproduction._made_on"),
        *("harness.gate.accepted._read_predictions", "harness.results.predictions._said_in"),
        *("harness.training.train.load_detector", "harness.runtime.cost_process._adopt"),
        *("harness.training.frame_cache._decode", "harness.training.frame_cache._room"),
        "harness.tracking.store.alone",
    ),
}
"""Why a function opens without the guard -> those that do."""


def opened_bare() -> Iterator[str]:
    """Functions that open a file and ask the guard nothing."""
    for folder in ("harness", "datasets", "detectors", "perturbations"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            name = name if folder == "harness" else f"harness.{name}"
            if name.startswith("harness.guard"):
                continue
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.FunctionDef):
                    called = {
                        getattr(call.func, "attr", getattr(call.func, "id", ""))
                        for call in ast.walk(node)
                        if isinstance(call, ast.Call)
                    }
                    if called & OPENING and not called & GUARDED:
                        yield f"{name}.{node.name}"


def test_no_module_opens_a_file_of_a_user_without_asking_first() -> None:
    assert sorted(opened_bare()) == sorted(name for names in OWN.values() for name in names)
