"""What is known of the clips travels: to the plan, the head of the report, the rank, MLflow's columns."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pytest

from harness import registry
from harness.cli.entry import main, parser
from harness.cli.own_clips import matrix_named
from harness.data.audit.findings import Checked, write_check
from harness.data.clips import content_of, list_clips
from harness.evaluation.matrix import load_matrix, parse_matrix
from harness.evaluation.plan import Plan, plan_matrix
from harness.evaluation.plan_table import describe_plan
from harness.evaluation.run import run_plan
from harness.records import Board
from harness.report.leaderboard import markdown
from harness.results.lines import lines_of
from harness.results.ranking import standings_of
from harness.results.rows import load_board, rows_table
from harness.tracking.row_tags import tags_of
from harness.types import Clip


def planned(*words: str) -> Plan:
    """The plan of `gapbench eval list.csv`."""
    options = parser().parse_args(["eval", "list.csv", "-d", "constant", "--crop", "none", *words])
    return plan_matrix(load_matrix(matrix_named(options)), "cpu")


def measured(*words: str) -> Board:
    plan = planned(*words)
    run_plan(plan)
    return load_board(plan.matrix.name)


def told_mlflow(board: Board) -> dict[str, str]:
    """The tags of its one run."""
    return dict(tags_of(board.entries[0], standings_of(board)))


def copied(clip: Clip, folder: Path) -> str:
    """The name of a copy of a clip there."""
    name = f"{clip.id.replace('/', '_')}{clip.path.suffix}"
    shutil.copyfile(clip.path, folder / name)
    return name


def said(text: str) -> str:
    return " ".join(text.split())


@pytest.fixture
def listed(home: Path, tmp_path: Path, tiny_root: Path) -> Path:
    """A list of eight real and eight forged clips, three of which are not there."""
    clips = [
        clip for clip in registry.datasets.get("procedural_tiny").clips(tiny_root) if clip.split == "test"
    ]
    chosen = [clip for label in (0, 1) for clip in [each for each in clips if each.label == label][:8]]
    names = [copied(clip, tmp_path) for clip in chosen]
    pd.DataFrame({"path": names, "label": [clip.label for clip in chosen]}).to_csv("list.csv", index=False)
    for name in (names[0], names[1], names[-1]):
        (tmp_path / name).unlink()
    return tmp_path


def checked() -> Checked:
    """The check of that list, as `gapbench data check` would keep it."""
    entry = registry.datasets.get("manifest")
    content = content_of(list_clips(entry, Path("list.csv").absolute()), entry)
    counts = {"listed": (8, 8), "present": (6, 7), "unreadable": (0, 0), "blank": (0, 5)}
    found = Checked("manifest", content, **counts, sought=(6, 7), faceless=(0, 5), telling=("JPEG quality",))
    write_check(found)
    return found


def test_files_that_are_not_here_stand_in_the_head_and_below_nine_tenths_nothing_is_ranked(
    listed: Path,
) -> None:
    board = measured()
    page = said(markdown(board))
    assert "Clips of manifest: 13 of 16 test files are here (81%)." in page.partition("##")[0]
    (line,) = lines_of(board)
    assert not line.ranked and rows_table(board.rows).loc[0, "coverage"] == 0.8125
    kept = measured("--present")  # the other files are not failures, and the set is no more whole for it
    (line,) = lines_of(kept)
    assert not line.ranked and "13 of 16 listed test files are here (81%), below 90%" in line.unjudged
    assert kept.rows[0].failed == 0


def test_what_check_and_audit_found_is_said_before_and_after_a_run_and_sent_to_mlflow(listed: Path) -> None:
    assert "manifest: not asked yet: gapbench data check manifest --root" in said(describe_plan(planned()))
    head = said(markdown(measured())).partition("##")[0]
    assert "Not asked yet: `gapbench data check manifest --root list.csv`, `gapbench data audit" in head
    checked()
    before = said(describe_plan(planned()))
    assert "manifest: Headers alone tell fakes from reals: JPEG quality." in before
    assert "Without a face: " in before and "data check" not in before
    board = measured()
    head = said(markdown(board)).partition("##")[0]
    assert "Blank: " in head and "Headers alone tell fakes from reals" in head and "data check" not in head
    tags = told_mlflow(board)
    assert tags["coverage"] == "manifest: 13 of 16 files" and tags["faceless_fake"] == "manifest: 5"
    assert str(listed) not in head + str(tags)


def test_a_check_made_after_a_run_is_in_the_next_report(
    listed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["eval", "list.csv", "-d", "constant", "--crop", "none", "--no-publish", "--device", "cpu"]
    assert main(words) == 0 and main(words) == 0
    assert "finished before" in capsys.readouterr().out
    checked()
    assert main(words) == 0
    out = capsys.readouterr().out
    assert "finished before" not in out and "Headers alone tell fakes from reals" in out


def test_people_whom_training_shows_are_counted_and_a_switch_keeps_them_out(
    home: Path, tmp_path: Path, tiny_root: Path
) -> None:
    clips = list(registry.datasets.get("procedural_tiny").clips(tiny_root))
    train = [clip for clip in clips if clip.split != "test"]
    test = [clip for clip in clips if clip.split == "test"]
    rows = []
    for number, clip in enumerate(test):
        target = train[0].target if number < 3 else f"nobody else {number}"
        rows.append({"path": copied(clip, tmp_path), "label": clip.label, "target": target})
    pd.DataFrame(rows).to_csv("list.csv", index=False)
    text = (
        'about = "a test"\ndetectors = ["airl"]\ntrain = ["procedural_tiny"]\ntest = ["manifest"]\n'
        'recipe = "smoke"\n{more}[data]\nmanifest = "list.csv"\n[crop]\nmanifest = "none"\n'
    )
    plan = plan_matrix(parse_matrix(text.format(more=""), "people"), "cpu")
    run_plan(plan)
    board = load_board("people")
    told = "3 of 32 test clips show people whom training clips show too (1 person)"
    assert str(board.rows[0].provenance["shared_people"]).startswith(told)
    assert f"airl@procedural_tiny: {told}" in said(markdown(board)).partition("##")[0]
    assert told_mlflow(board)["people"].startswith(f"manifest: {told}")

    strangers = parse_matrix(text.format(more="unseen_people = true\n"), "people")
    assert strangers.sha256 != plan.matrix.sha256
    run_plan(plan_matrix(strangers, "cpu"))
    (row,) = load_board("people").rows
    assert row.clips == 29 and not row.provenance["shared_people"]
