"""Training frames, decoded once and kept as files that are mapped into memory; trainings share them."""

from __future__ import annotations

import errno
import json
import os
import shutil
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from harness.files import digest, read_json, write_whole, writing
from harness.guard.stored import large_digest, record_of, sealed, set_aside
from harness.process import in_order, usable_cores
from harness.progress import Progress, say
from harness.timing import spent
from harness.training.batches import Footage
from harness.trees import clip_stamp, is_image
from harness.types import FAKE, NO_FACE, REAL, Clip, HarnessError
from harness.video.clip_views import Need, show
from harness.video.views import View

SUFFIX = ".frames"
FACTS = {
    **{"key": str, "labels": [int], "made_of": [str], "reasons": [str], "faceless?": dict, "places?": [list]},
    **{"made?": (None, dict), "sha256?": str},
}
"""What is known of kept frames, as `guard.stored.fault_of` wants it."""
ABANDONED_SECONDS = 24 * 3600.0
"""Age at which a file that is being written belongs to nobody any more."""
CLASSES = {REAL: "real", FAKE: "fake"}
MOST_FAILED = 0.05
"""Share of unreadable clips above which a training refuses to start."""


@dataclass(frozen=True)
class Wanted:
    """The frames a training wants of some clips."""

    clips: Sequence[Clip]
    """Of one split; for the crop `face` with their tracks."""
    frames: int
    """Evenly spaced frames of each clip."""
    size: int
    """Side in pixels."""
    crop: str
    content: str
    """Digest of what else decides the pixels: how files are read, where faces are looked for and by what."""
    made: Mapping[str, Any] = field(default_factory=dict)
    """What they would be decoded with now."""
    again: bool = False
    """Whether frames that were decoded with anything else are decoded anew."""

    @property
    def key(self) -> str:
        """sha256 (hex) over all that decides the pixels."""
        listed = [[clip.id, clip.label, _footage_of(clip), clip_stamp(clip.path)] for clip in self.clips]
        return digest([listed, self.frames, self.size, self.crop, self.content])

    @property
    def split(self) -> str:
        """The split that the clips are of."""
        return self.clips[0].split if self.clips else "empty"


def read_footage(wanted: Wanted, folder: Path) -> Footage:
    """The frames of these clips, from the file that an earlier training left, else decoded and kept now.

    Unreadable clips are counted and said; more than 5 % of them, or a class without a clip, is a
    `HarnessError`. Clips without a face are left out and counted too, however many they are. Files that were
    not used for longest make way when the disk is full.
    """
    path = folder / f"{wanted.split}-{wanted.key[:16]}{SUFFIX}"
    with spent("training frames"):
        said, pixels = _opened(path, wanted)
    if said["reasons"]:
        count, reasons = len(said["reasons"]), said["reasons"]
        say(f"{count} of {len(wanted.clips)} {wanted.split} clips cannot be read, e.g. {reasons[0]}")
    faceless = Counter(said.get("faceless") or {})
    if faceless:
        counts = " and ".join(f"{count} {word}" for word, count in sorted(faceless.items(), reverse=True))
        say(f"{counts} {wanted.split} clips show no face and are left out")
    groups = np.unique(said["made_of"], return_inverse=True)[1]
    labels = np.array(said["labels"], dtype=np.int64)
    places = _places(said, wanted)
    return Footage(pixels, places, labels, groups, len(said["reasons"]), said.get("made") or {}, faceless)


def _opened(path: Path, wanted: Wanted) -> tuple[dict[str, Any], np.memmap]:
    """What is known of the frames, and the frames, of which writing makes a copy."""
    while True:
        said = _kept(path, wanted) or _decode(wanted, path)
        try:
            return said, np.memmap(path, np.uint8, "c", shape=_shape(wanted, _rows(said, wanted)))
        except FileNotFoundError:  # it made way for another run in between
            continue


def _kept(path: Path, wanted: Wanted) -> dict[str, Any] | None:
    """What is known of a file that was kept; None unless it is whole and of these frames."""
    facts = path.with_suffix(".json")
    if not os.path.lexists(path) or not os.path.lexists(facts):
        return None
    fault, said = "", {}
    try:
        said = record_of(read_json(facts), facts, "training frames", FACTS, "they are decoded again")
        if wanted.again and said.get("made") != wanted.made:
            return None
        fault = _fault_of(path, said, wanted)
    except (HarnessError, OSError, ValueError, TypeError, OverflowError) as error:
        fault = f"cannot be believed ({error})"
    if fault:
        say(set_aside(facts, fault, "the clips are decoded again"))
        if os.path.lexists(path):
            set_aside(path, fault, "")
        return None
    os.utime(path)
    return said


def _fault_of(path: Path, said: Mapping[str, Any], wanted: Wanted) -> str:
    """Why kept frames are not those that are wanted; of an earlier version, the pixels are not looked at."""
    if said["key"] != wanted.key:
        return "is of other clips"
    if path.stat().st_size != _bytes(wanted, _rows(said, wanted)):
        return "has another size than it should"
    left = iter([(clip.label, _footage_of(clip)) for clip in wanted.clips])
    if not all(pair in left for pair in zip(said["labels"], said["made_of"], strict=True)):
        return "says other labels than the clips have"
    if said.get("sha256") not in (None, large_digest(path)):
        return "does not hold what was decoded"
    return ""


def _places(said: Mapping[str, Any], wanted: Wanted) -> np.ndarray:
    """int64 `[clips, frames]`: the row of each frame of each clip; early files hold all, one by one."""
    clips = len(said["labels"])
    if "places" not in said:
        return np.arange(clips * wanted.frames).reshape(clips, wanted.frames)
    places = np.array(said["places"], dtype=np.int64).reshape(clips, wanted.frames)
    if places.size and places.min() < 0:
        raise ValueError("a frame before the first")
    return places


def _rows(said: Mapping[str, Any], wanted: Wanted) -> int:
    """Frames in the file."""
    places = _places(said, wanted)
    return int(places.max()) + 1 if places.size else 0


def _decode(wanted: Wanted, path: Path) -> dict[str, Any]:
    """Decode the clips into a file, written whole or not at all; what is known of it is written last."""
    labels: list[int] = []
    made_of: list[str] = []
    reasons: list[str] = []
    places: list[list[int]] = []
    faceless: Counter[str] = Counter()
    rows = 0
    cut = in_order(lambda clip: _cut(clip, wanted), wanted.clips, usable_cores(), 4 * usable_cores())
    title = f"reading {wanted.split} clips"
    with closing(cut), _room(path, wanted) as pixels, Progress(title, len(wanted.clips)) as progress:
        for clip, found in zip(wanted.clips, cut, strict=True):
            if isinstance(found, View):
                pixels[rows : rows + len(found.frames)] = found.frames
                places.append([rows + place for place in found.repeated(found.whole)])
                rows += len(found.frames)
                labels.append(clip.label)
                made_of.append(_footage_of(clip))
            elif found == NO_FACE:
                faceless[CLASSES[clip.label]] += 1
            else:
                reasons.append(found)
            progress.advance()
        _refuse_if_unfit(wanted, labels, reasons, faceless)
        pixels.flush()
    with path.open("r+b") as file:
        file.truncate(_bytes(wanted, rows))
    facts = {"labels": labels, "made_of": made_of, "reasons": reasons, "faceless": dict(faceless)}
    said: dict[str, Any] = {"key": wanted.key, **facts, "places": places, "made": dict(wanted.made)}
    write_whole(path.with_suffix(".json"), json.dumps(sealed({**said, "sha256": large_digest(path)})))
    return said


def _footage_of(clip: Clip) -> str:
    return str(clip.attributes.get("footage", clip.id))


def _refuse_if_unfit(
    wanted: Wanted, labels: Sequence[int], reasons: Sequence[str], faceless: Mapping[str, int]
) -> None:
    if len(reasons) > MOST_FAILED * len(wanted.clips):
        raise HarnessError(
            f"{len(reasons)} of {len(wanted.clips)} {wanted.split} clips cannot be read: {reasons[0]}"
        )
    for label, word in CLASSES.items():
        if label not in labels:
            lost = f": no face was found in {faceless[word]} {word} ones" if faceless.get(word) else ""
            raise HarnessError(
                f"there is no {word} clip among the {len(labels)} {wanted.split} clips to train with{lost}"
            )


def _cut(clip: Clip, wanted: Wanted) -> View | str:
    """The frames of one clip, or why there are none."""
    need: Need = ("clean", 0, wanted.frames, wanted.size)
    shown = show(clip, wanted.crop, [need])
    return NO_FACE if shown.faceless else shown.error or shown.views[need][0]


def _shape(wanted: Wanted, rows: int) -> tuple[int, ...]:
    return (rows, wanted.size, wanted.size, 3)


def _bytes(wanted: Wanted, rows: int) -> int:
    return int(np.prod(_shape(wanted, rows)))


def most_frames(clips: Sequence[Clip], frames: int) -> int:
    """How many frames of these clips are kept at most: of a still image one."""
    return sum(1 if is_image(clip.path) and not clip.path.is_dir() else frames for clip in clips)


@contextmanager
def _room(path: Path, wanted: Wanted) -> Iterator[np.memmap]:
    """A mapped file with room for all clips, which becomes `path` when the block ends without an error."""
    most = most_frames(wanted.clips, wanted.frames)
    needed = _bytes(wanted, most)
    with writing(path) as temporary:
        with temporary.open("r+b") as file:
            while True:
                try:
                    _reserve(file.fileno(), max(1, needed))
                    break
                except OSError as error:
                    if error.errno not in (errno.ENOSPC, errno.EDQUOT) or not _make_way(path.parent):
                        free = shutil.disk_usage(path.parent).free
                        raise HarnessError(
                            f"no room: the frames of {len(wanted.clips)} clips need {needed / 1e6:,.1f} MB in"
                            f" {path.parent}, where {free / 1e6:,.1f} MB are free; set GAPBENCH_HOME to a"
                            " larger disk"
                        ) from error
        yield np.memmap(temporary, np.uint8, "r+", shape=_shape(wanted, most))


def _reserve(file: int, needed: int) -> None:
    if hasattr(os, "posix_fallocate"):  # else a disk that fills up later kills the process
        os.posix_fallocate(file, 0, needed)
    else:
        os.truncate(file, needed)


def _make_way(folder: Path) -> bool:
    """Remove what a killed run left, else the kept file that was not used for longest.

    A training that maps a file does not lose it.
    """
    for left in folder.glob(f"*{SUFFIX}.set-aside-*"):
        left.unlink()
        say(f"removed {left.name} to make room")
        return True
    for left in folder.glob(f".*{SUFFIX}"):
        if time.time() - left.stat().st_mtime > ABANDONED_SECONDS:
            left.unlink(missing_ok=True)
            return True
    kept = sorted(folder.glob(f"[!.]*{SUFFIX}"), key=lambda path: path.stat().st_mtime)
    for path in kept[:1]:
        path.with_suffix(".json").unlink(missing_ok=True)
        path.unlink()
        say(f"removed {path.name} to make room")
    return bool(kept)
