"""What each thing in the folder of a method of DF40 is: a clip, of whom, and of which reals it is made."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

from harness.trees import IMAGES, VIDEOS, is_directory, masks_beside, places
from harness.types import FAKE, REAL

SWAPS = ["fsgan", "faceswap", "simswap", "inswap", "blendface", "uniface", "mobileswap", "e4s", "facedancer"]
REENACTED = [
    "fomm",
    "facevid2vid",
    "wav2lip",
    "MRAA",
    "one_shot_free",
    "pirender",
    "tpsm",
    "lia",
    "danet",
    "sadtalker",
    "mcnet",
    "hyperreenact",
]
"""Methods in which the second number of a name lends its motion or voice, and is not seen."""
SYNTHESES = ["VQGAN", "StyleGAN2", "StyleGAN3", "StyleGANXL", "sd2.1", "ddim", "pixart", "rddm", "DiT", "SiT"]
KNOWN = {"FS": SWAPS, "FR": REENACTED, "EFS": SYNTHESES}
"""The 31 methods whose fakes are made of FaceForensics++ (`ff`) and of Celeb-DF (`cdf`), by family."""
UNKNOWN = [
    "deepfacelab",
    "heygen",
    "whichisreal",
    "MidJourney",
    "stargan",
    "starganv2",
    "styleclip",
    "CollabDiff",
]
"""Those that bring reals of their own; with e4e, which comes as `ff` and `cdf`, the nine of protocol 3."""
MADE_OF = [*SWAPS, *REENACTED, *SYNTHESES]
CALLED = {name.lower(): name for name in (*MADE_OF, *UNKNOWN, "e4e")}
CALLED |= {"whichfaceisreal": "whichisreal", "heygen_new": "heygen", "pixart-alpha": "pixart"}
"""Folder, in lower case -> the method as the authors' lists call it."""
PARTS = {
    **{
        f"{family}All_{domain}": tuple(f"{name}_{domain}" for name in names)
        for family, names in KNOWN.items()
        for domain in ("ff", "cdf")
    },
    **{f"{name}_{domain}": (f"{name}_{domain}",) for name in (*MADE_OF, "e4e") for domain in ("ff", "cdf")},
    **{name: (name,) for name in (*UNKNOWN, "e4e")},
}
"""What can be tested on by name, as the authors name it in their protocols -> manipulations."""

BRANCHES = {"ff": "ff", "cdf": "cdf", "cdfv2": "cdf"}
"""Folder of a method -> the reals that its fakes are made of, and are judged against."""
STORED_AS = ("frames", "videos", "images")
"""Folders that say how a clip is stored: they are no part of its id."""
POOLS = ("celeb-real", "youtube-real", "fake_from_celeb-real", "fake_from_youtube-real")
"""Folders below `cdf` that say which reals of Celeb-DF fakes are made of."""
STRUCTURE = {*BRANCHES, "fake", "real", *STORED_AS, "inversions", *POOLS}
"""Folders that sort clips; images directly in one of them are stills, in any other they are frames."""
NESTED = 2
"""Folders below that of the method, one of which says what clips are: `heygen/heygen_new/fake`."""
NO_CLIPS = {"landmarks", "masks"}
FF_NAME = re.compile(r"(?P<target>\d{3})(_(?P<source>\d{3}))?")
CDF_NAME = re.compile(r"(?P<target>id\d+)(_(?P<source>id\d+))?_(?P<take>\d{4})")
YOUTUBE_NAME = re.compile(r"\d{5}")
CDF_FRAME = re.compile(r"(Celeb|You[Tt]ube)-real_(?P<video>id\d+_\d{4}|\d{5})_\d+")
FF_FRAME = re.compile(r"(?P<video>\d{3})_\d+")
SEED = re.compile(r"seed_?\d+", re.IGNORECASE)
"""Frames that a generator made of a seed alone."""

Shown = tuple[str | None, str | None, str | None]
"""Target, source and footage."""
NOBODY: Shown = (None, None, None)


@dataclass(frozen=True)
class Found:
    """A clip in the folder of a method."""

    method: Path
    path: Path
    still: bool
    frames: tuple[str, ...] = ()
    """Of a folder of frames, their names without endings; of a still its own."""

    @cached_property
    def above(self) -> tuple[str, ...]:
        """The folders between that of the method and the clip."""
        return PurePosixPath(self.path.relative_to(self.method).as_posix()).parent.parts

    @cached_property
    def said(self) -> set[str]:
        """Those folders in lower case."""
        return {part.lower() for part in self.above}

    @property
    def name(self) -> str:
        """The method as the authors call it."""
        return CALLED.get(self.method.name.lower(), self.method.name)

    @property
    def stem(self) -> str:
        """Name of the clip without its ending."""
        return self.path.name if self.frames and not self.still else self.path.stem

    @property
    def _of_two(self) -> bool:
        """Whether its name says of which two videos it is made."""
        named = FF_NAME.fullmatch(self.stem) or CDF_NAME.fullmatch(self.stem)
        return named is not None and named["source"] is not None

    @property
    def label(self) -> int | None:
        """By the folders; None where none says it."""
        own = self.method.name.lower()
        stored = bool(self.said) and self.said <= {*STORED_AS, own} and (own in CALLED or self._of_two)
        sorted_by = {part.lower() for part in self.above[:NESTED]} & {"fake", "real", *BRANCHES}
        if stored or sorted_by:
            return REAL if "real" in self.said else FAKE
        return None

    @cached_property
    def branch(self) -> str | None:
        """`ff` or `cdf`, as a folder says, or the name of a fake of a method that makes all of theirs."""
        for part in self.above:
            if part.lower() in BRANCHES:
                return BRANCHES[part.lower()]
        if (self.name in MADE_OF or self._of_two) and not self.said & {"fake", "real"}:
            return "ff" if FF_NAME.fullmatch(self.stem) else "cdf" if CDF_NAME.fullmatch(self.stem) else None
        return None

    @property
    def manipulation(self) -> str:
        """What made it, if it is a fake: the method, and of which reals."""
        return self.name if self.branch is None else f"{self.name}_{self.branch}"

    @property
    def shown(self) -> Shown:
        """By the names of its frames where they say it, else by its own name."""
        if self.branch is None or (self.frames and all(map(SEED.fullmatch, self.frames))):
            return NOBODY
        by_frames = {self.of_frame(frame) for frame in self.frames} - {None}
        if by_frames:
            return named(str(by_frames.pop()))
        if self.still:  # the number of a still is no video's
            return NOBODY
        target, source, footage = named(self.stem) if _fits(self.branch, self.stem) else NOBODY
        return target, None if self.name in REENACTED or self.label == REAL else source, footage

    def of_frame(self, frame: str) -> str | None:
        """The video that a frame is of, where its own name says it: `Celeb-real_id1_0004_171`, `100_340`."""
        if self.branch == "cdf":
            video = CDF_FRAME.fullmatch(frame)
        else:  # in a folder of two numbers the frames bear their own
            alone = self.still or re.fullmatch(r"\d{3}", self.stem)
            video = FF_FRAME.fullmatch(frame) if self.branch == "ff" and alone else None
        return video["video"] if video else None

    def apart(self) -> Iterable[Found]:
        """The clip; where its frames are of several videos, each frame as a picture of its own."""
        if self.still or len({self.of_frame(frame) for frame in self.frames}) < 2:
            return (self,)
        inside = sorted(entry for entry in self.path.iterdir() if entry.stem in self.frames)
        return (Found(self.method, path, True, (path.stem,)) for path in inside)


def _fits(branch: str, stem: str) -> bool:
    """Whether a name is one of the videos of a branch: three digits alone are a number on `ff` alone."""
    if branch == "ff":
        return FF_NAME.fullmatch(stem) is not None
    return (CDF_NAME.fullmatch(stem) or YOUTUBE_NAME.fullmatch(stem)) is not None


def named(stem: str) -> Shown:
    """Target, source and footage of a video of FaceForensics++ or Celeb-DF by its name."""
    if name := CDF_NAME.fullmatch(stem):
        source = f"celeb_df/{name['source']}" if name["source"] else None
        return f"celeb_df/{name['target']}", source, f"celeb_df/{name['target']}_{name['take']}"
    if name := FF_NAME.fullmatch(stem):
        source = f"ffpp/{name['source']}" if name["source"] else None
        return f"ffpp/{name['target']}", source, f"ffpp/{name['target']}"
    if YOUTUBE_NAME.fullmatch(stem):
        return f"celeb_df/youtube_{stem}", None, f"celeb_df/youtube_{stem}"
    return NOBODY


def clips_of(method: Path) -> Iterator[Found]:
    """The clips in the folder of a method, folder by folder, those whose class no folder says left out."""
    for folder, entries in places(method):
        if NO_CLIPS & below(method, folder):
            continue
        files = [entry.name for entry in entries if not is_directory(entry)]
        for name in files:
            if os.path.splitext(name)[1].lower() in VIDEOS:
                yield from _told(Found(method, folder / name, False))
        images = [name for name in files if os.path.splitext(name)[1].lower() in IMAGES]
        masks = masks_beside(images)
        stems = {name: os.path.splitext(name)[0] for name in images if name not in masks}
        if folder == method or folder.name.lower() in {*STRUCTURE, method.name.lower()}:
            for name, stem in stems.items():
                yield from _told(Found(method, folder / name, True, (stem,)))
        elif stems:
            for found in _told(Found(method, folder, False, tuple(stems.values()))):
                yield from found.apart()


def _told(found: Found) -> Iterator[Found]:
    if found.label is not None:
        yield found


def below(method: Path, folder: Path) -> set[str]:
    """The folders of a path below that of the method, in lower case."""
    return {part.lower() for part in folder.relative_to(method).parts}
