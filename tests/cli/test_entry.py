"""The command line: help with examples, exit codes, and one clear line for anything broken."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from harness import registry
from harness.cli import entry
from harness.cli.entry import main, parser
from harness.results.predictions import read_predictions, write_predictions

COMMANDS = (
    "ls",
    "check",
    "train",
    "eval",
    "metrics",
    "predict",
    "cost",
    "gate",
    "accept",
    "report",
    "publish",
)
CONSTANT = 'about = "a test"\ndetectors = ["constant"]\ntest = ["procedural_tiny"]\n'


@pytest.fixture
def broken_files(home: Path, tmp_path: Path) -> Path:
    """A folder with one file of every kind that cannot be judged."""
    tiny = registry.datasets.get("procedural_tiny")
    clip = next(iter(tiny.clips(home / "data" / f"procedural_tiny-v{tiny.version}")))
    whole = clip.path.read_bytes()
    (tmp_path / "truncated.mp4").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.mp4").write_text("these are words")
    (tmp_path / "empty.mp4").write_bytes(b"")
    (tmp_path / "folder.mp4").mkdir()
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    (tmp_path / "results-file").write_text("in the way")
    (tmp_path / "constant.toml").write_text(CONSTANT)
    (tmp_path / "typo.toml").write_text(CONSTANT.replace("_tiny", "_tiny:autoencodr"))
    (tmp_path / "data.toml").write_text("folder = 7\n")
    (tmp_path / "syntax.py").write_text("def broken(:\n")
    (tmp_path / "latin.toml").write_bytes(b'about = "caf\xe9"\n')
    for name, change in {
        "severity.toml": 'perturbations = ["blur--1"]',
        "key.toml": "detector = []",
        "type.toml": 'batch = "many"',
        "tolerance.toml": "[gate]\nauc = -1",
        "rule.toml": "[gate]\nacu = 0.1",
        "smoke.toml": "",
    }.items():
        (tmp_path / name).write_text(CONSTANT + change + "\n")
    return tmp_path


BROKEN = [
    ("predict constant truncated.mp4", "truncated.mp4"),
    ("predict constant text.mp4", "text.mp4"),
    ("predict constant empty.mp4", "empty.mp4"),
    ("predict constant folder.mp4", "folder.mp4"),
    ("predict constant missing.mp4", "missing.mp4"),
    ("predict constant broken.png", "broken.png"),
    ("predict constnat truncated.mp4", "did you mean 'constant'?"),
    ("predict xception truncated.mp4", "say what xception was trained on"),
    ("predict xception@procedural_lab truncated.mp4", "gapbench train xception --on procedural_lab"),
    ("eval smok", "did you mean 'smoke'?"),
    ("eval missing.toml", "no matrix file missing.toml"),
    ("eval latin.toml", "cannot be read"),
    ("eval severity.toml", "severity -1"),
    ("eval key.toml", "did you mean 'detectors'?"),
    ("eval type.toml", "batch must be a whole number"),
    ("eval tolerance.toml", "gate must be"),
    ("eval rule.toml", "did you mean 'auc'?"),
    ("eval smoke.toml", "is the name of another matrix"),
    ("eval typo.toml", "no manipulation 'autoencodr'"),
    ("eval constant.toml --results results-file", "results-file is a file"),
    ("eval constant.toml --device cuba", "unknown device 'cuba'"),
    ("evla smoke", "did you mean 'eval'?"),
    ("eval", "matrix"),
    ("metrics smoke", "gapbench eval smoke"),
    ("gate smoke", "gapbench eval smoke"),
    ("report constant.toml", "gapbench eval constant"),
    ("train xception --on procedural_lap", "did you mean 'procedural_lab'?"),
    ("train xception --on procedural_tiny --recipe tiny", "unknown recipe of xception 'tiny'"),
    ("train xception --on procedural_tiny --seed -1", "-1 is below 0"),
    ("train xception --on procedural_tiny --seed one", "is not a whole number"),
    ("train constant --on procedural_tiny", "nothing to train"),
    ("check procedural_tiny --root .", "--root is for datasets that you bring"),
    ("predict constant@procedural_lab text.mp4", "constant is a fixed detector"),
    ("predict constant text.mp4 --box 1,2,3", "is not X,Y,WIDTH,HEIGHT"),
    ("gate constant.toml --results results-file", "results-file is a file"),
    ("check blurr", "did you mean 'blur'?"),
    ("check folder", "data.toml"),
    ("data check .", ". is a folder of clips: gapbench data check folder --root ."),
    ("data audit gone.csv", "gone.csv does not exist"),
    ("ls detektors", "invalid choice"),
    ("cost xceptio", "did you mean 'xception'?"),
    ("--plugin missing.py ls", "missing.py does not exist"),
    ("--plugin syntax.py ls", "SyntaxError"),
]


@pytest.mark.parametrize(("words", "said"), BROKEN, ids=[words for words, _ in BROKEN])
def test_broken_input_gets_one_clear_line_and_exit_code_2(
    broken_files: Path, capsys: pytest.CaptureFixture[str], words: str, said: str
) -> None:
    assert main(words.split()) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("gapbench: ")]
    assert len(lines) == 1
    assert said in lines[0]


def test_an_unexpected_word_never_shows_a_traceback(broken_files: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "harness.cli", "predict", "constant", "text.mp4"],
        capture_output=True,
        text=True,
        cwd=broken_files,
        check=False,
    )
    assert run.returncode == 2
    assert "Traceback" not in run.stdout + run.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_shows_an_example_that_it_would_accept(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        main([command, "--help"])
    assert left.value.code == 0
    example = capsys.readouterr().out.split("example: gapbench ")[1].splitlines()[0]
    assert parser().parse_args(example.split()).command == command


def test_predict_gives_score_frame_scores_and_threshold_as_json(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cv2.imwrite(str(tmp_path / "still.png"), np.full((40, 60, 3), 90, np.uint8))
    assert main(["predict", "constant", "still.png", "--json", "--device", "cpu"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["threshold"] == 0.5 and said["threshold_source"] == "fixed"
    (judged,) = said["files"]
    assert judged["score"] == 0.5 and set(judged["frame_scores"]) == {0.5} and judged["error"] is None


def test_trained_weights_judge_a_video_by_their_own_threshold(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny = registry.datasets.get("procedural_tiny")
    clips = list(tiny.clips(home / "data" / f"procedural_tiny-v{tiny.version}"))
    clip = next(clip for clip in clips if clip.split == "test")
    words = ["--on", "procedural_tiny", "--recipe", "smoke", "--device", "cpu"]
    assert main(["train", "airl", *words]) == 0
    assert main(["train", "airl", *words, "--seed", "1"]) == 0
    capsys.readouterr()

    predict = ["predict", "airl@procedural_tiny", str(clip.path), "--json", "--device", "cpu"]
    assert main(predict) == 0
    centred = json.loads(capsys.readouterr().out)
    assert centred["threshold_source"] == "source-val" and 0 < centred["threshold"] < 1
    assert "-s0-" in centred["weights"], "the seed is 0 unless another is named"
    assert "trained on crop boxes, shown center" in centred["warnings"][0]

    box = ",".join(str(side) for side in clip.attributes["box"])
    assert main([*predict, "--box", box]) == 0
    boxed = json.loads(capsys.readouterr().out)
    assert boxed["warnings"] == []
    assert boxed["files"][0]["score"] != centred["files"][0]["score"]
    assert len(boxed["files"][0]["frame_scores"]) == 4
    assert main([predict[0], "airl@procedural_tiny#1", *predict[2:]]) == 0
    assert "-s1-" in json.loads(capsys.readouterr().out)["weights"]


def test_a_bug_is_not_taken_for_a_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.cli.plugins.run_ls", lambda options: 1 / 0)
    assert main(["ls"]) == 70


def test_a_matrix_that_changed_is_not_judged_by_its_old_run(home: Path, tmp_path: Path) -> None:
    (tmp_path / "constant.toml").write_text(CONSTANT)
    assert main(["eval", "constant.toml", "--no-publish", "--device", "cpu"]) == 0
    assert main(["accept", "constant.toml"]) == 0
    (tmp_path / "constant.toml").write_text(CONSTANT + 'perturbations = ["jpeg-1"]\n')
    assert main(["gate", "constant.toml"]) == 2


def test_the_gate_says_0_then_1_then_4(home: Path, tmp_path: Path) -> None:
    plugin = tmp_path / "peeking.py"
    plugin.write_text(
        "from harness.registry import detector\n"
        "@detector('sharpness')\n"
        "class Sharpness:\n"
        "    size, frames = 64, 2\n"
        "    def score(self, clips):\n"
        "        import numpy as np\n"
        "        edges = np.abs(np.diff(clips.astype(float), axis=2)).mean(axis=(2, 3, 4))\n"
        "        return 1 / (1 + edges)\n"
    )
    (tmp_path / "gated.toml").write_text(CONSTANT.replace("constant", "sharpness"))
    words = ["--plugin", str(plugin)]
    assert main([*words, "eval", "gated.toml", "--no-publish", "--device", "cpu"]) == 0
    assert main(["gate", "gated.toml"]) == 4
    assert main(["accept", "gated.toml"]) == 0
    assert main(["gate", "gated.toml"]) == 0

    (file,) = home.glob("predictions/**/*.parquet")
    table, meta = read_predictions(file)
    fake = table["label"] == 1
    table["score"] = np.where(fake, 0.9, 0.1)
    write_predictions(file, table, meta)
    assert main(["accept", "gated.toml"]) == 0
    table["score"] = 0.5
    write_predictions(file, table, meta)
    assert main(["gate", "gated.toml"]) == 1
    (tmp_path / "results" / "accepted" / "gated.csv").unlink()
    assert main(["gate", "gated.toml"]) == 4


@pytest.mark.parametrize(
    "command", ["eval smoke", "train airl --on procedural_tiny", "predict constant a.mp4"]
)
def test_the_reader_of_videos_is_told_to_child_processes_too(
    command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GAPBENCH_VIDEO_READER", "auto")
    name = command.partition(" ")[0]
    told = entry.COMMANDS[name]
    monkeypatch.setattr(
        told, f"run_{name}", lambda options: int(os.environ["GAPBENCH_VIDEO_READER"] != "pyav")
    )
    assert main([*command.split(), "--video-reader", "pyav"]) == 0


def test_a_dead_tracking_server_costs_exit_code_5_and_no_result(home: Path, tmp_path: Path) -> None:
    (tmp_path / "constant.toml").write_text(CONSTANT)
    words = ["eval", "constant.toml", "--device", "cpu", "--tracking-uri", "http://127.0.0.1:9"]
    assert main(words) == 5
    assert (tmp_path / "results" / "constant.md").is_file()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            "eval smoke --detectr x",
            "unknown option '--detectr'; did you mean --detector? (see: gapbench eval --help)",
        ),
        ("data check --rot x", "(see: gapbench data check --help)"),
        ("report smoke --zzzz", "unknown option '--zzzz' (see: gapbench report --help)"),
        ("report smoke more", "unrecognized arguments: more (see: gapbench report --help)"),
    ],
)
def test_an_unknown_option_gets_the_nearest_and_the_help_of_its_command(
    words: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words.split()) == 2
    assert said in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize("form", ["ls --plugin {}", "ls --plugin={}", "--plugin {} ls", "--plugin={} ls"])
def test_a_plugin_may_be_named_before_and_after_the_command(
    form: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(form.format("no-such-file.py").split()) == 2
    assert "plug-in file no-such-file.py does not exist" in capsys.readouterr().err
