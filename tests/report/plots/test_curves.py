"""Each curve is told with its calibration error, and the band of a ROC holds it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from harness.records import Board
from harness.report.plots import curves
from harness.report.plots.curves import BAND_DRAWS, roc_band
from tests.report.plots.figure_texts import words_of
from tests.report.plots.plotted_boards import WILD, predictions


def test_reliability_says_the_calibration_error_of_each_detector(
    full: Board, tmp_path: Path, figures: list[Figure]
) -> None:
    curves.reliability(full, tmp_path / "drawn.png")
    texts = words_of(figures[-1])
    for row in full.rows:
        if not row.cell.severity:
            assert f"{row.cell.entry} ECE {row.metrics['ece']:.3f}" in texts


def test_the_band_of_a_roc_holds_the_curve_and_rises(full: Board) -> None:
    row = full.entries[1].rows[1]
    told = predictions(WILD, 1.0, 5)
    low, high = roc_band(row, told, np.linspace(0, 1, 51))
    assert (low <= high).all() and (np.diff(low) >= 0).all() and (np.diff(high) >= 0).all()
    reals, fakes = (np.sort(told.loc[told["label"] == kind, "score"]) for kind in (0, 1))
    for fpr in (0.2, 0.5, 0.8):
        caught = (fakes > np.quantile(reals, 1 - fpr)).mean()
        at = round(fpr * 50)
        assert low[at] <= caught <= high[at]
        assert high[at] - low[at] > 0.03
    assert BAND_DRAWS >= 200
