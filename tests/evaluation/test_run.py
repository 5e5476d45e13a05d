"""Scoring a matrix: one decode a clip, failures counted, finished work kept through a kill."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from harness import registry
from harness.cli.entry import main
from harness.evaluation.matrix import load_matrix, parse_matrix
from harness.evaluation.plan import check_subsets, plan_matrix
from harness.evaluation.run import run_plan
from harness.results.predictions import CellFile, predictions_table, read_predictions
from harness.results.rows import load_board
from harness.types import Clip, HarnessError, Prediction
from harness.video import clip_views
from harness.video import frames as video

PLUGIN = '''
import os, time
from pathlib import Path
import numpy as np
from harness.registry import detector

@detector("redness")
class Redness:
    """P(fake) is how red the clip is; slow on purpose, and it keeps a log of what it scored."""
    size, frames = 16, 4

    def score(self, clips):
        for clip in clips:
            time.sleep(float(os.environ.get("REDNESS_SECONDS", "0")))
            with open(os.environ["REDNESS_LOG"], "a") as log:
                log.write(f"{clip.sum()}\\n")
        return clips[..., 0].mean(axis=(2, 3)) / 255
'''
MATRIX = """
about = "a test"
detectors = ["redness"]
test = ["procedural_tiny"]
perturbations = ["jpeg-5"]
batch = 1
"""


def predictions_of(matrix: str) -> dict[str, pd.DataFrame]:
    return {name: read_predictions(path)[0] for name, path in load_board(matrix).predictions.items()}


@pytest.fixture
def slow(home: Path, tmp_path: Path) -> dict[str, str]:
    """A plug-in, a matrix that uses it, and the environment its processes need."""
    (tmp_path / "redness.py").write_text(PLUGIN)
    (tmp_path / "slow.toml").write_text(MATRIX)
    return {**os.environ, "REDNESS_LOG": str(tmp_path / "log"), "REDNESS_SECONDS": "0.02"}


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "harness.cli", "--plugin", "redness.py", *words]


def test_a_killed_run_goes_on_and_ends_in_the_same_predictions(
    slow: dict[str, str], home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    evaluate = command("eval", "slow.toml", "--no-publish", "--device", "cpu")
    process = subprocess.Popen(evaluate, cwd=tmp_path, env=slow, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not list(home.glob("predictions/**/*.shards/[!.]*.parquet")) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    kept = list(home.glob("predictions/**/*.shards/[!.]*.parquet"))
    assert kept, "it was killed before the first shard was kept, or after the last"
    scored_before = len((tmp_path / "log").read_text().splitlines())

    subprocess.run(evaluate, cwd=tmp_path, env=slow, check=True, capture_output=True)
    scored_in_all = len((tmp_path / "log").read_text().splitlines())
    resumed = predictions_of("slow")
    assert not list(home.glob("predictions/**/*.shards"))

    other = tmp_path / "other"
    (other / "data").mkdir(parents=True)
    for made in (home / "data").iterdir():
        (other / "data" / made.name).symlink_to(made.resolve(), target_is_directory=True)
    monkeypatch.setenv("GAPBENCH_HOME", str(other))
    fresh = {
        **slow,
        "GAPBENCH_HOME": str(other),
        "REDNESS_SECONDS": "0",
        "REDNESS_LOG": str(tmp_path / "log2"),
    }
    subprocess.run(evaluate, cwd=tmp_path, env=fresh, check=True, capture_output=True)
    whole = predictions_of("slow")
    scored_whole = len((tmp_path / "log2").read_text().splitlines())

    assert whole.keys() == resumed.keys() and len(whole) == 2
    for name in whole:
        pd.testing.assert_frame_equal(whole[name], resumed[name])
    assert scored_before < scored_whole
    assert scored_in_all - scored_before < scored_whole, "finished shards were scored again"


def test_a_finished_matrix_is_not_run_again(
    slow: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("REDNESS_LOG", slow["REDNESS_LOG"])
    words = ["--plugin", "redness.py", "eval", "slow.toml", "--no-publish", "--device", "cpu"]
    assert main(words) == 0
    log = (tmp_path / "log").read_text()
    assert main(words) == 0
    assert (tmp_path / "log").read_text() == log
    assert "finished before: nothing was left to do" in capsys.readouterr().out


def test_a_clip_is_decoded_once_for_all_detectors_and_perturbations(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded: list[Path] = []

    def counting(path: Path, counts: list[int], use: video.Use, track: int) -> video.Frames:
        decoded.append(path)
        return video.read_frames(path, counts, use=use, track=track)

    monkeypatch.setattr(clip_views, "read_frames", counting)
    matrix = parse_matrix(MATRIX.replace("redness", "constant").replace("jpeg-5", "jpeg"), "once")
    plan = plan_matrix(matrix, "cpu")
    run_plan(plan)
    assert len(plan.cells) == 6
    tested = [clip.path for clip in plan.clips["procedural_tiny"] if clip.split == "test"]
    assert sorted(decoded) == sorted(tested)


def test_an_undecodable_clip_is_counted_not_scored(home: Path, tmp_path: Path) -> None:
    tiny = registry.datasets.get("procedural_tiny")
    source = [
        clip
        for clip in tiny.clips(home / "data" / f"procedural_tiny-v{tiny.version}")
        if clip.split == "test"
    ]
    folder = tmp_path / "mine"
    for clip in [next(clip for clip in source if clip.label == label) for label in (0, 1)]:
        place = folder / ("fake/x" if clip.label else "real")
        place.mkdir(parents=True, exist_ok=True)
        (place / clip.path.name).write_bytes(clip.path.read_bytes())
    for number, content in enumerate((b"", b"these are words", source[0].path.read_bytes()[:3000])):
        (folder / "real" / f"broken{number}.mp4").write_bytes(content)
    text = MATRIX.replace("redness", "constant").replace("procedural_tiny", "folder")
    own = f'[data]\nfolder = "{folder}"\n[crop]\nfolder = "center"\n'
    matrix = parse_matrix(f"{text}\n{own}", "broken")
    run_plan(plan_matrix(matrix, "cpu"))
    board = load_board("broken")
    for row in board.rows:
        assert (row.clips, row.failed) == (5, 3)
    said = next(iter(predictions_of("broken").values())).set_index("clip_id")
    failed = said[said["error"].notna()]
    assert len(failed) == 3 and failed["score"].isna().all()
    assert all("broken" in reason and "\n" not in reason for reason in failed["error"])


def test_absent_data_leaves_its_cells_out_and_says_what_would_bring_it(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = MATRIX.replace("redness", "constant").replace(
        '["procedural_tiny"]', '["procedural_tiny", "folder"]'
    )
    (tmp_path / "partly.toml").write_text(f'{text}\n[data]\nfolder = "nowhere"\n')
    assert main(["eval", "partly.toml", "--no-publish", "--device", "cpu"]) == 0
    board = load_board("partly")
    assert {row.cell.tested_on for row in board.rows} == {"procedural_tiny"}
    assert "nowhere does not exist" in board.absent["folder"]
    assert (tmp_path / "results" / "partly-roc.png").is_file()
    said = capsys.readouterr().out
    assert "GAPBENCH_DATA_FOLDER" in said and "gapbench data set folder FOLDER" in said
    assert "GAPBENCH_DATA_FOLDER" in (tmp_path / "results" / "partly.md").read_text().replace("\n", " ")


def test_a_dry_run_makes_trains_and_scores_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GAPBENCH_HOME", str(tmp_path / "empty"))
    monkeypatch.chdir(tmp_path)
    assert main(["eval", "cross-dataset", "--dry-run", "--device", "cpu"]) == 0
    said = capsys.readouterr().out
    assert "to make: procedural_lab" in said and "to train" in said
    assert list(tmp_path.iterdir()) == []


def test_the_draw_of_a_perturbation_depends_on_the_clip_and_on_nothing_else() -> None:
    frames = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)
    once = clip_views.perturb(frames, "a", "jpeg", 3)
    np.random.seed(1)
    assert np.array_equal(once, clip_views.perturb(frames, "a", "jpeg", 3))
    assert np.array_equal(frames, clip_views.perturb(frames, "a", "clean", 0))


def test_predictions_are_written_whole_and_a_key_that_differs_is_not_finished(tmp_path: Path) -> None:
    clips = [Clip(f"d/{number}", Path("x"), number % 2, "test") for number in range(3)]
    said = [Prediction(clip.id, clip.label, 0.5, (0.4, 0.6), (0, 9)) for clip in clips]
    kept = CellFile(tmp_path / "cell", "0123456789")
    kept.write_shard(0, clips[:2], said[:2])
    kept.write_shard(2, clips[2:], said[2:])
    assert kept.shard_finished(0, 2) and not kept.finished()
    kept.finish([(0, 2), (2, 3)], {"note": 1})
    table, meta = read_predictions(kept.path)
    assert kept.finished() and meta["note"] == 1
    assert list(table["clip_id"]) == ["d/0", "d/1", "d/2"]
    assert [list(indices) for indices in table["frame_indices"]] == [[0, 9]] * 3
    assert not CellFile(tmp_path / "cell", "01234567ff").finished(), "the same file name, another key"
    kept.path.write_bytes(kept.path.read_bytes()[:100])
    assert not kept.finished()
    with pytest.raises(HarnessError, match="cannot be read"):
        read_predictions(kept.path)
    assert predictions_table(clips, said).num_rows == 3


def test_what_a_killed_run_left_behind_does_not_stop_the_next(tmp_path: Path) -> None:
    clips = [Clip("d/0", Path("x"), 0, "test")]
    kept = CellFile(tmp_path / "cell", "0123456789")
    kept.write_shard(0, clips, [Prediction("d/0", 0, 0.5, (0.5,), (0,))])
    (kept.shard(0, 0).parent / ".000000-000001.parquet.tmp").write_bytes(b"half")
    kept.finish([(0, 1)], {})
    assert kept.finished() and not kept.shard(0, 0).parent.exists()
    kept.finish([(0, 1)], {})  # as another run would that scored the same shards


def test_an_empty_folder_is_absent_and_the_rest_runs(home: Path, tmp_path: Path) -> None:
    (tmp_path / "hollow").mkdir()
    text = MATRIX.replace("redness", "constant").replace(
        '["procedural_tiny"]', '["procedural_tiny", "folder"]'
    )
    plan = plan_matrix(parse_matrix(f'{text}\n[data]\nfolder = "hollow"\n', "m"), "cpu")
    assert {cell.tested_on for cell in plan.cells} == {"procedural_tiny"}
    assert "no clips" in plan.absent["folder"]


def test_a_set_that_cannot_be_trained_on_is_refused_before_anything_is_trained(home: Path) -> None:
    text = MATRIX.replace('["redness"]', '["xception"]\ntrain = ["procedural_wild"]\nrecipe = "procedural"')
    plan = plan_matrix(parse_matrix(text, "m"), "cpu")
    tiny = registry.datasets.get("procedural_tiny")
    listed = tiny.clips(home / "data" / f"procedural_tiny-v{tiny.version}")
    plan.clips["procedural_wild"] = tuple(clip for clip in listed if clip.split == "test")
    with pytest.raises(HarnessError, match="needs clips in both splits"):
        check_subsets(plan)


def test_a_perturbation_that_breaks_is_named_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(frames: np.ndarray, parameter: object, rng: np.random.Generator) -> np.ndarray:
        raise ZeroDivisionError("by design")

    entry = registry.PerturbationEntry("jpeg", broken, (1,), file=__file__)
    monkeypatch.setitem(registry.perturbations._entries, "jpeg", entry)
    with pytest.raises(HarnessError, match="jpeg-1 on a failed: ZeroDivisionError: by design"):
        clip_views.perturb(np.zeros((1, 8, 8, 3), np.uint8), "a", "jpeg", 1)


def test_every_matrix_can_be_planned_without_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAPBENCH_HOME", str(tmp_path))
    for name in ("smoke", "cross-dataset", "cross-manipulation", "robustness"):
        plan = plan_matrix(load_matrix(name), "cpu")
        brought = {"ffpp_c23", "celeb_df_v2", "dfdc_preview"} if name == "cross-dataset" else set()
        assert plan.cells and set(plan.absent) == brought
