"""Predictions on disk: one Parquet file a cell, found by a key over all that would change it.

A cell in progress keeps a file a shard (a fixed range of clips), so that a killed run loses at most
the shard it was working on. A finished cell is one file and is never computed again.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from harness.files import home, writing
from harness.records import Board, Row
from harness.types import Clip, HarnessError, Prediction

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
        ("seen", pa.int32()),
        ("looked", pa.int32()),
        ("people", pa.int32()),
    ]
)
LATER = ("seen", "looked", "people")
"""Columns that predictions of earlier versions lack."""
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

    @property
    def shards(self) -> Path:
        """The folder of the shards, while the cell is unfinished."""
        return self.folder / f"{self.key[:8]}.shards"

    def shard(self, start: int, stop: int) -> Path:
        """The file of the clips `start` to `stop`, while the cell is unfinished."""
        return self.shards / f"{start:06d}-{stop:06d}.parquet"

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
        made: Mapping[str, Any] | None = None,
    ) -> None:
        """Keep the predictions of a shard whose first clip is number `start`.

        `difference` is how far mixed precision moved a score from fp32, where that was measured; `made` is
        what it was made with (`environment.made_with`).
        """
        table = predictions_table(clips, predictions)
        meta = {"key": self.key, "difference": difference, "made": made}
        _write(self.shard(start, start + len(clips)), table, meta)

    def finish(self, shards: Sequence[tuple[int, int]], meta: Mapping[str, Any]) -> None:
        """Join the shards into the finished file, with what is known of the cell, and remove them.

        Its provenance says what the shards were made with: `made`, each kind once, so that more than one
        tells of a cell that two devices or versions worked on; and commit and versions of the last kind.
        """
        try:
            tables = [pq.read_table(self.shard(*shard), partitioning=None) for shard in shards]
        except FileNotFoundError:
            if self.finished():  # another run joined the same shards first
                return
            raise
        told = [json.loads(table.schema.metadata[META]) for table in tables]
        provenance = {**meta.get("provenance", {}), **_makers(said.get("made") for said in told)}
        known = [said["difference"] for said in told if said.get("difference") is not None]
        if known:
            provenance["fp32_difference"] = max(known)
        _write(
            self.path,
            pa.concat_tables(map(_whole, tables)),
            {**meta, "provenance": provenance, "key": self.key},
        )
        self.clear()

    def adopt(
        self, folder: Path, key_of: Callable[[Mapping[str, str]], str], today: Mapping[str, str]
    ) -> None:
        """Keep under this key what an earlier version kept in a folder of the same request.

        `key_of` gives the key it had with some versions of libraries: those that a finished file names,
        `today` for shards, which name none.
        """
        for path in sorted(folder.glob("*.parquet"), key=lambda path: -path.stat().st_mtime):
            said = stored_meta(path)
            libraries = said.get("provenance", {}).get("versions")
            if libraries is not None and said.get("key") == key_of(libraries):
                restamped(path, self.path, self.key)
                if self.finished():
                    return
        begun = CellFile(folder, key_of(today))
        for path in sorted(begun.shards.glob("[!.]*.parquet")):
            if _matches(path, begun.key):
                restamped(path, self.shards / path.name, self.key)
        begun.clear()

    def keep_only(self, made: Mapping[str, Any]) -> None:
        """Remove the shards that were made with anything else; a run that scores anew keeps its own."""
        for path in self.shards.glob("[!.]*.parquet"):
            if stored_meta(path).get("made") != made:
                path.unlink(missing_ok=True)

    def clear(self) -> None:
        """Remove the shards, with what a killed run left among them."""
        shutil.rmtree(self.shards, ignore_errors=True)


def _makers(told: Iterable[Mapping[str, Any] | None]) -> dict[str, Any]:
    """What shards were made with; one that does not say so is of a kind of its own."""
    kinds: list[Mapping[str, Any]] = []
    for made in told:
        if (made or {}) not in kinds:
            kinds.append(made or {})
    last = kinds[-1] if kinds else {}
    found = {name: last[name] for name in ("commit", "dirty", "versions") if name in last}
    return {**found, "made": kinds} if any(kinds) else found


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
            **{name: getattr(said, name) for name in LATER},
        }
        for clip, said in zip(clips, predictions, strict=True)
    ]
    return pa.Table.from_pylist(lines, schema=SCHEMA)


def read_parquet(path: Path, columns: Sequence[str], what: str) -> pa.Table:
    """The table in a Parquet file, which has these columns; what is wrong with it is a `HarnessError`."""
    try:
        table = pq.read_table(path, partitioning=None)
    except FileNotFoundError as error:
        raise HarnessError(f"no {what} at {path}") from error
    except (OSError, pa.ArrowException) as error:
        raise HarnessError(f"{what} {path} cannot be read: {str(error).splitlines()[0]}") from error
    lacking = [name for name in columns if name not in table.column_names]
    if lacking:
        raise HarnessError(f"{path} lacks the column {lacking[0]!r} (has: {', '.join(table.column_names)})")
    return table


def read_predictions(path: Path) -> tuple[pd.DataFrame, dict[str, Any]]:
    """The predictions of a finished cell and what was written of it; `HarnessError` when it is damaged."""
    table = read_parquet(path, [name for name in SCHEMA.names if name not in LATER], "stored predictions")
    meta = json.loads((table.schema.metadata or {}).get(META, b"{}"))
    return _whole(table).to_pandas(), meta


def _whole(table: pa.Table) -> pa.Table:
    """The stored columns of a table, in their order; those that came later are empty where it lacks them."""
    for name in LATER:
        if name not in table.column_names:
            table = table.append_column(name, pa.nulls(len(table), SCHEMA.field(name).type))
    return table.select(SCHEMA.names).replace_schema_metadata(None)


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


def stored_meta(path: Path) -> dict[str, Any]:
    """What was written of the predictions in a file; empty where there is none that can be read."""
    try:
        metadata = pq.read_schema(path).metadata or {}
    except (OSError, pa.ArrowException):
        return {}
    return dict(json.loads(metadata.get(META, b"{}")))


def restamped(path: Path, target: Path, key: str) -> None:
    """Write the same predictions under another key; a file that cannot be read is left as it is."""
    try:
        table = pq.read_table(path, partitioning=None)
    except (OSError, pa.ArrowException):
        return
    _write(target, table, {**stored_meta(path), "key": key})


def _matches(path: Path, key: str) -> bool:
    return path.is_file() and stored_meta(path).get("key") == key


def record_path(matrix: str) -> Path:
    """The record of the last run of a matrix: its entries, cells and where their predictions are."""
    return home() / "runs" / f"{matrix}.json"
