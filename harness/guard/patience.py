"""What is being done by whose code, told where another process can see it, so that it can say what hangs."""

from __future__ import annotations

import mmap
import struct
import threading
from types import TracebackType
from typing import Self

SLOTS = 64
"""Things that may be watched at a time; more are done unwatched."""
SLOT = struct.Struct("=IH250s")
"""(how often it changed, bytes of text, what is being done); no text: nothing."""
END = struct.Struct("=BI")
"""(whether the work came to its end, the exit code)."""


class Board:
    """Shared memory: one slot for each thing being done, and what the work ended with."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, END.size + SLOTS * SLOT.size)

    def write(self, slot: int, beat: int, text: str) -> None:
        """Say what is being done in a slot; an empty text: nothing."""
        said = text.encode(errors="backslashreplace")[:250]
        SLOT.pack_into(self._memory, END.size + slot * SLOT.size, beat & 0xFFFFFFFF, len(said), said)

    def doing(self) -> dict[int, tuple[int, str]]:
        """Slot -> (beat, what is being done there now)."""
        found = {}
        for slot in range(SLOTS):
            beat, length, said = SLOT.unpack_from(self._memory, END.size + slot * SLOT.size)
            if length:
                found[slot] = beat, said[:length].decode(errors="replace")
        return found

    def end(self, code: int) -> None:
        """Say that the work is done, and with which exit code."""
        END.pack_into(self._memory, 0, 1, code & 0xFFFFFFFF)

    @property
    def ended(self) -> int | None:
        """The exit code, once the work is done."""
        done, code = END.unpack_from(self._memory, 0)
        return code if done else None


_board: Board | None = None
_free = list(range(SLOTS))
_lock = threading.Lock()
_mine = threading.local()


def watched_on(board: Board) -> None:
    """From now on this process tells that board what it is doing."""
    global _board
    _board = board


class doing:
    """Tells what is being done in a block: whose code, and on which clip. Costs microseconds.

    Within another such block of the same thread the inner one counts, and the time of the outer begins anew
    after it: so a long loop is watched step by step.
    """

    def __init__(self, what: str) -> None:
        self._what = what

    def __enter__(self) -> Self:
        if _board is None:
            return self
        stack = _mine.__dict__.setdefault("stack", [])
        if not stack:
            with _lock:
                _mine.slot = _free.pop() if _free else None
            _mine.beat = _mine.__dict__.get("beat", 0)
        stack.append(self._what)
        _tell(self._what)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        stack = _mine.__dict__.get("stack")
        if _board is None or not stack:
            return
        stack.pop()
        _tell(stack[-1] if stack else "")
        if not stack and _mine.slot is not None:
            with _lock:
                _free.append(_mine.slot)


def _tell(text: str) -> None:
    if _board is not None and _mine.slot is not None:
        _mine.beat += 1
        _board.write(_mine.slot, _mine.beat, text)
