"""What a stranger's file says of its own size is looked at before it is expanded: texts, tables, tensors."""

from __future__ import annotations

import gzip
import io
import json
import os
import re
import tomllib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import Any

from harness.guard.limits import limit, too_much
from harness.guard.limits import within as within
from harness.guard.regular import regular, shown
from harness.types import HarnessError

FREE = 2**26
"""Bytes that a packed file may become however short it is."""
PIECE = 2**20
DIGITS = 20
"""Digits of the largest whole number that 64 bits hold."""
STRINGS = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\Z)', re.DOTALL)
"""The strings of a JSON text; one that does not end is the rest of it."""
PART = r"""(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')"""
DEEP_KEY = r"(?<![\w-])(?:{PART}[ \t]*+\.[ \t]*+){{{depth},}}"
FOOTER = 2**24
"""Bytes that a Parquet file may say of itself, and a safetensors file of its tensors."""


def sized(path: str | Path, name: str, what: str = "file") -> int:
    """The bytes of a regular file, at most as many as the limit of that name; else a `HarnessError`."""
    size = os.stat(regular(path, what)).st_size
    within(shown(path), size, name)
    return size


def read(path: str | Path, name: str = "text-bytes", what: str = "file") -> bytes:
    """The bytes of a regular file within a limit; `OSError` where it cannot be read after all."""
    size = sized(path, name, what)
    with open(path, "rb") as file:
        data = file.read(max(size, PIECE) + 1)  # what a file of `/proc` holds is more than it says
    within(shown(path), len(data), name)
    return data


def unzipped(data: bytes, path: str | Path, name: str = "table-bytes") -> bytes:
    """What gzip packed: within a limit, and not far longer than its file.

    What is damaged raises what `gzip` does: `OSError`, `EOFError` or `zlib.error`.
    """
    most = min(limit(name), max(limit("unpacked") * len(data), FREE))
    pieces, many = [], 0
    with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
        while piece := file.read(PIECE):
            many += len(piece)
            if many > most:
                raise expands(path, len(data), name)
            pieces.append(piece)
    return b"".join(pieces)


def expands(path: str | Path, size: int, name: str) -> HarnessError:
    """The error for a packed file that would become too long."""
    return HarnessError(
        f"{shown(path)} is refused: its {size:,} bytes would become more than {limit('unpacked'):g} times as"
        f" many, or more than {limit(name):,.0f} (--allow unpacked=NUMBER, --allow {name}=NUMBER)"
    )


def refuse_expanding(path: str | Path, size: int, unpacked: float, name: str = "weights-bytes") -> None:
    """Refuse a file of `size` bytes whose content says that it would become far longer, or is too long."""
    if unpacked > min(limit(name), max(limit("unpacked") * size, FREE)):
        raise expands(path, size, name)


def json_of(text: str, where: str, **hooks: Any) -> Any:
    """What a JSON text says; `ValueError` where it is none, `HarnessError` where it is deep or too much.

    `hooks`: of `json.loads`.
    """
    within(where, len(text), "text-bytes")
    bare = STRINGS.sub("", text)
    opened = bare.count("[") + bare.count("{")
    within(where, opened + bare.count(","), "text-values")
    if opened > limit("depth"):
        within(where, _depth(bare), "depth")
    return json.loads(text, parse_int=_whole, **hooks)


def _depth(bare: str) -> int:
    """How deep the brackets of a text go, in which no string is."""
    import numpy as np

    signs = np.frombuffer(bare.encode("utf-8", "replace"), np.uint8)
    steps = np.isin(signs, (0x5B, 0x7B)).astype(np.int8) - np.isin(signs, (0x5D, 0x7D))
    return int(steps.cumsum(dtype=np.int32).max(initial=0))


def _whole(digits: str) -> int:
    if len(digits) > DIGITS:
        raise ValueError(f"a whole number of {len(digits):,} digits")
    return int(digits)


def toml_of(text: str, where: str) -> dict[str, Any]:
    """What a TOML text says; a `HarnessError` where it is none, is deep or has numbers beyond 64 bits."""
    within(where, len(text), "settings-bytes")
    depth = int(limit("depth"))
    if re.search(DEEP_KEY.format(PART=PART, depth=depth), text):
        raise too_much(where, depth + 1, "depth")
    try:
        said = tomllib.loads(text)
    except RecursionError as error:
        raise too_much(where, depth + 1, "depth") from error
    except ValueError as error:  # of more digits than are read, too
        raise HarnessError(f"{where} is not valid TOML: {str(error)[:200]}") from error
    _plain(said, where)
    return said


def _plain(said: Any, where: str) -> None:
    level, depth = [said], 0
    while level:
        within(where, depth, "depth")
        for value in level:
            if isinstance(value, int) and value.bit_length() > 64:
                raise HarnessError(f"{where} is not valid TOML: a whole number of more than 64 bits")
        level, depth = [part for value in level for part in _parts(value)], depth + 1


def _parts(value: Any) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()


@contextmanager
def parquet(path: str | Path, what: str = "file") -> Iterator[Any]:
    """A Parquet file (`pyarrow.parquet.ParquetFile`) whose rows, columns and bytes are within the limits.

    What is damaged raises what pyarrow does: `OSError` or `pyarrow.ArrowException`.
    """
    import pyarrow.parquet as pq

    size = sized(path, "table-bytes", what)
    with open(path, "rb") as file:
        file.seek(max(0, size - 8))
        told = int.from_bytes(file.read(4), "little")
    if size > FOOTER and told > FOOTER:
        raise HarnessError(f"{shown(path)} is refused: it has {told:,} bytes of column names and the like")
    most = int(limit("table-columns"))
    names = 4 * most + 1000
    with pq.ParquetFile(path, thrift_container_size_limit=names) as table:
        within(shown(path), table.metadata.num_columns, "table-columns")
        within(shown(path), table.metadata.num_rows, "table-rows")
        groups = (table.metadata.row_group(number) for number in range(table.metadata.num_row_groups))
        within(shown(path), sum(group.total_byte_size for group in groups), "table-bytes", " unpacked")
        yield table


def safetensors(path: str | Path, what: str = "weights") -> None:
    """Refuse a safetensors file that is too large, or has too much to say of its tensors."""
    size = sized(path, "weights-bytes", what)
    with open(path, "rb") as file:
        told = int.from_bytes(file.read(8), "little")
    if FOOTER < told <= size:  # one that says more than it has is damaged, as its reader will find
        raise HarnessError(f"{shown(path)} is refused: it has {told:,} bytes of names of tensors")


def numbers(shape: Iterable[Any]) -> int:
    """How many numbers a tensor of that shape has; `ValueError` where it is no shape."""
    sides = list(shape)
    if any(type(side) is not int or side < 0 for side in sides):
        raise ValueError("a tensor of no shape")
    return prod(sides)


def fit_to_show(where: str, size: int, frames: int, at_once: int = 1) -> None:
    """Refuse a detector that would be shown too large or too many frames; `at_once` of them together."""
    within(where, size, "input-side", " of input a side")
    within(where, frames, "input-frames", " of input")
    within(where, size * size * at_once, "input-pixels", " of input")


@contextmanager
def memory(most: float) -> Iterator[None]:
    """Let this process take at most so many bytes more while the block runs; who asks for more fails."""
    try:
        import resource

        with open("/proc/self/statm") as told:
            taken = int(told.read().split()[0]) * resource.getpagesize()
    except (ImportError, OSError):  # not on this system: nothing is limited
        yield
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    ceiling = int(taken + most)
    known = [each for each in (soft, hard) if each != resource.RLIM_INFINITY]
    resource.setrlimit(resource.RLIMIT_AS, (min([ceiling, *known]), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def shortened(value: Any, most: int = 120) -> str:
    """A value as an error shows it: `repr`, cut where it is long."""
    if isinstance(value, (list, tuple, dict)) and len(value) > most:
        value = list(value)[:most]
    text = repr(value)
    return text if len(text) <= most else f"{text[: most - 3]}..."
