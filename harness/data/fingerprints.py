"""What one file says of itself: its header and a few frames, read once and kept in a cache.

Three frames of the first two seconds are decoded, and every frame of the index is looked for: a file that
was cut off is found without decoding it. Damage inside it, past those frames, is not.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import av
import numpy as np

from harness.data.file_facts import Facts, container_facts
from harness.data.perceptual_hash import flat, hash_of
from harness.files import home
from harness.guard import stored
from harness.guard.clip_bounds import check_file, clip_clock, reason_of
from harness.guard.stored import database, sealed
from harness.progress import Progress, say
from harness.trees import file_stamp, is_image, parts_of
from harness.types import Clip, HarnessError
from harness.video.decoding import decode
from harness.video.frames import Pictures, read_frames
from harness.video.packets import film_stream, open_film

FILE = "fingerprints.sqlite"
METHOD = "3"
"""Raised whenever the same file would say something else."""
SECONDS = 2.0
"""Span of the frames looked at: to decode up to the middle of a clip of 12 s takes 2.6 times as long."""
USUAL_FPS = 25.0
"""Frame rate assumed, only to choose frames, where the header gives none."""
EMPTY = "the file is empty"
"""What is wrong with a file of no bytes, in the words of `frames.read_frames`."""
MAGIC = {b"\xff\xd8": "jpeg", b"\x89P": "png", b"BM": "bmp", b"RI": "webp", b"II": "tiff", b"MM": "tiff"}
"""First two bytes of an image file, and its codec."""
TABLE = "CREATE TABLE IF NOT EXISTS prints (path TEXT PRIMARY KEY, stamp TEXT NOT NULL, print TEXT NOT NULL)"
PATIENCE_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What a clip's file says; where `error` says why not, all but id and size are unknown (None or "")."""

    clip_id: str
    size: int
    """Bytes; of a folder of frames, those of all of them."""
    container: str = ""
    """`mp4`, `matroska`, `avi` ..., `image`, or `frames` (a folder of images)."""
    codec: str = ""
    """`h264`, `vp9` ..., or of images `jpeg`, `png` ..."""
    pixel_format: str = ""
    """As the header names it, e.g. `yuv420p`; "" for images."""
    width: int | None = None
    height: int | None = None
    """Pixels."""
    fps: float | None = None
    """Average frames a second by the header; None for images."""
    frames: int | None = None
    """Frames that are really there."""
    seconds: float | None = None
    bit_rate: int | None = None
    """Bits a second of the whole file."""
    content: str = ""
    """sha256 of the first decoded frame; of all that were decoded, where the first is nearly one colour."""
    perceptual: str = ""
    """Hash of first, middle and last frame of the first two seconds (`likeness`); "" if nothing is seen."""
    error: str = ""
    """Why the clip cannot be read."""
    facts: Facts = field(default_factory=dict)
    """All that the headers say (`file_facts`); empty where nobody can read them."""


SHAPE, FACT = stored.shape_of(Fingerprint), (str, float)
"""What a fingerprint and a fact of it look like (`stored.fault_of`)."""


def read(
    clips: Sequence[Clip], what: str = "clips", folder: Path | None = None, workers: int | None = None
) -> dict[str, Fingerprint]:
    """The fingerprint of every clip, by id; files that did not change since are not opened again.

    `what` names them beside the progress. `folder` holds the cache (in the home folder if None).
    `workers` threads read (as many as there are cores if None). What was read when a run is interrupted
    is kept. Unreadable files are read anew each time, for the cause may be gone.
    """
    folder = folder or home() / "fingerprints"
    prints: dict[str, Fingerprint] = {}
    left: list[tuple[Clip, str]] = []
    spoilt: list[str] = []
    with opened(folder / FILE) as cache:
        for clip in clips:
            stamp = stamp_text(clip.path, METHOD)
            known = cache.get(clip.path, stamp)
            found = None if known is None else _opened(known, clip, stamp)
            if found is None:
                left.append((clip, stamp))
                spoilt += [clip.id] * (known is not None)
            else:
                prints[clip.id] = found
        if spoilt:
            what_of = f"{len(spoilt)} clips, e.g. {spoilt[0]}"
            say(f"{folder / FILE} does not hold what was found out about {what_of}: looked at again")
        if left:
            with Progress(f"fingerprints of {what}", len(left)) as progress:
                _read_into(prints, left, cache, progress, workers or _cores())
    return {clip.id: prints[clip.id] for clip in clips}


def _read_into(
    prints: dict[str, Fingerprint],
    left: Sequence[tuple[Clip, str]],
    cache: PrintCache,
    progress: Progress,
    workers: int,
) -> None:
    """Read clips in threads (decoding leaves Python's lock) and keep each as soon as it is there."""
    with ThreadPoolExecutor(workers) as pool:
        jobs = {pool.submit(fingerprint, clip): (clip, stamp) for clip, stamp in left}
        try:
            for job in as_completed(jobs):
                clip, stamp = jobs[job]
                prints[clip.id] = found = job.result()
                if not found.error:
                    told = sealed(asdict(replace(found, clip_id="")), stamp)
                    cache.put(clip.path, stamp, json.dumps(told))
                progress.advance()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _opened(text: str, clip: Clip, stamp: str) -> Fingerprint | None:
    """The fingerprint that was kept; None for another than was written. Early ones have no digest."""
    try:
        said, fault = stored.opened(json.loads(text), stamp)
    except (ValueError, RecursionError):
        return None
    if fault or stored.fault_of(said, SHAPE) or stored.fault_of([*said.get("facts", {}).values()], [FACT]):
        return None
    try:
        return Fingerprint(**{**said, "clip_id": clip.id})
    except TypeError:
        return None


def fingerprint(clip: Clip) -> Fingerprint:
    """What the file of one clip says, read now; what is wrong with it stands in `error`."""
    size = 0
    try:
        with clip_clock(clip.path.name):
            size = sum(part.stat().st_size for part in parts_of(clip.path))
            images = clip.path.is_dir() or is_image(clip.path)
            said = _of_images(clip.path) if images else _of_video(clip.path, size)
            return Fingerprint(clip.id, size, **said, facts=_facts(clip.path))
    except HarnessError as error:
        # Without the file's name, which stands beside it wherever it is shown.
        return Fingerprint(clip.id, size, error=str(error).removeprefix(f"{clip.path.name}: "))
    except Exception as error:  # noqa: BLE001 - whatever a damaged file raises is said of that file
        return Fingerprint(clip.id, size, error=reason_of(error))


def _of_video(path: Path, size: int) -> dict[str, Any]:
    check_file(path)
    said = _header(path)
    span = round(SECONDS * (said["fps"] or USUAL_FPS))

    def choose(total: int) -> list[int]:
        last = min(span, total - 1)
        return sorted({0, last // 2, last})

    pixels, _, total = decode(path, choose)
    said["seconds"] = said["seconds"] or (total / said["fps"] if said["fps"] else None)
    said["bit_rate"] = round(8 * size / said["seconds"]) if said["seconds"] else None
    return {**said, "frames": total, **_seen(list(pixels))}


def _header(path: Path) -> dict[str, Any]:
    """Container, codec, pixel format, fps and seconds of a video file, as its header gives them."""
    try:
        with open_film(path) as container:
            stream = film_stream(container)
            if stream is None:
                raise HarnessError("has no video stream that can be decoded")
            names = container.format.name.split(",")
            return {
                "container": "mp4" if "mp4" in names else names[0],
                "codec": stream.codec.name,
                "pixel_format": stream.codec_context.pix_fmt or "",
                "fps": round(float(stream.average_rate), 2) if stream.average_rate else None,
                "seconds": round(container.duration / 1e6, 3) if container.duration else None,
            }
    except (av.FFmpegError, ValueError) as error:
        reason = str(getattr(error, "strerror", None) or error).splitlines()[0]
        raise HarnessError(f"not a readable video ({reason})") from error


def _facts(path: Path) -> Facts:
    try:
        return container_facts(path)
    except HarnessError:  # a picture that OpenCV reads and Pillow does not
        return {}


def _of_images(path: Path) -> dict[str, Any]:
    shown = read_frames(path, (3,))
    with parts_of(path)[0].open("rb") as file:
        codec = MAGIC.get(file.read(2), "unknown")
    kind = "frames" if path.is_dir() else "image"
    return {"container": kind, "codec": codec, "frames": shown.total, **_seen(shown.pictures)}


def _seen(frames: Pictures) -> dict[str, Any]:
    """Size, content and perceptual hash of frames uint8 `[H, W, 3]`; the size is that of the first."""
    height, width = frames[0].shape[:2]
    content = hashlib.sha256(f"{width}x{height}".encode())
    for frame in frames if flat(frames[0]) else frames[:1]:
        content.update(np.ascontiguousarray(frame).data)
    told = {"content": content.hexdigest(), "perceptual": hash_of(list(frames))}
    return {"width": width, "height": height, **told}


def _cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class PrintCache:
    """Texts by path and stamp."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def get(self, path: Path, stamp: str) -> str | None:
        """The text kept for a file under this stamp, if any."""
        found = self._connection.execute("SELECT stamp, print FROM prints WHERE path = ?", (_key(path),))
        row = found.fetchone()
        return str(row[1]) if row and row[0] == stamp else None

    def put(self, path: Path, stamp: str, text: str) -> None:
        """Keep a text, instead of what was kept for this file before."""
        self._connection.execute("INSERT OR REPLACE INTO prints VALUES (?, ?, ?)", (_key(path), stamp, text))
        self._connection.commit()  # at once: another run may be waiting to write


@contextmanager
def opened(path: Path) -> Iterator[PrintCache]:
    """The cache in that file, made if it is not there; one that cannot be used is a `HarnessError`."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        base, moved = database(path, PATIENCE_SECONDS, TABLE, "files are looked at again")
        if moved:
            say(moved)
        with closing(base) as connection:
            connection.execute("PRAGMA synchronous = OFF")  # lost with the machine, it is made again
            yield PrintCache(connection)
    except sqlite3.Error as error:
        raise HarnessError(f"the cache {path} cannot be used ({error}); it may be deleted") from error
    except OSError as error:
        raise HarnessError(f"cannot write {path}: {error.strerror or error}") from error


def stamp_text(path: Path, method: str) -> str:
    """Changes when the file, a frame of the folder or the method does; "" where it cannot be looked at."""
    found = file_stamp(path)
    return "" if found is None else " ".join(map(str, (method, *found[1:])))


def _key(path: Path) -> str:
    return os.fsencode(path.absolute()).decode(errors="backslashreplace")
