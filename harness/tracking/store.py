"""Where an MLflow store is and where it keeps files: what cannot work is refused before anything is sent."""

from __future__ import annotations

import fcntl
import http.client
import re
import socket
import sqlite3
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from harness.types import HarnessError

PASSWORD = re.compile(r"(://[^:/@\s]*):[^@\s]*@")
ANSWER_SECONDS = 5
"""How long a server may take to answer at all."""


def location(uri: str, artifacts: str, matrix: str) -> str | None:
    """Where a new experiment keeps its files; None leaves it to the server."""
    remote = is_server(uri)
    if "://" in artifacts or artifacts.startswith("mlflow-artifacts:"):
        if artifacts.startswith("mlflow-artifacts:") and not remote:
            raise HarnessError(f"{artifacts} needs a tracking server, and {shown(uri)} is none")
        return f"{artifacts.rstrip('/')}/{matrix}"
    return None if remote else f"{Path(artifacts).absolute().as_uri()}/{matrix}"


def check_location(name: str, found: str, wanted: str | None, uri: str) -> None:
    local = "://" not in found.replace("file://", "", 1) and not found.startswith("mlflow-artifacts:")
    if is_server(uri) and local:
        raise HarnessError(
            f"experiment {name!r} on {shown(uri)} keeps its files in {found}, a folder on the server's side; "
            "start the server with --artifacts-destination and a new experiment, or publish to its database"
        )
    if wanted is not None and wanted.rstrip("/") != found.rstrip("/"):
        raise HarnessError(
            f"experiment {name!r} keeps its files in {found}, fixed when it was made, not in {wanted}; "
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
            urllib.request.urlopen(address, timeout=ANSWER_SECONDS).close()
        elif parts.hostname and parts.port:
            socket.create_connection((parts.hostname, parts.port), ANSWER_SECONDS).close()
    except urllib.error.HTTPError:
        return
    except (OSError, ValueError, http.client.HTTPException, sqlite3.Error) as error:
        reason = getattr(error, "reason", error)
        if not isinstance(
            reason, ssl.SSLError
        ):  # certificates are MLflow's to judge: it has settings for them
            raise HarnessError(f"MLflow at {shown(uri)} does not answer: {reason}") from error


def _open(database: Path) -> None:
    database.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(database, timeout=ANSWER_SECONDS)) as connection:
        connection.execute("PRAGMA schema_version")


def sqlite_file(uri: str) -> Path | None:
    prefix = "sqlite:///"
    return Path(uri.removeprefix(prefix)) if uri.startswith(prefix) else None


@contextmanager
def alone(database: Path | None) -> Iterator[None]:
    """Hold the lock beside a database file while it is made or brought up to date."""
    if database is None:
        yield
        return
    with Path(f"{database}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def shown(text: str) -> str:
    """An address, or a line that holds one, without the password in it."""
    return PASSWORD.sub(r"\1:***@", text)
