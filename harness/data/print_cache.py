"""A table on disk of one text a file, forgotten when the file changes; several runs may use it at once."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from harness.data import location
from harness.types import HarnessError

TABLE = "CREATE TABLE IF NOT EXISTS prints (path TEXT PRIMARY KEY, stamp TEXT NOT NULL, print TEXT NOT NULL)"
PATIENCE_SECONDS = 60


class PrintCache:
    """Texts by path and stamp."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def get(self, path: Path, stamp: str) -> str | None:
        """The text kept for a file under this stamp, if any."""
        found = self._connection.execute("SELECT stamp, print FROM prints WHERE path = ?", (_key(path),))
        row = found.fetchone()
        return str(row[1]) if row and row[0] == stamp else None

    def put(self, path: Path, stamp: str, text: str) -> None:
        """Keep a text, instead of what was kept for this file before."""
        self._connection.execute("INSERT OR REPLACE INTO prints VALUES (?, ?, ?)", (_key(path), stamp, text))
        self._connection.commit()  # at once: another run may be waiting to write


@contextmanager
def opened(path: Path) -> Iterator[PrintCache]:
    """The cache in that file, made if it is not there; one that cannot be used is a `HarnessError`."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(path, timeout=PATIENCE_SECONDS)) as connection:
            connection.execute("PRAGMA synchronous = OFF")  # lost with the machine, it is made again
            connection.execute(TABLE)
            yield PrintCache(connection)
    except sqlite3.Error as error:
        raise HarnessError(f"the cache {path} cannot be used ({error}); it may be deleted") from error
    except OSError as error:
        raise HarnessError(f"cannot write {path}: {error.strerror or error}") from error


def stamp_of(path: Path, method: str) -> str:
    """Changes when the file, a frame of the folder or the method does; "" where it cannot be looked at."""
    found = location.stamp_of(path)
    return "" if found is None else " ".join(map(str, (method, *found[1:])))


def _key(path: Path) -> str:
    return os.fsencode(path.absolute()).decode(errors="backslashreplace")
