"""Whose standard output is: where a command promises JSON there, nothing else gets to it."""

from __future__ import annotations

import os
import select
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

_kept: TextIO | None = None


@contextmanager
def kept_for_json(wanted: bool) -> Iterator[None]:
    """Within the block all that is printed, by C libraries too, goes to standard error; see `json_to`."""
    global _kept
    if not wanted:
        yield
        return
    _kept, real = sys.stdout, sys.stdout is sys.__stdout__
    saved = -1
    if real:
        sys.stdout.flush()
        saved = os.dup(1)
        os.dup2(2, 1)
        _kept = os.fdopen(os.dup(saved), "w", encoding=sys.stdout.encoding, errors=sys.stdout.errors)
    sys.stdout = sys.stderr
    try:
        yield
    finally:
        sys.stdout, done, _kept = (sys.__stdout__ if real else _kept) or sys.stderr, _kept, None
        if real:
            sys.stdout.flush()  # what code wrote there past `sys.stdout` goes to standard error
            done.close()
            os.dup2(saved, 1)
            os.close(saved)


def json_to() -> TextIO:
    """Where JSON that a command promised is written."""
    return _kept or sys.stdout


def reader_gone(stream: TextIO | None = None) -> bool:
    """Whether whoever read our standard output, or another stream, has closed it, as `head` does."""
    try:
        poll = select.poll()
        poll.register((stream or sys.stdout).fileno(), select.POLLERR)
        return bool(poll.poll(0))
    except (OSError, ValueError, AttributeError):
        return True


def to_nobody(stream: TextIO) -> None:
    """Let what is written to a stream from now on, and what still waits to be, go nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
