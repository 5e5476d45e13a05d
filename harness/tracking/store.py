"""Where an MLflow store is and where it keeps files: what cannot work is refused before anything is sent."""

from __future__ import annotations

import fcntl
import http.client
import os
import socket
import sqlite3
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TextIO
from urllib.parse import urlsplit

from harness.guard.names import without_secrets
from harness.tracking.strange_server import within
from harness.types import HarnessError

ANSWER_SECONDS = 5
"""How long a server may take to answer at all."""
LOCK_SECONDS, LOCK_LOOK = 30, 0.05
"""How long a lock is waited for, and how often it is tried, in seconds."""


def location(uri: str, artifacts: str, matrix: str) -> str | None:
    """Where a new experiment keeps its files; None leaves it to the server."""
    remote = is_server(uri)
    if "://" in artifacts or artifacts.startswith("mlflow-artifacts:"):
        if artifacts.startswith("mlflow-artifacts:") and not remote:
            raise HarnessError(f"{shown(artifacts)} needs a tracking server, and {shown(uri)} is none")
        return f"{artifacts.rstrip('/')}/{matrix}"
    return None if remote else f"{Path(artifacts).absolute().as_uri()}/{matrix}"


def check_location(name: str, found: str, wanted: str | None, uri: str) -> None:
    local = "://" not in found.replace("file://", "", 1) and not found.startswith("mlflow-artifacts:")
    if is_server(uri) and local:
        raise HarnessError(
            f"experiment {name!r} on {shown(uri)} keeps its files in {shown(found)}, a folder on the "
            "server's side; start the server with --artifacts-destination and a new experiment, or publish "
            "to its database"
        )
    if wanted is not None and wanted.rstrip("/") != found.rstrip("/"):
        raise HarnessError(
            f"experiment {name!r} keeps its files in {shown(found)}, fixed when it was made, not in"
            f" {shown(wanted)}; "
            "give that place as the artifact folder, or use another database"
        )


def is_server(uri: str) -> bool:
    return uri.startswith(("http://", "https://", "databricks"))


def ask(uri: str) -> None:
    """Refuse a store that does not answer within seconds or is no database; any answer of a server will do.

    MLflow itself tries for minutes.
    """
    try:
        parts, database = urlsplit(uri), sqlite_file(uri)
        if database is not None:
            _open(database)
        elif uri.startswith(("http://", "https://")):
            port = f":{parts.port}" if parts.port else ""
            address = f"{parts.scheme}://{parts.hostname}{port}{parts.path.rstrip('/')}/health"
            within(
                2 * ANSWER_SECONDS, lambda: urllib.request.urlopen(address, timeout=ANSWER_SECONDS).close()
            )
        elif parts.hostname and parts.port:
            socket.create_connection((parts.hostname, parts.port), ANSWER_SECONDS).close()
    except urllib.error.HTTPError:
        return
    except (OSError, ValueError, http.client.HTTPException, sqlite3.Error) as error:
        reason = "it is no address" if isinstance(error, ValueError) else getattr(error, "reason", error)
        if not isinstance(
            reason, ssl.SSLError
        ):  # certificates are MLflow's to judge: it has settings for them
            raise HarnessError(
                f"MLflow at {shown(uri)} does not answer: {shown(str(reason), uri)}"
            ) from error


def _open(database: Path) -> None:
    database.parent.mkdir(parents=True, exist_ok=True)
    if database.exists() and not database.is_file():
        raise HarnessError(f"{database} is no regular file")
    with closing(sqlite3.connect(database, timeout=ANSWER_SECONDS)) as connection:
        connection.execute("PRAGMA schema_version")


def made_whole(database: Path, make: Callable[[str], object]) -> None:
    """Make a database that is not there yet (`make(address)`) such that it is there whole or not at all.

    MLflow makes one in many steps, none of which can be repeated: what a killed process left would have to
    be moved away by hand. Called while `alone` holds the lock.
    """
    if database.exists() and database.stat().st_size:
        return
    making = database.with_name(f".{database.name}.making")
    for path in (making, *(Path(f"{making}{ending}") for ending in ("-journal", "-wal", "-shm"))):
        path.unlink(missing_ok=True)
    make(f"sqlite:///{making}")
    with closing(sqlite3.connect(making)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    os.replace(making, database)


def sqlite_file(uri: str) -> Path | None:
    prefix = "sqlite:///"
    return Path(uri.removeprefix(prefix)) if uri.startswith(prefix) else None


@contextmanager
def alone(database: Path | None) -> Iterator[None]:
    """Hold the lock beside a database file while it is made or brought up to date."""
    if database is None:
        yield
        return
    place = Path(f"{database}.lock")
    if place.exists() and not place.is_file():
        raise HarnessError(f"{place} is no regular file")
    with place.open("w") as lock:
        _locked(lock, place)
        yield


def _locked(lock: TextIO, place: Path) -> None:
    """Wait for a lock that another process may hold, but not for ever."""
    for _ in range(round(LOCK_SECONDS / LOCK_LOOK)):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            time.sleep(LOCK_LOOK)
    raise HarnessError(f"another process has held {place} for {LOCK_SECONDS} s; end it, and publish again")


def shown(text: str, uri: str | None = None) -> str:
    """An address, or a line that may quote the address `uri`, without the password in it."""
    return without_secrets(text, text if uri is None else uri)
