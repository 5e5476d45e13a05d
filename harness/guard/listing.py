"""Clips as a dataset lists them, whoever wrote it: watched, counted, and every error of it one line."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import wraps
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from harness.guard.clip_bounds import NO_FAILURE, named_failure, reason_of
from harness.guard.limits import limit, within
from harness.guard.patience import doing
from harness.types import Clip, HarnessError

MOST = 256
"""Clips that are asked for in one step, after the first ones: a step costs more than a clip."""


def guarded(name: str, clips: Callable[..., Any]) -> Callable[..., Iterator[Clip]]:
    """The function of a dataset that lists its clips, such that it raises `HarnessError` and `OSError` alone.

    It lists lazily. What is no clip, and more clips than the limit `clips`, are a `HarnessError`.
    """

    @wraps(clips)
    def listed(*where: Any, **how: Any) -> Iterator[Clip]:
        many, step, found = 0, 1, None
        while True:
            some: list[Any] = []
            fault: BaseException | None = None
            with doing(f"the dataset {name}, listing its clips"):
                try:
                    found = iter(clips(*where, **how)) if found is None else found
                    some.extend(islice(found, step))  # those before an error are kept
                except (HarnessError, OSError, *NO_FAILURE) as error:
                    fault = error
                except BaseException as error:  # noqa: BLE001 - raised below, after the clips before it
                    fault = HarnessError(f"{name} cannot list its clips: {reason_of(error)}")
                    fault.__cause__ = error
            within(name, many + len(some), "clips")
            for clip in some:
                if not isinstance(clip, Clip):
                    raise HarnessError(f"{name} cannot list its clips: one is of type {type(clip).__name__}")
                yield clip
            if fault is not None:
                raise fault
            if len(some) < step:
                return
            many, step = many + len(some), min(2 * step, MOST)

    return listed


def made_by(name: str, prepare: Callable[[Path], None]) -> Callable[[Path], None]:
    """The function of an embedded dataset that makes its files, such that it raises `HarnessError` alone."""

    @wraps(prepare)
    def made(root: Path) -> None:
        with named_failure(f"making {name}"):
            prepare(root)

    return made


Told = TypeVar("Told")


def told_by(name: str, tell: Callable[[Path], Iterable[Told]]) -> Callable[[Path], list[Told]]:
    """What a dataset tells of its root beside its clips, such that it raises `HarnessError` alone.

    More than the limit `clips` is one too.
    """

    @wraps(tell)
    def told(root: Path) -> list[Told]:
        with named_failure(f"the dataset {name}, telling of its files"):
            said = [*islice(tell(root), int(limit("clips")) + 1)]
        within(name, len(said), "clips")
        return said

    return told
