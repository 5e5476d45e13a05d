"""Room that threads share is never more than there is, and never waited for by those who have some."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

from harness.process import Room


def test_what_is_held_together_never_exceeds_the_room() -> None:
    room, lock, held, most = Room(10), threading.Lock(), 0.0, 0.0

    def hold(much: float) -> None:
        nonlocal held, most
        with room.taken(much):
            with lock:
                held += min(much, 10)
                most = max(most, held)
            time.sleep(0.001)
            with lock:
                held -= min(much, 10)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(hold, [3, 4, 100, 5, 10, 1, 2, 7] * 8))
    assert 5 <= most <= 10 and room.free == 10


def test_who_has_room_gets_more_without_waiting_and_an_error_gives_it_back() -> None:
    room = Room(10)
    try:
        with room.taken(8), room.taken(8):
            raise ValueError
    except ValueError:
        assert room.free == 10
