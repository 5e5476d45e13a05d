"""The ledger of published figures is read as it was printed, and each says why it is not comparable."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from statistics import NormalDist
from typing import Any

import pytest

from harness.records import Row
from harness.report.published_figures import COLUMNS, Figure, figures_in, read_ledger, why_not
from harness.types import HarnessError
from tests.report.comparable_figure import COMPARABLE
from tests.report.made_boards import Making

SETS = ("ffpp_c23", "celeb_df_v1", "celeb_df_v2", "dfd", "dfdc", "dfdc_preview")
TABLE = {
    "deepfakebench_xception": (0.9637, 0.7794, 0.7365, 0.8163, 0.7077, 0.7374),
    "deepfakebench_efficientnet_b4": (0.9567, 0.7909, 0.7487, 0.8148, 0.6955, 0.7283),
    "f3net": (0.9635, 0.7769, 0.7352, 0.7975, 0.7021, 0.7354),
    "spsl": (0.9610, 0.8150, 0.7650, 0.8122, 0.7040, 0.7408),
    "ucf": (0.9705, 0.7793, 0.7527, 0.8074, 0.7191, 0.7594),
}
CHECKPOINTS = {
    ("deepfakebench_xception", "ffpp_c23:Face2Face", "frame"): 0.9880,
    ("deepfakebench_xception", "celeb_df_v1", "frame"): 0.7538,
    ("deepfakebench_xception", "uadfv", "frame"): 0.9359,
    ("ucf", "celeb_df_v2", "frame"): 0.7716,
    ("ucf", "celeb_df_v2", "video"): 0.8373,
}
REPORTED = {
    ("ftcn", 0.869, ""),
    ("altfreezing", 0.895, ""),
    ("sbi", 0.886, ""),
    ("effort", 0.956, ""),
    ("forensics_adapter", 0.957, ""),
    ("fakestormer", 0.924, "c23"),
    ("fakestormer", 0.965, "raw"),
}
CLAIMS = {
    ("airl", "ffpp_c23", "auc", "clean", 0.991),
    ("airl", "celeb_df_v2", "auc", "clean", 0.954),
    ("airl", "celeb_df_v2", "auc", "clean", 0.847),
    ("airl", "celeb_df_v2", "accuracy", "clean", 0.953),
    ("airl", "celeb_df_v2", "eer", "clean", 0.047),
    ("airl", "celeb_df_v2", "auc", "blur_jpeg", 0.892),
    ("xception", "ffpp_c23", "auc", "clean", 0.992),
    ("xception", "celeb_df_v2", "auc", "clean", 0.654),
    ("lipforensics", "celeb_df_v2", "auc", "clean", 0.824),
    ("sbi", "celeb_df_v2", "auc", "clean", 0.9382),
    ("laa_net", "celeb_df_v2", "auc", "clean", 0.954),
}
"""As the authors' pages and papers print them; of airl's network abstract and tables give two values."""


def test_every_figure_of_deepfakebench_is_an_oracle_figure_over_frames(ledger: list[Figure]) -> None:
    told = [figure for figure in ledger if figure.kind == "table"]
    wanted = {
        (name, on): value for name, values in TABLE.items() for on, value in zip(SETS, values, strict=True)
    }
    assert {(figure.detector, figure.tested_on): figure.value for figure in told} == wanted
    assert len(told) == 30
    said = {(f.metric, f.trained_on, f.granularity, f.compression, f.selection) for f in told}
    assert said == {("auc", "ffpp_c23", "frame", "c23", "oracle")}


def test_released_weights_measured_by_users_are_told_from_the_table(ledger: list[Figure]) -> None:
    told = [figure for figure in ledger if figure.kind == "checkpoint"]
    assert {(f.detector, f.tested_on, f.granularity): f.value for f in told} == CHECKPOINTS
    assert {(f.trained_on, f.selection) for f in told} == {("ffpp_c23", "unknown")}


def test_of_figures_quoted_in_the_literature_nothing_is_said_that_is_not_known(ledger: list[Figure]) -> None:
    told = [figure for figure in ledger if figure.kind == "reported"]
    assert {(f.detector, f.value, f.compression) for f in told} == REPORTED
    assert {(f.tested_on, f.granularity) for f in told} == {("celeb_df_v2", "video")}
    assert {(f.trained_on, f.preprocessing, f.selection) for f in told} == {("", "", "unknown")}


def test_claims_are_marked_and_the_one_that_contradicts_itself_says_so(ledger: list[Figure]) -> None:
    told = [figure for figure in ledger if figure.kind == "claim"]
    assert {(f.detector, f.tested_on, f.metric, f.perturbation, f.value) for f in told} == CLAIMS
    by_airl = [f for f in told if "deepfake_paper" in f.source]
    # its protocol: chosen on the validation split of FaceForensics++, faces cut by MTCNN with 30 % margin
    assert {(f.selection, f.preprocessing, f.trained_on) for f in by_airl} == {
        ("source-val", "mtcnn", "ffpp_c23")
    }
    assert all("MTCNN, 30 % margin, 224 px" in f.note for f in by_airl)
    torn = {f.metric for f in told if f.note.startswith("inconsistent: AUC 0.954 beside EER 0.047")}
    assert torn == {"auc", "accuracy", "eer"}
    normal = NormalDist()
    rate = normal.cdf(-normal.inv_cdf(0.954) / 2**0.5)
    assert all(f"{rate:.3f}" in f.note for f in told if f.note.startswith("inconsistent"))
    assert "an AUC in the source" in next(f.note for f in told if f.perturbation == "blur_jpeg")


def test_the_ledger_holds_nothing_else_and_nothing_twice(ledger: list[Figure]) -> None:
    assert len(ledger) == len(set(ledger)) == 30 + len(CHECKPOINTS) + len(REPORTED) + len(CLAIMS)


GOOD = "0.7,auc,xception,ffpp_c23,celeb_df_v2,video,c23,clean,fixed,gapbench,table,,Somebody 2024"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (GOOD.replace("0.7,", "70 %,"), "line 3: the value '70 %' is not a number"),
        (GOOD.replace("0.7,", "70,"), "line 3: the value 70 is not within 0 and 1"),
        (GOOD.replace("0.7,", "nan,"), "line 3: the value nan is not within 0 and 1"),
        (GOOD.replace("video", "vidio"), "line 3: unknown granularity 'vidio'; did you mean 'video'?"),
        (GOOD.replace("fixed", "oracles"), "line 3: unknown selection 'oracles'; did you mean 'oracle'?"),
        (GOOD.replace(",fixed", ","), "line 3: unknown selection ''"),
        (GOOD.replace("auc", "roc"), "line 3: unknown metric 'roc'"),
        (GOOD.replace("table", "tables"), "line 3: unknown kind 'tables'"),
        (GOOD.replace(",c23", ",c32"), "line 3: unknown compression 'c32'; did you mean 'c23'?"),
        (GOOD.replace("Somebody 2024", ""), "line 3: source is empty"),
        (GOOD.replace("xception", " "), "line 3: detector is empty"),
        (GOOD.replace(",Somebody 2024", ""), "line 3: it must have 13 fields"),
        (GOOD + ",more", "line 3: it must have 13 fields"),
        ('"' + GOOD, "is not a CSV file"),
    ],
)
def test_a_bad_line_of_a_ledger_is_refused_by_its_number(line: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "published.csv"
    path.write_text("\n".join((",".join(COLUMNS), GOOD, line, "")))
    with pytest.raises(HarnessError) as caught:
        read_ledger(path)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_ledger_lacks_no_column_and_has_no_other(tmp_path: Path) -> None:
    path = tmp_path / "published.csv"
    for name in COLUMNS:
        path.write_text(",".join(column for column in COLUMNS if column != name) + "\n")
        with pytest.raises(HarnessError, match=f"line 1: lacks the column '{name}'"):
            read_ledger(path)
    path.write_text(",".join((*COLUMNS, "sources")) + "\n")
    with pytest.raises(HarnessError, match=r"line 1: unknown column 'sources'; did you mean 'source'\?"):
        read_ledger(path)


def test_a_results_folder_without_a_ledger_has_no_figures(tmp_path: Path) -> None:
    assert figures_in(tmp_path) == []
    with pytest.raises(HarnessError, match="no ledger"):
        read_ledger(tmp_path / "published.csv")
    (tmp_path / "published.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(HarnessError, match="is not a CSV file"):
        figures_in(tmp_path)


def one_row(folder: Path, detector: str, trained_on: str | None, tested_on: str, **said: Any) -> Row:
    """A row with scores drawn at random."""
    return Making(folder, drawn=20).entry(detector, trained_on, {tested_on: 2.0}, **said).rows[0]


@pytest.fixture(scope="module")
def row(tmp_path_factory: pytest.TempPathFactory) -> Row:
    """A row measured as `COMPARABLE` was."""
    return one_row(tmp_path_factory.mktemp("row"), "xception", "ffpp_c23", "celeb_df_v2")


def test_a_figure_made_as_the_row_was_made_is_comparable(row: Row) -> None:
    assert why_not(row, COMPARABLE) == []
    assert why_not(row, dataclasses.replace(COMPARABLE, granularity="frame")) == []
    assert why_not(row, dataclasses.replace(COMPARABLE, kind="checkpoint", selection="fixed")) == []


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"selection": "oracle"}, "it was selected on test data"),
        ({"selection": "unknown"}, "nobody says on what it was selected"),
        ({"kind": "claim"}, "only its authors claim it"),
        ({"kind": "claim", "note": "torn"}, "only its authors claim it (torn)"),
        ({"granularity": ""}, "it does not say whether it is over frames or videos"),
        ({"metric": "eer", "granularity": "frame"}, "it is over frames, here over videos"),
        ({"trained_on": ""}, "its training set is not said"),
        ({"trained_on": "dfdc"}, "it was trained on dfdc, here on ffpp_c23"),
        ({"compression": "raw", "trained_on": "ffpp_raw"}, "its compression is raw, here c23"),
        ({"compression": ""}, "its compression is not said, here c23"),
        ({"tested_on": "celeb_df_v2:swap"}, "it is over swap, here over all"),
        ({"preprocessing": ""}, "its preprocessing is not said"),
        ({"preprocessing": "deepfakebench"}, "its faces were cut by deepfakebench, here by gapbench"),
        ({"detector": "deepfakebench_xception"}, "it is of deepfakebench_xception"),
    ],
)
def test_what_a_figure_does_differently_makes_it_not_comparable(
    changed: dict[str, Any], why: str, row: Row
) -> None:
    assert why_not(row, dataclasses.replace(COMPARABLE, **changed)) == [why]


def test_a_row_that_is_not_ranked_is_not_comparable(tmp_path: Path) -> None:
    chosen = one_row(tmp_path, "xception", "ffpp_c23", "celeb_df_v2", threshold_source="oracle")
    assert why_not(chosen, COMPARABLE) == ["here checkpoint or threshold: oracle"]
    shared = one_row(tmp_path, "xception", "ffpp_c23", "celeb_df_v2", shared_footage="3 clips")
    assert why_not(shared, COMPARABLE) == ["here test clips share footage with training clips"]


def test_a_row_trained_otherwise_is_not_comparable(row: Row, tmp_path: Path) -> None:
    procedural = one_row(tmp_path, "xception", "procedural_lab", "celeb_df_v2")
    assert why_not(procedural, COMPARABLE) == ["it was trained on ffpp_c23, here on procedural_lab"]
    without = one_row(tmp_path, "xception", "ffpp_c23-Deepfakes", "celeb_df_v2")
    assert why_not(without, COMPARABLE) == ["here trained without Deepfakes"]
    assert why_not(row, COMPARABLE, "procedural") == ["here the recipe is procedural"]
    unsaid = one_row(tmp_path, "xception", None, "celeb_df_v2")
    assert why_not(unsaid, COMPARABLE) == ["the training set here is not said"]


def test_a_few_failed_clips_leave_a_row_comparable_and_more_do_not(row: Row) -> None:
    said = "here over 1 % of the clips failed or show no face"
    assert row.clips == 120
    for failed, faceless, why in ((1, 0, []), (2, 0, [said]), (1, 1, [said]), (0, 60, [said])):
        known = {**row.provenance, "faceless": faceless}
        assert why_not(dataclasses.replace(row, failed=failed, provenance=known), COMPARABLE) == why
    partial = {**row.provenance, "unjudged": "80 of 120 listed test files are here"}
    assert why_not(dataclasses.replace(row, provenance=partial), COMPARABLE) == [
        "here not ranked: 80 of 120 listed test files are here"
    ]


def test_the_fifth_manipulation_of_faceforensics_is_in_no_published_figure(tmp_path: Path) -> None:
    figure = dataclasses.replace(COMPARABLE, tested_on="ffpp_c23")
    row = one_row(tmp_path, "xception", "ffpp_c23", "ffpp_c23")
    assert why_not(row, figure) == []
    five = dataclasses.replace(row, metrics={**row.metrics, "auc:FaceShifter": 0.9})
    assert why_not(five, figure) == ["here FaceShifter is tested too"]
    four = one_row(tmp_path, "xception", "ffpp_c23-FaceShifter", "celeb_df_v2")
    assert why_not(four, COMPARABLE) == []


def test_on_the_lists_and_crops_of_deepfakebench_its_own_figures_are_comparable(tmp_path: Path) -> None:
    row = one_row(tmp_path, "deepfakebench_xception:mine", "deepfakebench_ffpp", "deepfakebench_celeb_df_v2")
    theirs = dataclasses.replace(COMPARABLE, detector="deepfakebench_xception", preprocessing="deepfakebench")
    assert why_not(row, theirs) == []
    assert why_not(row, theirs, "smoke") == [], "no recipe made imported weights"
    other = dataclasses.replace(theirs, compression="c40")
    assert why_not(row, other) == ["its compression is c40, here c23"]
