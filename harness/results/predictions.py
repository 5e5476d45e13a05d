"""Predictions on disk: one Parquet file a cell, found by a key over all that would change it.

A cell in progress keeps a file a shard (a fixed range of clips), so that a killed run loses at most
the shard it was working on. A finished cell is one file and is never computed again.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from harness.files import home, swept, writing
from harness.guard.parsed import parquet
from harness.guard.regular import regular
from harness.guard.stored import FIELD, sealed, set_aside, table_digest
from harness.metrics.scored import counted_wrong, failed_alone
from harness.progress import say
from harness.records import Board, Row
from harness.results.sound import CLIP, LATER, SCHEMA, Said, fault_in, meta_in
from harness.types import Clip, HarnessError, Prediction

META = b"gapbench"
AGAIN = "gapbench eval MATRIX"


SHARD = re.compile(r"\d+-\d+")
_looked: dict[tuple[Any, ...], str] = {}
"""File as it was when it was looked at -> why it cannot be believed: asked often, found out once."""
_left: set[Path] = set()
"""Files of earlier versions that do not fit and were said to."""


@dataclass(frozen=True, slots=True)
class CellFile:
    """Where the predictions of one cell are kept."""

    folder: Path
    """`<predictions>/<cell>`."""
    key: str
    """sha256 (hex) over all that would change the predictions."""

    clips: Sequence[Clip] | None = field(default=None, compare=False, repr=False)
    """The clips that are asked for, in order: predictions of others are not believed. None: not compared."""

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
        """Whether the cell is done: its file is there and holds, as written, what is asked for."""
        return self._fault(self.path) == ""

    def shard_finished(self, start: int, stop: int) -> bool:
        """Whether the shard is done; `HarnessError` as for `clear_the_way`."""
        return self._fault(self.shard(start, stop), start, stop) == ""

    def clear_the_way(self, shards: Sequence[tuple[int, int]]) -> None:
        """Set aside what lies where predictions will be written and is not to be believed; each is said."""
        for path, start, stop in [(self.path, 0, None), *((self.shard(*each), *each) for each in shards)]:
            fault = self._fault(path, start, stop)
            if fault:
                kept = path if path == self.path else self.folder / f"{self.key[:8]}-{path.name}"
                say(set_aside(path, fault, "scored again", kept))
        if os.path.lexists(self.shards) and not self.shards.is_dir():
            say(set_aside(self.shards, "is no folder", "made again"))

    def _fault(self, path: Path, start: int = 0, stop: int | None = None) -> str | None:
        """Why a file of this cell cannot be believed, empty where it can, None where there is none."""
        if not os.path.lexists(path):
            return None
        if not path.is_file():
            return "is no file"
        status = path.stat()
        asked = (path, self.key, id(self.clips), status.st_mtime_ns, status.st_size, status.st_ino)
        if asked not in _looked:
            clips = None if self.clips is None else self.clips[start:stop]
            _looked[asked] = _said_in(path).fault_for(self.key, clips)
        return _looked[asked]

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
        found = [_said_in(self.shard(*shard)) for shard in shards]
        if any(each.fault for each in found):
            if self.finished():  # another run joined the same shards first
                return
            path, each = next(
                (self.shard(*shard), each) for shard, each in zip(shards, found, strict=True) if each.fault
            )
            raise HarnessError(f"{path} {each.fault}; the same command scores it again")
        tables, told = [each.table for each in found], [each.meta for each in found]
        provenance = {**meta.get("provenance", {}), **_makers(said.get("made") for said in told)}
        known = [said["difference"] for said in told if said.get("difference") is not None]
        if known:
            provenance["fp32_difference"] = max(known)
        _write(self.path, pa.concat_tables(tables), {**meta, "provenance": provenance, "key": self.key})
        self.clear()
        swept(self.path)

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
            then = isinstance(libraries, dict) and said.get("key") == key_of(libraries)
            if then and self._adopted(path, said["key"], self.path):
                return
        begun = CellFile(folder, key_of(today))
        for path in sorted(begun.shards.glob("[!.]*.parquet")):
            start, stop = map(int, path.stem.split("-")) if SHARD.fullmatch(path.stem) else (0, 0)
            self._adopted(path, begun.key, self.shards / path.name, start, stop)
        begun.clear()

    def _adopted(self, path: Path, key: str, target: Path, start: int = 0, stop: int | None = None) -> bool:
        """Write what an earlier version kept under the key of today; what does not fit stays, and is said."""
        found = _said_in(path)
        fault = found.fault_for(key, None if self.clips is None else self.clips[start:stop])
        if fault:
            if path not in _left:
                say(f"{path} {fault}: it is left as it is, and scored again")
            _left.add(path)
            return False
        _write(target, found.table, {**found.meta, "key": self.key})
        return True

    def keep_only(self, made: Mapping[str, Any]) -> None:
        """Remove the shards that were made with anything else; a run that scores anew keeps its own."""
        for path in self.shards.glob("[!.]*.parquet"):
            if stored_meta(path).get("made") != made:
                path.unlink(missing_ok=True)

    def clear_joined(self) -> None:
        """Remove shards that a run joined and was killed before it removed them; newer ones score anew."""
        with suppress(OSError):
            joined = self.path.stat().st_mtime_ns
            if all(path.stat().st_mtime_ns <= joined for path in self.shards.iterdir()):
                self.clear()

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


def clips_table(clips: Sequence[Clip]) -> pa.Table:
    """What stored predictions say of these clips: id, label, manipulation, target and source."""
    names = ("id", *CLIP[1:])
    columns = [
        pa.array([getattr(c, name) for c in clips], SCHEMA.field(column).type)
        for name, column in zip(names, CLIP, strict=True)
    ]
    return pa.table(columns, CLIP)


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
    if not os.path.lexists(path):
        raise HarnessError(f"no {what} at {path}")
    try:
        with parquet(path, what) as opened:
            table = opened.read()
            named = table.column_names
    except (OSError, ValueError, pa.ArrowException) as error:  # names that are not UTF-8, too
        raise HarnessError(f"{what} {path} cannot be read: {str(error).splitlines()[0]}") from error
    lacking = [name for name in columns if name not in named]
    if lacking:
        raise HarnessError(f"{path} lacks the column {lacking[0]!r} (has: {', '.join(named)})")
    return table


def read_predictions(path: Path, listed: str | None = None) -> tuple[pd.DataFrame, dict[str, Any]]:
    """The predictions of a finished cell and what was written of it; `HarnessError` where it does not fit.

    `listed` is the digest of the clips that are expected (`clips_listed`), where that is known. Of a file
    that an earlier version wrote, which has no digest, types, labels, ids and the range of the scores are
    looked at; that a score is the one that was written cannot be.
    """
    found = _said_in(path)
    fault = found.fault
    if not fault and listed and listed != table_digest(found.table.select(CLIP)):
        fault = "is of other clips than were scored"
    if fault:
        raise HarnessError(
            f"stored predictions {path} cannot be believed: it {fault}; score them again: {AGAIN}"
        )
    return found.table.to_pandas(), found.meta


def clips_listed(clips: Sequence[Clip]) -> str:
    """sha256 (hex) of what stored predictions say of their clips."""
    return table_digest(clips_table(clips))


def _said_in(path: Path) -> Said:
    """What a file of predictions holds, and what is wrong with it by itself."""
    what = [name for name in SCHEMA.names if name not in LATER]
    try:
        table = read_parquet(path, what, "stored predictions")
        meta = meta_in((table.schema.metadata or {}).get(META, b"{}"))
        table = _whole(table)
    except (HarnessError, KeyError, ValueError, pa.ArrowException) as error:  # names that are not UTF-8, too
        reason = str(error).replace(f"stored predictions {path} ", "").replace(f"{path} ", "")
        return Said(None, {}, reason)
    return Said(table, *fault_in(table, meta))


def _whole(table: pa.Table) -> pa.Table:
    """The stored columns of a table, in their order; those that came later are empty where it lacks them."""
    for name in LATER:
        if name not in table.column_names:
            table = table.append_column(name, pa.nulls(len(table), SCHEMA.field(name).type))
    return table.select(SCHEMA.names).replace_schema_metadata(None)


def scored_of(board: Board, row: Row) -> pd.DataFrame:
    """The stored predictions of a row that its numbers are over; `HarnessError` when they are not there.

    Those that carry a score, and the failed ones that others scored, as judged wrong (`Board.wrong`).
    """
    path = board.predictions.get(str(row.cell))
    if path is None:
        raise HarnessError(f"the predictions of {row.cell} are not there")
    predictions, _ = read_predictions(path)
    return counted_wrong(predictions, board.wrong.get(str(row.cell), ()))


def failed_elsewhere_scored(places: Mapping[str, Hashable]) -> dict[str, frozenset[str]]:
    """Of each file of predictions the failed clips that another of the same place scored (`failed_alone`).

    `places`: file -> what was tested on, and under what.
    """
    found = {}
    for file, place in places.items():
        with suppress(OSError, ValueError):  # what is wrong with it is said where the whole of it is read
            found[file] = place, pq.read_table(regular(Path(file)), columns=["clip_id", "score"]).to_pandas()
    return failed_alone(found) if any(table["score"].isna().any() for _, table in found.values()) else {}


def write_predictions(path: Path, predictions: pd.DataFrame, meta: Mapping[str, Any]) -> None:
    """Write a table of predictions as one finished file."""
    whole = predictions.reindex(columns=SCHEMA.names)
    _write(path, pa.Table.from_pandas(whole, schema=SCHEMA, preserve_index=False), meta)


def _write(path: Path, table: pa.Table, meta: Mapping[str, Any]) -> None:
    known = {name: value for name, value in meta.items() if name != FIELD}
    told = json.dumps(sealed(known, table_digest(table)))
    with writing(path) as temporary:
        pq.write_table(table.replace_schema_metadata({META: told.encode()}), temporary)


def stored_meta(path: Path) -> dict[str, Any]:
    """What was written of the predictions in a file; empty where there is none that can be read."""
    try:
        return meta_in((pq.read_schema(regular(path)).metadata or {}).get(META, b"{}"))
    except (OSError, ValueError, pa.ArrowException, HarnessError):
        return {}


def record_path(matrix: str) -> Path:
    """The record of the last run of a matrix: its entries, cells and where their predictions are."""
    return home() / "runs" / f"{matrix}.json"
