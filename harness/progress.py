"""Progress with an estimate of the time left: a bar in a terminal, plain lines elsewhere."""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
import warnings
from contextlib import suppress
from types import TracebackType
from typing import Self, TextIO

from tqdm import tqdm

from harness.guard import names
from harness.guard.clip_bounds import reason_of
from harness.guard.output import reader_gone, to_nobody
from harness.types import HarnessError

LINE_EVERY_SECONDS = 15.0


class Progress:
    """Counts work done; shows a bar on a terminal and a line now and then elsewhere. Writes to stderr.

    Without a name for `what` is done, nothing is shown.
    """

    def __init__(self, what: str, total: int, unit: str = "clip") -> None:
        self.what, self.total, self.unit = names.line(what), total, unit
        self._done = 0
        self._started = time.monotonic()
        self._last_line = self._started
        self._bar = (
            tqdm(total=total, desc=self.what, unit=unit, leave=False, dynamic_ncols=True)
            if what and _terminal()
            else None
        )

    def advance(self, count: int = 1, note: str = "") -> None:
        """Record that `count` more are done; `note` is shown beside them."""
        self._done += count
        if self._bar is not None:
            if note:
                self._bar.set_postfix_str(names.line(note), refresh=False)
            self._bar.update(count)
            return
        now = time.monotonic()
        if self.what and now - self._last_line >= LINE_EVERY_SECONDS and self._done < self.total:
            self._last_line = now
            left = (now - self._started) / self._done * (self.total - self._done) if self._done else 0.0
            tail = f", {note}" if note else ""
            say(f"{self.what}: {self._done}/{self.total} {self.unit}s, about {left:.0f} s left{tail}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()
        if self.what and kind is None:
            say(f"{self.what}: {self._done} {self.unit}s in {time.monotonic() - self._started:.1f} s")


def say(line: str) -> None:
    """One plain line on stderr, above any bar; that nobody can be told is no reason to stop."""
    with suppress(OSError, ValueError, AttributeError):
        tqdm.write(names.line(line), file=sys.stderr)
        sys.stderr.flush()


def tell(line: str) -> None:
    """One line on standard output; nothing in it can steer a terminal, or begin a line of its own."""
    show(names.visible(line))


def show(text: str, end: str = "\n", stream: TextIO | None = None) -> None:
    """Text of several lines, on standard output; nothing in it can steer a terminal.

    Where whoever read it has gone, as `head` does, the work goes on to its end and its exit code.
    """
    stream = stream or sys.stdout
    if stream is None or stream.closed:
        raise HarnessError("standard output was closed from within: nothing more can be shown")
    try:
        stream.write(names.page(text) + end)
        stream.flush()
    except BrokenPipeError:
        if not reader_gone(stream):
            raise
        to_nobody(stream)


def take_any_letter() -> None:
    """Let standard output and error show, as numbers, letters that their encoding has not."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


class _Visible(logging.LogRecord):
    def getMessage(self) -> str:
        return names.page(super().getMessage())


def take_over_output() -> None:
    """Make what is said beside our own lines as safe, where this process is ours.

    Libraries log and warn of what may quote a stranger; a thread of a plug-in, or what it wants done at the
    end, may fail where nobody waits for it.
    """
    plain = warnings.formatwarning
    logging.setLogRecordFactory(_Visible)
    warnings.formatwarning = lambda *told, **more: names.page(plain(*told, **more))
    threading.excepthook = lambda told: _beside(told.exc_value or told.exc_type())
    sys.unraisablehook = lambda told: _beside(told.exc_value or told.exc_type())


def _beside(error: BaseException) -> None:
    if not isinstance(error, SystemExit):
        say(f"gapbench: beside the work, where nobody waits for it, this failed: {reason_of(error)}")


def with_streams() -> None:
    """Let standard input, output and error be nowhere where whoever started this process closed them.

    Else the next file to be opened would take their place, and have written into it what is printed.
    """
    while (nowhere := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(nowhere, True)
    os.close(nowhere)
    for name, number in (("stdout", 1), ("stderr", 2)):
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, "w", encoding="utf-8", closefd=False))  # noqa: SIM115


def _terminal() -> bool:
    return sys.stderr.isatty()
