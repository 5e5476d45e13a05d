"""What was asked is the key: an upgrade throws away no weights and no scores, and a run says what differs."""

from __future__ import annotations

import dataclasses
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from harness import environment, registry
from harness.cli.entry import main
from harness.data.clips import list_clips
from harness.evaluation import cell_keys, engine
from harness.evaluation.matrix import load_matrix
from harness.evaluation.plan import plan_matrix
from harness.evaluation.run import training_job
from harness.files import digest, file_digest
from harness.process import usable_cores
from harness.report.provenance import made_in_parts
from harness.results.predictions import read_predictions, stored_meta
from harness.results.ranking import standings_of
from harness.results.rows import load_board
from harness.runtime import cost_process
from harness.training import earlier_keys, job, train
from harness.types import Cell, Runtime

STORE = Path(__file__).parent / "golden" / "store"
"""What the version before stored of a small matrix; its keys held sources and versions of libraries."""
ROOT = Path(__file__).parents[1]
SITECUSTOMIZE = """
import importlib.metadata as metadata
told = metadata.version
metadata.version = lambda name: "99.0" if name in ("timm", "pandas") else told(name)
"""


@pytest.fixture
def old_home(home: Path) -> Path:
    """A home in which the version before has trained and scored."""
    shutil.copytree(STORE, home, dirs_exist_ok=True)
    return home


def evaluate(*more: str) -> None:
    command = ["eval", str(STORE / "old.toml"), "--no-publish", "--device", "cpu", *more]
    assert main(command) == 0


def forbid(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """Let training or scoring, of these names, end the test."""

    def never(*_: object, **__: object) -> None:
        raise AssertionError("made anew")

    for name in names:
        module = {"learn": train, "_Run": engine}[name]
        monkeypatch.setattr(module, name, never)


def scores() -> dict[str, np.ndarray]:
    return {
        cell: read_predictions(path)[0]["score"].to_numpy()
        for cell, path in load_board("old").predictions.items()
    }


def test_a_store_of_the_scheme_before_is_adopted(
    old_home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    forbid(monkeypatch, "learn", "_Run")
    evaluate()
    told = capsys.readouterr()
    assert "to train" not in told.out and "to score" not in told.out
    (before,) = STORE.glob("weights/*.safetensors")
    (weights,) = [entry.weights for entry in load_board("old").entries if entry.weights]
    assert weights.path.read_bytes() == before.read_bytes()
    assert weights.path.name != before.name
    (old,) = old_home.glob(f"weights/{before.stem}.json")
    assert weights.path.with_suffix(".json").stat().st_mtime_ns == old.stat().st_mtime_ns
    stored = {path.parent.relative_to(STORE): path for path in STORE.glob("predictions/**/*.parquet")}
    found = load_board("old").predictions.values()
    assert {path.parent.relative_to(old_home) for path in found} == set(stored)
    for path in found:
        was, now = read_predictions(stored[path.parent.relative_to(old_home)]), read_predictions(path)
        assert was[0].equals(now[0])
        assert was[1]["key"] != now[1]["key"]


def test_nothing_is_adopted_where_something_else_was_asked(
    old_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forbid(monkeypatch, "learn")
    text = (STORE / "old.toml").read_text().replace('recipe = "procedural"', 'recipe = "published"')
    Path("old.toml").write_text(text)
    assert main(["eval", "old.toml", "--no-publish", "--device", "cpu"]) == 70


def test_another_library_and_other_sources_make_nothing_anew_and_are_said_in_one_line(
    old_home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    evaluate("--retrain", "--rescore")
    capsys.readouterr()
    forbid(monkeypatch, "learn", "_Run")
    raised = {**environment.versions(), "timm": "99.0", "pandas": "99.0"}
    monkeypatch.setattr(environment, "versions", lambda: raised)
    sources = dict.fromkeys(environment.sources_of(*job.SOURCES, *cell_keys.SOURCES), "0")
    monkeypatch.setattr(environment, "sources_of", lambda *places: sources)
    shutil.rmtree(old_home / "seals")  # which a real upgrade breaks
    evaluate()
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "made with something else" in line]
    assert line.startswith("1 of 1 weights and 5 of 5 cells were made with something else than there is now")
    assert f"timm {environment.version('timm')} -> 99.0" in line
    assert "pandas" in line and "sources (" in line and "--retrain and --rescore" in line
    evaluate()
    assert line in capsys.readouterr().out, "a sealed run says it, too"


def test_nothing_is_said_where_nothing_differs(old_home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    evaluate("--retrain", "--rescore")
    evaluate()
    assert "made with something else" not in capsys.readouterr().err


def test_a_raised_number_of_scoring_scores_again_and_trains_nothing(
    old_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    evaluate()
    before = scores()
    shutil.rmtree(old_home / "seals")
    monkeypatch.setattr(cell_keys, "SCORING", 2)
    with monkeypatch.context() as patch:
        forbid(patch, "_Run")
        assert main(["eval", str(STORE / "old.toml"), "--no-publish", "--device", "cpu"]) == 70
    forbid(monkeypatch, "learn")
    evaluate()
    now = scores()
    assert now.keys() == before.keys()
    for cell, told in now.items():
        assert np.allclose(told, before[cell], atol=1e-2)


def test_a_raised_number_of_training_trains_again(old_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    evaluate()
    shutil.rmtree(old_home / "seals")
    monkeypatch.setattr(job, "TRAINING", 2)
    forbid(monkeypatch, "learn")
    assert main(["eval", str(STORE / "old.toml"), "--no-publish", "--device", "cpu"]) == 70


def test_rescore_scores_finished_cells_again_and_keeps_them_until_it_is_done(
    old_home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    evaluate()
    files = {path: path.stat().st_mtime_ns for path in load_board("old").predictions.values()}
    with monkeypatch.context() as patch:
        forbid(patch, "_Run")
        command = ["eval", str(STORE / "old.toml"), "--no-publish", "--device", "cpu", "--rescore"]
        assert main(command) == 70
    assert {path: path.stat().st_mtime_ns for path in files} == files
    capsys.readouterr()
    evaluate("--rescore")
    assert "2 to score" in capsys.readouterr().out
    assert all(path.stat().st_mtime_ns > then for path, then in files.items())
    evaluate()
    assert "finished before: nothing was left to do" in capsys.readouterr().out


def test_a_cell_that_two_versions_worked_on_says_so(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (STORE / "old.toml").read_text().replace('"constant", "meso4"', '"constant"')
    Path("parts.toml").write_text(text.replace('train = ["procedural_tiny"]', "batch = 4"))
    command = ["eval", "parts.toml", "--no-publish", "--device", "cpu"]
    whole = engine._Run._shard

    def cut(run: engine._Run, shard: engine._Shard, *more: object) -> None:
        if shard.start:
            run._take(0, more[1])
            raise KeyboardInterrupt
        whole(run, shard, *more)

    told = {**environment.versions(), "timm": "0.9"}
    with monkeypatch.context() as patch:
        patch.setattr(environment, "versions", lambda: told)
        patch.setattr(engine._Run, "_shard", cut)
        assert main(command) == 130
    assert main(command) == 0
    board = load_board("parts")
    for path in board.predictions.values():
        assert len(stored_meta(path)["provenance"]["made"]) == 2
    (table,) = made_in_parts(standings_of(board))
    assert any("timm 0.9 -> " in line[2] for line in table.lines)
    assert "Made in parts" in capsys.readouterr().out


def test_a_comment_in_every_file_and_newer_libraries_make_nothing_anew(
    old_home: Path, tmp_path: Path
) -> None:
    tree = tmp_path / "checkout"
    shutil.copytree(ROOT / "harness", tree / "harness")
    for name in ("detectors", "datasets", "perturbations"):
        shutil.copytree(ROOT / name, tree / "harness" / name)
    (tree / "sitecustomize.py").write_text("")
    command = [
        sys.executable,
        "-m",
        "harness.cli",
        "eval",
        str(STORE / "old.toml"),
        "--no-publish",
        "--device",
        "cpu",
    ]
    surroundings = {**os.environ, "PYTHONPATH": str(tree)}

    def run(*more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*command, *more], env=surroundings, capture_output=True, text=True, check=True)

    run("--rescore")
    for path in tree.glob("harness/**/*.py"):
        if not {"detectors", "datasets", "perturbations"} & set(path.relative_to(tree).parts):
            path.write_text(path.read_text() + "\n# a comment\n")
    (tree / "sitecustomize.py").write_text(SITECUSTOMIZE)
    told = run()
    assert "to train" not in told.stdout and "to score" not in told.stdout
    (line,) = [line for line in told.stderr.splitlines() if "made with something else" in line]
    assert "timm" in line and "pandas" in line and "sources (" in line


def test_a_runtime_is_part_of_a_name_where_it_is_not_the_default() -> None:
    def named(*runtime: object) -> str:
        return str(Cell("net", "lab", "wild", "jpeg", 3, runtime=Runtime(*runtime)))

    assert named("cpu", "fp32", 4) == named() == "net@lab/wild/jpeg-3"
    assert named("cuda:1", "bf16", 16) == "net@lab/wild/jpeg-3/cuda-bf16"
    assert named("cuda", "fp16", 16, True) == "net@lab/wild/jpeg-3/cuda-fp16-compiled"
    assert str(Runtime("cuda:1", "fp16", 16, True)) == "cuda-fp16-b16-compiled"
    assert named("elsewhere", "unknown", 0) == "net@lab/wild/jpeg-3"
    assert Cell("net", "lab", "wild", runtime=Runtime("cuda")).measured == "net@lab/wild/clean"


def test_two_runtimes_of_a_cell_are_kept_beside_each_other(
    old_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mixed = (STORE / "old.toml").read_text().replace('"fp32"', '"bf16"')
    Path("old.toml").write_text(mixed)
    evaluate()
    plain = load_board("old").predictions
    assert main(["eval", "old.toml", "--no-publish", "--device", "cpu"]) == 0
    other = load_board("old").predictions
    assert set(other) == {f"{cell}/cpu-bf16" for cell in plain}
    assert not set(other.values()) & set(plain.values())
    assert all(path.is_file() for path in plain.values())


def test_a_cost_that_the_version_before_measured_is_kept_under_its_name_of_today(old_home: Path) -> None:
    entry, runtime = registry.detectors.get("constant"), Runtime("cpu", "fp32", 8)
    versions = {name: environment.versions()[name] for name in environment.KEYED}
    machine = [platform.node(), usable_cores(), os.environ.get("OMP_NUM_THREADS")]
    one = dataclasses.replace(runtime, batch=1)
    said = [entry.name, file_digest(Path(entry.file)), "", None, one, versions, machine]
    (old_home / "costs").unlink()  # those that all tests share
    (old_home / "costs").mkdir()
    before = old_home / "costs" / f"constant-{digest([*said, cost_process.MEASURED_BY])[:10]}.json"
    before.write_text('{"measured": "before"}')
    kept = cost_process.kept_file(entry, None, runtime)
    assert kept.read_bytes() == before.read_bytes()
    assert kept != before


def test_a_killed_rescore_goes_on_with_its_own_shards_and_with_no_others(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (STORE / "old.toml").read_text().replace('"constant", "meso4"', '"constant"')
    Path("parts.toml").write_text(text.replace('train = ["procedural_tiny"]', "batch = 4"))
    command = ["eval", "parts.toml", "--no-publish", "--device", "cpu"]
    assert main(command) == 0
    whole, scored = engine._Run._shard, []

    def cut(run: engine._Run, shard: engine._Shard, *more: object) -> None:
        if shard.start:
            run._take(0, more[1])
            raise KeyboardInterrupt
        whole(run, shard, *more)

    def counted(run: engine._Run, shard: engine._Shard, *more: object) -> None:
        scored.append(shard.start)
        whole(run, shard, *more)

    with monkeypatch.context() as patch:
        patch.setattr(engine._Run, "_shard", cut)
        assert main([*command, "--rescore"]) == 130
    monkeypatch.setattr(engine._Run, "_shard", counted)
    with monkeypatch.context() as patch:
        patch.setattr(environment, "versions", lambda: {"timm": "0.9"})
        assert main([*command, "--rescore"]) == 0
    assert scored == [0, 16], "shards of another version are not gone on with"
    for path in load_board("parts").predictions.values():
        assert [made["versions"] for made in stored_meta(path)["provenance"]["made"]] == [{"timm": "0.9"}]


def test_what_later_versions_can_be_asked_for_is_not_adopted(
    old_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(earlier_keys, "RECIPE", earlier_keys.RECIPE[:-1])
    plan = plan_matrix(load_matrix(str(STORE / "old.toml")), "cpu")
    plan.clips["procedural_tiny"] = list_clips(
        registry.datasets.get("procedural_tiny"), plan.root("procedural_tiny")
    )
    asked = training_job(plan, ("meso4", "procedural_tiny", 0))
    newer = dataclasses.replace(asked, recipe=dataclasses.replace(asked.recipe, options={"new": 1}))
    assert earlier_keys.adopt_weights(newer, old_home / "weights") is None


def test_a_damaged_shard_of_an_earlier_version_is_scored_again(home: Path) -> None:
    shutil.copytree(STORE, home, dirs_exist_ok=True)
    for path in home.glob("predictions/**/*.parquet"):
        path.write_bytes(path.read_bytes()[:-100])
    evaluate()
    assert all(
        read_predictions(path)[0]["score"].notna().all() for path in load_board("old").predictions.values()
    )
