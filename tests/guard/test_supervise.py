"""A command is watched by a process of its own: what no code inside can catch is said in one line."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(not hasattr(signal, "sigtimedwait"), reason="commands are watched on Linux")

START = """
import ctypes, os, signal, sys, threading, time
from harness.guard.patience import doing
from harness.guard.supervise import supervised
def work():
"""


def run(body: str, **surroundings: str) -> subprocess.CompletedProcess[str]:
    """A process that supervises a function of this body and exits with what that gives."""
    return subprocess.run(
        [sys.executable, "-c", script(body)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**os.environ, **surroundings},
    )


def script(body: str) -> str:
    return START + "".join(f"    {line}\n" for line in body.splitlines()) + "sys.exit(supervised(work))\n"


@pytest.mark.parametrize("code", [0, 1, 5, 130])
def test_an_exit_code_and_what_is_printed_are_those_of_the_work(code: int) -> None:
    done = run(f"print('said')\nreturn {code}")
    assert (done.returncode, done.stdout, done.stderr) == (code, "said\n", "")


@pytest.mark.parametrize(("text", "code"), [("sys.exit(0)", 0), ("sys.exit(3)", 3), ("sys.exit('no')", 1)])
def test_a_system_exit_is_an_ordinary_end(text: str, code: int) -> None:
    assert run(text).returncode == code


@pytest.mark.parametrize("code", [0, 7])
def test_a_process_that_is_ended_from_within_is_no_success(code: int) -> None:
    done = run(f"with doing('somebody on a clip'):\n    os._exit({code})")
    assert done.returncode == (code or 2)
    assert done.stderr.count("\n") == 1
    assert "somebody on a clip" in done.stderr and "os._exit" in done.stderr


def test_a_crash_ends_by_its_signal_and_says_during_what() -> None:
    done = run("with doing('somebody on a clip'):\n    ctypes.string_at(0)")
    assert done.returncode == -signal.SIGSEGV
    assert "ended by SIGSEGV during: somebody on a clip" in done.stderr


HANGS = {
    "asleep": "with doing('somebody on a clip'): time.sleep(1000)",
    "in Python": "with doing('somebody on a clip'):\n    while True: pass",
    "holding the interpreter": (
        "import re\nwith doing('somebody on a clip'): re.match('(a+)+$', 'a' * 64 + 'b')"
    ),
    "in another thread": (
        "def other():\n"
        "    with doing('somebody on a clip'): time.sleep(1000)\n"
        "threading.Thread(target=other).start()\n"
        "time.sleep(1000)"
    ),
}


@pytest.mark.parametrize("how", HANGS)
def test_a_step_that_hangs_is_named_and_ended(how: str) -> None:
    done = run(HANGS[how], GAPBENCH_ALLOW_PATIENCE="1")
    assert done.returncode == 2
    assert "somebody on a clip did not end within 1 s (--patience)" in done.stderr


def test_steps_that_go_on_are_no_hang_however_long_they_take_together() -> None:
    body = (
        "with doing('all of it'):\n"
        "    for step in range(8):\n"
        "        with doing(f'step {step}'): time.sleep(0.25)\n"
        "return 0"
    )
    assert run(body, GAPBENCH_ALLOW_PATIENCE="1").returncode == 0


def test_a_stop_and_a_continue_are_no_hang() -> None:
    body = "with doing('a step'): time.sleep(1.5)\nreturn 0"
    going = subprocess.Popen(
        [sys.executable, "-c", script(body)],
        env={**os.environ, "GAPBENCH_ALLOW_PATIENCE": "3"},
        start_new_session=True,
    )
    time.sleep(0.5)
    os.killpg(going.pid, signal.SIGSTOP)
    time.sleep(4)
    os.killpg(going.pid, signal.SIGCONT)
    assert going.wait(30) == 0


def test_a_thread_that_is_left_running_does_not_keep_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    body = "threading.Thread(target=time.sleep, args=(1000,)).start()\nprint('done')\nreturn 3"
    short = "import harness.guard.supervise\nharness.guard.supervise.GRACE = 1.0\n"
    done = subprocess.run(
        [sys.executable, "-c", short + script(body)], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (3, "done\n")
    assert "left running" in done.stderr


def test_what_is_to_be_done_at_the_end_is_done_but_nothing_is_taken_down() -> None:
    done = run(
        "import atexit\n"
        "class Slow:\n"
        "    def __del__(self): print('taken down')\n"
        "sys.kept = Slow()\n"
        "atexit.register(print, 'at the end')\n"
        "threading.Thread(target=lambda: (time.sleep(0.5), print('by a thread'))).start()\n"
        "print('the work', end=' ')\n"
        "return 3"
    )
    assert (done.returncode, done.stdout) == (3, "the work by a thread\nat the end\n")
    assert done.stderr == ""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_passed_on(number: int, tmp_path: Path) -> None:
    body = (
        "try:\n"
        f"    open({str(tmp_path / 'began')!r}, 'w').close()\n"
        "    time.sleep(1000)\n"
        "except KeyboardInterrupt:\n"
        "    return 130"
    )
    # A command that a shell runs in the background is deaf to Ctrl-C, and so is what it starts.
    heard = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    command = [sys.executable, "-c", heard + script(body)]
    going = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    wait_for(tmp_path / "began")
    going.send_signal(number)
    _, said = going.communicate(timeout=90)
    assert going.returncode == (130 if number == signal.SIGINT else -number)
    assert "Traceback" not in said


def test_the_work_dies_with_its_watcher(tmp_path: Path) -> None:
    body = f"open({str(tmp_path / 'began')!r}, 'w').write(str(os.getpid()))\ntime.sleep(1000)"
    going = subprocess.Popen([sys.executable, "-c", script(body)])
    wait_for(tmp_path / "began")
    time.sleep(0.2)
    child = int((tmp_path / "began").read_text())
    going.kill()
    going.wait(30)
    until = time.monotonic() + 30
    while _runs(child) and time.monotonic() < until:
        time.sleep(0.05)
    assert not _runs(child)


def wait_for(path: Path) -> None:
    until = time.monotonic() + 30
    while not path.exists() and time.monotonic() < until:
        time.sleep(0.02)


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
