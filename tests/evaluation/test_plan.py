"""A cell that would test on recordings that were trained on is shown, explained, and never ranked."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import pytest
import safetensors.torch

from harness import registry
from harness.evaluation import run
from harness.evaluation.matrix import parse_matrix
from harness.evaluation.plan import plan_matrix
from harness.evaluation.plan_table import describe_plan
from harness.evaluation.run import run_plan
from harness.gate.accepted import accept, accepted_form, read_accepted
from harness.gate.judge import judge
from harness.records import Board, Cost
from harness.report.leaderboard import cost_table, markdown
from harness.results.lines import headline
from harness.results.rows import load_board, rows_table
from harness.training.importing import ImportRequest, import_weights
from harness.training.train import TrainingJob
from harness.types import Clip, HarnessError
from tests.training.small_detector import ENTRY, RECIPE

MATRIX = """
about = "a test"
detectors = ["told"]
test = ["folder"]
[crop]
folder = "center"
[data]
folder = "{folder}"
"""


@pytest.fixture
def told(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fixed detector whose weights are said to have been trained on procedural_tiny.

    Only this process knows of it, so its cost is not measured in another.
    """
    entry = registry.detectors.get("constant")
    claim = dataclasses.replace(entry, name="told", trained_on="procedural_tiny")
    registry.detectors._entries["told"] = claim
    cost = Cost("told", "a processor", "fp32", 1, 1, 8, 100.0, 9.0, None, None, 0, None, None)
    monkeypatch.setattr(run, "cost_of", lambda *_: cost)


def board_on(clips: list[Clip], folder: Path) -> Board:
    """The board of that detector on copies of these clips."""
    for clip in clips:
        kind = Path("fake", str(clip.manipulation)) if clip.label else Path("real")
        (folder / kind).mkdir(parents=True, exist_ok=True)
        shutil.copyfile(clip.path, folder / kind / clip.path.name)
    run_plan(plan_matrix(parse_matrix(MATRIX.format(folder=folder), "shared"), "cpu"))
    return load_board("shared")


@pytest.mark.usefixtures("told")
def test_copies_of_training_clips_are_found_and_their_cell_has_no_rank(
    tiny_root: Path, tmp_path: Path
) -> None:
    clips = list(registry.datasets.get("procedural_tiny").clips(tiny_root))
    trained = [clip for clip in clips if clip.split == "train"]
    chosen = [next(clip for clip in trained if clip.label == label) for label in (0, 1)]
    chosen += [
        next(clip for clip in clips if clip.split == "test" and clip.label == label) for label in (0, 1)
    ]
    board = board_on(chosen, tmp_path / "mine")
    (row,) = board.rows
    assert row.shares_footage
    assert row.provenance["shared_footage"].startswith("2 of 4 test clips share footage")
    assert row.metrics["auc"] == 0.5
    assert headline(board.entries[0])["auc_unseen_mean"] is None
    assert rows_table(board.rows)["shared_footage"][0] == row.provenance["shared_footage"]
    page = markdown(board)
    assert "Shared footage" in page and "told (not ranked)" in page


@pytest.mark.usefixtures("told")
def test_other_clips_of_the_same_kind_share_nothing(tiny_root: Path, tmp_path: Path) -> None:
    clips = list(registry.datasets.get("procedural_tiny").clips(tiny_root))
    tests = [clip for clip in clips if clip.split == "test"]
    board = board_on(tests, tmp_path / "mine")
    assert not board.rows[0].shares_footage
    assert headline(board.entries[0])["auc_unseen_mean"] == 0.5


@pytest.mark.usefixtures("told")
def test_what_shares_footage_can_be_accepted_and_then_is_the_same(tiny_root: Path, tmp_path: Path) -> None:
    trained = [
        clip for clip in registry.datasets.get("procedural_tiny").clips(tiny_root) if clip.split == "train"
    ]
    board = board_on(
        [next(clip for clip in trained if clip.label == label) for label in (0, 1)], tmp_path / "mine"
    )
    accept(board, cost_table(board), tmp_path / "results")
    verdicts = judge(accepted_form(board), read_accepted(tmp_path / "results", "shared"))
    assert verdicts and not {verdict.outcome for verdict in verdicts} & {"worse", "incomparable"}


def test_a_claim_that_cannot_be_is_refused_before_anything_is_scored(home: Path, tmp_path: Path) -> None:
    entry = dataclasses.replace(
        registry.detectors.get("constant"), name="told", trained_on="procedural_tiny:nonsense"
    )
    registry.detectors._entries["told"] = entry
    (tmp_path / "mine" / "real").mkdir(parents=True)
    (tmp_path / "mine" / "real" / "a.mp4").touch()
    with pytest.raises(
        HarnessError, match="what told is said to be trained on cannot be: procedural_tiny has no"
    ):
        plan_matrix(parse_matrix(MATRIX.format(folder=tmp_path / "mine"), "shared"), "cpu")


def test_a_claim_about_a_set_that_is_not_here_is_said_to_be_unchecked(home: Path, tmp_path: Path) -> None:
    entry = dataclasses.replace(registry.detectors.get("constant"), name="told", trained_on="ffpp_c23")
    registry.detectors._entries["told"] = entry
    (tmp_path / "mine" / "real").mkdir(parents=True)
    (tmp_path / "mine" / "real" / "a.mp4").touch()
    plan = plan_matrix(parse_matrix(MATRIX.format(folder=tmp_path / "mine"), "shared"), "cpu")
    assert "told is said to be trained on ffpp_c23: that is not here" in " ".join(describe_plan(plan).split())


def test_weights_that_cannot_be_had_are_told_before_anything_long(home: Path, tmp_path: Path) -> None:
    (tmp_path / "mine" / "real").mkdir(parents=True)
    (tmp_path / "mine" / "real" / "a.mp4").touch()
    state = registry.detectors.get("meso4").build(size=32, frames=2).state_dict()
    safetensors.torch.save_file(state, tmp_path / "a.safetensors")
    record = import_weights(ImportRequest(tmp_path / "a.safetensors", "meso4", size=32))
    matrix = parse_matrix(MATRIX.format(folder=tmp_path / "mine").replace("told", record.full_name), "m")
    assert plan_matrix(matrix, "cpu").absent == {}
    tensors = record.path.with_suffix(".safetensors")
    tensors.write_bytes(tensors.read_bytes()[:-4])
    assert "are damaged" in plan_matrix(matrix, "cpu").absent[record.full_name]
    tensors.unlink()
    assert "no weights" in plan_matrix(matrix, "cpu").absent[record.full_name]


def test_what_a_training_starts_from_is_fetched_before_faces_are_looked_for(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def located(*_: object) -> None:
        pytest.fail("faces were looked for")

    monkeypatch.setattr(run, "located", located)
    clip = Clip("a", tmp_path / "a.mp4", 0, "train")
    recipe = dataclasses.replace(RECIPE, pretrained=True)
    job = TrainingJob(ENTRY, recipe, "toy", (clip,), "face", "1")
    with pytest.raises(HarnessError, match="we are offline"):
        run.weights_for(job)
