"""A command runs in a process of its own, and another one watches it: what no code inside can catch is said.

Code of strangers can end its process (`os._exit`, a segfault), hang while it holds the interpreter, or leave
threads that never end. The watching process imports nothing and only waits, so it outlives all of that.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import os
import resource
import signal
import sys
import time
from collections.abc import Callable

from harness.guard import names
from harness.guard.limits import limit
from harness.guard.patience import Board, watched_on

TICK = 0.5
"""Seconds between two looks."""
GRACE = 10.0
"""Seconds a process may take to end once its work is done."""
PASSED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
KEPT = "what is finished is kept, the same command goes on from there"
PR_SET_PDEATHSIG = 1


def supervised(work: Callable[[], int]) -> int:
    """The exit code of the work, which runs in a child process; where there is no such thing, in this one.

    Returns in both processes. A child that ends without having finished its work gives 2, one that a signal
    ended ends this process by the same signal, and one that hangs (limit `patience`) is ended; each is told
    in one line.
    """
    if not (hasattr(os, "fork") and hasattr(signal, "sigtimedwait") and hasattr(signal, "pthread_sigmask")):
        return work()
    patience, board, parent = limit("patience"), Board(), os.getpid()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {*PASSED_ON, signal.SIGCHLD})
    child = os.fork()
    if child == 0:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        _die_with(parent)
        watched_on(board)
        atexit.register(_gone, board)  # the first to be registered runs last
        return _told(work, board)
    code = _Watch(child, board, patience).until_it_ends()
    signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return code


def _told(work: Callable[[], int], board: Board) -> int:
    """Do the work and tell the board that it came to its end, whatever it was."""
    code = 70
    try:
        code = work()
        return code
    except SystemExit as error:  # of --help and --version
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
        raise
    finally:
        _flushed()
        board.end(code)


def _gone(board: Board) -> None:
    """End this process when threads and whatever wants to be done at the end are over.

    To take down what torch and others have set up takes seconds, and nobody needs it any more.
    """
    if board.ended is not None:
        _flushed()
        os._exit(board.ended)


def _flushed() -> None:
    with contextlib.suppress(OSError, ValueError, AttributeError):
        sys.stdout.flush()
        sys.stderr.flush()


def _die_with(parent: int) -> None:
    """End this process when its parent does, even if that is killed."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


class _Watch:
    """Waits for a child, passes signals on, and ends it when it hangs."""

    def __init__(self, child: int, board: Board, patience: float) -> None:
        self.child, self.board, self.patience = child, board, patience
        self._since: dict[int, tuple[int, float]] = {}
        """Slot -> (beat, seconds since it changed); only ticks are counted, so that a pause is no hang."""
        self._over = 0.0
        """Seconds since the work was done."""
        self._passed: set[int] = set()

    def until_it_ends(self) -> int:
        """The exit code of this process, once the child is gone."""
        last = time.monotonic()
        while True:
            found = signal.sigtimedwait({*PASSED_ON, signal.SIGCHLD}, TICK)
            if found is not None and found.si_signo in PASSED_ON and found.si_code <= 0:
                self._passed.add(found.si_signo)  # a terminal sends it to the child itself
                os.kill(self.child, found.si_signo)
            gone, status = os.waitpid(self.child, os.WNOHANG)
            if gone:
                return self._ended(os.waitstatus_to_exitcode(status))
            now = time.monotonic()
            passed, last = min(now - last, 2 * TICK), now
            code = self._overdue(passed)
            if code is not None:
                return code

    def _overdue(self, passed: float) -> int | None:
        """End a child that hangs, and say the exit code; None while it does not."""
        code = self.board.ended
        if code is not None:
            self._over += passed
            if self._over < GRACE:
                return None
            self._end()
            say("what was left running (a thread, say) was ended; the command had done its work")
            return code
        doing = self.board.doing()
        since = {slot: self._since.get(slot, (beat, 0.0)) for slot, (beat, _) in doing.items()}
        self._since = {
            slot: (beat, since[slot][1] + passed if since[slot][0] == beat else 0.0)
            for slot, (beat, _) in doing.items()
        }
        for slot, (_, waited) in self._since.items():
            if waited >= self.patience:
                self._end()
                hung = f"{doing[slot][1]} did not end within {self.patience:g} s (--patience)"
                say(f"{hung} and was stopped; {KEPT}")
                return 2
        return None

    def _end(self) -> None:
        os.kill(self.child, signal.SIGKILL)
        os.waitpid(self.child, 0)

    def _ended(self, code: int) -> int:
        if code >= 0 and self.board.ended is not None:
            return code
        doing = ", ".join(text for _, text in self.board.doing().values()) or "the command"
        if code >= 0:
            say(f"the process was ended from within (os._exit, code {code}) during: {doing}; {KEPT}")
            return code or 2
        if -code not in self._passed:
            memory = " (memory ran out?)" if -code in (signal.SIGKILL, signal.SIGABRT) else ""
            say(f"ended by {signal.Signals(-code).name}{memory} during: {doing}; {KEPT}")
        return _die_by(-code)


def _die_by(number: int) -> int:
    """End this process by the signal that ended the child, as a shell expects it, without a second core."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    if number != signal.SIGKILL:
        signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
    os.kill(os.getpid(), number)
    return 128 + number


def say(line: str) -> None:
    """One line on the terminal, below whatever bar the child left there."""
    start = "\n" if sys.stderr.isatty() else ""
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.write(f"{start}gapbench: {names.line(line)}\n")
        sys.stderr.flush()
