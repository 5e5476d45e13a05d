"""Scores from elsewhere: what a file says is measured as it stands, and what it leaves unclear is refused."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from harness.cli import metrics
from harness.cli.entry import main
from harness.metrics.measure import METRICS
from harness.metrics.thresholds import best_threshold
from harness.records import Board, Entry, Row
from harness.results import external_scores
from harness.results.external_scores import board_from_scores
from harness.results.predictions import SCHEMA, read_predictions, write_predictions
from harness.results.rows import made_row, terms_from
from harness.results.score_file import EXPORTED, Scores, exported, read_scores, wording, write_scores
from harness.types import Cell, HarnessError

DECISIONS = ("accuracy", "balanced_accuracy", "tpr", "fpr", "ppv")


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAPBENCH_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)


def scored(count: int = 40, draw: int = 0, **columns: Any) -> pd.DataFrame:
    """As many real as fake clips, the fakes a little higher."""
    rng = np.random.default_rng(draw)
    label = np.arange(count) % 2
    score = 1 / (1 + np.exp(-rng.normal(1.2 * label - 0.6, 1)))
    table = pd.DataFrame({"clip_id": [f"{k:04d}" for k in range(count)], "label": label, "score": score})
    return table.assign(**columns)


def kept(table: pd.DataFrame, name: str = "scores.csv") -> Path:
    """The table as a file."""
    path = Path(name)
    if path.suffix == ".parquet":
        table.to_parquet(path)
    else:
        table.to_csv(path, index=False, sep="\t" if path.suffix == ".tsv" else ",")
    return path


def read(
    table: pd.DataFrame, columns: Sequence[str] = (), labels: str | None = None, name: str | None = None
) -> Scores:
    return read_scores(kept(table), wording(columns, labels, name))


def board(table: pd.DataFrame, threshold: float | None = None) -> Board:
    return board_from_scores(read(table), threshold)[0]


def only(table: pd.DataFrame, threshold: float | None = None) -> Row:
    (row,) = board(table, threshold).rows
    return row


def refused(what: str, text: str) -> None:
    """The message is one line that says so."""
    assert what in text and text.isprintable(), text


def test_a_file_of_scores_is_measured_without_torch() -> None:
    kept(scored(split=["val"] * 20 + ["test"] * 20))
    code = (
        "import sys; from argparse import Namespace as N; from pathlib import Path\n"
        "from harness.cli.metrics import run_metrics\n"
        "said = dict(matrix=None, map=[], name=None, threshold=None, prevalence=None, labels=None)\n"
        "code = run_metrics(N(predictions=Path('scores.csv'), results=Path('results'), csv=False, **said))\n"
        "print(code, sorted({'torch', 'timm', 'mlflow'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.stdout.splitlines()[-1] == "0 []", run.stderr


@pytest.mark.parametrize(
    "name", ["scores.csv", "scores.csv.gz", "scores.tsv", "scores.parquet", "SCORES.CSV"]
)
def test_every_kind_of_file_says_the_same(name: str) -> None:
    table = scored(manipulation=[None, "swap"] * 20, target="007")
    found = read_scores(kept(table, name)).table
    assert found["clip_id"].tolist() == table["clip_id"].tolist()
    assert found["target"].unique().tolist() == ["007"]
    assert found["score"].tolist() == table["score"].tolist()
    assert found["manipulation"].tolist() == [None, "swap"] * 20


def test_videos_of_four_manipulations_that_share_a_name_stay_four_clips() -> None:
    reals = pd.DataFrame({"clip_id": ["000", "003"], "label": 0, "score": 0.5})
    names = ("Deepfakes", "Face2Face", "FaceSwap", "NeuralTextures")
    fakes = pd.DataFrame(
        {"clip_id": "000_003", "label": 1, "score": [0.9, 0.9, 0.9, 0.1], "manipulation": names}
    )
    table = pd.concat([reals, fakes])
    merged = table.groupby(["clip_id", "label"], as_index=False)["score"].mean()
    assert only(merged).metrics["auc"] == 1.0
    row = only(table)
    assert row.metrics["auc"] == 0.75
    assert row.clips == 6
    assert row.metrics["auc:NeuralTextures"] == 0.0
    stored = read_predictions(board(table).predictions[str(row.cell)])[0]
    assert "NeuralTextures/000_003" in set(stored["clip_id"])


def test_a_real_and_a_fake_under_one_number_are_two_clips() -> None:
    table = pd.DataFrame(
        {"clip_id": ["1", "2", "1", "2"], "label": [0, 0, 1, 1], "score": [0.1, 0.2, 0.8, 0.9]}
    )
    for made in (None, "swap"):  # a folder of a method may hold its reals too
        found, notes = board_from_scores(read(table.assign(manipulation=made)))
        assert found.rows[0].clips == 4
        assert any("different clips" in note for note in notes)


def test_names_that_are_clear_are_left_alone() -> None:
    table = scored(manipulation=[None, "swap"] * 20)
    found = board(table)
    stored = read_predictions(found.predictions[str(found.rows[0].cell)])[0]
    assert stored["clip_id"].tolist() == table["clip_id"].tolist()


def test_a_clip_that_stands_twice_is_refused() -> None:
    table = scored()
    twice = pd.concat([table, table.iloc[:2]])
    with pytest.raises(HarnessError, match=r"clip '0000' stands 2 times .*one score") as error:
        board(twice)
    refused("scores.csv", str(error.value))
    frames = pd.concat([table.assign(score=share) for share in (0.2, 0.4, 0.6)])
    with pytest.raises(HarnessError, match=r"stands 3 times .*average the frame scores"):
        board(frames)
    two = pd.concat([table.assign(detector=name) for name in ("one", "other")])
    assert len(board(two).rows) == 2


def test_columns_of_other_names_are_mapped() -> None:
    table = scored(dataset="wild").rename(columns={"clip_id": "video", "score": "prob"})
    found = read(table.assign(score="high"), ["clip_id=video", "score = prob", "tested_on=dataset"])
    assert found.table["score"].tolist() == scored()["score"].tolist()
    assert set(found.table["tested_on"]) == {"wild"}
    assert found.notes == ("columns of scores.csv that were not read: score",)


def test_a_column_that_stands_for_another_no_longer_stands_for_its_own_name() -> None:
    found = read(scored(source="celeb"), ["tested_on=source"]).table
    assert set(found["tested_on"]) == {"celeb"}
    assert set(found["source"]) == {None}


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        (["skore=prob"], "unknown column 'skore'; did you mean 'score'?"),
        (["score=prbo"], "unknown column of scores.csv 'prbo'; did you mean 'prob'?"),
        (["score=prob", "score=label"], "twice"),
        (["score"], "--map 'score' is not COLUMN=THEIRS"),
        (["=prob"], "is not COLUMN=THEIRS"),
        ([], "no column 'score' (it has: clip_id, label, prob); say which it is: --map score=COLUMN"),
    ],
)
def test_a_column_that_cannot_be_found_is_refused(columns: list[str], said: str) -> None:
    with pytest.raises(HarnessError) as error:
        read(scored().rename(columns={"score": "prob"}), columns)
    refused(said, str(error.value))


def test_a_column_that_is_absent_names_the_nearest_of_the_file() -> None:
    with pytest.raises(HarnessError, match=r"--map score=Score$"):
        read(scored().rename(columns={"score": "Score"}))


@pytest.mark.parametrize(
    ("real", "fake", "labels"),
    [
        (0, 1, None),
        ("real", "FAKE", None),
        (False, True, None),
        (0.0, 1.0, None),
        ("pristine", "Swapped", "Pristine,swapped"),
        (1, 0, "1,0"),
    ],
)
@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_labels_are_read_as_programs_write_them(
    real: Any, fake: Any, labels: str | None, suffix: str
) -> None:
    table = scored()
    said = table.assign(label=[fake if label else real for label in table["label"]])
    found = read_scores(kept(said, f"scores{suffix}"), wording([], labels, None)).table
    assert found["label"].tolist() == table["label"].tolist()


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (None, "neither 0/1 nor real/fake (found: original, swap); say which is which: --labels REAL,FAKE"),
        (
            "original,fake",
            "label 'swap' in scores.csv is neither 'original' nor 'fake' (found: original, swap)",
        ),
        ("original", "--labels 'original' is not REAL,FAKE"),
        ("swap,swap", "--labels 'swap,swap' is not REAL,FAKE"),
    ],
)
def test_a_label_that_could_mean_anything_is_refused(labels: str | None, said: str) -> None:
    with pytest.raises(HarnessError) as error:
        read(scored(label=["original", "swap"] * 20), labels=labels)
    refused(said, str(error.value))


@pytest.mark.parametrize(
    ("score", "said"),
    [
        (3.2, "score 3.2 of clip '0001' in scores.csv is outside [0, 1] (1 such); are these logits?"),
        (-0.1, "outside [0, 1]"),
        ("inf", "outside [0, 1]"),
        ("0,9", "score '0,9' of clip '0001' in scores.csv is not a number"),
        ("fake", "is not a number"),
    ],
)
def test_a_score_that_is_no_probability_is_refused(score: Any, said: str) -> None:
    table = scored().astype({"score": object})
    table.loc[1, "score"] = score
    with pytest.raises(HarnessError) as error:
        read(table)
    refused(said, str(error.value))


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_clip_without_a_score_has_failed_and_is_counted(suffix: str) -> None:
    table = scored(error=None)
    table.loc[:2, "score"] = None
    table.loc[0, "error"] = "unreadable"
    found = board_from_scores(read_scores(kept(table, f"scores{suffix}")))[0]
    assert (found.rows[0].clips, found.rows[0].failed) == (40, 3)
    assert found.rows[0].metrics["auc_failed_worst"] < found.rows[0].metrics["auc"]  # type: ignore[operator]
    stored = read_predictions(found.predictions[str(found.rows[0].cell)])[0]
    assert stored["error"].dropna().tolist() == ["unreadable", "no score in the file", "no score in the file"]


def test_nothing_is_said_of_frames_nobody_gave() -> None:
    row = only(scored())
    assert row.metrics["frame_auc"] is None
    assert row.reasons["frame_auc"] == "a scored clip has no frame scores"


def test_without_a_threshold_the_auc_stands_and_nothing_is_decided() -> None:
    row = only(scored())
    assert (row.selection, row.metrics["auc"] is None) == ("unknown", False)
    for name in DECISIONS:
        assert row.metrics[name] is None
        assert "unknown" in row.reasons[name]


def test_a_stated_threshold_is_fixed_and_used() -> None:
    table = scored()
    row = only(table, 0.3)
    assert (row.selection, row.provenance["threshold"]) == ("fixed", 0.3)
    assert row.metrics["accuracy"] == ((table["score"] >= 0.3) == table["label"]).mean()


def test_validation_rows_give_the_threshold_of_their_detector_and_its_operating_points() -> None:
    parts = [
        scored(60, draw=number, detector=name, split=split)
        for number, (name, split) in enumerate([("one", "val"), ("one", "test"), ("other", "test")])
    ]
    one, other = board(pd.concat(parts)).rows
    val, test = parts[0], parts[1]
    assert one.provenance["threshold"] == best_threshold(val["score"].to_numpy(), val["label"].to_numpy())
    assert one.provenance["threshold_source"] == "source-val"
    assert one.provenance["checkpoint_source"] == "fixed"
    assert one.clips == 60
    limit = terms_from(val, 0.01).limits["5pct"]
    assert one.metrics["fpr_at_val_5pct"] == (test.loc[test["label"] == 0, "score"] >= limit).mean()
    assert other.selection == "unknown"
    assert board(pd.concat(parts), 0.3).rows[0].selection == "fixed"


def every_threshold_tried(scores: np.ndarray, labels: np.ndarray) -> float:
    """The rule in the plainest words: each threshold on every clip."""
    distinct = np.unique(scores.astype(np.float64))
    if len(distinct) < 2:
        return 0.5
    thresholds = (distinct[1:] + distinct[:-1]) / 2
    called = scores[None, :] >= thresholds[:, None]
    accuracy = np.round(called[:, labels == 1].mean(1) + 1 - called[:, labels == 0].mean(1), 12)
    ranked = sorted(zip(-accuracy, np.abs(thresholds - 0.5), thresholds, strict=True))
    return float(ranked[0][2])


def test_the_threshold_is_chosen_by_the_rule_of_training() -> None:
    rng = np.random.default_rng(0)
    for size in (2, 3, 10, 80, 400):
        for digits in (1, 2, 9):
            label = np.append([0, 1], rng.integers(0, 2, size))
            score = np.clip(rng.normal(0.4 + 0.2 * label, 0.2), 0, 1).round(digits)
            assert best_threshold(score, label) == every_threshold_tried(score, label)
            single = score.astype(np.float32)  # as training has them
            assert best_threshold(single, label) == every_threshold_tried(single, label)
    assert best_threshold(np.full(5, 0.7), np.array([0, 1, 0, 1, 1])) == 0.5


def test_validation_rows_of_another_set_set_no_threshold() -> None:
    val = scored(60, split="val", trained_on="lab", tested_on="wild")
    test = scored(60, draw=1, split="test", trained_on="lab", tested_on="wild")
    found, notes = board_from_scores(read(pd.concat([val, test])))
    assert found.rows[0].selection == "unknown"
    assert any("no row of split val on 'lab'" in note for note in notes)
    found, _ = board_from_scores(read(pd.concat([val.assign(tested_on="lab"), test])))
    assert found.rows[0].provenance["threshold_source"] == "source-val"
    found, _ = board_from_scores(read(pd.concat([val, test]).drop(columns="tested_on")))
    assert found.rows[0].provenance["threshold_source"] == "source-val"


def test_test_rows_given_again_as_validation_are_refused() -> None:
    table = scored()
    with pytest.raises(HarnessError, match="val rows of scores are its test rows again"):
        board(pd.concat([table.assign(split="val"), table.assign(split="test")]))


def test_only_test_rows_are_measured_and_training_rows_are_named() -> None:
    table = pd.concat([scored(20, split="Training"), scored(30, draw=1, split="testing")])
    found, notes = board_from_scores(read(table))
    assert found.rows[0].clips == 30
    assert "20 rows of split train were not read" in notes
    with pytest.raises(HarnessError, match="no row of split test"):
        board(scored(split="val"))
    with pytest.raises(HarnessError, match=r"unknown split in scores.csv 'holdout'"):
        board(scored(split="holdout"))


def test_a_detector_without_a_test_row_is_named_and_not_measured() -> None:
    parts = [scored(detector="old", split="val"), scored(detector="new", split="test")]
    found, notes = board_from_scores(read(pd.concat(parts)))
    assert [entry.name for entry in found.entries] == ["new"]
    assert "without a row of split test: old" in notes


def beyond_ranks(notes: Sequence[str]) -> list[str]:
    """The notes besides the one on what a rank needs."""
    return [note for note in notes if not note.startswith("to be ranked")]


def test_a_file_without_threshold_or_validation_rows_is_told_what_a_rank_needs() -> None:
    assert any(note.startswith("to be ranked") for note in board_from_scores(read(scored()))[1])
    assert beyond_ranks(board_from_scores(read(scored()), threshold=0.5)[1]) == list(
        board_from_scores(read(scored()), threshold=0.5)[1]
    )


def test_a_clip_that_only_another_detector_has_counts_as_failed() -> None:
    """Else leaving out the hard clips would win."""
    whole = scored(detector="honest")
    wrong = (whole["score"] >= whole["score"].median()) != (whole["label"] == 1)
    choosy = whole[~wrong].assign(detector="choosy")
    board, notes = board_from_scores(read(pd.concat([whole, choosy])), threshold=0.5)
    rows = {row.cell.detector: row for row in board.rows}
    assert rows["honest"].failed == 0
    assert (rows["choosy"].clips, rows["choosy"].failed) == (len(whole), int(wrong.sum()))
    assert rows["choosy"].metrics["auc_failed_worst"] < rows["honest"].metrics["auc"]  # type: ignore[operator]
    assert any(note.startswith(f"choosy lacks {int(wrong.sum())} clips of") for note in notes)


def test_a_clip_that_is_real_for_one_detector_and_fake_for_another_is_refused() -> None:
    one = scored(detector="one")
    other = one.assign(detector="other", label=1 - one["label"])
    with pytest.raises(HarnessError, match=r"is real in some rows and fake in others \("):
        board_from_scores(read(pd.concat([one, other])))


def test_the_file_of_scores_is_never_overwritten_by_its_tables(capsys: pytest.CaptureFixture[str]) -> None:
    kept(scored(), "mine.csv")
    before = Path("mine.csv").read_bytes()
    assert main(["metrics", "--predictions", "mine.csv", "--results", "."]) == 2
    refused("would stand in for mine.csv", capsys.readouterr().err.removesuffix("\n"))
    assert Path("mine.csv").read_bytes() == before


def test_a_name_that_cannot_be_printed_is_refused() -> None:
    with pytest.raises(HarnessError, match="cannot be printed"):
        read(scored(detector="\x1b[31mred"))


def test_scores_that_point_the_wrong_way_are_pointed_out_and_never_flipped() -> None:
    table = scored()
    right, backwards = only(table), table.assign(score=1 - table["score"])
    found, notes = board_from_scores(read(backwards))
    assert found.rows[0].metrics["auc"] == pytest.approx(1 - right.metrics["auc"])  # type: ignore[operator]
    (note,) = beyond_ranks(notes)
    refused("scores may be P(real)", note)
    assert "nothing was flipped" in found.about
    assert beyond_ranks(board_from_scores(read(table))[1]) == []


def test_a_file_of_one_class_has_no_auc_and_says_why() -> None:
    row = only(scored(label=1), 0.5)
    assert row.metrics["auc"] is None
    assert row.reasons["auc"] == "no scored real clip"
    assert row.metrics["accuracy"] is not None


def test_each_circumstance_is_a_cell_and_each_seed_an_entry() -> None:
    parts = [
        scored(trained_on="lab", tested_on=test, perturbation=name, severity=level, seed=seed)
        for test in ("lab", "wild")
        for name, level in ((None, None), ("jpeg", 3))
        for seed in (0, 1)
    ]
    found = board(pd.concat(parts).astype({"severity": object}))
    assert [entry.name for entry in found.entries] == ["scores@lab", "scores@lab#1"]
    assert [str(row.cell) for row in found.entries[1].rows] == [
        *("scores@lab#1/lab/clean", "scores@lab#1/lab/jpeg-3"),
        *("scores@lab#1/wild/clean", "scores@lab#1/wild/jpeg-3"),
    ]
    assert {row.cell.regime for row in found.rows} == {"in-dataset", "cross-dataset"}


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"perturbation": "jpeg"}, "perturbation 'jpeg' in scores.csv needs a severity"),
        ({"severity": 3}, "severity 3 in scores.csv has no perturbation"),
        ({"perturbation": "jpeg", "severity": 1.5}, "severity '1.5' in scores.csv is not a whole number"),
        ({"seed": "first"}, "seed 'first' in scores.csv is not a whole number"),
        ({"detector": ["one", None] * 20}, "row 2 of scores.csv has no detector (20 such)"),
        ({"label": [0, None] * 20}, "row 2 of scores.csv has no label (20 such)"),
        ({"clip_id": ""}, "row 1 of scores.csv has no clip_id (40 such)"),
    ],
)
def test_a_circumstance_that_is_not_clear_is_refused(columns: dict[str, Any], said: str) -> None:
    with pytest.raises(HarnessError) as error:
        board(scored(**columns))
    refused(said, str(error.value))


def test_a_name_stands_where_no_column_says_more_and_is_no_part_of_a_set() -> None:
    (row,) = board_from_scores(read(scored(), name="My-Net"))[0].rows
    assert (row.cell.detector, row.cell.tested_on) == ("My-Net", "My_Net")
    path = kept(scored(), "Scores of My-Net (v2).csv")
    assert board_from_scores(read_scores(path))[0].matrix == "scores-of-my-net-v2"


def test_a_set_read_as_a_part_of_another_is_pointed_out() -> None:
    parts = [scored(tested_on=name, trained_on="DFDC") for name in ("DFDC", "DFDC-P")]
    assert any(
        "read 'DFDC-P' as 'DFDC' without 'P'" in note for note in board_from_scores(read(pd.concat(parts)))[1]
    )
    parts = [scored(tested_on=name, trained_on="Celeb-DF") for name in ("Celeb-DF", "DFDC")]
    assert beyond_ranks(board_from_scores(read(pd.concat(parts)))[1]) == []


def test_people_numbered_as_fractions_are_the_same_people() -> None:
    table = scored(target=np.arange(40) % 5, source=[None, 3.0] * 20)
    row = only(table)
    assert row.provenance["identities"] == 5
    assert row.provenance["interval_method"] == "node"


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("none.csv", None, "no file none.csv"),
        ("none.parquet", None, "no file none.parquet"),
        ("empty.csv", b"", "empty.csv cannot be read"),
        ("empty.parquet", b"", "empty.parquet cannot be read"),
        ("text.parquet", b"clip_id,label,score\n1,0,0.5\n", "text.parquet cannot be read"),
        ("junk.csv", bytes(range(256)) * 20, "junk.csv"),
        ("text.csv.gz", b"clip_id,label,score\n1,0,0.5\n", "text.csv.gz cannot be read"),
        ("bare.csv", b"clip_id,label,score\n", "bare.csv has no rows"),
        (
            "twin.csv",
            b"clip_id,label,score, score\n1,0,0.5,0.6\n",
            "twin.csv has several columns named 'score'",
        ),
        ("ragged.csv", b"clip_id,label,score\n1,0,0.5\n2,1\n", "ragged.csv cannot be read"),
        ("semicolons.csv", b"clip_id;label;score\n1;0;0.5\n", "is not separated by commas"),
        ("scores.xlsx", b"", "scores.xlsx is none of .csv"),
        ("latin.csv", "clip_id,label,score\né,0,0.5\n".encode("latin-1"), "latin.csv"),
        ("names.csv", "clip_id,labél,score\n1,0,0.5\n".encode("latin-1"), "column names are not UTF-8"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_line_and_exit_code_2(
    name: str, content: bytes | None, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if content is not None:
        Path(name).write_bytes(content)
    assert main(["metrics", "--predictions", name]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    refused(said, printed.err.removesuffix("\n"))


def test_a_folder_and_a_column_of_lists_are_refused() -> None:
    Path("folder.csv").mkdir()
    with pytest.raises(HarnessError, match=r"folder.csv cannot be read"):
        read_scores(Path("folder.csv"))
    with pytest.raises(HarnessError, match=r"column 'target' of scores.parquet holds list"):
        read_scores(kept(scored(target=[["a"]] * 40), "scores.parquet"))


def test_a_spreadsheet_writes_a_mark_before_the_first_name() -> None:
    Path("sheet.csv").write_bytes(
        b"\xef\xbb\xbf" + scored().to_csv(index=False).replace("\n", "\r\n").encode()
    )
    assert len(read_scores(Path("sheet.csv")).table) == 40


def by_hand(folder: Path) -> Board:
    """A board as a run leaves it: two detectors, one over two seeds, a left-out manipulation, validation."""
    files: dict[str, Path] = {}
    entries = []
    trained = [("net", "lab", 0), ("net", "lab", 1), ("other", "lab-gan", 0), ("constant", None, 0)]
    for number, (detector, trained_on, seed) in enumerate(trained):
        val = _predictions(folder / f"{number}-val.parquet", 50 + number, "val") if trained_on else None
        terms = terms_from(val, 0.01)
        said: dict[str, Any] = {"threshold_source": "unknown", "checkpoint_source": "unknown"}
        if val is not None:
            judged = val[val["score"].notna()]
            threshold = best_threshold(judged["score"].to_numpy(), judged["label"].to_numpy())
            said = {
                "threshold": threshold,
                "threshold_source": "source-val",
                "checkpoint_source": "source-val",
            }
        rows = []
        for tested_on, name, level in (("lab:gan", "clean", 0), ("wild", "clean", 0), ("wild", "jpeg", 3)):
            cell = Cell(detector, trained_on, tested_on, name, level, seed)
            path = files[str(cell)] = folder / f"{number}-{len(files)}.parquet"
            rows.append(made_row(cell, _predictions(path, len(files), tested_on), said, terms))
        kept_val = folder / f"{number}-val.parquet" if trained_on else None
        entries.append(Entry(detector, trained_on, seed, tuple(rows), validation=kept_val))
    return Board("by-hand", "m" * 64, "", "A test.", tuple(entries), predictions=files)


def _predictions(path: Path, seed: int, where: str) -> pd.DataFrame:
    table = scored(120, seed)
    fake = table["label"] == 1
    told = pd.DataFrame(dict.fromkeys(SCHEMA.names), index=table.index).assign(
        clip_id=where + "/" + table["clip_id"],
        label=table["label"],
        score=table["score"],
        manipulation=np.where(fake, np.where(table.index % 4 == 1, "gan", "swap"), None),
        target=[f"p{k % 11}" for k in range(120)],
        source=[f"p{k % 7}" if k % 2 else None for k in range(120)],
    )
    told.loc[3, ["score", "error"]] = [None, "unreadable, or not"]
    empty = pd.Series([[] for _ in range(120)], dtype=object)
    told = told.assign(frame_scores=empty, frame_indices=empty)
    write_predictions(path, told, {})
    return read_predictions(path)[0]


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_what_is_exported_is_measured_as_before(suffix: str) -> None:
    before = by_hand(Path("kept"))
    path = Path(f"export{suffix}")
    write_scores(exported(before), path)
    after, notes = board_from_scores(read_scores(path))
    assert beyond_ranks(notes) == []
    assert [str(row.cell) for row in after.rows] == [str(row.cell) for row in before.rows]
    for was, now in zip(before.rows, after.rows, strict=True):
        assert (now.clips, now.failed, now.cell.regime) == (was.clips, was.failed, was.cell.regime)
        assert now.metrics == was.metrics
        assert now.intervals == was.intervals
        assert np.array_equal(now.draws["auc"], was.draws["auc"])
        assert now.provenance.get("threshold") == was.provenance.get("threshold")
    assert set(METRICS) <= set(after.rows[0].metrics)


def test_one_cell_is_exported_with_the_validation_rows_of_its_detector() -> None:
    table = exported(by_hand(Path("kept")), "net@lab#1/wild/jpeg-3")
    assert tuple(table.columns) == EXPORTED
    assert table.groupby("split").size().to_dict() == {"test": 120, "val": 120}
    assert table.loc[
        table["split"] == "test", ["tested_on", "severity"]
    ].drop_duplicates().to_numpy().tolist() == [["wild", 3]]
    with pytest.raises(
        HarnessError, match="unknown cell 'net@lab/wild/jpg-3'; did you mean 'net@lab/wild/jpeg-3'"
    ):
        exported(by_hand(Path("kept")), "net@lab/wild/jpg-3")


def test_an_export_is_a_file_of_a_known_kind_written_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "last_run", lambda name: by_hand(Path("kept")))
    assert main(["predictions", "export", "smoke", "--to", "new/scores.csv"]) == 0
    assert len(pd.read_csv("new/scores.csv")) == 12 * 120 + 3 * 120
    with pytest.raises(HarnessError, match=r"as .csv or .parquet, not as 'scores.json'"):
        write_scores(scored(), Path("scores.json"))

    def broken(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pd.DataFrame, "to_csv", broken)
    with pytest.raises(HarnessError, match="cannot write"):
        write_scores(scored(), Path("late/scores.csv"))
    assert list(Path("late").iterdir()) == []


def test_the_report_is_printed_and_written_where_asked(capsys: pytest.CaptureFixture[str]) -> None:
    kept(scored(frame_rate=25), "My scores.csv")
    words = ["metrics", "--predictions", "My scores.csv", "--threshold", "0.5", "--name", "net"]
    assert main([*words, "--results", "results"]) == 0
    printed = capsys.readouterr()
    assert "Scores from My scores.csv" in printed.out and "net" in printed.out
    assert max(map(len, printed.out.splitlines())) <= 100
    assert "note: columns of My scores.csv that were not read: frame_rate" in printed.err
    assert {"my-scores.md", "my-scores.csv"} <= {path.name for path in Path("results").iterdir()}
    assert main([*words, "--csv"]) == 0
    table = pd.read_csv(pd.io.common.StringIO(capsys.readouterr().out))
    assert table["auc"].tolist() == [round(only(scored()).metrics["auc"], 4)]  # type: ignore[arg-type]


def test_tables_of_a_matrix_are_never_overwritten_by_a_file_of_its_name(
    capsys: pytest.CaptureFixture[str],
) -> None:
    kept(scored(), "smoke.csv")
    assert main(["metrics", "--predictions", "smoke.csv", "--results", "results"]) == 2
    refused("for the matrix smoke", capsys.readouterr().err.removesuffix("\n"))
    assert not Path("results").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "a matrix, or --predictions FILE"),
        (["smoke", "--predictions", "scores.csv"], "not both"),
        (["smoke", "--threshold", "0.5"], "--threshold is for a file of scores"),
        (["smoke", "--map", "score=prob"], "--map is for a file of scores"),
        (["--predictions", "scores.csv", "--prevalence", "1"], "--prevalence 1 is not above 0 and below 1"),
        (["--predictions", "scores.csv", "--results", "scores.csv"], "is a file, not a folder"),
    ],
)
def test_flags_that_do_not_fit_are_refused(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    kept(scored())
    assert main(["metrics", *words]) == 2
    refused(said, capsys.readouterr().err.removesuffix("\n"))


def test_a_hundred_thousand_lines_are_read_in_seconds() -> None:
    path = kept(scored(100_000, manipulation="swap", target="p1"))
    scores = read_scores(path)
    assert len(external_scores._apart(scores)[0]) == 100_000
