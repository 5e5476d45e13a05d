"""Whether an error says that memory ran out, whatever library says so."""

from __future__ import annotations

import errno

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
        if any(part in str(error).lower() for part in SAID):
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
