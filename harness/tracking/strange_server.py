"""A tracking server is a stranger: what it answers is bounded in bytes, and what it is asked in seconds."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from harness.guard.limits import limit

Result = TypeVar("Result")
CHUNK = 2**16
UPLOADS = ("log_artifact", "log_artifacts")
"""Calls that send files, which may take as long as the network makes them."""


def within(seconds: float, work: Callable[[], Result]) -> Result:
    """What the work gives; a `TimeoutError` when it takes longer, and the work is left to itself."""
    told: list[tuple[bool, Any]] = []

    def run() -> None:
        try:
            told.append((True, work()))
        except BaseException as error:  # noqa: BLE001 - raised again where the result is waited for
            told.append((False, error))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if not told:
        raise TimeoutError(f"no answer within {seconds:g} s")
    done, said = told[0]
    if done:
        return said
    raise said


class Bounded:
    """A client of a server, each call of which ends within `server-seconds` (ten times that for files)."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._client, name)
        if not callable(found):
            return found

        def call(*arguments: Any, **named: Any) -> Any:
            seconds = limit("server-seconds") * (10 if name in UPLOADS else 1)
            return within(seconds, lambda: found(*arguments, **named))

        return call


@contextmanager
def bounded_answers() -> Iterator[None]:
    """Within the block an answer over HTTP that is longer than the limit `server-bytes` is an error.

    MLflow reads an answer whole, whatever its length; it asks through `requests`, which is told to read it
    piece by piece.
    """
    from requests.adapters import HTTPAdapter

    whole = HTTPAdapter.send

    def send(self: Any, request: Any, stream: bool = False, *rest: Any, **named: Any) -> Any:
        answer = whole(self, request, True, *rest, **named)
        if not stream:
            answer._content, answer._content_consumed = _read(answer), True
        return answer

    HTTPAdapter.send = send  # type: ignore[method-assign]
    try:
        yield
    finally:
        HTTPAdapter.send = whole  # type: ignore[method-assign]


def _read(answer: Any) -> bytes:
    """The bytes of an answer, as `requests` would keep them."""
    most, seconds, started = limit("server-bytes"), limit("server-seconds"), time.monotonic()
    found, length = [], 0
    for piece in answer.iter_content(CHUNK):
        found.append(piece)
        length += len(piece)
        if length > most or time.monotonic() - started > seconds:
            answer.close()
            raise OSError(
                f"an answer of more than {most:g} bytes (--allow server-bytes)"
                if length > most
                else f"an answer that took more than {seconds:g} s (--allow server-seconds)"
            )
    return b"".join(found)
