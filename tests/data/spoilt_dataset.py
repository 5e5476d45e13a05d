"""A dataset that a test spoils, and what is said of it."""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np

from harness import registry
from harness.cli.data import run_data_check
from harness.data.check import composition
from harness.data.check.inspection import Inspection, inspect
from harness.data.problems import Problem
from harness.types import Clip, HarnessError

LIST = "list.json"


def checked(*names: str, **said: Any) -> int:
    """What `gapbench data check` returns."""
    options = {"name": list(names), "matrix": None, "html": None, "root": None}
    return run_data_check(argparse.Namespace(**{**options, **said}))


def write_film(path: Path, frames: np.ndarray, codec: str = "libx264", crf: str = "32") -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=12, options={"crf": crf} if codec == "libx264" else {})
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())


def tiny_clips(root: Path) -> list[Clip]:
    return list(registry.datasets.get("procedural_tiny").clips(root))


def frames_of(path: Path) -> np.ndarray:
    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


class Tree:
    """A dataset on disk, `<split>/<kind>/*.mp4` and a list of what it holds, that a test spoils."""

    def __init__(self, root: Path, tiny_root: Path) -> None:
        self.root = root
        self.lines: dict[str, dict[str, Any]] = {}
        for clip in tiny_clips(tiny_root):
            if not clip.path.stem.endswith("-0"):
                continue
            kind = clip.manipulation or "real"
            name = f"{clip.split}/{kind}/{clip.path.stem.replace(clip.split, 'take')}"
            path = root / f"{name}.mp4"
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(clip.path, path)
            self.add(name, target=clip.target, source=clip.source, footage=clip.attributes["footage"])
        self.official = {f"{split}/{kind}": n for (split, kind), n in composition.kinds(self.clips()).items()}
        self.write()

    def add(self, name: str, **facts: Any) -> Path:
        """List a clip under another name; returns where it must lie."""
        self.lines[name] = facts
        return self.path(name)

    def path(self, name: str) -> Path:
        return self.root / f"{name}.mp4"

    def names(self, split: str, kind: str) -> list[str]:
        return [name for name in self.lines if name.startswith(f"{split}/{kind}/")]

    def write(self) -> None:
        (self.root / LIST).write_text(json.dumps(self.lines))

    def clips(self, root: Path | None = None) -> Iterator[Clip]:
        """The adapter: what the list says, in its order."""
        lines = json.loads((root / LIST).read_text()) if root else self.lines
        for name, facts in lines.items():
            split, kind, _ = name.split("/")
            if facts.get("label") not in (None, kind):
                raise HarnessError(f"{LIST}: {name} is listed as {facts['label']}")
            fake = kind != "real"
            attributes = {"footage": facts["footage"]} if facts.get("footage") else {}
            people = facts.get("target"), facts.get("source")
            made = kind if fake else None
            yield Clip(f"spoilt/{name}", self.path(name), int(fake), split, made, *people, attributes)

    def inspected(self) -> Inspection:
        self.write()
        return inspect(registry.datasets.get("spoilt"), self.root)


def finding(inspection: Inspection, what: str) -> Problem:
    found = [each for each in inspection.findings if each.what == what]
    assert len(found) == 1, (what, inspection.findings)
    return found[0]
