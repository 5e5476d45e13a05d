"""The faces of clips: found once on the clean clips, kept in one SQLite file, put into their attributes."""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

import cv2

from harness.files import digest, home
from harness.guard.clip_bounds import clip_clock, named_failure
from harness.guard.stored import database, opened, sealed
from harness.progress import Progress, say
from harness.trees import file_stamp
from harness.types import Clip, HarnessError
from harness.video import face_finder, face_model
from harness.video.face_finder import Finder
from harness.video.people import FRAMES, Faces, find_faces

FILE = "faces.sqlite"
WRITE_EVERY_SECONDS = 0.5
"""What a killed run loses at most; an interrupted one loses nothing."""
PATIENCE_SECONDS = 60.0
"""How long to wait while another run writes to the same file."""
TABLE = """CREATE TABLE IF NOT EXISTS faces (
    clip TEXT, stamp TEXT, finder TEXT, track TEXT, PRIMARY KEY (clip, stamp, finder)
) WITHOUT ROWID"""

Known = Mapping[int, Faces]
"""Number of scored frames -> who is seen in them."""
Found = Known | str
"""That, or why the clip could not be read."""
Looked = Generator[tuple[Clip, Found], None, None]


class FaceCache:
    """Finds the faces of clips and remembers them; several runs may share the folder.

    What is known of a clip holds while its id, the size and time of change of its file and the finder
    stay the same, and its place. A clip that could not be read is tried again the next time.
    """

    def __init__(self, folder: Path, finder: Finder) -> None:
        """Keep the faces in `folder`, which is made when the first are looked for."""
        self.path = folder / FILE
        self.finder = finder
        self._finder = digest([finder.identity, cv2.__version__])

    def faces(
        self, clips: Sequence[Clip], name: str, counts: Iterable[int] = (FRAMES,), threads: int = 2
    ) -> dict[str, Found]:
        """The faces of each clip by clip id; those not yet known are looked for, several clips at a time.

        `counts` are the numbers of evenly spaced frames that are scored; `name` is shown with the
        progress, an empty one hides it. A file that cannot serve as a cache is a `HarnessError`.
        """
        wanted = sorted(set(counts))
        stamps = {clip.id: json.dumps(file_stamp(clip.path)) for clip in clips}
        with self._open() as base:
            known: dict[str, Found] = dict(self._known(base, stamps, wanted))
            rest = [clip for clip in clips if clip.id not in known]
            if rest:
                looked = self._kept(base, stamps, _looked_for(rest, self.finder, wanted, threads))
                with Progress(name and f"find faces in {name}", len(rest)) as progress, closing(looked):
                    for clip, found in looked:
                        known[clip.id] = found
                        progress.advance()
        return {clip.id: known[clip.id] for clip in clips}

    def _key(self, count: int) -> str:
        return digest([self._finder, count])

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise HarnessError(f"cannot make {self.path.parent}: {error.strerror}") from error
        try:
            # No write-ahead log: it breaks where two machines share the folder.
            base, moved = database(self.path, PATIENCE_SECONDS, TABLE, "faces are looked for again")
            if moved:
                say(moved)
            with closing(base):
                yield base
        except sqlite3.Error as error:
            raise HarnessError(
                f"the stored faces {self.path} cannot be used ({error}); deleting the file loses nothing else"
            ) from error

    def _known(
        self, base: sqlite3.Connection, stamps: Mapping[str, str], counts: Sequence[int]
    ) -> dict[str, Known]:
        """What is known of the clips of which all counts are known."""
        query = "SELECT track FROM faces WHERE clip = ? AND stamp = ? AND finder = ?"
        known: dict[str, Known] = {}
        spoilt: list[str] = []
        for clip, stamp in stamps.items():
            rows = [base.execute(query, (clip, stamp, self._key(count))).fetchone() for count in counts]
            if None not in rows:
                try:
                    known[clip] = {
                        count: Faces.from_json(_opened(row[0], clip, stamp, self._key(count)))
                        for count, row in zip(counts, rows, strict=True)
                    }
                except HarnessError:
                    spoilt.append(clip)
        if spoilt:
            clips = f"{len(spoilt)} clips, e.g. {spoilt[0]}"
            say(f"{self.path} does not hold the faces that were found in {clips}: looked for again")
        return known

    def _kept(self, base: sqlite3.Connection, stamps: Mapping[str, str], looked: Looked) -> Looked:
        """Passes on what is found and writes it every now and then, and when it ends in whatever way."""
        lines: list[tuple[str, str, str, str]] = []
        due = time.monotonic() + WRITE_EVERY_SECONDS
        try:
            with closing(looked):
                for clip, found in looked:
                    if not isinstance(found, str):
                        for count, faces in found.items():
                            told = clip.id, stamps[clip.id], self._key(count)
                            lines.append((*told, _sealed(faces.to_json(), *told)))
                    if time.monotonic() >= due:
                        _write(base, lines)
                        lines, due = [], time.monotonic() + WRITE_EVERY_SECONDS
                    yield clip, found
        finally:
            _write(base, lines)


def _write(base: sqlite3.Connection, lines: Sequence[tuple[str, str, str, str]]) -> None:
    with base:
        base.executemany("INSERT OR REPLACE INTO faces VALUES (?, ?, ?, ?)", lines)


def _sealed(track: str, *asked: str) -> str:
    """A stored track with the digest of what it says and of which clip it says it."""
    return json.dumps(sealed(json.loads(track), *asked))


def _opened(track: str, *asked: str) -> str:
    """The track that was stored; another than was written is a `HarnessError`. Early ones have no digest."""
    try:
        said, fault = opened(json.loads(track), *asked)
    except (ValueError, TypeError, RecursionError) as error:
        raise HarnessError(f"not a stored record of faces: {error}") from error
    if fault:
        raise HarnessError(f"a stored record of faces {fault}")
    return json.dumps(said)


def _looked_for(clips: Sequence[Clip], finder: Finder, counts: Sequence[int], threads: int) -> Looked:
    """Each clip with its faces, as they are found; few are under way at a time, however many there are."""

    def look(clip: Clip) -> tuple[Clip, Found]:
        try:
            name = clip.path.name
            with clip_clock(name), named_failure(f"{name}: looking for faces in it"):
                return clip, find_faces(clip.path, finder, counts)
        except HarnessError as error:
            return clip, str(error)

    rest = iter(clips)
    with ThreadPoolExecutor(threads) as pool:
        pending = {pool.submit(look, clip) for clip in islice(rest, 2 * threads)}
        try:
            while pending:
                done, pending = wait(pending, return_when=FIRST_COMPLETED)
                pending |= {pool.submit(look, clip) for clip in islice(rest, len(done))}
                for job in done:
                    yield job.result()
        finally:
            pool.shutdown(cancel_futures=True)


def finder() -> Any:
    """The face finder of this machine, from `$GAPBENCH_YUNET`, the Hugging Face cache or a download."""
    found = _finder(os.environ.get(face_model.VARIABLE))
    if isinstance(found, str):
        raise HarnessError(found)
    return found


@cache
def _finder(named: str | None) -> Any:
    """The finder, or why there is none: a download that failed is not tried again by the same run."""
    try:
        return face_finder.Finder(face_model.find_model())
    except HarnessError as error:
        return str(error)


def faces_missing() -> str | None:
    """Why no face can be found on this machine, and what would change that; None when they can be."""
    try:
        finder()
    except HarnessError as error:
        return str(error)
    return None


def located(
    clips: Iterable[Clip], crop: str, name: str, counts: Iterable[int] = (FRAMES,)
) -> tuple[Clip, ...]:
    """The clips, for the crop `face` each with its `faces`: number of scored frames -> who is seen in them.

    Faces that were found before are not looked for again; `name` is shown with the progress. A clip
    that cannot be read gets none: reading it to score it fails once more, and is counted then.
    """
    listed: Sequence[Clip] = tuple(clips)
    if crop != "face":
        return tuple(listed)
    found = FaceCache(home() / "faces", finder()).faces(listed, name, counts)
    known = {clip: faces for clip, faces in found.items() if not isinstance(faces, str)}
    return tuple(
        replace(clip, attributes={**clip.attributes, "faces": known[clip.id]}) if clip.id in known else clip
        for clip in listed
    )
