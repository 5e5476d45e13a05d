"""What surrounds a command (memory, folders, terminals) is told in one line where it is in the way."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from harness.cli import plugins
from harness.cli.entry import main
from harness.data.location import data_file
from harness.evaluation import engine
from harness.files import scratch_folder


@pytest.mark.parametrize("mebibytes", [500, 1434])
def test_too_little_memory_is_one_line(mebibytes: int, tmp_path: Path) -> None:
    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (mebibytes << 20, mebibytes << 20))

    done = subprocess.run(
        [sys.executable, "-m", "harness.cli", "ls"],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=limited,
        cwd=tmp_path,
        timeout=120,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert "Traceback" not in done.stderr
    if done.returncode != 0 or mebibytes < 1000:  # PyTorch for processors alone takes less
        assert done.returncode == 2
        assert "memory ran out" in done.stderr and "ulimit -v" in done.stderr


def test_a_home_that_nobody_may_look_into_has_no_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = Path.is_file

    def refused(path: Path) -> bool:
        if "secret" in path.parts:
            raise PermissionError(13, "Permission denied", str(path))
        return asked(path)

    monkeypatch.setattr(Path, "is_file", refused)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "secret"))
    monkeypatch.chdir(tmp_path)
    assert data_file() == tmp_path / "data.toml"


def test_without_a_folder_for_temporary_files_the_home_has_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path / "gone"))
    monkeypatch.setenv("GAPBENCH_HOME", str(tmp_path / "home"))
    with scratch_folder() as folder:
        assert Path(folder).parent == tmp_path / "home"
    assert list((tmp_path / "home").iterdir()) == []


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (PermissionError(13, "Permission denied", "/a/place"), 2, "/a/place: Permission denied"),
        (OSError(28, "No space left on device"), 2, "No space left on device"),
        (MemoryError(), 2, "memory ran out"),
        (SystemExit(0), 2, "a plug-in ended the command"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (ValueError("a mistake"), 70, "this is a bug"),
        (BrokenPipeError("of something else"), 70, "this is a bug"),
    ],
)
def test_what_reaches_the_top_is_told_by_its_kind(
    error: BaseException,
    code: int,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    def fails(options: object) -> int:
        raise error

    monkeypatch.setattr(plugins, "run_ls", fails)
    assert main(["ls"]) == code
    told = capfd.readouterr().err
    assert said in told
    assert ("Traceback" in told) == (code == 70)


@pytest.mark.parametrize("closed", [[0], [1], [2], [1, 2], [0, 1, 2]])
def test_a_command_without_streams_writes_into_no_file_instead(closed: list[int], tmp_path: Path) -> None:
    other, told = tmp_path / "other", tmp_path / "told"
    code = (
        "import sys; from harness.cli import entry, plugins\n"
        "def opens(options):\n"
        f"    open({str(told)!r}, 'w').write(str(open({str(other)!r}, 'w').fileno() > 2))\n"
        "    return 0\n"
        "plugins.run_ls = opens; sys.argv = ['gapbench', 'ls']; sys.exit(entry.main())\n"
    )
    ends = " ".join(f"{number}>&-" for number in closed)
    done = subprocess.run(["sh", "-c", f'"$0" -c "$1" {ends}', sys.executable, code], timeout=60, check=False)
    assert (done.returncode, told.read_text()) == (0, "True")


@pytest.mark.parametrize(
    "place", ["file", "file/below", "file/far/below", "circle", "circle/below", "/dev/null"]
)
def test_a_results_folder_that_cannot_be_is_told_before_anything_is_scored(
    place: str, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("m.toml").write_text('about = "a test"\ndetectors = ["constant"]\ntest = ["procedural_tiny"]\n')
    Path("file").write_text("")
    Path("circle").symlink_to("circle")
    monkeypatch.setattr(engine, "_Run", None)  # nothing is scored
    assert main(["eval", "m.toml", "--device", "cpu", "--no-publish", "--results", place]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "is a file, not a folder" in line
    assert not (home / "predictions").exists()


@pytest.mark.parametrize("lines", [1, 100_000])
def test_a_command_whose_reader_has_gone_ends_with_its_own_code(lines: int) -> None:
    code = (
        "import sys; from harness.cli import entry, plugins; from harness.progress import show\n"
        "def errors(options):\n"
        f"    for _ in range({lines}): show('x' * 100)\n"
        "    return 1\n"
        "plugins.run_ls = errors; sys.argv = ['gapbench', 'ls']; sys.exit(entry.main())\n"
    )
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run([sys.executable, "-c", code], stdout=write, stderr=-1, timeout=60, check=False)
    os.close(write)
    assert (done.returncode, done.stderr) == (1, b"")
