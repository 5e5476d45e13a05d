"""A finished matrix is not run again, and whatever could have changed it breaks its seal."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from argparse import Namespace
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from sqlalchemy import Engine, event

from harness import registry
from harness.cli import eval as commands
from harness.cli.entry import main, parser
from harness.cli.report import last_run
from harness.cli.seal import seal_file, stored_digest, unbroken
from harness.report.leaderboard import terminal
from harness.report.plots import gallery

PLUGIN = '''
from pathlib import Path
from harness.registry import detector

@detector("greenness")
class Greenness:
    """P(fake) is how green the picture is."""
    size, frames = 16, 2

    def score(self, clips):
        if Path("edit").exists():
            Path("greenness.py").write_text(Path("greenness.py").read_text() + "# while it ran")
        return clips[..., 1].mean(axis=(2, 3)) / 255
'''
MATRIX = """
about = "a test"
detectors = ["greenness"]
test = ["folder"]
[crop]
folder = "center"
[data]
folder = "clips"
"""
CONSTANT = 'about = "a test"\ndetectors = ["constant"]\ntest = ["procedural_tiny"]\n'
RUN = ["--plugin", "greenness.py", "eval", "mine.toml", "--device", "cpu", "--no-publish"]
PUBLISHED = ["eval", "constant.toml", "--device", "cpu"]

BREAKING = {
    "an edited detector": ("greenness.py", "edit"),
    "an edited matrix": ("mine.toml", "edit"),
    "a lost file of predictions": ("home/predictions/*/*/*/*.parquet", "remove"),
    "a file of other predictions": ("home/predictions/*/*/*/*.parquet", "edit"),
    "an edited record": ("home/runs/mine.json", "edit"),
    "a lost measurement of cost": ("home/costs/greenness-*.json", "remove"),
    "an audit of the clips": ("home/audits/folder-{clips}.json", "add"),
    "an edited table": ("results/mine.md", "edit"),
    "a lost plot": ("results/mine-roc.png", "remove"),
    "a plot that there are no numbers for": ("results/mine-robustness.png", "add"),
    "published figures": ("results/published.csv", "add"),
    "something accepted": ("results/accepted/mine.csv", "add"),
    "a clip that was written again": ("clips/fake/0.mp4", "touch"),
    "a clip that is gone": ("clips/fake/1.mp4", "remove"),
    "a clip more": ("clips/real/more.mp4", "add"),
    "a damaged seal": ("home/seals/*.json", "edit"),
    "a seal that holds something else": ("home/seals/*.json", "spoil"),
}


@pytest.fixture(scope="module")
def finished(tiny_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder in which a matrix was run: a detector in a file, clips of one's own.

    It is the working directory; whatever a test changes it makes good again.
    """
    folder = tmp_path_factory.mktemp("finished")
    (folder / "greenness.py").write_text(PLUGIN)
    (folder / "mine.toml").write_text(MATRIX)
    listed = list(registry.datasets.get("procedural_tiny").clips(tiny_root))
    for label, kind in enumerate(("real", "fake")):
        (folder / "clips" / kind).mkdir(parents=True)
        for number, clip in enumerate([clip for clip in listed if clip.label == label][:3]):
            shutil.copyfile(clip.path, folder / "clips" / kind / f"{number}.mp4")
    registry.detectors.names()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry.detectors, "_entries", dict(registry.detectors._entries))
        patch.setenv("GAPBENCH_HOME", str(folder / "home"))
        patch.chdir(folder)
        assert main(RUN) == 0
        yield folder


def asked(words: list[str]) -> Namespace:
    return parser().parse_args(words)


@contextmanager
def changed(folder: Path, pattern: str, how: str) -> Iterator[None]:
    """A file of a folder edited, removed, added or touched, and made good again."""
    path = folder / pattern if how == "add" else next(folder.glob(pattern))
    before, status = (None, None) if how == "add" else (path.read_bytes(), path.stat())
    if how == "remove":
        path.unlink()
    elif how == "touch":
        os.utime(path)
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes((before or b"").replace(b"greenness", b"redness!!") + b"#" * (how != "spoil"))
    yield
    if before is None or status is None:
        path.unlink()
    else:
        path.write_bytes(before)
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def state(folder: Path) -> dict[Path, int]:
    """Every file below a folder and when it was written."""
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.suffix != ".pyc"}


def test_a_finished_matrix_prints_the_same_leaderboard_and_writes_nothing(
    finished: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    printed, before = terminal(last_run("mine.toml")), state(finished)
    monkeypatch.setattr(commands, "_run", lambda options: pytest.fail("it was run again"))
    assert main(RUN) == 0
    said = "finished before: nothing was left to do, results are as that run left them"
    assert capsys.readouterr().out.strip() == f"{printed}\n\n{said}"
    assert state(finished) == before


def test_whatever_could_change_a_run_breaks_its_seal(finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from harness.data.audit.record import audit_file
    from harness.files import read_json

    clips = read_json(finished / "home/runs/mine.json")["tested"]["folder"]["clips_sha256"]
    options = asked(RUN)
    assert unbroken(options) is not None
    for what, (pattern, how) in BREAKING.items():
        with changed(finished, pattern.format(clips=clips[:8]), how):
            assert unbroken(options) is None, f"{what} is not noticed"
        assert unbroken(options) is not None, f"{what} was made good, and is not believed"
    assert audit_file("folder", clips) == finished / f"home/audits/folder-{clips[:8]}.json"
    for words in ([*RUN, "--oracle"], [*RUN, "--results", "elsewhere"], RUN[:-1]):
        assert unbroken(asked(words)) is None, "a command is sealed that was never run"
    monkeypatch.setenv("GAPBENCH_VIDEO_READER", "another")
    assert unbroken(options) is None


def test_other_code_or_another_library_breaks_the_seal(
    finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from harness import environment
    from harness.cli import seal

    sources, installed = environment.sources(), environment.installed()
    assert {"run.py", "matrix.py", "constant.py", "blur.py", "smoke.toml", "ffpp_pairs.csv"} <= {
        Path(name).name for name in sources
    }
    assert any(name.startswith("torch-") for name in installed)
    with monkeypatch.context() as patch:
        patch.setattr(seal, "sources", lambda: {**sources, next(iter(sources)): "0" * 64})
        assert unbroken(asked(RUN)) is None
    with monkeypatch.context() as patch:
        patch.setattr(seal, "installed", lambda: [*installed, "torch-99.dist-info"])
        assert unbroken(asked(RUN)) is None
    assert unbroken(asked(RUN)) is not None


def test_what_changes_while_it_runs_is_not_sealed_and_the_next_run_mends_it(finished: Path) -> None:
    (file,) = finished.glob("home/predictions/*/*/*/*.parquet")
    file.unlink()
    (finished / "results" / "mine.md").write_text("edited")
    (finished / "edit").touch()
    assert main(RUN) == 0
    assert "while it ran" in (finished / "greenness.py").read_text()
    assert file.is_file() and "greenness" in (finished / "results" / "mine.md").read_text()
    assert unbroken(asked(RUN)) is None
    (finished / "edit").unlink()
    (finished / "greenness.py").write_text(PLUGIN)
    assert main(RUN) == 0
    assert unbroken(asked(RUN)) is not None


def test_only_a_plot_that_is_lost_or_edited_is_drawn_again(
    finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:

    drawn: list[str] = []

    def noted(name: str) -> object:
        draw = gallery.DRAWN[name]
        return lambda board, path: (drawn.append(name), draw(board, path))

    monkeypatch.setattr(gallery, "DRAWN", {name: noted(name) for name in gallery.DRAWN})
    report = ["--plugin", "greenness.py", "report", "mine.toml"]
    assert main(report) == 0
    assert drawn == []
    (finished / "results" / "mine-roc.png").unlink()
    (finished / "results" / "mine-heatmap.png").write_bytes(b"edited")
    assert main(report) == 0
    assert drawn == ["heatmap", "roc"]
    assert (finished / "results" / "mine-roc.png").is_file()


@pytest.fixture
def hurried() -> Iterator[None]:
    """Nothing that MLflow stores waits for the disk."""

    def hurry(connection: Any, _: Any) -> None:
        connection.execute("PRAGMA synchronous=OFF")

    event.listen(Engine, "connect", hurry)
    yield
    event.remove(Engine, "connect", hurry)


def test_a_published_matrix_is_finished_while_the_store_says_what_it_was_told(
    home: Path, tmp_path: Path, hurried: None
) -> None:
    (tmp_path / "constant.toml").write_text(CONSTANT)
    assert main(PUBLISHED) == 0
    options, database = asked(PUBLISHED), tmp_path / "mlflow.db"
    assert unbroken(options) is not None
    for change in (
        "UPDATE runs SET lifecycle_stage = 'deleted'",
        "UPDATE tags SET value = 'partial' WHERE key = 'published'",
        "UPDATE experiments SET lifecycle_stage = 'deleted' WHERE name = 'gapbench-constant'",
        "DELETE FROM experiment_tags WHERE key LIKE 'mlflow.sharedViewState%'",
        "ALTER TABLE tags RENAME TO labels",
    ):
        shutil.copyfile(database, tmp_path / "kept.db")
        with closing(sqlite3.connect(database)) as connection, connection:
            connection.execute("PRAGMA synchronous=OFF")
            assert connection.execute(change).rowcount != 0
        assert unbroken(options) is None, change
        shutil.copyfile(tmp_path / "kept.db", database)
        assert unbroken(options) is not None
    database.unlink()
    assert unbroken(options) is None
    assert not database.exists(), "to look at a seal makes no database"
    assert unbroken(asked([*PUBLISHED, "--tracking-uri", "sqlite:///other.db"])) is None


def test_a_store_that_cannot_be_asked_without_mlflow_gets_no_seal(home: Path, tmp_path: Path) -> None:
    (tmp_path / "constant.toml").write_text(CONSTANT)
    words = [*PUBLISHED, "--tracking-uri", "http://127.0.0.1:9"]
    assert main(words) == 5
    assert not seal_file(asked(words)).exists()
    assert stored_digest("http://127.0.0.1:9", "gapbench-constant") is None


def test_what_only_reads_never_loads_torch_and_a_sealed_run_nothing_heavy(home: Path, tmp_path: Path) -> None:
    (tmp_path / "constant.toml").write_text(CONSTANT)
    words = [*PUBLISHED, "--no-publish"]
    assert main(words) == 0
    heavy = ("torch", "pandas", "scipy", "matplotlib", "mlflow")
    commands = [["metrics"], ["report"], ["accept"], ["gate"], ["predictions", "export"]]
    script = (
        "import sys\nfrom harness.cli import main\n"
        f"assert main({words!r}) == 0\nassert not {{*{heavy!r}}} & {{*sys.modules}}\n"
        f"for words in {commands!r}:\n"
        "    more = ['--to', 'scores.csv'] if words[0] == 'predictions' else []\n"
        "    assert main([*words, 'constant.toml', *more]) == 0, words\n"
        "    assert not {'torch', 'mlflow'} & {*sys.modules}, words\n"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert "finished before" in run.stdout
    assert (tmp_path / "scores.csv").is_file()
    assert list(pd.read_csv(tmp_path / "results" / "constant.csv")["auc"]) == [0.5]
