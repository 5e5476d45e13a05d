"""The heatmap across domains shows the best detectors by their means over seeds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from harness.report.plots import heatmaps
from harness.report.plots.heatmaps import domain_lines
from tests.report.plots.figure_texts import words_of
from tests.report.plots.plotted_boards import LAB, WILD, Maker


def test_domains_draw_six_detectors_at_most_and_not_the_row_to_beat(make: Maker) -> None:
    make.add("constant", None, {LAB: 0, WILD: 0})
    for number in range(7):
        make.add(f"eye{number}", LAB, {LAB: 2, WILD: 0.3 + number / 2})
    shown = [line.entries[0].detector for line in domain_lines(make.board())]
    assert len(shown) == 6
    assert shown[0] in ("eye6", "eye5")
    assert "constant" not in shown and "eye0" not in shown


def test_domains_are_means_over_seeds(make: Maker, tmp_path: Path, figures: list[Figure]) -> None:
    for seed in (0, 1):
        make.add("xception", LAB, {LAB: 2, WILD: 1}, seed=seed)
    board = make.board()
    assert [line.name for line in domain_lines(board)] == [f"xception@{LAB}"]
    heatmaps.cross_domain_heatmap(board, tmp_path / "drawn.png")
    texts = words_of(figures[-1])
    mean = np.mean([row.metrics["auc"] for row in board.rows if row.cell.tested_on == WILD])
    assert f"{mean:.3f}" in texts
    assert any("mean over seeds" in text for text in texts)
