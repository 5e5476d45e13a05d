"""What tests of reports share: boards drawn once, and the ledger that comes with the project."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.records import Board
from harness.report.published_figures import Figure, figures_in
from tests.report.made_boards import cross_dataset, leave_one_out, of_seeds

RESULTS = Path(__file__).resolve().parents[2] / "results"


@pytest.fixture(scope="session")
def cross(tmp_path_factory: pytest.TempPathFactory) -> Board:
    """The board of `cross_dataset`; its files are not to be touched."""
    return cross_dataset(tmp_path_factory.mktemp("cross"))


@pytest.fixture(scope="session")
def left_out(tmp_path_factory: pytest.TempPathFactory) -> Board:
    """The board of `leave_one_out`."""
    return leave_one_out(tmp_path_factory.mktemp("out"))


@pytest.fixture(scope="session")
def seeded(tmp_path_factory: pytest.TempPathFactory) -> Board:
    """The board of `of_seeds`."""
    return of_seeds(tmp_path_factory.mktemp("seeds"))


@pytest.fixture(scope="session")
def ledger() -> list[Figure]:
    """The ledger that comes with the project."""
    return figures_in(RESULTS)
