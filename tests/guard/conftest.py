"""One board for all tests of this folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from harness.records import Board
from tests.guard.nasty import marked_board


@pytest.fixture(scope="session")
def marked(tmp_path_factory: pytest.TempPathFactory) -> Board:
    """A board whose every text holds `MARK`."""
    folder: Path = tmp_path_factory.mktemp("marked")
    before, os.environ["GAPBENCH_HOME"] = os.environ.get("GAPBENCH_HOME"), str(folder / "home")
    try:
        return marked_board(folder)
    finally:
        os.environ.pop("GAPBENCH_HOME")
        if before is not None:
            os.environ["GAPBENCH_HOME"] = before
