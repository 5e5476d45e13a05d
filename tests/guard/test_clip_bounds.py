"""Whatever a stranger's code raises, however it ends or whatever it cannot say of itself, is one line."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

import pytest

from harness import registry
from harness.checks.finding import run_checks
from harness.cli import plugins
from harness.cli.entry import main
from harness.contracts import DatasetEntry
from harness.data.clips import list_clips
from harness.guard.clip_bounds import named_failure
from harness.types import HarnessError


class OfItsOwn(BaseException):
    """Neither an Exception nor one of Python's ways to end."""


class Mute(Exception):
    def __str__(self) -> NoReturn:
        raise RuntimeError("no words")


RAISED = {
    "one of its own": (OfItsOwn("said\nand more"), "OfItsOwn: said"),
    "one without words": (Mute(), "Mute: it cannot say why"),
    "the end of the program": (SystemExit(0), "SystemExit: 0"),
    "a task that was cancelled": (asyncio.CancelledError(), "CancelledError"),
    "several at once": (BaseExceptionGroup("all", [OfItsOwn()]), "BaseExceptionGroup: all"),
    "an escape": (ValueError("\x1b[31m"), "ValueError"),
}


def in_a_step(error: BaseException, folder: Path) -> None:
    with named_failure("a detector"):
        raise error


def on_import(error: BaseException, folder: Path) -> None:
    RAISED["now"] = error, ""
    (folder / "plugin.py").write_text(f"from {__name__} import RAISED\nraise RAISED.pop('now')[0]")
    registry.load_file(folder / "plugin.py")


def while_listing(error: BaseException, folder: Path) -> None:
    def clips(root: Path) -> Iterator[NoReturn]:
        raise error

    list_clips(DatasetEntry("bad", clips, "a test"), folder)


def in_a_check(error: BaseException, folder: Path) -> None:
    def check(subject: None) -> str:
        raise error

    (finding,) = run_checks([check], None)
    raise HarnessError(finding.detail)


@pytest.mark.parametrize(("error", "said"), RAISED.values(), ids=RAISED)
@pytest.mark.parametrize("place", [in_a_step, on_import, while_listing, in_a_check])
def test_what_a_plugin_raises_is_told_where_it_does(
    place: Callable[[BaseException, Path], None], error: BaseException, said: str, tmp_path: Path
) -> None:
    with pytest.raises(HarnessError, match=said):
        place(error, tmp_path)


@pytest.mark.parametrize(("error", "said"), RAISED.values(), ids=RAISED)
def test_what_reaches_the_top_is_one_line_too(
    error: BaseException,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fails(options: object) -> NoReturn:
        raise error

    monkeypatch.setattr(plugins, "run_ls", fails)
    assert main(["ls"]) == (70 if isinstance(error, Exception) else 2)
    assert "\x1b" not in capsys.readouterr().err


def test_who_stops_the_work_is_no_failure_of_it() -> None:
    with pytest.raises(KeyboardInterrupt), named_failure("a detector"):
        raise KeyboardInterrupt

    def steps() -> Iterator[int]:
        with named_failure("a detector"):
            yield 1

    some = steps()
    next(some)
    some.close()  # type: ignore[attr-defined]
