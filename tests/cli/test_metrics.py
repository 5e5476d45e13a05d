"""The metrics of a file of scores are printed and written where asked, and no other file is touched."""

from __future__ import annotations

import gzip
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from harness.cli.entry import main
from tests.results.score_files import kept, only, refused, scored

pytestmark = pytest.mark.usefixtures("here")


def test_a_file_of_scores_is_measured_without_torch() -> None:
    kept(scored(split=["val"] * 20 + ["test"] * 20))
    code = (
        "import sys; from argparse import Namespace as N; from pathlib import Path\n"
        "from harness.cli.metrics import run_metrics\n"
        "said = dict.fromkeys(('matrix', 'name', 'threshold', 'prevalence', 'labels', 'frames_of'))\n"
        "said |= dict(map=[], predictions=Path('scores.csv'), results=Path('results'), csv=False)\n"
        "code = run_metrics(N(**said))\n"
        "print(code, sorted({'torch', 'timm', 'mlflow'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.stdout.splitlines()[-1] == "0 []", run.stderr


def test_the_file_of_scores_is_never_overwritten_by_its_tables(capsys: pytest.CaptureFixture[str]) -> None:
    kept(scored(), "mine.csv")
    before = Path("mine.csv").read_bytes()
    assert main(["metrics", "--predictions", "mine.csv", "--results", "."]) == 2
    refused("would stand in for mine.csv", capsys.readouterr().err.removesuffix("\n"))
    assert Path("mine.csv").read_bytes() == before


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("none.csv", None, "no file none.csv"),
        ("none.parquet", None, "no file none.parquet"),
        ("empty.csv", b"", "empty.csv cannot be read"),
        ("empty.parquet", b"", "empty.parquet cannot be read"),
        ("text.parquet", b"clip_id,label,score\n1,0,0.5\n", "text.parquet cannot be read"),
        ("junk.csv", bytes(range(256)) * 20, "junk.csv"),
        (
            "cut.csv.gz",
            gzip.compress(b"clip_id,label,score\n1,0,0.5\n" * 99, mtime=0)[:40],
            "cut.csv.gz cannot be read",
        ),
        ("bare.csv", b"clip_id,label,score\n", "bare.csv has no rows"),
        (
            "twin.csv",
            b"clip_id,label,score, score\n1,0,0.5,0.6\n",
            "twin.csv has several columns named 'score'",
        ),
        ("ragged.csv", b"clip_id,label,score\n1,0,0.5\n2,1\n", "ragged.csv cannot be read"),
        (
            "spaces.csv",
            b"clip_id label score\n1 0 0.5\n",
            "has no column 'clip_id' (it has: clip_id label score)",
        ),
        ("sheet.csv", b"PK\x03\x04", "it is a spreadsheet or a zip archive; export it as CSV"),
        ("scores.xlsx", b"", "scores.xlsx is none of .csv"),
        ("latin.csv", "clip_id,label,score\né,0,0.5\n".encode("latin-1"), "latin.csv"),
        ("names.csv", "clip_id,labél,score\n1,0,0.5\n".encode("latin-1"), "neither UTF-8 nor UTF-16 text"),
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


def test_a_file_without_a_score_is_reported_and_no_success(capsys: pytest.CaptureFixture[str]) -> None:
    path = kept(scored(8, score=None))
    assert main(["metrics", "--predictions", str(path)]) == 2
    said = capsys.readouterr()
    assert "8 of 8" in said.out and said.err.strip().endswith("gapbench: no clip has a score in scores.csv")


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
