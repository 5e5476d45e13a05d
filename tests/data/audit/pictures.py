"""Pictures of noise, and clips that are one file each."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from harness.types import REAL, Clip


def noise(seed: int, grain: float) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.clip(rng.normal(120, grain, (160, 160, 3)), 0, 255).astype(np.uint8)


def a_clip(path: Path, label: int = REAL, **said: object) -> Clip:
    facts = {"id": f"here/{path.name}", "split": "test", "manipulation": "swap" if label else None, **said}
    return Clip(path=path, label=label, **facts)  # type: ignore[arg-type]


def swap(name: str, label: int, target: str | None, source: str | None = None, **facts: str) -> Clip:
    return Clip(name, Path(name), label, "test", "swap" if label else None, target, source, facts)
