"""What is stored is believed only where it fits: digests beside what is kept, and shapes of records.

A digest tells of damage, of edits and of files that were copied over each other. It is no signature: whoever
can write the file can write its digest, too. What an earlier version stored carries none, and is believed
once all else about it has been compared.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import sqlite3
import sys
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePath
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from harness.types import HarnessError

VERSION = 1
"""Raised whenever a digest comes to be over something else."""
FIELD = "stored"
"""What a record calls its version and digest."""
PIECE = 2**26
"""Bytes of a large file that one thread digests at a time."""
MOST = {int: 2**63 - 1, float: sys.float_info.max}
"""Kind of number -> the largest one of it that is kept."""
ALIKE = {float: (int, float), list: (list, tuple)}
"""Kind of a field in a record -> what JSON may say for it."""
CHANGED = "does not hold what was written (its digest is another)"


def sealed(record: Mapping[str, Any], *beside: str) -> dict[str, Any]:
    """A record of JSON's types with the digest of what it says, and of what is kept `beside` it (digests)."""
    return {**record, FIELD: {"version": VERSION, "sha256": _digest_of(_again(record), beside)}}


def opened(record: Any, *beside: str) -> tuple[dict[str, Any], str]:
    """A record without its digest, and what is wrong with it: empty where it fits, or carries no digest."""
    if not isinstance(record, dict):
        return {}, f"holds {_kind(record)}, not a record"
    said = {name: value for name, value in record.items() if name != FIELD}
    if FIELD not in record:
        return said, ""
    told = record[FIELD]
    version = told.get("version") if isinstance(told, dict) else None
    if version != VERSION:
        return said, f"is of version {version!r}, which this version of GapBench does not know"
    return said, "" if told.get("sha256") == _digest_of(said, beside) else CHANGED


def dated(record: Any) -> bool:
    """Whether a record carries a digest: one of an earlier version does not."""
    return isinstance(record, dict) and FIELD in record


def record_of(told: Any, path: Path, what: str, shape: Any, again: str) -> dict[str, Any]:
    """A record that was read from a file, if it fits; else a `HarnessError` that names file and fault.

    `what` the file is; `shape` its fields (`fault_of`); `again` says what would make it anew.
    """
    said, fault = opened(told)
    fault = fault or fault_of(said, shape)
    if fault:
        raise HarnessError(f"{path} does not describe {what}: it {fault}; {again}")
    return said


def fault_of(said: Any, shape: Any, at: str = "") -> str:
    """What is wrong with the types of a record; empty where nothing is.

    A shape is a type; a tuple of shapes, one of which has to do (None: nothing is said); a list of one shape,
    for each of a list; or a mapping of field -> shape, where a field that ends in `?` may lack and further
    fields may be there. A whole number will do for `float`; true, false, NaN and infinity are no numbers.
    """
    if _fits(said, shape):
        return ""
    if isinstance(shape, tuple):
        return fault_of(said, shape[-1], at)
    if not _is(said, shape):
        return f"has {_kind(said)} for {at}" if at else f"holds {_kind(said)}, not a record"
    if isinstance(shape, list):
        return next(filter(None, (fault_of(one, shape[0], f"one of {at}") for one in said)))
    return next(filter(None, _faults_of_fields(said, shape, at)))


def _fits(said: Any, shape: Any) -> bool:
    """Whether `fault_of` would find nothing: it is asked of every clip of a dataset."""
    if isinstance(shape, tuple):
        return any(_fits(said, one) for one in shape)
    if not _is(said, shape):
        return False
    if isinstance(shape, list):
        return all(_fits(one, shape[0]) for one in said)
    if not isinstance(shape, dict):
        return True
    for field, wanted in shape.items():
        name = field.removesuffix("?")
        if not (_fits(said[name], wanted) if name in said else name != field):
            return False
    return True


def _is(said: Any, shape: Any) -> bool:
    kind: Any = type(shape) if isinstance(shape, (dict, list)) else type(None) if shape is None else shape
    if not isinstance(said, ALIKE.get(kind, kind)) or (kind is not bool and type(said) is bool):
        return False
    return kind not in MOST or -MOST[kind] <= said <= MOST[kind]  # false for NaN


def shape_of(kind: Any) -> Any:
    """The shape (`fault_of`) of a record class as JSON says it; fields that have a default may lack."""
    if dataclasses.is_dataclass(kind):
        hints = get_type_hints(kind)
        asked = dataclasses.MISSING
        optional = {
            one.name: one.default is not asked or one.default_factory is not asked
            for one in dataclasses.fields(kind)
        }
        return {f"{name}{'?' * may}": shape_of(hints[name]) for name, may in optional.items()}
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        return tuple(None if one is type(None) else shape_of(one) for one in inner)
    if origin is tuple and inner[1:] != (Ellipsis,):
        return list
    if origin in (tuple, list):
        return [shape_of(inner[0])]
    if kind is Any or origin in (Mapping, dict):
        return object if kind is Any else dict
    return str if kind is Path else kind


def _faults_of_fields(said: Mapping[str, Any], shape: Mapping[str, Any], at: str) -> Iterator[str]:
    for field, wanted in shape.items():
        name = field.removesuffix("?")
        if name in said:
            yield fault_of(said[name], wanted, f"{at}.{name}".removeprefix("."))
        elif name == field:
            yield f"lacks {name!r}{f' in {at}' if at else ''}"


def _kind(said: Any) -> str:
    if type(said) in MOST and not -MOST[int] <= said <= MOST[int]:
        return "a number without end"
    names = {dict: "a record", list: "a list", str: "a text", type(None): "nothing", bool: "true or false"}
    return names.get(type(said), "a number")


def below(folder: Path, said: str, record: Path) -> Path:
    """A path that a record says, which has to stay below a folder; `HarnessError` that names the record."""
    path = PurePath(said)
    if path.is_absolute() or ".." in path.parts or not path.parts or "\0" in said:
        raise HarnessError(f"{record} names {said!r}, which is not below {folder}")
    return folder / path


def set_aside(path: Path, why: str, then: str, beside: Path | None = None) -> str:
    """Give what does not fit another name (`<name>.set-aside-<n>`), where it is kept; the line to say of it.

    `then`: what happens now. `beside`: another path to name it after, where its folder will not stay.
    """
    place = beside or path
    number = 1
    while os.path.lexists(aside := place.with_name(f"{place.name}.set-aside-{number}")):
        number += 1
    try:
        os.replace(path, aside)
    except FileNotFoundError:  # another run did
        return f"{path} {why}; {then}"
    except OSError as error:
        raise HarnessError(f"{path} {why}, and cannot be set aside: {error.strerror or error}") from error
    return f"{path} {why}: it is set aside as {aside.name}, and {then}"


def database(path: Path, patience: float, table: str, then: str) -> tuple[sqlite3.Connection, str]:
    """An SQLite file with a table (`CREATE TABLE IF NOT EXISTS ...`), and what is to be said of it.

    What is no database is set aside, and another begun; `then` says what that means. `sqlite3.Error` where
    the file cannot be used for another reason. `patience`: seconds to wait for another process.
    """
    moved = set_aside(path, "is a folder", then) if path.is_dir() else ""
    while True:
        base = sqlite3.connect(path, patience)
        try:
            base.execute(table)
            return base, moved
        except sqlite3.Error as error:
            base.close()
            if moved or type(error) is not sqlite3.DatabaseError:
                raise
            moved = set_aside(path, f"is no database ({error})", then)


def table_digest(table: Any) -> str:
    """sha256 (hex) of what a `pyarrow.Table` says: names, types and values in their order.

    It does not depend on chunks, encodings or the version of Arrow that wrote the file.
    """
    found = hashlib.sha256()
    for name, column in zip(table.column_names, table.columns, strict=True):
        found.update(f"{name}:{type_name(column.type)}:{len(column)}\n".encode())
        for part in _parts_of(column.combine_chunks()):
            found.update(part)
    return found.hexdigest()


def type_name(kind: Any) -> str:
    """What an Arrow type is called, without the names that writers give to the values of a list."""
    import pyarrow as pa

    return f"list<{type_name(kind.value_type)}>" if pa.types.is_list(kind) else str(kind)


def _parts_of(array: Any) -> Iterator[bytes]:
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_list(array.type):
        yield pc.list_value_length(array).fill_null(-1).to_numpy(zero_copy_only=False).astype("<i8").tobytes()
        yield from _parts_of(array.flatten())
    elif pa.types.is_integer(array.type) or pa.types.is_floating(array.type):
        yield np.packbits(array.is_null().to_numpy(zero_copy_only=False)).tobytes()
        yield array.fill_null(0).to_numpy(zero_copy_only=False).tobytes()
    else:
        yield json.dumps(array.to_pylist(), default=repr).encode()


def large_digest(path: Path) -> str:
    """sha256 (hex) over the sha256 of each piece of a large file, by as many threads as there are cores."""
    size = path.stat().st_size

    def piece(start: int) -> bytes:
        with path.open("rb") as file:
            file.seek(start)
            return hashlib.sha256(file.read(PIECE)).digest()

    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        return hashlib.sha256(b"".join(pool.map(piece, range(0, size, PIECE)))).hexdigest()


def parts_digest(parts: Iterable[bytes | memoryview]) -> str:
    """sha256 (hex) over parts, each with its length."""
    found = hashlib.sha256()
    for part in parts:
        found.update(len(part).to_bytes(8, "little"))
        found.update(part)
    return found.hexdigest()


def _again(record: Mapping[str, Any]) -> Any:
    """A record as it will be read again: its keys are texts, and sorted as texts."""
    return json.loads(json.dumps(record))


def _digest_of(record: Any, beside: Iterable[str]) -> str:
    return hashlib.sha256(json.dumps([record, *beside], sort_keys=True).encode()).hexdigest()
