"""Progress with an estimate of the time left: a bar in a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Self

from tqdm import tqdm

LINE_EVERY_SECONDS = 15.0


class Progress:
    """Counts work done; shows a bar on a terminal and a line now and then elsewhere. Writes to stderr.

    Without a name for `what` is done, nothing is shown.
    """

    def __init__(self, what: str, total: int, unit: str = "clip") -> None:
        self.what, self.total, self.unit = what, total, unit
        self._done = 0
        self._started = time.monotonic()
        self._last_line = self._started
        self._bar = (
            tqdm(total=total, desc=what, unit=unit, leave=False, dynamic_ncols=True)
            if what and _terminal()
            else None
        )

    def advance(self, count: int = 1, note: str = "") -> None:
        """Record that `count` more are done; `note` is shown beside them."""
        self._done += count
        if self._bar is not None:
            if note:
                self._bar.set_postfix_str(note, refresh=False)
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
    """One plain line on stderr, above any bar."""
    tqdm.write(line, file=sys.stderr)
    sys.stderr.flush()


def _terminal() -> bool:
    return sys.stderr.isatty()
