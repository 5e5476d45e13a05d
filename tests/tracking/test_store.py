"""A store that cannot work is refused in one line within seconds."""

from __future__ import annotations

import fcntl
import os
import socket
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from harness.tracking.store import made_whole
from harness.types import HarnessError
from tests.tracking.published_boards import board, publish


def test_a_server_that_is_not_there_is_one_line_within_seconds(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    started = time.monotonic()
    with pytest.raises(HarnessError, match="does not answer") as caught:
        publish(board(tmp_path), (f"http://user:secret@127.0.0.1:{port}", "mlartifacts"), tmp_path)
    assert time.monotonic() - started < 10
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_server_that_accepts_and_says_nothing_is_one_line_within_seconds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.tracking.store.ANSWER_SECONDS", 0.5)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        with pytest.raises(HarnessError, match="does not answer"):
            publish(board(tmp_path), (f"http://127.0.0.1:{silent.getsockname()[1]}", "mlartifacts"), tmp_path)


def test_a_file_that_is_no_database_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_text("this is not a database, whatever its name says " * 50)
    with pytest.raises(HarnessError, match="file is not a database") as caught:
        publish(board(tmp_path), (f"sqlite:///{tmp_path}/mlflow.db", str(tmp_path / "files")), tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "address", ["postgresql://u:secret@127.0.0.1:1/x", "http://[oops", "sqlite:////proc/x/y.db"]
)
def test_an_address_that_cannot_be_a_store_is_one_line(address: str, tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match="does not answer") as caught:
        publish(board(tmp_path), (address, str(tmp_path / "files")), tmp_path)
    assert "secret" not in str(caught.value)


def test_an_artifact_folder_other_than_the_experiments_is_refused(
    tmp_path: Path, store: tuple[str, str]
) -> None:
    made = board(tmp_path, "elsewhere")
    publish(made, store, tmp_path)
    with pytest.raises(HarnessError, match="fixed when it was made"):
        publish(made, (store[0], str(tmp_path / "other")), tmp_path)
    with pytest.raises(HarnessError, match="needs a tracking server"):
        publish(board(tmp_path, "proxy"), (store[0], "mlflow-artifacts:/"), tmp_path)


def test_a_lock_or_a_transaction_that_another_process_holds_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.tracking.store.LOCK_SECONDS", 0.2)
    database = tmp_path / "mlflow.db"
    with Path(f"{database}.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(HarnessError, match=r"another process has held .*mlflow\.db\.lock"):
            publish(board(tmp_path), (f"sqlite:///{database}", str(tmp_path / "files")), tmp_path)
    publish(board(tmp_path), (f"sqlite:///{database}", str(tmp_path / "files")), tmp_path)
    with closing(sqlite3.connect(database)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(HarnessError, match="locked"):
            publish(board(tmp_path, "more"), (f"sqlite:///{database}", str(tmp_path / "files")), tmp_path)


@pytest.mark.parametrize("name", ["mlflow.db", "mlflow.db.lock"])
def test_a_pipe_in_the_place_of_a_database_is_not_waited_for(name: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / name)
    with pytest.raises(HarnessError, match="no regular file"):
        publish(board(tmp_path), (f"sqlite:///{tmp_path}/mlflow.db", str(tmp_path / "files")), tmp_path)


def test_a_database_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    database = tmp_path / "a.db"

    def make(address: str) -> None:
        with closing(sqlite3.connect(address.removeprefix("sqlite:///"))) as connection:
            connection.execute("CREATE TABLE a (b)")  # a second time this would fail
            if not again:
                raise OSError("killed")

    again: list[str] = []
    with pytest.raises(OSError, match="killed"):
        made_whole(database, make)
    assert not database.exists()
    again.append("")
    made_whole(database, make)
    made_whole(database, make)
    with closing(sqlite3.connect(database)) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("a",)]
    assert list(tmp_path.iterdir()) == [database]
