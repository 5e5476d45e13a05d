"""Plots are drawn where there are numbers, refused in words where there are none, and no burden on tables."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.records import Board
from harness.report.plots import gallery, heatmaps
from harness.types import HarnessError
from tests.report.plots.figure_texts import looks_like_a_plot
from tests.report.plots.plotted_boards import LAB, WILD, Maker

EVERY = ("forest", "heatmap", "robustness", "speed", "roc", "reliability", "domains")
LARGEST = 150_000


def drawn(board: Board, folder: Path) -> Iterator[tuple[str, Path]]:
    for name, draw in gallery.DRAWN.items():
        if gallery.has(name, board):
            draw(board, folder / f"{name}.png")
            yield name, folder / f"{name}.png"


def test_every_plot_of_a_full_board_is_a_png_of_modest_size_that_can_be_read(
    full: Board, tmp_path: Path, covered: list[list[tuple[str, str]]]
) -> None:
    files = dict(drawn(full, tmp_path))
    assert set(files) == set(gallery.DRAWN) == set(EVERY)
    for (name, path), texts in zip(files.items(), covered, strict=True):
        assert looks_like_a_plot(path), name
        assert path.stat().st_size < LARGEST, name
        assert not texts, name


def test_of_more_test_sets_than_a_picture_holds_the_tables_are_left(
    make: Maker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    board = make.add("xception", LAB, {LAB: 2, WILD: 1}, 100).board()
    names = {path.name for path in gallery.draw_plots(board, tmp_path)}
    monkeypatch.setattr(gallery, "MOST_SETS", 1)
    kept = {path.name for path in gallery.draw_plots(board, tmp_path)}
    gone = {f"{board.matrix}-{kind}.png" for kind in gallery.CROWDED}
    assert gone <= names and kept == names - gone == {path.name for path in tmp_path.glob("*.png")}
    assert "more than 1 test sets; the tables hold them all" in capsys.readouterr().err


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
