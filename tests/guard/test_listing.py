"""Whatever a dataset lists, for ever or nothing that is a clip, becomes clips or one line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count, islice
from pathlib import Path
from typing import Any

import pytest

from harness.guard.listing import guarded, told_by
from harness.types import REAL, Clip, HarnessError


def clip(number: int) -> Clip:
    return Clip(id=str(number), path=Path("x.mp4"), label=REAL, split="test")


def failing_after(many: int, error: BaseException) -> Callable[[], Iterator[Clip]]:
    def clips() -> Iterator[Clip]:
        yield from map(clip, range(many))
        raise error

    return clips


@pytest.mark.parametrize("many", [0, 1, 2, 3, 1000])
def test_clips_come_as_they_are(many: int) -> None:
    assert [one.id for one in guarded("set", lambda: map(clip, range(many)))()] == list(map(str, range(many)))


@pytest.mark.parametrize("clips", [lambda: None, lambda: "text", lambda: [5], lambda: 1 / 0, lambda: [None]])
def test_what_is_no_list_of_clips_is_one_line(clips: Callable[[], Any]) -> None:
    with pytest.raises(HarnessError, match="set cannot list its clips: "):
        list(guarded("set", clips)())


@pytest.mark.parametrize("many", [0, 1, 5, 300])
@pytest.mark.parametrize("error", [ValueError("bad"), SystemExit(0), OSError(2, "gone"), KeyboardInterrupt()])
def test_the_clips_before_an_error_are_given_first(many: int, error: BaseException) -> None:
    listed = guarded("set", failing_after(many, error))()
    assert len(list(islice(listed, many))) == many
    kept = isinstance(error, (OSError, KeyboardInterrupt))
    with pytest.raises(type(error) if kept else HarnessError, match=None if kept else type(error).__name__):
        next(listed)


def test_a_list_without_an_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAPBENCH_ALLOW_CLIPS", "1000")
    with pytest.raises(HarnessError, match="more than 1,000 "):
        list(guarded("set", lambda: map(clip, count()))())


def test_no_more_is_listed_than_is_asked_for_at_first() -> None:
    listed = iter(map(clip, range(10)))
    assert next(guarded("set", lambda: listed)()).id == "0"
    assert next(listed).id == "1"


@pytest.mark.parametrize("error", [RecursionError("too deep"), OSError("gone"), SystemExit(3)])
def test_what_a_dataset_cannot_tell_of_its_files_is_one_line(error: BaseException) -> None:
    def remarks(root: Path) -> Iterator[str]:
        yield "one"
        raise error

    with pytest.raises(HarnessError, match="the dataset set, telling of its files failed"):
        told_by("set", remarks)(Path())


def test_a_dataset_does_not_tell_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAPBENCH_ALLOW_CLIPS", "1000")
    with pytest.raises(HarnessError, match="more than"):
        told_by("set", lambda root: map(str, count()))(Path())
