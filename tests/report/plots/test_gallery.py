"""Plots: drawn where there are numbers, refused in words where there are none, and no burden on tables."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from collections.abc import Iterator, Mapping
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from harness.metrics.measure import Terms
from harness.records import Board, Cost, Entry, Row
from harness.report.plots import curves, forest, gallery, heatmaps, speed
from harness.report.plots.curves import BAND_DRAWS, roc_band
from harness.report.plots.heatmaps import domain_lines
from harness.report.plots.style import DPI
from harness.results.predictions import SCHEMA, write_predictions
from harness.results.rows import made_row
from harness.types import Cell, HarnessError, parts_of

LAB, WILD = "procedural_lab", "procedural_wild"
EVERY = ("forest", "heatmap", "robustness", "speed", "roc", "reliability", "domains")
LARGEST = 150_000

Strengths = Mapping[str, float]
"""Test set -> how many standard deviations fakes score above reals."""


def predictions(world: str, strength: float, seed: int) -> pd.DataFrame:
    """120 clips of 30 people; with strength 0 all score 0.5."""
    rng = np.random.default_rng(seed)
    label = np.arange(120) % 2
    score = 1 / (1 + np.exp(-rng.normal(strength * (label - 0.5), 1 if strength else 0, 120)))
    people = rng.integers(30, size=(2, 120))
    table = pd.DataFrame(dict.fromkeys(SCHEMA.names), index=range(120))
    return table.assign(
        clip_id=[f"{world}/{k}" for k in range(120)],
        label=label,
        manipulation=np.where(label == 1, "gan", None),
        target=[f"p{k}" for k in people[0]],
        source=[f"p{k}" if fake else None for k, fake in zip(people[1], label, strict=True)],
        score=score,
        frame_scores=[[value] for value in score],
        frame_indices=[[0]] * 120,
    )


class Maker:
    """Boards of detectors with stored predictions."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.files, self.entries = folder, dict[str, Path](), list[Entry]()

    def add(self, name: str, trained_on: str | None, sets: Strengths, fps: float = 0, **cell: Any) -> Maker:
        """One more entry; `cell` are further fields of its cells."""
        rows = [self._row(Cell(name, trained_on, tested, **cell), at) for tested, at in sets.items()]
        same = [k for k, each in enumerate(self.entries) if each.name == rows[0].cell.entry]
        if same:
            self.entries[same[0]] = dataclasses.replace(
                self.entries[same[0]], rows=(*self.entries[same[0]].rows, *rows)
            )
        else:
            spent = Cost(
                name, "Some(R) Processor(TM)", "fp32", 96, 8, 16, fps, 10.0, None, None, 9, None, None
            )
            self.entries.append(
                Entry(name, trained_on, cell.get("seed", 0), tuple(rows), spent if fps else None)
            )
        return self

    def board(self, matrix: str = "some-matrix") -> Board:
        return Board(matrix, "0", "", "about", tuple(self.entries), predictions=self.files)

    def _row(self, cell: Cell, strength: float) -> Row:
        told = predictions(parts_of(cell.tested_on)[0], strength, len(self.files))
        path = self.folder / f"{len(self.files)}.parquet"
        write_predictions(path, told, {})
        self.files[str(cell)] = path
        source = "fixed" if cell.trained_on is None else "source-val"
        said = {"threshold": 0.5, "threshold_source": source, "checkpoint_source": source}
        return made_row(cell, told, said, Terms(draws=200))


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


def drawn(board: Board, folder: Path) -> Iterator[tuple[str, Path]]:
    for name, draw in gallery.DRAWN.items():
        if gallery.has(name, board):
            draw(board, folder / f"{name}.png")
            yield name, folder / f"{name}.png"


def looks_like_a_plot(path: Path) -> bool:
    """A PNG of sane size that is not blank."""
    with Image.open(path) as image:
        wide, high = image.size
        colours = len(image.convert("RGB").getcolors(1 << 16) or [])
        return image.format == "PNG" and 300 < wide < 3000 and 150 < high < 3000 and colours > 20


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


def words_of(figure: Figure) -> list[str]:
    """All that is written in a figure."""
    return [text.get_text() for text in figure.findobj(Text)]


def written_in(figure: Figure) -> list[Text]:
    """The texts of a figure that are seen."""
    found = list(figure.texts)
    for legend in (*figure.legends, *(axes.get_legend() for axes in figure.axes)):
        found += legend.get_texts() if legend else []
    for axes in figure.axes:
        if axes.get_visible():
            found += [axes.title, axes.xaxis.label, axes.yaxis.label, *axes.texts]
            for axis, place, ends in ((axes.xaxis, 0, axes.get_xlim()), (axes.yaxis, 1, axes.get_ylim())):
                labels = axis.get_ticklabels()
                found += [each for each in labels if min(ends) <= each.get_position()[place] <= max(ends)]
    return [text for text in found if text.get_text().strip() and text.get_visible()]


def overlapping(figure: Figure) -> list[tuple[str, str]]:
    """Different texts of a figure that cover each other, or stand on each other without a gap."""
    figure.set_dpi(DPI)
    figure.canvas.draw()  # where texts stand is known after drawing
    boxes = [(text.get_text(), text.get_window_extent()) for text in written_in(figure)]
    found = []
    for (one, first), (other, second) in combinations(boxes, 2):
        across = min(first.x1, second.x1) - max(first.x0, second.x0)
        up = min(first.y1, second.y1) - max(first.y0, second.y0)
        if across > 1 and up > -1.5 and one != other:  # axes that share a side have the same labels
            found.append((one, other))
    return found


def test_every_plot_of_a_full_board_is_a_png_of_modest_size_that_can_be_read(
    full: Board, tmp_path: Path, covered: list[list[tuple[str, str]]]
) -> None:
    files = dict(drawn(full, tmp_path))
    assert set(files) == set(gallery.DRAWN) == set(EVERY)
    for (name, path), texts in zip(files.items(), covered, strict=True):
        assert looks_like_a_plot(path), name
        assert path.stat().st_size < LARGEST, name
        assert not texts, name


def test_a_board_of_the_row_to_beat_alone_can_be_drawn(make: Maker, tmp_path: Path) -> None:
    files = dict(drawn(make.add("constant", None, {LAB: 0, WILD: 0}, 1e6).board(), tmp_path))
    assert set(files) == {"forest", "heatmap", "roc", "reliability", "domains"}
    assert all(looks_like_a_plot(path) for path in files.values())


def test_one_entry_on_what_it_was_trained_on_has_no_unseen_number_to_draw(
    make: Maker, tmp_path: Path
) -> None:
    files = dict(drawn(make.add("xception", LAB, {LAB: 2}, 100).board(), tmp_path))
    assert set(files) == {"heatmap", "roc", "reliability"}
    assert all(looks_like_a_plot(path) for path in files.values())


def test_nine_entries_on_parts_of_a_dataset_can_be_drawn_and_read(
    make: Maker, tmp_path: Path, covered: list[list[tuple[str, str]]]
) -> None:
    outs = ("autoencoder", "graphics", "reenactment")
    for name in ("xception", "efficientnet_bilstm", "airl"):
        for out in outs:
            sets = {f"{LAB}:{part}": 0.8 if part == out else 2.5 for part in outs}
            make.add(name, f"{LAB}-{out}", sets, 100)
    files = dict(drawn(make.board(), tmp_path))
    assert set(files) == {"forest", "heatmap", "speed", "roc", "reliability"}
    assert all(looks_like_a_plot(path) for path in files.values())
    assert max(path.stat().st_size for path in files.values()) < LARGEST
    assert covered == [[] for _ in files]


@pytest.mark.parametrize("name", ["roc", "domains"])
def test_four_test_sets_and_ten_detectors_can_still_be_read(
    name: str, make: Maker, tmp_path: Path, covered: list[list[tuple[str, str]]]
) -> None:
    sets = ("ffpp_c23", "celeb_df_v2", "dfdc_preview", "wild_deepfake")
    for number in range(10):
        make.add(f"detector_number_{number}", "ffpp_c23", dict.fromkeys(sets, 0.5 + number / 4))
    gallery.DRAWN[name](make.board(), tmp_path / "drawn.png")
    assert covered == [[]]


@pytest.mark.parametrize("name", EVERY)
def test_a_board_without_numbers_has_no_plot_and_drawing_it_is_an_error(name: str, tmp_path: Path) -> None:
    board = Board("empty", "0", "", "about", ())
    assert not gallery.has(name, board)
    with pytest.raises(HarnessError, match=f"matrix empty holds nothing that a {name} plot shows"):
        gallery.DRAWN[name](board, tmp_path / "none.png")
    assert not (tmp_path / "none.png").exists()


def test_plots_from_predictions_need_predictions(full: Board) -> None:
    bare = dataclasses.replace(full, predictions={})
    assert {name for name in EVERY if gallery.has(name, bare)} == {"forest", "heatmap", "robustness", "speed"}


def test_an_undefined_auc_is_in_no_plot_but_its_row_does_not_hide_others(make: Maker, tmp_path: Path) -> None:
    board = make.add("xception", LAB, {LAB: 2, WILD: 1}, 100).board()
    entry = board.entries[0]
    undefined = dataclasses.replace(entry.rows[1], metrics={"auc": None}, intervals={}, draws={})
    board = dataclasses.replace(board, entries=(dataclasses.replace(entry, rows=(entry.rows[0], undefined)),))
    assert not gallery.has("forest", board) and not gallery.has("speed", board)
    heatmaps.heatmap(board, tmp_path / "heatmap.png")
    assert looks_like_a_plot(tmp_path / "heatmap.png")


def test_a_plot_nobody_knows_is_an_error_that_names_the_nearest(full: Board) -> None:
    with pytest.raises(HarnessError, match="did you mean 'forest'"):
        gallery.has("forrest", full)


def test_damaged_predictions_are_an_error_and_leave_no_file(full: Board, tmp_path: Path) -> None:
    next(iter(full.predictions.values())).write_bytes(b"damaged")
    for name in ("roc", "reliability"):
        with pytest.raises(HarnessError, match="cannot be read"):
            gallery.DRAWN[name](full, tmp_path / "none.png")
    assert not (tmp_path / "none.png").exists()


def test_equal_numbers_give_equal_files(full: Board, tmp_path: Path) -> None:
    for name in ("forest", "roc"):
        gallery.DRAWN[name](full, tmp_path / "a.png")
        gallery.DRAWN[name](full, tmp_path / "b.png")
        assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_importing_plots_imports_no_plotting_library() -> None:
    code = (
        "import sys, harness.report.plots.speed;"
        "print(sorted({'torch', 'mlflow', 'matplotlib', 'seaborn', 'PIL'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_the_forest_shows_each_line_with_its_rank_interval_and_gap(
    full: Board, tmp_path: Path, figures: list[Figure]
) -> None:
    forest.forest(full, tmp_path / "drawn.png")
    texts = words_of(figures[-1])
    row = next(row for row in full.entries[3].rows if row.cell.tested_on == WILD and not row.cell.severity)
    seen = next(row for row in full.entries[3].rows if row.cell.tested_on == LAB and not row.cell.severity)
    low, high = row.intervals["auc"]
    told = f"{row.metrics['auc']:.3f} [{low:.3f}, {high:.3f}]"
    gap = f"{seen.metrics['auc'] - row.metrics['auc']:.3f}"  # type: ignore[operator]
    assert any(text.startswith(told) and text.endswith(gap) for text in texts)
    names = [text.split() for text in texts if text.split()[:1] in (["airl"], ["xception"], ["constant"])]
    assert ["constant", "4"] in names
    assert any(text.startswith("some-matrix: mean AUC on unseen forgeries") for text in texts)


def test_what_is_not_ranked_has_no_rank_in_the_forest(
    full: Board, tmp_path: Path, figures: list[Figure]
) -> None:
    unsaid = [
        dataclasses.replace(entry, rows=tuple(dataclasses.replace(row, provenance={}) for row in entry.rows))
        for entry in full.entries
    ]
    board = dataclasses.replace(full, entries=tuple(unsaid))
    forest.forest(board, tmp_path / "drawn.png")
    texts = words_of(figures[-1])
    assert any(text.split() == ["airl", "-"] for text in texts)
    assert any("grey: not ranked" in text for text in texts)


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


def test_points_of_the_speed_plot_have_the_interval_of_their_mean(make: Maker) -> None:
    make.add("airl", LAB, {LAB: 3, WILD: 1}, 100).add("airl", WILD, {LAB: 1.5, WILD: 3}, 300)
    board = make.board()
    table = speed.speeds(board)
    assert table["fps"].tolist() == [200]
    unseen = [board.entries[0].rows[1], board.entries[1].rows[0]]
    both = (unseen[0].draws["auc"] + unseen[1].draws["auc"]) / 2
    assert table["auc"].item() == pytest.approx(np.mean([row.metrics["auc"] for row in unseen]))
    assert [table["low"].item(), table["high"].item()] == pytest.approx(np.quantile(both, [0.025, 0.975]))


def test_points_without_draws_have_no_whisker(make: Maker) -> None:
    board = make.add("airl", LAB, {LAB: 3, WILD: 1}, 100).board()
    entry = board.entries[0]
    plain = dataclasses.replace(entry, rows=tuple(dataclasses.replace(row, draws={}) for row in entry.rows))
    table = speed.speeds(dataclasses.replace(board, entries=(plain,)))
    assert table["low"].item() == table["auc"].item() == table["high"].item()
