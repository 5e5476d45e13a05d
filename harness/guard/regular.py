"""Only regular files are opened: a pipe would be waited for, a device has no end, a link may lead to itself.

Every path that a user, a list or a record names goes through `regular` before anything opens it; a test looks
for places that do not.
"""

from __future__ import annotations

import difflib
import errno
import os
import stat
from functools import cache
from itertools import islice
from pathlib import Path

from harness.types import HarnessError

KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe, no regular file",
    stat.S_IFSOCK: "a socket, no regular file",
    stat.S_IFCHR: "a device, no regular file",
    stat.S_IFBLK: "a device, no regular file",
}
WORDS = {
    errno.ELOOP: "its links lead in a circle",
    errno.ENAMETOOLONG: "its name is too long",
    errno.ENOTDIR: "a part of its path is no folder",
    errno.EACCES: "Permission denied",
}
SYSTEM = ("/proc", "/sys", "/sys/kernel/debug", "/sys/kernel/tracing")
"""Where what is called a file is none of a disk, though its mode says so."""
SHOWN = 200
"""Letters of a path that an error shows at most."""
LISTED = 2000
"""Names of a folder that are looked at for one that was meant."""


def regular(path: str | Path, what: str = "file") -> Path:
    """The path, where a regular file lies there that may be read; else a `HarnessError` of one line.

    `what` the file should have been, such as `manifest`: what the error calls one that is not there.
    """
    try:
        status = os.stat(path)
    except ValueError as error:  # a NUL, or letters that no file system has
        raise HarnessError(f"{shown(path)} cannot be read: no file has such a name") from error
    except FileNotFoundError as error:
        where = "leads nowhere: it is a link to what is gone" if os.path.islink(path) else ""
        raise HarnessError(f"{shown(path)} {where}" if where else _missing(Path(path), what)) from error
    except OSError as error:
        raise HarnessError(f"{shown(path)} cannot be read: {_said(error)}") from error
    if not stat.S_ISREG(status.st_mode):
        kind = KINDS.get(stat.S_IFMT(status.st_mode), "no regular file")
        raise HarnessError(f"{shown(path)} cannot be read: it is {kind}")
    if not ordinary(status):
        raise HarnessError(f"{shown(path)} cannot be read: the system makes it as it is read")
    if not os.access(path, os.R_OK):
        raise HarnessError(f"{shown(path)} cannot be read: {WORDS[errno.EACCES]}")
    return Path(path)


def ordinary(status: os.stat_result) -> bool:
    """Whether a file is a regular one on a disk: of `/proc` and the like some wait, and some have no end."""
    return stat.S_ISREG(status.st_mode) and status.st_dev not in _made_by_the_system()


@cache
def _made_by_the_system() -> frozenset[int]:
    return frozenset(os.stat(place).st_dev for place in SYSTEM if os.path.ismount(place))


def why_not(path: str | Path, what: str = "file") -> str | None:
    """Why `regular` refuses a path; None where it does not."""
    try:
        regular(path, what)
    except HarnessError as error:
        return str(error)
    return None


def can_be_named(path: str | Path) -> bool:
    """Whether anything can be called so: without a NUL, in letters that the disk has, and not too long."""
    try:
        os.lstat(path)
    except ValueError:
        return False
    except OSError as error:
        return error.errno != errno.ENAMETOOLONG
    return True


def shown(path: str | Path) -> str:
    """A path in an error: without its middle where it is very long, escaped where it cannot be printed."""
    text = str(path)
    if not text.isprintable():
        text = ascii(text)[1:-1]
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 60]}...{text[-50:]}"


def _missing(path: Path, what: str) -> str:
    """No such file, and the one beside it that is called most alike."""
    try:
        with os.scandir(path.parent) as entries:
            beside = [entry.name for entry in islice(entries, LISTED)]
    except OSError:
        beside = []
    near = difflib.get_close_matches(path.name[:SHOWN], beside, n=1, cutoff=0.8)
    hint = f"; did you mean {shown(path.parent / near[0])}?" if near and near[0] != path.name else ""
    return f"no {what} {shown(path)}{hint}"


def _said(error: OSError) -> str:
    return WORDS.get(error.errno or 0, error.strerror or type(error).__name__)
