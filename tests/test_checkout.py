"""A checkout stays as it was committed, whatever is run in it, and wherever it lies."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.test_golden import place_weights

ROOT = Path(__file__).resolve().parents[1]
STUB = '#!/bin/sh\necho "$(basename "$0") $*" >> \'{log}\'\n'


def made(folder: Path, *words: str) -> str:
    """What `make` printed there; its failure is the test's."""
    done = subprocess.run(["make", *words], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What is committed of this checkout, as it is now, in a repository whose path has a space."""
    listed = ["git", "-C", str(ROOT), "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    known = subprocess.run(listed, capture_output=True, text=True, check=False)
    if known.returncode:
        pytest.skip("this is no git checkout, so nothing says what is committed")
    folder = tmp_path / "my checkout"
    for name in filter(None, known.stdout.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, folder / name)
    who = ["-c", "user.name=a", "-c", "user.email=a@b"]
    for words in (["init", "-q"], ["add", "-A"], [*who, "commit", "-q", "-m", "all"]):
        subprocess.run(["git", *words], cwd=folder, check=True)
    (folder / ".venv" / "bin").mkdir(parents=True)
    return folder


def tool(checkout: Path, name: str, text: str) -> None:
    path = checkout / ".venv" / "bin" / name
    path.write_text(text)
    path.chmod(0o755)
    (checkout / ".venv" / ".installed").touch()  # newer than what it was made from


def changed(checkout: Path) -> str:
    said = subprocess.run(
        ["git", "status", "--porcelain"], cwd=checkout, capture_output=True, text=True, check=True
    )
    return said.stdout


def test_every_target_works_where_the_path_has_a_space(checkout: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    for name in ("gapbench", "python", "ruff", "mypy"):
        tool(checkout, name, STUB.format(log=log))
    targets = [
        line.partition(":")[0] for line in (checkout / "Makefile").read_text().splitlines() if ": " in line
    ]
    named = [
        name for name in targets if name.replace("-", "").isalpha() and name not in ("clean", "fresh-clone")
    ]
    assert {"eval", "lint", "test", "bench", "publish-board", "gate"} <= set(named)
    for name in named:
        made(checkout, name, "MATRIX=smoke")
    said = log.read_text().splitlines()
    assert "gapbench eval smoke" in said and "gapbench report smoke --published" in said
    assert f"mypy --config-file {checkout}/pyproject.toml" in said
    assert changed(checkout) == ""
    made(checkout, "clean")
    assert not (checkout / ".venv").exists()


def test_a_run_leaves_the_checkout_clean_and_says_what_it_reproduced(home: Path, checkout: Path) -> None:
    place_weights(home)  # other weights than the published ones, so airl differs and constant does not
    tool(checkout, "gapbench", f'#!/bin/sh\nexec "{sys.executable}" -m harness.cli "$@"\n')
    said = made(checkout, "eval", "MATRIX=smoke")
    (line,) = [line for line in said.splitlines() if line.startswith("published board of smoke: ")]
    assert "of 4 rows are equal to the printed digit" in line and "2 differ: airl@procedural_tiny/" in line
    assert "the published ones were made on AMD EPYC, 2 threads" in line
    assert (checkout / "results" / "smoke.md").is_file()
    assert changed(checkout) == ""
    assert line in made(checkout, "eval", "MATRIX=smoke"), "a finished run says it again"
    made(checkout, "publish-board", "MATRIX=smoke")
    assert "results/published/smoke.csv" in changed(checkout)
    (checkout / "results" / "smoke.md").unlink()
    said = made(checkout, "eval", "MATRIX=smoke")
    assert "published board of smoke: all 4 of 4 rows are equal to the printed digit; the" in said
    assert os.environ["GAPBENCH_HOME"] == str(home), "nothing of it lay in the checkout"
