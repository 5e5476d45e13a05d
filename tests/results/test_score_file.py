"""A file of scores says the same in every format, or is refused; an export is measured as before."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from harness.cli import metrics
from harness.cli.entry import main
from harness.metrics.measure import METRICS
from harness.metrics.thresholds import best_threshold
from harness.records import Board, Entry
from harness.results.exported_scores import exported, write_scores
from harness.results.external_scores import board_from_scores
from harness.results.predictions import SCHEMA, read_predictions, write_predictions
from harness.results.rows import made_row, terms_from
from harness.results.score_file import EXPORTED, read_scores, wording
from harness.types import Cell, HarnessError
from tests.results.score_files import beyond_ranks, board, kept, only, read, refused, scored

pytestmark = pytest.mark.usefixtures("here")


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
        (
            None,
            "label 'swap' in scores.csv is neither 0/1 nor real/fake (found: original, swap); say which is",
        ),
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


def test_a_name_that_cannot_be_printed_is_refused() -> None:
    with pytest.raises(HarnessError, match="cannot be printed"):
        read(scored(detector="\x1b[31mred"))


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


def test_people_numbered_as_fractions_are_the_same_people() -> None:
    table = scored(target=np.arange(40) % 5, source=[None, 3.0] * 20)
    row = only(table)
    assert row.provenance["identities"] == 5
    assert row.provenance["interval_method"] == "node"


def test_a_folder_and_a_column_of_lists_are_refused() -> None:
    Path("folder.csv").mkdir()
    with pytest.raises(HarnessError, match=r"folder.csv cannot be read"):
        read_scores(Path("folder.csv"))
    with pytest.raises(HarnessError, match=r"column 'target' of scores.parquet holds list"):
        read_scores(kept(scored(target=[["a"]] * 40), "scores.parquet"))


@pytest.mark.parametrize("written", ["semicolons", "tabs", "utf-16", "gzip", "comment", "numpy", "sep"])
def test_a_table_is_read_however_a_program_wrote_it(written: str) -> None:
    table = scored(split="Valid", target="7,0").assign(label=["original", "Manipulated"] * 20)
    comma = table.assign(score=[str(score).replace(".", ",") for score in table["score"]])
    text = {
        "semicolons": comma.to_csv(index=False, sep=";"),
        "sep": "sep=;\n" + comma.to_csv(index=False, sep=";"),
        "tabs": comma.to_csv(index=False, sep="\t"),
        "comment": "# made by hand\n\n" + table.to_csv(index=False),
        "numpy": "# " + table.to_csv(index=False),
    }.get(written, table.to_csv(index=False))
    data = text.encode("utf-16" if written == "utf-16" else "utf-8")
    Path("scores.csv").write_bytes(gzip.compress(data) if written == "gzip" else data)
    found = read_scores(Path("scores.csv")).table
    assert found["score"].tolist() == table["score"].tolist()
    assert (set(found["split"]), set(found["target"]), found["label"].sum()) == ({"val"}, {"7"}, 20)


def test_what_rounding_explains_is_taken_and_said_and_more_is_refused_to_the_digit() -> None:
    table = scored()
    table.loc[[0, 1], "score"] = [1.0000001, -1e-9]
    found = read(table)
    assert found.table["score"].tolist()[:2] == [1.0, 0.0]
    assert found.notes == ("2 scores outside [0, 1] by rounding were taken as 0 or 1",)
    table.loc[0, "score"] = 1.00001
    with pytest.raises(HarnessError, match=r"score 1.00001 of clip '0000'"):
        read(table)


def test_ids_may_hold_what_names_of_files_hold() -> None:
    signs = ("\u202f", "\u00a0", "\u200d", "\n", "\r", '"', "\x1b", ",", "e\u0301", "é", "#")
    names = [*(f"{sign}a{sign}b" for sign in signs), "none", " nan "]
    cell, path = Cell("net", None, "mine"), Path("kept/0.parquet")
    table = _predictions(path, 0, "mine").head(len(names)).assign(clip_id=names, manipulation="none")
    table.loc[::2, "manipulation"] = "Stable\u00a0Diffusion"
    write_predictions(path, table, {})
    entry = Entry("net", None, 0, (made_row(cell, table, {}, terms_from(None, 0.01)),))
    found = Board("by-hand", "m" * 64, "", "A test.", (entry,), predictions={str(cell): path})
    for name in ("export.csv", "export.parquet"):
        write_scores(exported(found), Path(name))
        again = read_scores(Path(name)).table
        assert again["clip_id"].tolist() == names
        assert again["manipulation"].tolist() == table["manipulation"].tolist()


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
