"""What tests of plots share: boards to draw, and the figures that were written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure

from harness.records import Board
from tests.report.plots.figure_texts import overlapping
from tests.report.plots.plotted_boards import LAB, WILD, Maker


@pytest.fixture
def make(tmp_path: Path) -> Maker:
    return Maker(tmp_path)


@pytest.fixture
def full(make: Maker) -> Board:
    """Four detectors on two sets, clean and blurred, with costs."""
    make.add("constant", None, {LAB: 0, WILD: 0}, 1e6)
    for name, unseen in (("xception", 0.4), ("airl", 0.6), ("efficientnet_bilstm", 1.5)):
        make.add(name, LAB, {LAB: 3, WILD: unseen}, 100 * (1 + unseen))
        make.add(name, LAB, {LAB: 1, WILD: 0.2}, perturbation="blur", severity=2)
    return make.board()


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The figures that were written, in order."""
    found: list[Figure] = []
    save = Figure.savefig

    def keeping(figure: Figure, *args: Any, **kwargs: Any) -> None:
        save(figure, *args, **kwargs)
        found.append(figure)

    monkeypatch.setattr(Figure, "savefig", keeping)
    return found


@pytest.fixture
def covered(monkeypatch: pytest.MonkeyPatch) -> list[list[tuple[str, str]]]:
    """Of each figure that was written, in order, the texts that cover each other."""
    found: list[list[tuple[str, str]]] = []
    save = Figure.savefig

    def looking(figure: Figure, *args: Any, **kwargs: Any) -> None:
        found.append(overlapping(figure))
        save(figure, *args, **kwargs)

    monkeypatch.setattr(Figure, "savefig", looking)
    return found
