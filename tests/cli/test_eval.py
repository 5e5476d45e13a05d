"""`gapbench eval` ends with what it could measure: all of it, some of it, or nothing."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from harness.cli.entry import main
from harness.contracts import DetectorEntry
from harness.evaluation import run
from harness.results.rows import load_board
from harness.types import HarnessError
from harness.video import face_tracks
from harness.video.face_finder import Face, Look
from harness.video.face_model import Model

PLUGIN = '''
from harness.registry import detector

@detector("brightness")
class Brightness:
    """P(fake) is how bright the picture is."""
    size, frames = 16, 1

    def score(self, clips):
        return clips.mean(axis=(2, 3, 4)) / 255

@detector("lost")
class Lost(Brightness):
    """One whose file is not there."""
    def __init__(self):
        open("weights of it.bin")

@detector("breaking")
class Breaking(Brightness):
    """One that cannot judge pictures."""
    def score(self, clips):
        raise RuntimeError("no such file or directory: out of memory")
'''


class Blind:
    """A finder that sees no face."""

    identity = "blind"
    model = Model(Path("blind.onnx"), "0" * 64)

    def detect(self, frame: np.ndarray) -> list[Face]:
        return []

    def look(self, frame: np.ndarray) -> Look:
        return Look((), np.zeros((32, 32, 3), np.uint8), (), frame.shape[:2])


@pytest.fixture
def lists(home: Path, tmp_path: Path) -> Path:
    """Two lists: one of two pictures, one of two files that are not there; a plug-in beside them."""
    (tmp_path / "plugin.py").write_text(PLUGIN)
    for label in (0, 1):
        assert cv2.imwrite(f"{label}.png", np.full((32, 32, 3), 60 + 90 * label, np.uint8))
    Path("here.csv").write_text("path,label\n0.png,0\n1.png,1\n")
    Path("gone.csv").write_text("path,label\nno/a.png,0\nno/b.png,1\n")
    return tmp_path


def judged(*words: str) -> int:
    said = ["eval", *words, "--crop", "none", "--no-publish", "--device", "cpu"]
    return main(["--plugin", "plugin.py", *said])


def test_where_no_clip_could_be_scored_the_exit_code_is_2_and_the_tables_are_written(
    lists: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert judged("gone.csv", "-d", "constant", "-d", "brightness") == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith("gapbench: no clip could be scored: constant/manifest/clean (")
    assert len(list(Path("results").glob("own-gone-*.csv"))) == 2  # rows and costs
    assert judged("gone.csv", "-d", "constant", "-d", "brightness") == 2, "and again, though all is finished"


def test_where_no_clip_has_a_face_none_was_scored_by_a_detector(
    lists: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(face_tracks, "_finder", lambda _: Blind())
    words = [
        "--plugin",
        "plugin.py",
        "eval",
        "here.csv",
        "-d",
        "brightness",
        "--no-publish",
        "--device",
        "cpu",
    ]
    assert main([*words, "--crop", "face"]) == 2
    said = capsys.readouterr()
    assert said.err.splitlines()[-1].startswith(
        "gapbench: no clip could be scored: brightness/manifest/clean (no face"
    )
    assert "no face in 1 of 1 real and 1 of 1 fake" in " ".join(said.out.split())


def test_where_some_cells_have_no_score_the_exit_code_is_3_and_one_line_says_which(
    lists: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("both.toml").write_text(
        'about = "a test"\ndetectors = ["brightness"]\ntest = ["manifest", "folder"]\n'
        '[data]\nmanifest = "here.csv"\nfolder = "broken"\n[crop]\nmanifest = "none"\nfolder = "none"\n'
    )
    for folder in ("real", "fake"):
        Path("broken", folder).mkdir(parents=True)
        Path("broken", folder, "a.png").write_bytes(b"no picture")
    words = ["--plugin", "plugin.py", "eval", "both.toml", "--no-publish", "--device", "cpu"]
    assert main(words) == 3
    said = capsys.readouterr()
    (line,) = [line for line in said.err.splitlines() if line.startswith("gapbench: ")]
    assert "no clip could be scored in 1 of 2 cells: brightness/folder/clean (" in line
    assert "brightness" in said.out and Path("results/both.csv").is_file()
    assert main(words) == 3, "nothing was left to do, and the cell still has no score"


@pytest.mark.parametrize("name", ["lost", "onnx:nowhere.onnx", "breaking"])
def test_a_detector_that_cannot_be_had_is_absent_with_the_reason_and_the_others_run(
    name: str, lists: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert judged("here.csv", "-d", name, "-d", "brightness") == 3
    said = capsys.readouterr()
    (matrix,) = Path("results").glob("own-here-*.md")
    board = load_board(matrix.stem)
    assert [row.metrics["auc"] for row in board.rows] == [1.0]
    why = "no file nowhere.onnx" if name.startswith("onnx:") else "no such file or directory"
    assert why in board.absent[name].lower()
    assert f"{name} is absent" in said.err.splitlines()[-1]
    page = " ".join(matrix.read_text().replace("|", " ").split())
    assert name in page.partition("## Absent")[2] and why in page.lower()
    assert str(lists) not in page + str(board.absent), "a folder of this machine is nobody's business"
    assert judged("here.csv", "-d", name) == 2, "and where it is the only one, nothing was measured"


def test_a_training_that_fails_costs_its_own_cells_alone(
    lists: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def failing(*_: object, **__: object) -> None:
        raise HarnessError("the published backbone weights cannot be had here")

    monkeypatch.setattr(run, "weights_for", failing)
    Path("two.toml").write_text(
        'about = "a test"\ndetectors = ["airl", "brightness"]\ntrain = ["procedural_tiny"]\n'
        'test = ["procedural_tiny"]\nrecipe = "smoke"\n'
    )
    assert main(["--plugin", "plugin.py", "eval", "two.toml", "--no-publish", "--device", "cpu"]) == 3
    board = load_board("two")
    assert [row.cell.detector for row in board.rows] == ["brightness"]
    assert board.absent == {"airl@procedural_tiny": "the published backbone weights cannot be had here"}


def test_a_cost_that_cannot_be_measured_loses_no_score(lists: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(entry: DetectorEntry, *_: object) -> None:
        raise HarnessError(f"the cost of {entry.name} was not measured")

    monkeypatch.setattr(run, "cost_of", failing)
    assert judged("here.csv", "-d", "brightness") == 0
    (matrix,) = Path("results").glob("own-here-*.md")
    (entry,) = load_board(matrix.stem).entries
    assert entry.cost is None and entry.rows[0].metrics["auc"] == 1.0
