"""Reading ahead: the threads that the engine uses against torch's DataLoader with processes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from torch.utils.data import DataLoader, Dataset

from harness import registry
from harness.process import in_order
from harness.types import Clip
from harness.video.clip_views import Need, Shown, show
from tests.benchmarks.filming import film, many

NEEDS: list[Need] = [
    ("clean", 0, 16, 224),
    ("jpeg", 3, 16, 224),
    ("blur", 3, 16, 224),
    ("resize", 3, 16, 224),
]
WORKERS, CLIPS = 2, 16


class Views(Dataset):  # type: ignore[type-arg]
    """Clips as their views, as a DataLoader wants them."""

    def __init__(self, clips: tuple[Clip, ...]) -> None:
        self.clips = clips

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, number: int) -> Shown:
        return show(self.clips[number], "center", NEEDS)


def as_it_is(shown: Shown) -> Shown:
    return shown


@pytest.mark.benchmark(group="stream")
def test_threads_read_ahead_no_slower_than_processes(
    benchmark: Any, side_by_side: Callable[..., tuple[float, float]], tmp_path: Path
) -> None:
    """On many clips: starting the processes is paid once, as in a long run."""
    assert registry.perturbations.names()
    clips = many(film(tmp_path / "filmed.mp4"), CLIPS)
    loader = DataLoader(
        Views(clips),
        batch_size=None,
        num_workers=WORKERS,
        collate_fn=as_it_is,
        persistent_workers=True,
        prefetch_factor=4,
    )

    def threads() -> int:
        views = in_order(lambda clip: show(clip, "center", NEEDS), clips, WORKERS, 4 * WORKERS)
        return sum(len(view.views) for view in views)

    def processes() -> int:
        return sum(len(view.views) for view in loader)

    assert benchmark.pedantic(threads, rounds=3, warmup_rounds=1) == CLIPS * len(NEEDS) == processes()
    one, other = side_by_side(threads, processes)
    benchmark.extra_info["DataLoader's processes / threads"] = round(other / one, 2)
    print(f"\nreading {CLIPS} clips: threads {one:.2f} s, DataLoader {other:.2f} s, x{other / one:.2f}")
