"""What reading one clip may take, and whatever a library raises over it: the clip fails, nothing else.

The limits are those of `limits.LIMITS`. Time is looked at between packets, frames and perturbations, so a
single call into a library is never cut short.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from harness.guard.limits import limit, raised, within
from harness.guard.names import said_by
from harness.guard.patience import doing
from harness.guard.regular import ordinary
from harness.types import HarnessError

LIMITS_OF_CLIPS = "clip-"
"""What the names of the limits begin with that decide which clips fail."""
LONGEST_REASON = 300
"""Letters of a library's own words, at most."""

NO_FAILURE = (KeyboardInterrupt, GeneratorExit)
"""What is raised where somebody stops the work, or a generator before its end."""

_own = threading.local()


@contextmanager
def named_failure(what: str) -> Iterator[None]:
    """Turn whatever a library or a plug-in raises, its wish to end the process too, into a line naming it."""
    try:
        with doing(what):
            yield
    except (HarnessError, *NO_FAILURE):
        raise
    except BaseException as error:
        raise HarnessError(f"{what} failed: {reason_of(error)}") from error


def reason_of(error: BaseException) -> str:
    """Kind and first line of an error, without the place in OpenCV's sources where it arose."""
    kind = type(error)
    name = f"{kind.__module__}.{kind.__name__}" if kind.__name__ == "error" else kind.__name__
    first = (said_by(error).strip().splitlines() or [""])[0]
    if kind.__module__ == "cv2":
        first = first.rpartition("error: ")[2]
    return f"{name}: {first[:LONGEST_REASON]}"


@contextmanager
def clip_clock(name: str) -> Iterator[None]:
    """Time that `check_clock` looks at in this thread; within the clock of a clip, that one goes on."""
    if getattr(_own, "clock", None) is not None:
        yield
        return
    _own.clock = [name, time.monotonic(), limit("clip-seconds")]
    try:
        yield
    finally:
        _own.clock = None


def check_clock() -> None:
    """A `HarnessError` once the clip that this thread is at took longer than `clip-seconds`."""
    clock = getattr(_own, "clock", None)
    if clock is not None and time.monotonic() - clock[1] > clock[2]:
        within(f"{clock[0]}: it", time.monotonic() - clock[1], "clip-seconds", " of reading")


@contextmanager
def stopped_clock(waiting: AbstractContextManager[None]) -> Iterator[None]:
    """Enter what may wait for other clips, without counting the time for this one."""
    begun = time.monotonic()
    with waiting:
        clock = getattr(_own, "clock", None)
        if clock is not None:
            clock[1] += time.monotonic() - begun
        yield


def check_file(path: Path) -> int:
    """Bytes of a regular file of a size that is allowed; a pipe, which would be waited for, is an error."""
    found = path.stat()
    if not ordinary(found):
        raise HarnessError(f"{path.name}: not a regular file")
    if found.st_size == 0:
        raise HarnessError(f"{path.name}: the file is empty")
    within(f"{path.name}: it", found.st_size, "clip-bytes")
    return found.st_size


def check_pixels(name: str, width: int, height: int, held: int = 1) -> None:
    """A `HarnessError` where one frame, or so many `held` at once, are larger than what is allowed."""
    picture = f"{name}: a picture of {width} x {height}"
    within(picture, width * height, "clip-pixels")
    within(picture, 3 * width * height * held, "clip-memory", f" in {held} frames")


def check_frames(name: str, frames: int, of: str = "") -> None:
    """A `HarnessError` where a clip has more frames than are allowed."""
    within(f"{name}: it", frames, "clip-frames", of)


def limits_of_clips() -> dict[str, float]:
    """The limits that decide which clips fail, where they differ from their defaults.

    They are part of the keys of what is stored, so that clips that failed are tried again.
    """
    return {name: value for name, value in raised().items() if name.startswith(LIMITS_OF_CLIPS)}
