"""Whatever is stored and then edited is named in one line and made again bit by bit, or refused.

A small matrix is run once; each test edits one file of what that left, and gives the command again.
"""

from __future__ import annotations

import fnmatch
import inspect
import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from harness import registry
from harness.cli.entry import main
from harness.evaluation import engine, run
from harness.guard.stored import sealed, table_digest
from harness.report.plots import gallery
from harness.results.predictions import read_predictions
from tests.training.small_detector import Small

PLUGIN = f"""
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits
from harness.registry import detector
from harness.types import Recipe

RECIPE = Recipe(size=16, frames=2, epochs=2, batch=16, learning_rate=1e-2)

@detector("small", recipes={{"procedural": RECIPE}})
{inspect.getsource(Small)}
"""
MATRIX = """
about = "a test"
detectors = ["constant", "small"]
train = ["procedural_tiny"]
test = ["procedural_tiny"]
recipe = "procedural"
batch = 4
"""
EVAL = ["--plugin", "small.py", "eval", "edited.toml", "--device", "cpu", "--no-publish"]
Edit = Callable[[Path], None]


@pytest.fixture(scope="module")
def finished(tiny_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder in which the matrix was run; it is the working directory."""
    folder = tmp_path_factory.mktemp("edited")
    (folder / "edited.toml").write_text(MATRIX)
    (folder / "home/data").mkdir(parents=True)
    shutil.copytree(tiny_root, folder / "home/data" / tiny_root.name)
    (folder / "small.py").write_text(PLUGIN)
    registry.detectors.names()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry.detectors, "_entries", dict(registry.detectors._entries))
        patch.setattr(run, "_cost", lambda found: None)
        patch.setattr(gallery, "DRAWN", {})
        patch.setenv("GAPBENCH_HOME", str(folder / "home"))
        patch.chdir(folder)
        assert main(EVAL) == 0
        shutil.copytree(folder / "home", folder / "kept")
        shutil.copytree(folder / "results", folder / "tables")
        yield folder


@pytest.fixture
def store(finished: Path) -> Iterator[Path]:
    """The home as the run left it."""
    yield finished / "home"
    for name, kept in (("home", "kept"), ("results", "tables")):
        shutil.rmtree(finished / name)
        shutil.copytree(finished / kept, finished / name)


def scores(home: Path) -> dict[str, Any]:
    """What is stored of each cell, by its file: clips, labels and scores, to the bit."""
    found = {}
    for path in sorted(home.glob("*/*/procedural_tiny/clean/*.parquet")):
        table = read_predictions(path)[0]
        clips = table[["clip_id", "label", "manipulation", "target", "source"]].to_dict("list")
        found[str(path.relative_to(home))] = [clips, table["score"].to_numpy().tobytes()]
    return found


def tables(folder: Path) -> dict[str, str]:
    """The tables of a folder, without the line of how long the run took."""
    texts = {path.name: path.read_text() for path in folder.iterdir() if path.suffix in (".csv", ".md")}
    return {
        name: re.sub(r"(Making the clips|Training)\stook.*", "", text, flags=re.S)
        for name, text in texts.items()
    }


def said_of(path: Path, told: str) -> list[str]:
    assert "Traceback" not in told and "bug" not in told
    return [line for line in told.splitlines() if path.name in line]


# What is done to a file.


def table_edit(change: Callable[[pa.Table], pa.Table], dated: bool = True) -> Edit:
    """An edit of a Parquet file that keeps what is written beside it; not `dated`: without its digest."""

    def edit(path: Path) -> None:
        table = pq.read_table(path, partitioning=None)
        said = json.loads(table.schema.metadata[b"gapbench"])
        if not dated:
            del said["stored"]
        changed = change(table).replace_schema_metadata({b"gapbench": json.dumps(said).encode()})
        pq.write_table(changed, path)

    return edit


def sealed_again(change: Callable[[pa.Table], pa.Table]) -> Edit:
    """An edit by somebody who knows the format, and writes the digest of what is there now."""

    def edit(path: Path) -> None:
        table = pq.read_table(path, partitioning=None)
        said = json.loads(table.schema.metadata[b"gapbench"])
        del said["stored"]
        changed = change(table).replace_schema_metadata(None)
        told = json.dumps(sealed(said, table_digest(changed))).encode()
        pq.write_table(changed.replace_schema_metadata({b"gapbench": told}), path)

    return edit


def column(
    name: str, change: Callable[[list[Any]], Any], kind: pa.DataType | None = None
) -> Callable[[pa.Table], pa.Table]:
    def edit(table: pa.Table) -> pa.Table:
        values = pa.array(change(table[name].to_pylist()), kind or table.schema.field(name).type)
        return table.set_column(table.column_names.index(name), name, values)

    return edit


def beside(text: bytes | None) -> Edit:
    """An edit of what is written beside a table."""

    def edit(path: Path) -> None:
        table = pq.read_table(path, partitioning=None)
        pq.write_table(table.replace_schema_metadata(text and {b"gapbench": text}), path)

    return edit


def record(change: Callable[[Any], Any]) -> Edit:
    """An edit of a JSON file."""

    def edit(path: Path) -> None:
        path.write_text(json.dumps(change(json.loads(path.read_text()))))

    return edit


def undated(change: Callable[[Any], Any]) -> Edit:
    """An edit of a JSON file as an earlier version would have written it: without a digest."""
    return record(lambda said: change({name: value for name, value in said.items() if name != "stored"}))


def put(said: Any, value: Any, *place: Any) -> Any:
    """A record with another value at a place."""
    inner = said
    for name in place[:-1]:
        inner = inner[name]
    inner[place[-1]] = value
    return said


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def flipped(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(bytes(data))


def other_copied_over(path: Path) -> None:
    shutil.copyfile(next(Path("home/predictions/constant").rglob("*.parquet")), path)


turned = column("label", lambda labels: [1 - label for label in labels])
half = lambda table: table.slice(0, len(table) // 2)  # noqa: E731
other_ids = column("clip_id", lambda ids: [f"{name}x" for name in ids])
reordered = lambda table: table.take(list(range(len(table)))[::-1])  # noqa: E731
other_people = column("target", lambda names: names[::-1])

PREDICTIONS: dict[str, Edit] = {
    "labels turned": table_edit(turned),
    "half the rows": table_edit(half),
    "other clip ids": table_edit(other_ids),
    "rows in another order": table_edit(reordered),
    "scores edited": table_edit(column("score", lambda told: [1 - score for score in told])),
    "a score above 1": table_edit(column("score", lambda told: [1.5, *told[1:]])),
    "a score that is no number": table_edit(column("score", lambda told: [np.nan, *told[1:]])),
    "a score taken out": table_edit(column("score", lambda told: [None, *told[1:]])),
    "scores as text": table_edit(column("score", lambda told: list(map(str, told)), pa.string())),
    "labels of 64 bits": table_edit(column("label", list, pa.int64())),
    "without a column": table_edit(lambda table: table.drop_columns(["source"])),
    "a description that is a list": beside(b"[1, 2]"),
    "a description that is not JSON": beside(b"{"),
    "no description": beside(None),
    "those of another cell": other_copied_over,
    "truncated": truncated,
    "emptied": emptied,
    "a folder": a_folder,
    "labels turned under a new digest": sealed_again(turned),
    "half the rows under a new digest": sealed_again(half),
    "other clip ids under a new digest": sealed_again(other_ids),
    "other people under a new digest": sealed_again(other_people),
    "rows in another order under a new digest": sealed_again(reordered),
    "a score above 1 under a new digest": sealed_again(column("score", lambda told: [1.5, *told[1:]])),
    "an earlier version's with labels turned": table_edit(turned, dated=False),
    "an earlier version's with half the rows": table_edit(half, dated=False),
    "an earlier version's with other clip ids": table_edit(other_ids, dated=False),
    "an earlier version's in another order": table_edit(reordered, dated=False),
    "an earlier version's with other people": table_edit(other_people, dated=False),
    "an earlier version's with a score above 1": table_edit(
        column("score", lambda s: [2.0, *s[1:]]), dated=False
    ),
}
MANIFESTS: dict[str, Edit] = {
    "a list": record(lambda said: [said]),
    "a number": record(lambda said: 3),
    "nothing": record(lambda said: None),
    "without clips": record(lambda said: {"key": said["key"]}),
    "an unknown field": undated(lambda said: put(said, "x", "clips", 0, "more")),
    "a path above": undated(lambda said: put(said, "../../../etc/passwd", "clips", 0, "path")),
    "a path elsewhere": undated(lambda said: put(said, "/etc/passwd", "clips", 0, "path")),
    "a label turned": record(lambda said: put(said, 1 - said["clips"][0]["label"], "clips", 0, "label")),
    "a label turned by an earlier version": undated(
        lambda said: put(said, 1 - said["clips"][0]["label"], "clips", 0, "label")
    ),
    "half the clips": undated(lambda said: {**said, "clips": said["clips"][::2]}),
    "another box": record(lambda said: put(said, [0.0, 0.0, 9.0, 9.0], "clips", 0, "attributes", "box")),
    "truncated": truncated,
}
WEIGHTS: dict[str, tuple[str, Edit]] = {
    "another threshold": ("json", record(lambda said: {**said, "threshold": 0.99})),
    "another curve": ("json", record(lambda said: {**said, "curve": []})),
    "another sha256": ("json", undated(lambda said: {**said, "sha256": "0" * 64})),
    "a threshold of text by an earlier version": (
        "json",
        undated(lambda said: {**said, "threshold": "high"}),
    ),
    "of another training": ("json", undated(lambda said: {**said, "key": "0" * 64})),
    "a list": ("json", record(lambda said: [said])),
    "a record cut off": ("json", truncated),
    "another tensor": ("safetensors", flipped),
    "tensors cut off": ("safetensors", truncated),
}
RUNS: dict[str, Edit] = {
    "a list": record(lambda said: [said]),
    "nothing": record(lambda said: None),
    "a number": record(lambda said: 7),
    "an empty record": record(lambda said: {}),
    "truncated": truncated,
    "another threshold": record(
        lambda said: put(said, 0.9, "entries", 1, "cells", 0, "provenance", "threshold")
    ),
    "a cell of another file": record(
        lambda said: put(said, said["entries"][0]["cells"][0]["file"], "entries", 1, "cells", 0, "file")
    ),
    "an earlier version's with a cell of another file": undated(
        lambda said: put(said, said["entries"][0]["cells"][0]["file"], "entries", 1, "cells", 0, "file")
    ),
    "a cell elsewhere": undated(lambda said: put(said, "/etc/passwd", "entries", 0, "cells", 0, "file")),
    "a cell above": undated(lambda said: put(said, "../x.parquet", "entries", 0, "cells", 0, "file")),
    "a detector that is a number": undated(lambda said: put(said, 3, "entries", 0, "detector")),
    "without its cells": undated(lambda said: {**said, "entries": [{"detector": "x"}]}),
    "of another matrix": undated(lambda said: {**said, "matrix": "other"}),
}


def made_again(path: Path, finished: Path, capsys: pytest.CaptureFixture[str], aside: bool = True) -> None:
    """The command names an edited file in one line, keeps it, and leaves the same scores and tables."""
    capsys.readouterr()
    assert main(EVAL) == 0
    said = said_of(path, capsys.readouterr().err)
    assert len(said) == 1, said
    assert scores(finished / "home") == scores(finished / "kept")
    assert tables(finished / "results") == tables(finished / "tables")
    if aside:
        assert "set aside" in said[0]
        assert list(path.parent.glob(f"{path.name}.set-aside-1"))


@pytest.mark.parametrize("edit", PREDICTIONS.values(), ids=PREDICTIONS)
def test_edited_predictions_are_scored_again(
    edit: Edit, store: Path, finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (path,) = store.glob("predictions/small*/procedural_tiny/clean/*.parquet")
    edit(path)
    assert main([*EVAL[:2], "report", "edited.toml"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert path.name in line
    assert tables(finished / "results") == tables(finished / "tables")
    made_again(path, finished, capsys)


def test_edited_validation_predictions_are_scored_again(
    store: Path, finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (path,) = store.glob("validation/small*/procedural_tiny/clean/*.parquet")
    PREDICTIONS["an earlier version's with labels turned"](path)
    made_again(path, finished, capsys)


@pytest.mark.parametrize("edit", MANIFESTS.values(), ids=MANIFESTS)
def test_an_edited_manifest_of_rendered_clips_is_made_again(
    edit: Edit, store: Path, finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (path,) = store.glob("data/*/manifest.json")
    before = json.loads(path.read_text())
    edit(path)
    made_again(path, finished, capsys)
    assert json.loads(path.read_text()) == before


def test_a_rendered_clip_that_is_another_is_rendered_again(
    store: Path, finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, other = sorted(store.glob("data/*/real/test-*.mp4"))[:2]
    before = path.read_bytes()
    shutil.copyfile(other, path)
    shutil.rmtree(store / "seals")
    made_again(path, finished, capsys)
    assert path.read_bytes() == before


@pytest.mark.parametrize(("ending", "edit"), WEIGHTS.values(), ids=WEIGHTS)
def test_edited_weights_are_trained_again(
    ending: str, edit: Edit, store: Path, finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (record,) = store.glob("weights/*.json")
    before = record.with_suffix(".safetensors").read_bytes()
    edit(record.with_suffix(f".{ending}"))
    made_again(record, finished, capsys)
    assert record.with_suffix(".safetensors").read_bytes() == before


@pytest.mark.parametrize("edit", RUNS.values(), ids=RUNS)
def test_an_edited_record_of_a_run_is_refused_by_what_reads_it_and_written_again(
    edit: Edit, store: Path, finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = store / "runs/edited.json"
    edit(path)
    for command in ("report", "metrics"):
        assert main([*EVAL[:2], command, "edited.toml"]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert "runs/edited.json" in line or "belong to another cell" in line
    assert tables(finished / "results") == tables(finished / "tables")
    assert main(EVAL) == 0
    assert "Traceback" not in capsys.readouterr().err
    assert tables(finished / "results") == tables(finished / "tables")


SHARDS = ("labels turned", "half the rows", "those of another cell", "truncated", "a folder", "scores edited")
SHARDS = (*SHARDS, "labels turned under a new digest", "half the rows under a new digest")


@pytest.mark.parametrize("edit", [PREDICTIONS[name] for name in SHARDS], ids=SHARDS)
def test_an_edited_shard_is_scored_again(
    edit: Edit,
    store: Path,
    finished: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (done,) = store.glob("predictions/small*/procedural_tiny/clean/*.parquet")
    done.unlink()
    whole = engine._Run._shard

    def cut(one: engine._Run, shard: engine._Shard, *more: Any) -> None:
        if shard.start:
            one._take(0, more[1])
            raise KeyboardInterrupt
        whole(one, shard, *more)

    with monkeypatch.context() as patch:
        patch.setattr(engine._Run, "_shard", cut)
        assert main(EVAL) == 130
    (path,) = done.with_suffix(".shards").iterdir()
    edit(path)
    capsys.readouterr()
    assert main(EVAL) == 0
    (line,) = said_of(path, capsys.readouterr().err)
    assert "set aside" in line
    assert scores(store) == scores(finished / "kept")
    assert tables(finished / "results") == tables(finished / "tables")
    assert not done.with_suffix(".shards").exists()
    assert list(done.parent.glob("*.set-aside-1"))


def test_edited_training_frames_are_decoded_again(
    store: Path, finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    facts = sorted(store.glob("frames/*.json"))
    record(lambda said: {**said, "labels": said["labels"][::-1]})(facts[0])
    flipped(facts[1].with_suffix(".frames"))
    shutil.rmtree(store / "weights")
    capsys.readouterr()
    assert main(EVAL) == 0
    said = capsys.readouterr().err
    assert all(len(said_of(path, said)) == 1 for path in facts)
    assert scores(store) == scores(finished / "kept")


def test_a_home_of_an_earlier_version_is_believed_without_its_digests(
    store: Path, finished: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in (*store.glob("*/*/procedural_tiny/clean/*.parquet"),):
        table_edit(lambda table: table, dated=False)(path)
    for path in (*store.glob("weights/*.json"), *store.glob("runs/*.json"), *store.glob("frames/*.json")):
        undated(lambda said: said)(path)
    for path in store.glob("data/*/manifest.json"):
        undated(lambda said: {name: value for name, value in said.items() if name != "files"})(path)
    monkeypatch.setattr(engine, "_Run", None)  # nothing is scored
    capsys.readouterr()
    assert main(EVAL) == 0
    told = capsys.readouterr()
    assert "set aside" not in told.err and "to score" not in told.out and "to train" not in told.out
    assert tables(finished / "results") == tables(finished / "tables")


FILLING = {
    "000000-*.parquet": 2,
    "????????.parquet": 2,
    "edited.json": 2,
    "small@*.json": 3,
    "small@*.safetensors": 3,
    "train-*.json": 3,
    "train-*.frames": 3,
    "edited.md": 2,
    "edited.csv": 2,
}
"""File that the disk has no room for -> exit code; a detector that cannot be trained is absent."""


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no device that is always full")
@pytest.mark.parametrize(("name", "code"), FILLING.items(), ids=FILLING)
def test_a_disk_that_fills_up_is_one_line_and_the_same_command_goes_on(
    name: str,
    code: int,
    store: Path,
    finished: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for folder in ("predictions", "validation", "weights", "frames", "runs", "seals"):
        shutil.rmtree(store / folder)
    usual, filled = tempfile.mkstemp, []

    def full(dir: Path, prefix: str, suffix: str) -> tuple[int, str]:
        if not fnmatch.fnmatch(prefix[1:-1], name):
            return usual(dir=dir, prefix=prefix, suffix=suffix)
        place = Path(dir) / f"{prefix}full{suffix}"
        place.symlink_to("/dev/full")
        filled.append(place)
        return os.open(place, os.O_RDONLY), str(place)

    with monkeypatch.context() as patch:
        patch.setattr(tempfile, "mkstemp", full)
        capsys.readouterr()
        assert main(EVAL) == code
    told = capsys.readouterr()
    said = [line for line in (told.err + told.out).splitlines() if re.search("No space left|no room", line)]
    assert filled and said and "Traceback" not in told.err
    assert not [place for place in filled if os.path.lexists(place)], "nothing half is left"
    assert main(EVAL) == 0
    assert scores(store) == scores(finished / "kept")
    assert tables(finished / "results") == tables(finished / "tables")
