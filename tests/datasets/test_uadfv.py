"""UADFV is all test, and a fake shows the person of the original with its number."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tests.datasets.listings import counted, listed, touch
from tests.datasets.trees import uadfv


def test_uadfv_is_all_test_and_a_fake_has_the_number_of_its_original(
    root: Path, dozen: Sequence[Path]
) -> None:
    uadfv.build(root, dozen)
    touch(root, "fake/notes.mp4", "real/frames.txt")
    clips = listed("uadfv", root)
    assert counted(clips) == {"test/real": 3, "test/FakeApp": 3}
    assert clips["fake/0048_fake"].target == clips["real/0048"].target == "uadfv/0048"
