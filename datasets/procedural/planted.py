"""The clips of procedural_tiny with a shortcut planted: every fake was encoded once more, no real clip was.

So it is with many real sets, whose fakes left a forger's program as new files. An audit must find it.
"""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Iterator
from pathlib import Path

import av
from av.video.frame import PictureType
from harness.datasets.procedural.making import listing, make
from harness.datasets.procedural.plan import GENERATOR, TINY

from harness.files import write_whole
from harness.registry import dataset
from harness.types import FAKE, Clip, HarnessError

FILMED = "filmed"
"""Folder of the clips as they are in procedural_tiny."""
EXPORT = {"crf": "30", "preset": "medium", "threads": "1"}
"""Settings of libx264 of the second encoding: constant quality, as a forger's program would choose."""


def plant(root: Path) -> None:
    """Make the clips of procedural_tiny under `root` and encode each fake once more, unless that was done."""
    make(root / FILMED, TINY)
    for clip in listing(root / FILMED):
        place = _exported(root, clip)
        if clip.label == FAKE and not place.is_file():
            write_whole(place, _encoded_again(clip.path))


@dataset(
    "procedural_planted",
    about="procedural_tiny with a planted shortcut: its fakes were encoded twice; for trying the audit",
    crop="boxes",
    version=f"{GENERATOR}.1",
    prepare=plant,
)
def procedural_planted(root: Path) -> Iterator[Clip]:
    """The tiny laboratory with a mistake in it that an audit must find."""
    for clip in listing(root / FILMED):
        path = _exported(root, clip) if clip.label == FAKE else clip.path
        name = clip.id.replace("procedural_tiny/", "procedural_planted/", 1)
        yield dataclasses.replace(clip, id=name, path=path)


def _exported(root: Path, clip: Clip) -> Path:
    return root / "exported" / clip.path.relative_to(root / FILMED)


def _encoded_again(path: Path) -> bytes:
    """The file's frames, encoded once more at a constant quality."""
    file = io.BytesIO()
    try:
        with av.open(str(path)) as before, av.open(file, "w", format="mp4") as after:
            source = before.streams.video[0]
            stream = after.add_stream("libx264", rate=source.average_rate, options=EXPORT)
            stream.width, stream.height, stream.pix_fmt = source.width, source.height, "yuv420p"
            stream.thread_count = 1
            for frame in before.decode(source):
                frame.pict_type = PictureType.NONE  # else the key frames of the first encoding are kept
                after.mux(stream.encode(frame))
            after.mux(stream.encode())
    except av.FFmpegError as error:
        raise HarnessError(f"cannot encode {path.name} once more: {error}") from error
    return file.getvalue()
