"""A tracking server that is broken or hostile costs no results, no memory and little time."""

from __future__ import annotations

import resource
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from harness.tracking.strange_server import within
from harness.types import HarnessError
from tests.tracking.published_boards import board, publish

Answer = Callable[[BaseHTTPRequestHandler], None]
HEALTH = "/health"


@contextmanager
def server(answer: Answer) -> Iterator[str]:
    """The address of a server that says it is well and answers everything else in its own way."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path.startswith(HEALTH):
                self.send_response(200)
                self.end_headers()
                self.wfile.write(b"OK")
            else:
                with_broken_pipes(answer, self)

        do_POST = do_GET

        def log_message(self, *arguments: object) -> None: ...

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    listening.daemon_threads = True
    threading.Thread(target=listening.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listening.server_port}"
    finally:
        listening.shutdown()


def with_broken_pipes(answer: Answer, handler: BaseHTTPRequestHandler) -> None:
    try:
        answer(handler)
    except OSError:
        handler.close_connection = True


def begun(handler: BaseHTTPRequestHandler, kind: str = "application/json", code: int = 200) -> None:
    handler.send_response(code)
    handler.send_header("Content-Type", kind)
    handler.end_headers()


def endless(handler: BaseHTTPRequestHandler) -> None:
    begun(handler)
    while True:
        handler.wfile.write(b"[" * 2**16)


def dripping(handler: BaseHTTPRequestHandler) -> None:
    begun(handler)
    while True:
        handler.wfile.write(b" ")
        time.sleep(0.2)


def dripping_headers(handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    while True:
        handler.wfile.write(b"x")
        time.sleep(0.2)


def redirecting(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(302)
    handler.send_header("Location", handler.path)
    handler.end_headers()


def saying(body: bytes, kind: str = "application/json", code: int = 200) -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        begun(handler, kind, code)
        handler.wfile.write(body)

    return answer


STRANGE: dict[str, Answer] = {
    "an answer without end": endless,
    "an answer in drops": dripping,
    "headers in drops": dripping_headers,
    "redirects in a circle": redirecting,
    "a web page": saying(b"<!doctype html><h1>\x1b[31mwelcome</h1>", "text/html"),
    "a web page that is an error": saying(b"<h1>no</h1>", "text/html", 403),
    "nothing": saying(b""),
    "half an object": saying(b'{"experiments": ['),
    "a list": saying(b"[1, 2, 3]"),
    "null": saying(b"null"),
    "deep lists": saying(b"[" * 200_000),
    "a number of many digits": saying(b'{"experiments": [{"experiment_id": ' + b"9" * 6000 + b"}]}"),
    "fields of other types": saying(b'{"experiments": 7, "experiment": [], "runs": "x"}'),
    "an error of the server": saying(b"oh", "text/plain", 500),
}


@pytest.mark.parametrize("what", STRANGE)
def test_whatever_a_server_answers_is_one_line_in_bounded_time_and_memory(
    what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GAPBENCH_ALLOW_SERVER_SECONDS", "3")
    monkeypatch.setenv("GAPBENCH_ALLOW_SERVER_BYTES", "1e6")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    before, started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
    with server(STRANGE[what]) as address, pytest.raises(HarnessError, match=address) as caught:
        publish(board(tmp_path), (address, "mlflow-artifacts:/"), tmp_path)
    assert "\n" not in str(caught.value)
    assert time.monotonic() - started < 60
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500_000  # kB


def test_what_takes_too_long_is_given_up_and_what_fails_fails_as_it_did() -> None:
    with pytest.raises(TimeoutError, match=r"within 0\.05 s"):
        within(0.05, lambda: time.sleep(5))
    with pytest.raises(KeyError, match="gone"):
        within(5, lambda: {}["gone"])
    assert within(5, lambda: 7) == 7
