"""Files that are no clips are named in the plan, in the report and by a check, each with its reason."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from harness.cli.entry import main, parser
from harness.cli.own_clips import matrix_named
from harness.data.check.inspection import inspect
from harness.data.left_out import left_out, told
from harness.evaluation.matrix import load_matrix
from harness.evaluation.plan import plan_matrix
from harness.evaluation.run import run_plan
from harness.registry import datasets
from harness.report.leaderboard import markdown
from harness.results.rows import load_board


@pytest.fixture
def mine(home: Path, tiny_root: Path, tmp_path: Path) -> Path:
    """Two clips of each class and one that nobody reads, in the working directory."""
    clips = list(datasets.get("procedural_tiny").clips(tiny_root))
    for label, folder in enumerate(("real", "fake")):
        for number, clip in enumerate([each for each in clips if each.label == label][:2]):
            place = tmp_path / "mine" / folder / f"{number}.mp4"
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(clip.path, place)
    (tmp_path / "mine" / "fake" / "phone.heic").write_bytes(b"not looked into")
    return tmp_path / "mine"


def test_the_plan_and_the_report_name_what_is_no_clip(mine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["eval", "mine", "-d", "constant", "--crop", "none"]
    said = "1 file is no clip: 1 .heic is not read (fake/phone.heic)"
    assert main([*words, "--dry-run", "--no-publish"]) == 0
    assert f"folder: {said}" in " ".join(capsys.readouterr().out.split())
    matrix = load_matrix(matrix_named(parser().parse_args(words)))
    run_plan(plan_matrix(matrix, "cpu"))
    assert said in " ".join(markdown(load_board(matrix.name)).split())


def test_a_check_warns_of_what_is_no_clip_and_notes_documents(mine: Path) -> None:
    (mine / "notes.txt").write_text("mine")
    found = {
        (each.severity, each.text): each.names for each in inspect(datasets.get("folder"), mine).findings
    }
    assert found[("warning", "1 file is no clip: .heic is not read")] == ("fake/phone.heic",)
    assert found[("note", "1 file is no clip: .txt is not read")] == ("notes.txt",)


def test_beside_a_list_every_file_is_named_but_documents(mine: Path) -> None:
    (mine / "list.csv").write_text("path,label\nreal/0.mp4,0\nfake/0.mp4,1\n")
    (mine / "fake" / "facts.json").write_text("{}")
    entry = datasets.get("manifest")
    clips = list(entry.clips(mine / "list.csv"))
    groups = {each.reason: each.files for each in left_out(entry, mine / "list.csv", clips)}
    assert groups == {
        "not among the listed clips (fake/)": ("fake/1.mp4", "fake/phone.heic"),
        "not among the listed clips (real/)": ("real/1.mp4",),
    }
    assert told(entry, mine / "list.csv", clips).startswith("3 files are no clips: 2 not among the listed")


def test_a_file_that_is_no_clip_is_told_where_a_run_left_nothing_else_to_do(
    mine: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["eval", "mine", "-d", "constant", "--crop", "none", "--no-publish"]
    assert main(words) == 0
    (mine / "real" / "new.heic").write_bytes(b"not looked into")
    capsys.readouterr()
    assert main(words) == 0
    assert "2 files are no clips: 2 .heic is not read" in " ".join(capsys.readouterr().out.split())


def test_an_embedded_dataset_has_nothing_to_tell(tiny_root: Path) -> None:
    entry = datasets.get("procedural_tiny")
    assert told(entry, tiny_root, list(entry.clips(tiny_root))) == ""
