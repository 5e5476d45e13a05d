"""The leaderboard in a browser: the saved view opens with metric columns, best entry first."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from harness.records import Board, Cost, Entry, Row
from harness.tracking import publish
from harness.types import Cell, HarnessError

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
AUCS = {"xception": 0.61, "airl": 0.72, "efficientnet_bilstm": 0.66}
COLUMNS = ("auc_unseen_mean", "auc_unseen_worst", "auc_in_dataset", "auc_gap", "fps", "cells_failed")
WAIT_SECONDS = 120


PROVENANCE = {
    "commit": "c0ffee",
    "clips_sha256": "b" * 64,
    "checkpoint_source": "source-val",
    "threshold_source": "source-val",
}


def entry(detector: str, unseen: float) -> Entry:
    rows = tuple(
        Row(
            Cell(detector, "procedural_lab", tested_on),
            200,
            0,
            {"auc": auc, "accuracy": 0.8, "eer": 0.2},
            {"auc": (auc - 0.03, auc + 0.03)},
            {},
            PROVENANCE,
        )
        for tested_on, auc in (("procedural_lab", 0.93), ("procedural_wild", unseen))
    )
    cost = Cost(detector, "a processor", "fp32", 128, 8, 8, 100 * unseen, 9.0, 11.0, None, 1000, None, None)
    return Entry(detector, "procedural_lab", 0, rows, cost)


@pytest.fixture
def browser() -> str:
    """A browser of this machine."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip(f"no browser here: none of {', '.join(BROWSERS)} is installed")
    return found


@pytest.fixture
def leaderboard(browser: str, tmp_path: Path) -> Iterator[str]:
    """Address of the leaderboard view of a served store, where there is a browser to look at it."""
    entries = tuple(entry(detector, auc) for detector, auc in AUCS.items())
    files = {str(row.cell): tmp_path / "predictions.parquet" for made in entries for row in made.rows}
    pd.DataFrame({"clip_id": ["a"], "score": [0.5]}).to_parquet(tmp_path / "predictions.parquet")
    board = Board("cross-dataset", "f" * 64, "", "What was measured.", entries, {}, files, {"torch": "2"})
    uri, artifacts = f"sqlite:///{tmp_path}/mlflow.db", str(tmp_path / "mlartifacts")
    links = publish.publish(board, tmp_path, uri, artifacts)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command, environment = publish.ui_command(uri, artifacts, port)
    with (tmp_path / "server.log").open("w") as log:
        server = subprocess.Popen(command, env=environment, cwd=tmp_path, stdout=log, stderr=log)
    try:
        wait_for(f"http://127.0.0.1:{port}/health", server)
        yield f"http://127.0.0.1:{port}/{links[0]}"
    finally:
        server.terminate()
        server.wait(20)


def wait_for(address: str, server: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + WAIT_SECONDS
    while server.poll() is None and time.monotonic() < end:
        try:
            urllib.request.urlopen(address, timeout=2).close()
            return
        except OSError:
            time.sleep(0.3)
    raise AssertionError(f"the server did not answer at {address}")


def page(browser: str, address: str, folder: Path, *wish: str) -> str:
    """The page as it stands once it has loaded."""
    command = [browser, "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
    command += ["--window-size=2600,900", f"--user-data-dir={folder}", "--virtual-time-budget=30000"]
    run = subprocess.run([*command, *wish, address], capture_output=True, text=True, timeout=120, check=True)
    return run.stdout


@pytest.mark.browser
def test_the_leaderboard_view_shows_metric_columns_best_first(
    browser: str, leaderboard: str, tmp_path: Path
) -> None:
    for _ in range(3):  # on a busy machine the page's clock can run out before its data has come
        shown = page(browser, leaderboard, tmp_path / "profile", "--dump-dom")
        if "sort-header-auc_unseen_mean" in shown:
            break
    assert [name for name in COLUMNS if f"sort-header-{name}" not in shown] == []
    rows = re.findall(r"(xception|airl|efficientnet_bilstm)@procedural_lab</span>", shown)
    assert list(dict.fromkeys(rows)) == ["airl", "efficientnet_bilstm", "xception"]


def test_the_page_is_served_to_this_machine_only_by_one_worker() -> None:
    command, environment = publish.ui_command("sqlite:///mlflow.db", "mlartifacts", 5001)
    said = " ".join(command)
    assert "--host 127.0.0.1" in said
    assert "--workers 1" in said
    assert environment["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] == "false"
    assert environment["MLFLOW_DISABLE_TELEMETRY"] == "true"


def test_a_store_that_is_a_server_already_needs_no_other() -> None:
    with pytest.raises(HarnessError, match="a server already"):
        publish.ui_command("http://user:secret@127.0.0.1:5000", "mlartifacts", 5001)
