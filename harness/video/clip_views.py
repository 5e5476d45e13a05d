"""The pure stages between a clip's file and a detector: read, perturb, crop, whoever schedules them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from harness import registry
from harness.files import seed_of
from harness.guard.clip_bounds import check_clock, clip_clock, named_failure
from harness.timing import spent
from harness.types import FACE_CROPS, FACE_POLICY, NO_FACE, PROTOCOL, Clip, HarnessError
from harness.video.frames import (
    Box,
    Frames,
    Pictures,
    box_of,
    crop_and_fit,
    read_frames,
    sample_indices,
)
from harness.video.people import Faces
from harness.video.views import View

BYTES_HELD = 2**24
"""Decoded frames of one clip that are held at a time, in bytes: small clips whole, large frames singly."""


def perturb(frames: np.ndarray, clip_id: str, name: str, severity: int) -> np.ndarray:
    """The frames `[T, H, W, 3]` under a condition; the draw depends on the clip, never on the detector."""
    if severity == 0:
        return frames
    entry = registry.perturbations.get(name)
    rng = np.random.default_rng(seed_of(clip_id, name, severity, PROTOCOL))
    with named_failure(f"{name}-{severity} on {clip_id}"):
        changed: np.ndarray = entry.apply(frames, entry.parameter(severity), rng)
        if changed.shape != frames.shape or changed.dtype != np.uint8:
            raise HarnessError(f"{name} changed the shape or type of the frames of {clip_id}")
    return changed


Condition = tuple[str, int]
"""(perturbation, severity)."""
Need = tuple[str, int, int, int]
"""(perturbation, severity, frames, size): one view of a clip."""


@dataclass(frozen=True)
class Shown:
    """What the detectors get to see of one clip."""

    views: Mapping[Need, tuple[View, ...]] = field(default_factory=dict)
    """One a person, where there are people; empty when the clip failed."""
    error: str | None = None
    faceless: bool = False
    """Whether the error is that it was read, and no face was found in it."""
    failed: Mapping[Condition, str] = field(default_factory=dict)
    """Conditions whose perturbation failed on this clip, and why; under all others it is shown."""
    seen: Mapping[int, tuple[int, int, int]] = field(default_factory=dict)
    """Frame count -> frames in which the face was seen, frames to score, people; empty where none was looked
    for."""

    def error_of(self, need: Need) -> str | None:
        """Why a view of the clip is not there; None where it is."""
        return self.error if self.error is not None else self.failed.get(need[:2])

    def of(self, size: tuple[int, int]) -> Shown:
        """The same clip with the views of one size (frames, side) only."""
        return replace(self, views={need: views for need, views in self.views.items() if need[2:] == size})


Boxes = Mapping[int, Box] | None
"""Frame of the file -> where it is cut; None where no box is needed, and all frames are shown."""


def show(clip: Clip, crop: str, needs: Sequence[Need], policy: str = FACE_POLICY) -> Shown:
    """Read a clip once and prepare every view of it that is needed; a clip that cannot be read is said so.

    `policy` says who of several people is shown (`types.FACE_POLICIES`): of those whose faces are found, or
    of whom a folder holds crops. A view that lacks a face, or that fails in any other way, fails the clip;
    a perturbation that fails, the clip under that condition.
    """
    seen: dict[int, tuple[int, int, int]] = {}
    try:
        with clip_clock(clip.path.name), named_failure(f"{clip.path.name}: preparing it"):
            return _show(clip, crop, needs, policy, seen)
    except HarnessError as error:
        return Shown(error=str(error), seen=seen)


def _show(
    clip: Clip, crop: str, needs: Sequence[Need], policy: str, seen: dict[int, tuple[int, int, int]]
) -> Shown:
    """What `show` gives of a clip that can be read; `seen` is filled on the way."""
    counts = sorted({need[2] for need in needs})
    people: dict[int, list[Boxes]] = {count: [None] for count in counts}
    if crop == "face" and "faces" in clip.attributes:
        known: Mapping[int, Faces] = clip.attributes["faces"]
        seen |= {count: seen_of(known[count]) for count in counts}
        if not all(known[count] for count in counts):
            return Shown(error=f"{clip.path.name}: {NO_FACE}", faceless=True, seen=seen)
        people = {count: [*known[count].of(policy)] for count in counts}
    apart = policy != FACE_POLICY and crop not in FACE_CROPS
    views: dict[Need, tuple[View, ...]] = dict.fromkeys(needs, ())
    reads: list[Frames] = []
    failed: dict[Condition, str] = {}
    while not reads or (apart and len(reads) < reads[0].tracks):
        cutter = _Cutter(clip, crop, needs, people, failed)
        with spent("decode"):
            reads.append(read_frames(clip.path, counts, use=cutter.take, track=len(reads)))
        if crop == "face" and not seen:
            why = "its face could not be looked for, because the clip could not be read then"
            raise HarnessError(f"{clip.path.name}: {why}")
        cutter.cut()
        views = {
            need: (*shown, *cutter.views(need, reads[-1]))
            for need, shown in views.items()
            if need[:2] not in failed
        }
    tracks = reads[0].tracks
    if tracks > 1 and crop == "face" and policy != FACE_POLICY:
        why = f"it holds pictures of {tracks} faces, of which --faces {policy} shows each with --crop none"
        return Shown(error=f"{clip.path.name}: {why}", seen=seen)
    if tracks > 1 and seen:
        seen |= {count: (had, looked, max(people, tracks)) for count, (had, looked, people) in seen.items()}
    elif tracks > 1:
        frames = {count: len(set(sample_indices(reads[0].total, count))) for count in counts}
        seen |= {count: (number, number, tracks) for count, number in frames.items()}
    return Shown(views, failed=failed, seen=seen)


def seen_of(faces: Faces) -> tuple[int, int, int]:
    """Frames in which the face was seen, frames to score, people."""
    return len(faces.main), len(faces.scored), len(faces.people)


class _Cutter:
    """Perturbs, cuts and fits the frames of one clip as they are decoded, a few at a time."""

    def __init__(
        self,
        clip: Clip,
        crop: str,
        needs: Sequence[Need],
        people: Mapping[int, Sequence[Boxes]],
        failed: dict[Condition, str],
    ) -> None:
        self.clip, self.crop, self.needs, self.people, self.failed = clip, crop, needs, people, failed
        self._held: list[tuple[int, np.ndarray]] = []
        self._boxes: dict[int, Box] = {}
        """Frame of the file -> the clip's own box, for the crop `boxes`."""
        self._total = 0
        self._cut: dict[tuple[Need, int, int], np.ndarray] = {}
        """(need, person, frame of the file) -> uint8 `[1, S, S, 3]`."""

    def take(self, index: int, frame: np.ndarray, total: int) -> None:
        """Hold a frame, and cut those that are held when they are many or differ in size."""
        self._total = total
        if self._held and self._held[0][1].shape != frame.shape:
            self.cut()
        self._held.append((index, frame))
        if len(self._held) * frame.nbytes >= BYTES_HELD:
            self.cut()

    def cut(self) -> None:
        """Cut the frames that are held, under every condition, for every view that shows them."""
        if not self._held:
            return
        clean = [frame for _, frame in self._held]
        wanted = {count: set(sample_indices(self._total, count)) for count in self.people}
        for name, severity in dict.fromkeys(need[:2] for need in self.needs):
            if (name, severity) in self.failed:
                continue
            check_clock()
            changed: Pictures = clean
            if severity:
                try:
                    with spent("perturb"):
                        changed = perturb(np.stack(clean), self.clip.id, name, severity)
                except HarnessError as error:
                    self.failed[name, severity] = str(error)
                    continue
            with spent("crop"):
                for need in self.needs:
                    if need[:2] == (name, severity):
                        self._fit(need, wanted[need[2]], changed)
        self._held.clear()

    def _fit(self, need: Need, wanted: set[int], changed: Pictures) -> None:
        try:
            with named_failure("cropping it"):
                for (index, _), frame in zip(self._held, changed, strict=True):
                    for person, boxes in enumerate(self.people[need[2]]):
                        if index not in wanted or (boxes is not None and index not in boxes):
                            continue
                        check_clock()
                        box = boxes[index] if boxes is not None else None
                        if self.crop == "boxes":
                            box = self._boxes[index] = box_of(self.clip.attributes, frame.shape)
                        self._cut[need, person, index] = crop_and_fit(
                            frame[None], self.crop, None if box is None else [box], need[3]
                        )
        except HarnessError as error:
            raise HarnessError(f"{self.clip.path.name}: {error}") from error

    def views(self, need: Need, read: Frames) -> tuple[View, ...]:
        """The views of everybody who is seen, once all frames were cut."""
        sampled = sample_indices(read.total, need[2])
        found = []
        for person, boxes in enumerate(self.people[need[2]]):
            indices = tuple(index for index in sampled if boxes is None or index in boxes)
            distinct = tuple(dict.fromkeys(indices))
            frames = np.concatenate([self._cut[need, person, index] for index in distinct])
            whole = indices
            if len(indices) < need[2]:
                whole = tuple(indices[at] for at in sample_indices(len(indices), need[2]))
            found.append(View(frames, distinct, indices, whole, boxes or self._boxes))
        return tuple(found)
