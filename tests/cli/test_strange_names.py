"""Whatever files are called and a terminal can show: commands do their work, and nothing steers it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from harness.cli.entry import main
from harness.progress import Progress, say, show, tell

FILES = (
    b"\xff\xfe",
    b"a\nb",
    b"\x1b[31mred",
    b"<script>",
    b"$x$|`",
    "\u202e漢字é\U0001f600".encode(),
    b"=cmd()",
)
C_LOCALE = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


@pytest.fixture
def strange_clips(tmp_path: Path) -> Path:
    """A folder of real and fake images, half of them damaged, in folders and under names of all sorts."""
    rng = np.random.default_rng(0)
    for kind in (b"real", b"fake/\xff|\x1b[32mgan", b"fake/b"):
        folder = os.path.join(os.fsencode(tmp_path), b"clips", kind)
        os.makedirs(folder)
        for k, name in enumerate(FILES * 2):
            path = os.fsdecode(os.path.join(folder, b"%s %d.png" % (name, k)))
            Image.fromarray(rng.integers(0, 255, (32, 32, 3), dtype=np.uint8)).save(path)
            Path(path.replace(".png", " bad.png")).write_bytes(b"no image")
    return tmp_path / "clips"


def steers(text: str) -> bool:
    return any(not (sign.isprintable() or sign in "\n\xa0") for sign in text)


@pytest.mark.parametrize(
    "surroundings", [{"PYTHONIOENCODING": "ascii"}, {"PYTHONIOENCODING": "latin-1"}, C_LOCALE]
)
def test_terminals_of_few_letters_are_told_everything(
    surroundings: dict[str, str], strange_clips: Path, tmp_path: Path
) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "harness.cli", "data", "check", "folder", "--root", str(strange_clips)],
        env={**os.environ, **surroundings, "GAPBENCH_HOME": str(tmp_path / "home"), "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        check=False,
    )
    assert run.returncode == 1, run.stderr  # half of the clips cannot be read
    assert not steers(run.stdout.decode("latin-1") + run.stderr.decode("latin-1"))
    assert b"\\x1b[32mgan" in run.stdout and b"\\xff" in run.stdout


def test_clips_of_any_name_are_scored(
    strange_clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GAPBENCH_HOME", str(tmp_path / "home"))
    results = tmp_path / "results"
    asked = [
        "--name",
        "mine",
        "--detector",
        "constant",
        "--crop",
        "center",
        "--device",
        "cpu",
        "--no-publish",
    ]
    assert main(["eval", str(strange_clips), *asked, "--results", str(results)]) == 0
    assert main(["predict", "constant", str(strange_clips), "--device", "cpu"]) == 2  # some are no images
    told = capsys.readouterr()
    page = (results / "own-mine.md").read_text(encoding="utf-8")
    assert not steers(told.out + told.err + page) and "<script" not in page
    assert "42 of 84 files could not be judged" in told.err
    assert "| constant (not ranked) |" in page and "\\xff\\|\\x1b[32mgan" in page
    assert main(["predictions", "export", "own-mine", "--to", str(tmp_path / "scores.csv")]) == 0
    assert main(["metrics", "--predictions", str(tmp_path / "scores.csv")]) == 0


def test_no_line_that_is_printed_can_be_another(capsys: pytest.CaptureFixture[str]) -> None:
    say("one\x1b[2K\rgapbench: done\n")
    tell("two\nthree")
    show("four\nfi\x07ve")
    with Progress("six\nseven", 1):
        pass
    told = capsys.readouterr()
    assert told.out.splitlines() == [r"two\nthree", "four", r"fi\x07ve"]
    first, last = told.err.splitlines()
    assert first == r"one\x1b[2K\rgapbench: done\n" and last.startswith(r"six\nseven: 0 clips")


@pytest.mark.parametrize(
    "command", [["eval"], ["predict", "constant"], ["metrics", "--predictions"], ["gate"]]
)
def test_errors_name_what_was_asked_harmlessly(
    command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*command, "\x1b[31mno\nsuch\u202e.csv"]) == 2
    told = capsys.readouterr()
    assert not steers(told.out + told.err) and r"\x1b[31mno\nsuch" in told.err.splitlines()[-1]
