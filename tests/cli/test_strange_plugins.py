"""A plug-in is a stranger: however it ends, hangs or prints, the command says so and keeps its promises."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

pytestmark = pytest.mark.skipif(not hasattr(signal, "sigtimedwait"), reason="commands are watched on Linux")

PLUGIN = """
import atexit, logging, os, sys, threading, time, warnings
import numpy as np
from harness.registry import detector, perturbation

class Plain:
    frames, size = 1, 32
    def __init__(self, recipe=None): pass
    def score(self, clips): return np.full(clips.shape[:2], 0.25, np.float32)

@detector("talks")
class Talks(Plain):
    def score(self, clips):
        print("by print", flush=True)
        os.write(1, b"by a C library\\n")
        return super().score(clips)

@detector("leaves_a_thread")
class LeavesAThread(Plain):
    def score(self, clips):
        threading.Thread(target=time.sleep, args=(1000,)).start()
        return super().score(clips)

@detector("fails_beside")
class FailsBeside(Plain):
    def score(self, clips):
        atexit.register(lambda: [][0])
        threading.Thread(target=lambda: 1 / 0).start()
        return super().score(clips)

@detector("makes_libraries_talk")
class MakesLibrariesTalk(Plain):
    def score(self, clips):
        logging.getLogger("some.library").warning("it met %s", "a\\x1b[31mname")
        warnings.warn("it met another\\x1b[31m")
        return super().score(clips)

@detector("hangs")
class Hangs(Plain):
    def score(self, clips): time.sleep(1000)

@detector("ends_the_process")
class EndsTheProcess(Plain):
    def score(self, clips): os._exit(0)

@detector("leaves")
class Leaves(Plain):
    def score(self, clips): sys.exit(0)
"""


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("strange")
    (folder / "plugin.py").write_text(PLUGIN)
    cv2.imwrite(str(folder / "face.png"), np.full((48, 48, 3), 90, np.uint8))
    return folder / "face.png"


def predict(detector: str, picture: Path, *more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "harness.cli", "--plugin", str(picture.with_name("plugin.py"))]
    return subprocess.run(
        [*command, "predict", detector, str(picture), "--crop", "center", "--json", *more],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env={**os.environ, "GAPBENCH_HOME": str(picture.parent / "home")},
    )


@pytest.mark.parametrize("detector", ["talks", "leaves_a_thread", "fails_beside", "makes_libraries_talk"])
def test_the_json_is_whole_and_alone_and_the_command_ends(detector: str, picture: Path) -> None:
    done = predict(detector, picture)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["files"][0]["score"] == 0.25
    assert ("by a C library" in done.stderr) == (detector == "talks")
    assert ("this failed: ZeroDivisionError" in done.stderr) == (detector == "fails_beside")
    assert ("this failed: IndexError" in done.stderr) == (detector == "fails_beside")
    for said in ("it met a\\x1b[31mname", "it met another\\x1b[31m"):
        assert (said in done.stderr) == (detector == "makes_libraries_talk")
    assert "\x1b" not in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("detector", "said"),
    [
        ("hangs", "did not end within 15 s (--patience)"),
        ("ends_the_process", "ended from within (os._exit, code 0)"),
        ("leaves", "failed: SystemExit: 0"),
    ],
)
def test_one_that_hangs_or_ends_the_process_is_named_with_the_clip(
    detector: str, said: str, picture: Path
) -> None:
    done = predict(detector, picture, "--patience", "15" if detector == "hangs" else "60")
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr and f"{detector} on {picture}" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("text", ["import os; os._exit(0)", "import sys; sys.exit(0)", "quit()"])
def test_one_that_ends_everything_on_import_is_no_success(text: str, tmp_path: Path) -> None:
    (tmp_path / "plugin.py").write_text(text)
    command = [sys.executable, "-m", "harness.cli", "--plugin", "plugin.py", "ls"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path, timeout=60)
    assert (done.returncode, done.stdout) == (2, "")
    assert "plugin.py" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("detector", "said"),
    [("hangs", "did not end within 8 s (--patience)"), ("ends_the_process", "was ended from within")],
)
def test_one_that_hangs_or_ends_the_process_while_it_is_checked_is_named_with_the_check(
    detector: str, said: str, picture: Path
) -> None:
    command = [
        sys.executable,
        "-m",
        "harness.cli",
        "--plugin",
        "plugin.py",
        "--patience",
        "8",
        "check",
        detector,
    ]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=picture.parent, timeout=100
    )
    assert done.returncode == 2
    assert said in done.stderr and f"{detector}, the check scores_have" in done.stderr
    assert "Traceback" not in done.stderr
