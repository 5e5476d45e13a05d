"""What one file says of itself: its header and a few frames, read once and kept in a cache.

Four frames of the first three seconds are decoded, and every frame of the index is looked for: a file that
was cut off is found without decoding it. Damage inside it, past those frames, is not. Where a clip opens on a
still picture, like a title, up to ten seconds are, to find the cut at which that ends.
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
from harness.data.perceptual_hash import hash_of
from harness.data.small_frames import flat, small
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
METHOD = "4"
"""Raised whenever the same file would say something else."""
SECONDS = 3.2
"""Span of the frames looked at: past a title of three seconds. A second more costs a quarter of the time."""
EARLY = 0.25
"""Second at which a clip that opens on a still picture still shows it."""
LONGEST_TITLE = 10.0
"""Seconds of such a clip that are searched for the cut at which the picture ends."""
STEADY, CUT = 6.0, 12.0
"""Levels (of 255) by which the small pictures of a still differ at most, anywhere; and by which those before
and after a cut differ on average."""
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
    """sha256 of all frames that were decoded: a title in front of two films makes no copies of them."""
    opening: str = ""
    """sha256 of the first frame; "" if nothing is seen there."""
    perceptual: str = ""
    """Hash of three frames of three seconds, behind a still picture in front (`perceptual_hash`); "" if
    nothing is seen."""
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
    rate = said["fps"] or USUAL_FPS
    early, span = round(EARLY * rate), round(SECONDS * rate)

    def choose(total: int) -> list[int]:
        last = min(span, total - 1)
        return sorted({0, min(early, last), last // 2, last})

    pixels, indices, total = decode(path, choose)
    shown = dict(zip(indices, pixels, strict=True))
    begin = 0
    if 0 < early < total - 1 and _steady(small(shown[0]), small(shown[early])):
        begin = _cut(path, round(LONGEST_TITLE * rate))
    last = min(span, total - 1 - begin)
    three = [begin, begin + last // 2, begin + last]
    later = sorted(set(three) - shown.keys())
    if later:
        shown |= zip(later, decode(path, lambda _: later)[0], strict=True)
    said["seconds"] = said["seconds"] or (total / said["fps"] if said["fps"] else None)
    said["bit_rate"] = round(8 * size / said["seconds"]) if said["seconds"] else None
    return {**said, "frames": total, **_seen(list(shown.values()), [shown[index] for index in three])}


class _Found(Exception):
    """The frame that was looked for."""


def _cut(path: Path, most: int) -> int:
    """The frame after the still picture that a video opens on; 0 where that ends otherwise than by a cut."""
    first = before = np.empty(0)

    def look(index: int, frame: np.ndarray) -> None:
        nonlocal first, before
        now = small(frame)
        if index == 0:
            first = now
        elif not _steady(first, now):
            raise _Found(index if np.abs(now.astype(float) - before).mean() >= CUT else 0)
        before = now

    try:
        decode(path, lambda total: list(range(min(most, total))), "pyav", look)  # which keeps no frame
    except _Found as found:
        return int(found.args[0])
    return 0


def _steady(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether two small pictures are one picture."""
    return bool(np.abs(one.astype(float) - other).max() <= STEADY)


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
    return {"container": kind, "codec": codec, "frames": shown.total, **_seen(shown.pictures, shown.pictures)}


def _seen(frames: Pictures, three: Pictures) -> dict[str, Any]:
    """Size of the first, content, opening and perceptual hash of frames uint8 `[H, W, 3]`."""
    height, width = frames[0].shape[:2]
    content = hashlib.sha256(f"{width}x{height}".encode())
    opening = ""
    for frame in frames:
        content.update(np.ascontiguousarray(frame).data)
        opening = opening or content.hexdigest()
    told = {"content": content.hexdigest(), "perceptual": hash_of(list(three))}
    return {"width": width, "height": height, "opening": "" if flat(frames[0]) else opening, **told}


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
