"""Predictions on disk: one Parquet file a cell, found by a key over all that would change it.

A cell in progress keeps a file a shard (a fixed range of clips), so that a killed run loses at most
the shard it was working on. A finished cell is one file and is never computed again.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from harness.files import home, read_json, writing
from harness.types import Board, Clip, HarnessError, Prediction, Recipe, Row, Weights

SCHEMA = pa.schema(
    [
        ("clip_id", pa.string()),
        ("label", pa.int8()),
        ("manipulation", pa.string()),
        ("target", pa.string()),
        ("source", pa.string()),
        ("score", pa.float64()),
        ("frame_scores", pa.list_(pa.float32())),
        ("frame_indices", pa.list_(pa.int32())),
        ("error", pa.string()),
        ("note", pa.string()),
    ]
)
META = b"gapbench"


@dataclass(frozen=True, slots=True)
class CellFile:
    """Where the predictions of one cell are kept."""

    folder: Path
    """`<predictions>/<cell>`."""
    key: str
    """sha256 (hex) over all that would change the predictions."""

    @property
    def path(self) -> Path:
        """The finished file."""
        return self.folder / f"{self.key[:8]}.parquet"

    def shard(self, start: int, stop: int) -> Path:
        """The file of the clips `start` to `stop`, while the cell is unfinished."""
        return self.folder / f"{self.key[:8]}.shards" / f"{start:06d}-{stop:06d}.parquet"

    def finished(self) -> bool:
        """Whether the cell is done; a file with another key or a damaged one is not."""
        return _matches(self.path, self.key)

    def shard_finished(self, start: int, stop: int) -> bool:
        """Whether the shard is done."""
        return _matches(self.shard(start, stop), self.key)

    def write_shard(
        self,
        start: int,
        clips: Sequence[Clip],
        predictions: Sequence[Prediction],
        difference: float | None = None,
    ) -> None:
        """Keep the predictions of a shard whose first clip is number `start`.

        `difference` is how far mixed precision moved a score from fp32, where that was measured.
        """
        table = predictions_table(clips, predictions)
        meta = {"key": self.key, "difference": difference}
        _write(self.shard(start, start + len(clips)), table, meta)

    def finish(self, shards: Sequence[tuple[int, int]], meta: Mapping[str, Any]) -> None:
        """Join the shards into the finished file, with what is known of the cell, and remove them."""
        try:
            tables = [pq.read_table(self.shard(*shard), partitioning=None) for shard in shards]
        except FileNotFoundError:
            if self.finished():  # another run joined the same shards first
                return
            raise
        told = [json.loads(table.schema.metadata[META]).get("difference") for table in tables]
        known = [difference for difference in told if difference is not None]
        if known:
            meta = {**meta, "provenance": {**meta.get("provenance", {}), "fp32_difference": max(known)}}
        _write(self.path, pa.concat_tables(tables), {**meta, "key": self.key})
        shutil.rmtree(self.shard(0, 0).parent, ignore_errors=True)  # with what a killed run left in it


def predictions_table(clips: Sequence[Clip], predictions: Sequence[Prediction]) -> pa.Table:
    """The predictions as an Arrow table of the stored columns, with what is known of each clip."""
    lines = [
        {
            "clip_id": clip.id,
            "label": clip.label,
            "manipulation": clip.manipulation,
            "target": clip.target,
            "source": clip.source,
            "score": said.score,
            "frame_scores": list(said.frame_scores),
            "frame_indices": list(said.frame_indices),
            "error": said.error,
            "note": said.note,
        }
        for clip, said in zip(clips, predictions, strict=True)
    ]
    return pa.Table.from_pylist(lines, schema=SCHEMA)


def read_predictions(path: Path) -> tuple[pd.DataFrame, dict[str, Any]]:
    """The predictions of a finished cell and what was written of it; `HarnessError` when it is damaged."""
    try:
        table = pq.read_table(path, partitioning=None)
    except FileNotFoundError as error:
        raise HarnessError(f"no stored predictions at {path}") from error
    except (OSError, pa.ArrowException) as error:
        raise HarnessError(f"stored predictions {path} cannot be read: {_line(error)}") from error
    lacking = [name for name in SCHEMA.names if name not in table.column_names]
    if lacking:
        raise HarnessError(f"{path} lacks the column {lacking[0]!r} (has: {', '.join(table.column_names)})")
    meta = json.loads((table.schema.metadata or {}).get(META, b"{}"))
    return table.select(SCHEMA.names).replace_schema_metadata(None).to_pandas(), meta


def scored_of(board: Board, row: Row) -> pd.DataFrame:
    """The stored predictions of a row that carry a score; `HarnessError` when they are not there."""
    path = board.predictions.get(str(row.cell))
    if path is None:
        raise HarnessError(f"the predictions of {row.cell} are not there")
    predictions, _ = read_predictions(path)
    return predictions[predictions["score"].notna()]


def write_predictions(path: Path, predictions: pd.DataFrame, meta: Mapping[str, Any]) -> None:
    """Write a table of predictions as one finished file."""
    whole = predictions.reindex(columns=SCHEMA.names)
    _write(path, pa.Table.from_pandas(whole, schema=SCHEMA, preserve_index=False), meta)


def _write(path: Path, table: pa.Table, meta: Mapping[str, Any]) -> None:
    with writing(path) as temporary:
        pq.write_table(table.replace_schema_metadata({META: json.dumps(meta).encode()}), temporary)


def _matches(path: Path, key: str) -> bool:
    if not path.is_file():
        return False
    try:
        metadata = pq.read_schema(path).metadata or {}
    except (OSError, pa.ArrowException):
        return False
    return json.loads(metadata.get(META, b"{}")).get("key") == key


def _line(error: BaseException) -> str:
    return str(error).splitlines()[0]


def record_path(matrix: str) -> Path:
    """The record of the last run of a matrix: its entries, cells and where their predictions are."""
    return home() / "runs" / f"{matrix}.json"


def weights_from(said: Mapping[str, Any]) -> Weights:
    """The record of trained weights from its JSON form."""
    recipe = Recipe(**{**said["recipe"], "augment": tuple(said["recipe"]["augment"])})
    return Weights(**{**said, "path": Path(said["path"]), "recipe": recipe, "curve": tuple(said["curve"])})


def read_weights(path: Path) -> Weights:
    """The record of trained weights from the JSON file beside them."""
    said = read_json(path)
    try:
        return weights_from({**said, "path": path.with_suffix(".safetensors")})
    except (KeyError, TypeError) as error:
        raise HarnessError(f"{path} does not describe weights: {error}") from error


def stored_weights(folder: Path) -> list[Weights]:
    """All trained weights of a folder, newest first."""
    files = [path for path in folder.glob("*.json") if not path.name.startswith(".")]
    return [read_weights(path) for path in sorted(files, key=lambda path: path.stat().st_mtime, reverse=True)]
