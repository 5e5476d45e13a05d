"""Whatever is no regular file is refused by name, in one line, without being opened."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.guard import regular as guarded
from harness.guard.clip_bounds import check_file
from harness.guard.regular import regular, why_not
from harness.types import HarnessError

IRREGULAR = ("pipe", "socket", "device", "folder", "circle", "nowhere", "nul", "long", "odd", "gone", "below")


@pytest.fixture
def irregular(tmp_path: Path) -> Iterator[dict[str, str]]:
    """What is called a file and is none, by its kind."""
    os.mkfifo(tmp_path / "pipe")
    listening = socket.socket(socket.AF_UNIX)
    here = os.getcwd()
    os.chdir(tmp_path)  # the path of a socket is short
    listening.bind("socket")
    os.chdir(here)
    (tmp_path / "folder").mkdir()
    (tmp_path / "device").symlink_to("/dev/zero")
    (tmp_path / "circle").symlink_to("circle")
    (tmp_path / "nowhere").symlink_to("what-is-gone")
    (tmp_path / "sound").write_text("")
    odd = {"nul": "a\0b", "long": "a" * 5000, "odd": "a\ud800", "below": "sound/file"}
    yield {kind: str(tmp_path / odd.get(kind, kind)) for kind in IRREGULAR}
    listening.close()


@pytest.mark.parametrize("kind", IRREGULAR)
def test_what_is_no_regular_file_is_refused_in_one_short_line(kind: str, irregular: dict[str, str]) -> None:
    with pytest.raises(HarnessError) as raised:
        regular(irregular[kind])
    said = str(raised.value)
    assert said.isprintable() and len(said) < 400
    assert why_not(irregular[kind]) == said


def test_a_regular_file_is_its_own_path_by_links_too(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("x")
    (tmp_path / "link").symlink_to(file)
    assert regular(str(file)) == file
    assert regular(tmp_path / "link") == tmp_path / "link"
    assert why_not(file) is None


@pytest.mark.skipif(not os.path.ismount("/proc"), reason="this system makes no files")
def test_what_the_system_makes_as_it_is_read_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").symlink_to("/proc/kmsg")  # whoever opens it waits for the next message
    for path in (tmp_path / "clip.mp4", Path("/proc/self/mem")):
        with pytest.raises(HarnessError, match="the system makes it as it is read"):
            regular(path)
        with pytest.raises(HarnessError, match="not a regular file"):
            check_file(path)


def test_a_name_that_is_nearly_there_is_named(tmp_path: Path) -> None:
    (tmp_path / "scores.csv").write_text("x")
    with pytest.raises(HarnessError, match=r"no table .*score\.csv; did you mean .*scores\.csv\?"):
        regular(tmp_path / "score.csv", "table")


def test_what_may_not_be_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("x")
    monkeypatch.setattr(guarded.os, "access", lambda *_: False)
    with pytest.raises(HarnessError, match="Permission denied"):
        regular(tmp_path / "file")
