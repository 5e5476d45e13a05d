"""Whether an error says that memory ran out, whatever library says so."""

from __future__ import annotations

import errno
import importlib
import os
import signal
from collections.abc import Iterable

from harness.guard.names import said_by
from harness.types import HarnessError

LOADING_SECONDS = 120
"""Longest that libraries may take to load where memory is limited."""
HEADROOM = 2**28
"""Bytes that must be left once the libraries are loaded."""
SAID = (
    *("cannot allocate memory", "can't allocate memory", "failed to map segment", "not enough memory"),
    *("out of memory", "bad_alloc", "can't start new thread", "unable to allocate", "insufficient memory"),
)
"""Parts of what libraries say when they get no memory, in lower case."""


def memory_ran_out(error: BaseException | None) -> bool:
    """Whether an error, or what it came of, is a lack of memory."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        if isinstance(error, MemoryError) or getattr(error, "errno", None) == errno.ENOMEM:
            return True
        if any(part in said_by(error).lower() for part in SAID):
            return True
        error = error.__cause__ or error.__context__
    return False


def memory_limit() -> str:
    """The limit on this process's memory as a part of a sentence, empty where there is none."""
    try:
        import resource
    except ImportError:
        return ""
    most = resource.getrlimit(resource.RLIMIT_AS)[0]
    return (
        "" if most == resource.RLIM_INFINITY else f" (this process may use {most / 2**30:.1f} GiB: ulimit -v)"
    )


def check_libraries_fit(libraries: Iterable[str]) -> None:
    """Where this process's memory is limited: a `HarnessError` if these libraries alone do not fit into it.

    They are loaded in a process of their own first, for with too little memory some of them neither load nor
    fail (OpenBLAS asks for memory for ever).
    """
    if not memory_limit():
        return
    child = os.fork()
    if child == 0:
        os._exit(_loaded(libraries))
    _, status = os.waitpid(child, 0)
    if status != 0:
        raise HarnessError(f"memory ran out{memory_limit()}: the libraries alone do not fit")


def _loaded(libraries: Iterable[str]) -> int:
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(LOADING_SECONDS)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    try:
        for name in libraries:
            importlib.import_module(name)
        bytearray(HEADROOM)
    except BaseException as error:  # noqa: BLE001 - whatever is wrong but memory, the command itself will say
        return int(memory_ran_out(error))
    return 0
