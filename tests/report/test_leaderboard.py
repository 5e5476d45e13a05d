"""The leaderboard: gaps, headline numbers, tables that say what they are, and files written whole."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from harness.gate.accepted import read_rows
from harness.records import Board, Cost, Entry, Row
from harness.report.leaderboard import cost_table, headline, markdown, rows_table, terminal, write_board
from harness.report.plots import curves, gallery, speed
from harness.report.ranks import FALLS, MEANT
from harness.results.predictions import SCHEMA, write_predictions
from harness.results.rows import FIXED_COLUMNS
from harness.types import GATE_RULES, SELECTIONS, Cell, HarnessError

PROVENANCE: dict[str, Any] = {
    "threshold": 0.43123456,
    "threshold_source": "source-val",
    "checkpoint_source": "source-val",
    "interval_method": "node",
    "recipe_sha256": "r" * 64,
    "clips_sha256": "c" * 64,
    "protocol": 1,
    "weights_sha256": "w" * 64,
    "commit": "abcdef1234567890",
    "dirty": False,
    "recipe": {"size": 96, "frames": 8, "clips": 240, "epochs": 7, "batch": 16, "pretrained": False},
}
LAB, WILD = "procedural_lab", "procedural_wild"


def row(
    detector: str,
    trained_on: str | None,
    tested_on: str,
    auc: float | None,
    condition: str = "clean-0",
    **rest: Any,
) -> Row:
    """A row with that AUC; `condition` is `perturbation-severity`."""
    perturbation, severity = condition.split("-")
    cell = Cell(detector, trained_on, tested_on, perturbation, int(severity), rest.pop("seed", 0))
    metrics = {"auc": auc, "eer": None if auc is None else 1 - auc, "accuracy": auc, "frame_auc": None}
    intervals = {} if auc is None else {"auc": (auc - 0.04, auc + 0.04)}
    reasons = {"frame_auc": "clip-based"} | ({"auc": "no scored clip"} if auc is None else {})
    metrics |= {f"auc:{name}": value for name, value in rest.pop("manipulations", {}).items()}
    return Row(cell, 200, rest.pop("failed", 0), metrics, intervals, reasons, PROVENANCE | rest)


def cost(detector: str, fps: float) -> Cost:
    """What a detector costs on a processor with a long name."""
    device = "Some(R) Processor(TM) 9999 CPU @ 2.70GHz"
    return Cost(
        detector, device, "fp32", 96, 8, 16, fps, 8000 / fps, 9000 / fps, None, 20_000_000, None, None
    )


def entry(rows: Iterable[Row], fps: float | None = None) -> Entry:
    """The leaderboard line of those rows."""
    rows = tuple(rows)
    cell = rows[0].cell
    spent = None if fps is None else cost(cell.detector, fps)
    return Entry(cell.detector, cell.trained_on, cell.seed, rows, spent)


def cross_dataset() -> Board:
    """Three detectors on two sets, clean and blurred, and one set that is absent."""
    entries = []
    for name, seen, unseen, fps in (("xception", 0.9, 0.65, 140.0), ("airl", 0.95, 0.72, 95.0)):
        parts = {"gan": unseen - 0.1, "diffusion": unseen + 0.1}
        rows = [row(name, LAB, LAB, seen), row(name, LAB, WILD, unseen, failed=3, manipulations=parts)]
        rows += [
            row(name, LAB, test, 0.6 - level / 50, f"blur-{level}")
            for test in (LAB, WILD)
            for level in (1, 3)
        ]
        entries.append(entry(rows, fps))
    entries.insert(0, entry([row("constant", None, test, 0.5) for test in (LAB, WILD)]))
    about = "Procedurally rendered faces. These numbers say nothing about FaceForensics++ or Celeb-DF."
    absent = {"ffpp_c23": 'add ffpp_c23 = "FOLDER" to data.toml, or set GAPBENCH_DATA_FFPP_C23=FOLDER'}
    return Board("cross-dataset", "m" * 64, "", about, tuple(entries), absent)


def with_predictions(board: Board, folder: Path, failed: int = 0) -> Board:
    """The board with stored predictions of every cell; the scores of the first `failed` clips are missing."""
    files = {}
    for number, row in enumerate(board.rows):
        rng = np.random.default_rng(number)
        label = np.arange(60) % 2
        score = 1 / (1 + np.exp(-rng.normal(1.5 * label - 0.75, 1)))
        told = pd.DataFrame(dict.fromkeys(SCHEMA.names), index=range(60))
        told = told.assign(clip_id=[f"c{k}" for k in range(60)], label=label, score=score)
        told.loc[: failed - 1, "score"] = None
        files[str(row.cell)] = folder / f"{board.matrix}-{number}.parquet"
        write_predictions(files[str(row.cell)], told, {})
    return dataclasses.replace(board, predictions=files)


@pytest.fixture(scope="module")
def cross(tmp_path_factory: pytest.TempPathFactory) -> Board:
    """The board of `cross_dataset` with its predictions."""
    return with_predictions(cross_dataset(), tmp_path_factory.mktemp("predictions"))


def leave_one_out() -> Board:
    """The detector with the longest name, trained three times, each without one manipulation."""
    names = ("autoencoder", "graphics", "reenactment")
    entries = []
    for out in names:
        rows = [
            row("efficientnet_bilstm", f"{LAB}-{out}", f"{LAB}:{only}", 0.6 if only == out else 0.8 + k / 100)
            for k, only in enumerate(names)
        ]
        entries.append(entry(rows))
    return Board("cross-manipulation", "m" * 64, "", "Procedural faces.", tuple(entries))


def table_of(rows: Iterable[Row]) -> pd.DataFrame:
    """The flat table, looked up by detector, test set, perturbation and severity."""
    return rows_table(rows).set_index(["detector", "trained_on", "tested_on", "perturbation", "severity"])


def test_the_gap_is_the_clean_in_dataset_auc_of_the_same_weights_minus_this_auc() -> None:
    rows = [row("xception", LAB, LAB, 0.9), row("xception", LAB, WILD, 0.65), row("airl", LAB, LAB, 0.99)]
    rows += [row("xception", LAB, LAB, 0.5, seed=1), row("xception", LAB, WILD, 0.6, "blur-2")]
    found = table_of(rows)["gap"]
    assert found["xception", LAB, WILD, "clean", 0] == pytest.approx(0.25)
    assert found["xception", LAB, WILD, "blur", 2] == pytest.approx(0.3)


def test_the_gap_of_leave_one_out_is_taken_from_the_mean_of_the_others() -> None:
    found = table_of(leave_one_out().rows)["gap"]
    out = f"{LAB}-autoencoder"
    gap = found["efficientnet_bilstm", out, f"{LAB}:autoencoder", "clean", 0]
    assert gap == pytest.approx((0.81 + 0.82) / 2 - 0.6)
    assert found["efficientnet_bilstm", out, f"{LAB}:graphics", "clean", 0] is None


def test_every_missing_gap_has_its_reason() -> None:
    rows = [row("constant", None, LAB, 0.5), row("xception", LAB, LAB, 0.9), row("airl", LAB, WILD, 0.7)]
    rows += [row("xception", LAB, WILD, None)]
    reasons = [json.loads(text)["gap"] for text in rows_table(rows)["reasons"]]
    assert "not trained" in reasons[0]
    assert "only for cross" in reasons[1]
    assert "no in-dataset" in reasons[2]
    assert "undefined" in reasons[3]
    assert rows_table(rows)["gap"].isna().all()


def test_the_table_has_a_line_a_cell_rounded_and_reads_back_from_csv(tmp_path: Path) -> None:
    rows = [row("xception", LAB, LAB, 0.123456789, manipulations={"gan": 1 / 3})]
    table = rows_table(rows)
    line = table.iloc[0]
    assert (line["auc"], line["auc_lo"], line["auc:gan"]) == (0.1235, 0.0835, 0.3333)
    assert (line["threshold"], line["runtime"], line["regime"]) == (0.431235, "cpu-fp32-b16", "in-dataset")
    assert json.loads(line["reasons"])["frame_auc"] == "clip-based"
    table.to_csv(tmp_path / "rows.csv", index=False)
    read = read_rows(tmp_path / "rows.csv").iloc[0]
    assert (read["auc"], read["clips_sha256"], read["protocol"]) == (0.1235, "c" * 64, "1")


def test_no_rows_give_an_empty_table_with_all_columns() -> None:
    assert list(rows_table([]).columns) == [
        name for name in rows_table(cross_dataset().rows).columns if ":" not in str(name)
    ]


def test_the_headline_of_a_trained_detector() -> None:
    found = headline(cross_dataset().entries[1])
    assert found["auc_in_dataset"] == 0.9
    assert found["auc_unseen_mean"] == found["auc_unseen_worst"] == 0.65
    assert found["auc_gap"] == pytest.approx(0.25)
    assert found["auc_robust_mean"] == pytest.approx((0.58 + 0.54) / 2)
    assert (found["fps"], found["vram_peak_mib"]) == (140.0, None)
    assert (found["cells_ok"], found["cells_failed"]) == (5, 1)


def test_a_fixed_detector_has_every_clean_set_unseen_and_no_gap() -> None:
    found = headline(cross_dataset().entries[0])
    assert (found["auc_unseen_mean"], found["auc_in_dataset"], found["auc_gap"]) == (0.5, None, None)
    assert found["auc_robust_mean"] is None


def test_an_undefined_auc_makes_the_mean_undefined_so_that_nobody_gains_by_failing() -> None:
    rows = [row("airl", LAB, LAB, 0.9), row("airl", LAB, WILD, 0.7), row("airl", LAB, "other", None)]
    found = headline(entry(rows))
    assert found["auc_unseen_mean"] is found["auc_unseen_worst"] is found["auc_gap"] is None


@pytest.mark.parametrize("render", [markdown, terminal])
def test_tables_are_at_most_a_hundred_columns_wide(render: Any, cross: Board) -> None:
    for board in (cross, leave_one_out()):
        assert max(len(line) for line in render(board).splitlines()) <= 100


@pytest.mark.parametrize("render", [markdown, terminal])
def test_the_leaderboard_says_what_it_was_measured_on_and_what_was_left_out(
    render: Any, cross: Board
) -> None:
    text = " ".join(render(cross).split())
    for said in (
        "say nothing about FaceForensics++ or Celeb-DF",
        "constant (to beat)",
        "0.720 [.680, .760]",
        "Each manipulation of procedural_wild",
        "GAPBENCH_DATA_FFPP_C23=FOLDER",
        "3 of 200",
        "Some(R) Processor(TM) 9999",
        "the matrix shrank them",
    ):
        assert said in text


def test_rows_without_draws_cannot_be_told_apart_so_they_share_a_rank(cross: Board) -> None:
    lines = terminal(cross).splitlines()
    start = next(k for k, line in enumerate(lines) if line.startswith("#  detector"))
    ranks = [line.split()[:2] for line in lines[start + 1 : start + 4]]
    assert ranks == [["1", "airl"], ["1", "xception"], ["1", "constant"]]


def test_leave_one_out_is_summed_up_by_detector() -> None:
    lines = terminal(leave_one_out()).split("By detector")[1].splitlines()
    assert next(line for line in lines if line.startswith("efficientnet")).split()[1:3] == ["3", "0.600"]


def test_an_unmeasured_board_is_still_a_page() -> None:
    board = dataclasses.replace(cross_dataset(), entries=())
    assert "ffpp_c23" in markdown(board)
    assert "ffpp_c23" in terminal(board)


@pytest.fixture(scope="module")
def written(cross: Board, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The files of a board with every number a file shows."""
    return write_board(cross, tmp_path_factory.mktemp("results"))


def test_all_files_of_a_board_are_written_and_no_others(written: list[Path]) -> None:
    kinds = [".md", ".csv", "-cost.csv", "-domains.csv", *(f"-{name}.png" for name in gallery.DRAWN)]
    assert {path.name for path in written} == {f"cross-dataset{kind}" for kind in kinds}
    results = written[0].parent
    assert sorted(written) == sorted(results.iterdir())
    for path in written:
        if path.suffix == ".png":
            assert path.read_bytes().startswith(b"\x89PNG")
    assert len(read_rows(results / "cross-dataset.csv")) == 14
    table = pd.read_csv(results / "cross-dataset-domains.csv")
    wanted = ["entry", "reals_of", "fakes_of", "reals", "fakes", "auc", "auc_lo", "auc_hi"]
    assert list(table.columns) == wanted
    assert len(table) == 3 * 4


def test_plots_without_numbers_are_not_drawn(tmp_path: Path) -> None:
    board = leave_one_out()
    written = write_board(board, tmp_path)
    assert {path.name for path in written} == {
        f"{board.matrix}{kind}" for kind in (".md", ".csv", "-forest.png", "-heatmap.png")
    }
    with pytest.raises(HarnessError, match="nothing that a speed plot"):
        speed.speed(board, tmp_path / "speed.png")


@pytest.mark.parametrize("board", [cross_dataset(), leave_one_out()], ids=lambda board: board.matrix)
def test_roc_curves_are_drawn_from_stored_predictions_without_failed_clips(
    board: Board, tmp_path: Path
) -> None:
    drawn = {}
    for failed in (0, 20):
        curves.roc(with_predictions(board, tmp_path, failed), tmp_path / f"{failed}.png")
        drawn[failed] = (tmp_path / f"{failed}.png").read_bytes()
        assert drawn[failed].startswith(b"\x89PNG")
    assert drawn[0] != drawn[20]


def test_roc_curves_of_damaged_predictions_are_an_error_that_names_the_file(tmp_path: Path) -> None:
    board = with_predictions(cross_dataset(), tmp_path)
    next(iter(board.predictions.values())).write_bytes(b"damaged")
    with pytest.raises(HarnessError, match=r"cross-dataset-0\.parquet cannot be believed: it cannot be read"):
        curves.roc(board, tmp_path / "roc.png")
    assert not (tmp_path / "roc.png").exists()


@pytest.mark.parametrize(
    ("timing", "said", "unsaid"),
    [
        (None, (), ("Making", "Training", "scored anything")),
        ({"training_s": 0.0}, (), ("Making", "Training", "scored anything")),
        ({"training_s": 319.0}, ("Training took 319 s in all.",), ("Making", "scored anything")),
        (
            {"made_s": 44.0, "training_s": 319.0, "scoring_s": 46.0, "frames_scored": 14400},
            ("Making the clips took 44 s.", "Training took 319 s", "14400 frames", "313 a second"),
            (),
        ),
    ],
)
@pytest.mark.parametrize("render", [markdown, terminal])
def test_the_time_a_run_took_is_said_as_far_as_it_is_known(
    render: Any, timing: dict[str, float] | None, said: tuple[str, ...], unsaid: tuple[str, ...], cross: Board
) -> None:
    environment = {} if timing is None else {"timing": timing}
    text = " ".join(render(dataclasses.replace(cross, environment=environment)).split())
    assert all(words in text for words in said)
    assert not any(words in text for words in unsaid)


def test_equal_numbers_give_equal_files(cross: Board, written: list[Path], tmp_path: Path) -> None:
    again = {path.name: path.read_bytes() for path in write_board(cross, tmp_path)}
    assert again == {path.name: path.read_bytes() for path in written}


def test_a_detector_that_costs_the_same_in_two_rows_is_listed_once() -> None:
    board = cross_dataset()
    twice = dataclasses.replace(board, entries=(*board.entries, board.entries[1]))
    assert list(cost_table(twice)["detector"]) == ["xception", "airl"]


def test_every_column_of_the_tables_is_explained_in_the_readme_of_the_results() -> None:
    text = (Path(__file__).resolve().parents[2] / "results" / "README.md").read_text()
    firsts = [line.split("|")[1] for line in text.splitlines() if line.startswith("|")]
    explained = {name for first in firsts for name in re.findall(r"`([^`]+)`", first)}
    columns = {name if name in explained else re.sub(r"_(lo|hi)$", "", name) for name in FIXED_COLUMNS}
    assert columns <= explained
    (bounds,) = [line for line in text.splitlines() if line.startswith("| `<number>_lo`")]
    for name in {column.removesuffix("_lo") for column in FIXED_COLUMNS if column.endswith("_lo")}:
        assert f"`{name.split('_at_')[0]}" in bounds or name == "auc_delong"
    assert {"auc:<manipulation>", "miss_at_val_1pct:<manipulation>"} <= explained
    assert {*MEANT, *FALLS, *GATE_RULES, *SELECTIONS} <= explained
    assert {f"<matrix>-{name}.png" for name in gallery.DRAWN} <= explained
