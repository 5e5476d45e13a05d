"""DF40: forty recent forgery methods, most of them applied to FaceForensics++ and Celeb-DF."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from harness.files import read_json
from harness.registry import dataset
from harness.trees import IMAGES, VIDEOS, read_lines
from harness.types import FAKE, REAL, Clip, HarnessError

DOMAINS = ("cdf", "fake", "ff", "real")
"""Folders of a method: its fakes made of Celeb-DF or FaceForensics++, or its fakes and reals."""
STRUCTURE = {*DOMAINS, "frames", "videos", "images", "inversions", "Celeb-real", "YouTube-real"}
"""Folders that sort clips; images directly in one of them are stills, in any other they are frames."""
NO_CLIPS = ("landmarks", "masks")
UNIMPORTANT = ("frames", "videos", "images")
"""Folders that say how a clip is stored: they are no part of its id."""
FF_REALS = "FaceForensics++/original_sequences/youtube/c23"
CDF_REALS = "Celeb-DF-v2"
CDF_LIST = "List_of_testing_videos.txt"
FF_NAME = re.compile(r"(?P<target>\d{3})(_(?P<source>\d{3}))?")
CDF_NAME = re.compile(r"(?P<target>id\d+)(_(?P<source>id\d+))?_(?P<take>\d{4})")
YOUTUBE_NAME = re.compile(r"\d{5}")


@dataset(
    "df40",
    about="DF40: forty forgery methods on FF++, Celeb-DF and more; test only (its authors' val is its test)",
    crop="face",
)
def df40(root: Path) -> Iterator[Clip]:
    """All of it is test: the authors choose checkpoints on the clips they test on (val = test), so nobody
    should train on it. `DF40_train` is not listed.

    The root holds the methods, or a folder `DF40` with them: `<method>/{ff,cdf}` or `<method>/{fake,real}`,
    with videos, folders of frames, or single images. Beside them lie the reals, which come apart:
    `FaceForensics++/original_sequences/youtube/c23` with the official `test.json`, and `Celeb-DF-v2`
    with its list of testing videos; only the videos on these lists are used. A real video that several
    methods bring is one clip. Footage is named as in the datasets it is from, where the folder or the
    name of a clip says so, so that what other datasets share with it is found. (Yan et al., NeurIPS 2024)
    """
    if not root.is_dir():
        raise HarnessError(f"dataset df40: {root} is not a folder")
    home = root / "DF40" if (root / "DF40").is_dir() else root
    methods = [method for method in _folders(home) if any((method / domain).is_dir() for domain in DOMAINS)]
    if not methods:
        raise HarnessError(f"dataset df40: {root} has no <method>/ff, cdf, fake or real")
    seen: set[str] = set()
    reals = 0
    for clip in _all(root, home, methods):
        if clip.id not in seen:
            seen.add(clip.id)
            reals += clip.label == REAL
            yield clip
    if not reals:
        raise HarnessError(
            f"dataset df40: {root} has fakes only; its reals come apart: put {FF_REALS} with "
            f"FaceForensics++/test.json and {CDF_REALS} with {CDF_LIST} there"
        )


def _all(root: Path, home: Path, methods: list[Path]) -> Iterator[Clip]:
    for place in dict.fromkeys((root, home)):
        if (place / FF_REALS).is_dir():
            yield from _ff_reals(place)
        if (place / CDF_REALS).is_dir():
            yield from _cdf_reals(place / CDF_REALS)
    for method in methods:
        for domain in DOMAINS:
            for path, kind in _found(method / domain):
                yield _clip(method, path, kind)


def _ff_reals(place: Path) -> Iterator[Clip]:
    lists = [place / "FaceForensics++" / name for name in ("test.json", "splits/test.json")]
    listing = next((file for file in lists if file.is_file()), None)
    if listing is None:
        raise HarnessError(
            f"dataset df40: {lists[0]} is missing: without it test reals are not told from others"
        )
    pairs = read_json(listing)
    if not isinstance(pairs, list) or not all(isinstance(pair, list) for pair in pairs):
        raise HarnessError(f'{listing}: expected pairs of video numbers such as ["000", "003"]')
    for name in sorted(str(number) for pair in pairs for number in pair):
        yield _real(_stored(place / FF_REALS, name), f"ffpp/{name}", f"ffpp/{name}")


def _cdf_reals(folder: Path) -> Iterator[Clip]:
    for line in read_lines(folder / CDF_LIST):
        kind, _, video = line.partition(" ")[2].strip().partition("/")
        if kind not in ("Celeb-real", "YouTube-real"):
            continue
        stem = PurePosixPath(video).stem
        target, _, footage = _names(f"{kind}/", stem)
        if footage is None:
            raise HarnessError(f"{folder / CDF_LIST}: {line!r} names no video of Celeb-DF")
        yield _real(_stored(folder / kind, stem), target, footage)


def _stored(folder: Path, name: str) -> Path:
    """Where a listed video lies: as a folder of frames, in `frames` or not, else as a video."""
    videos = (folder / place / f"{name}{end}" for place in ("videos", "") for end in (".mp4", ".MP4"))
    places = (folder / "frames" / name, folder / name, *videos)
    return next((place for place in places if place.exists()), folder / f"{name}.mp4")


def _real(path: Path, target: str | None, footage: str | None) -> Clip:
    """A real of another dataset: known by its footage, wherever it lies."""
    return Clip(f"df40/real/{footage}", path, REAL, "test", None, target, attributes={"footage": footage})


def _clip(method: Path, path: Path, kind: str) -> Clip:
    below = PurePosixPath(path.relative_to(method).as_posix())
    stem = path.name if kind == "frames" else path.stem
    real = "real" in below.parts[:-1]
    # the number of a still is no video's
    target, source, footage = (None, None, None) if kind == "still" else _names(f"{below.parent}/", stem)
    if real and footage:
        return _real(path, target, footage)
    parts = [part for part in below.parent.parts if part not in UNIMPORTANT]
    return Clip(
        id="/".join(("df40", method.name, *parts, path.name if kind == "still" else stem)),
        path=path,
        label=REAL if real else FAKE,
        split="test",
        manipulation=None if real else method.name,
        target=target,
        source=None if real else source,
        attributes={"footage": footage} if footage else {},
    )


def _names(above: str, stem: str) -> tuple[str | None, str | None, str | None]:
    """Target, source and footage of a video by its name, and by the folders above it (`cdf/frames/`)."""
    if named := CDF_NAME.fullmatch(stem):
        source = f"celeb_df/{named['source']}" if named["source"] else None
        return f"celeb_df/{named['target']}", source, f"celeb_df/{named['target']}_{named['take']}"
    if named := FF_NAME.fullmatch(stem):
        source = f"ffpp/{named['source']}" if named["source"] else None
        return f"ffpp/{named['target']}", source, f"ffpp/{named['target']}"
    # five digits alone are also how FFHQ names its faces
    if YOUTUBE_NAME.fullmatch(stem) and re.search(r"(^|/)(cdf|YouTube-real)/", above):
        return f"celeb_df/youtube_{stem}", None, f"celeb_df/youtube_{stem}"
    return None, None, None


def _folders(folder: Path) -> list[Path]:
    with os.scandir(folder) as entries:
        return sorted(Path(entry.path) for entry in entries if entry.is_dir() and entry.name[0] != ".")


def _found(folder: Path) -> Iterator[tuple[Path, str]]:
    """The clips in a folder and below it, sorted by name, each `frames` (a folder), `video` or `still`."""
    if not folder.is_dir() or folder.name in NO_CLIPS:
        return
    with os.scandir(folder) as found:
        entries = sorted((entry for entry in found if entry.name[0] != "."), key=lambda entry: entry.name)
    endings = {entry.name: os.path.splitext(entry.name)[1].lower() for entry in entries}
    if folder.name not in STRUCTURE and IMAGES & set(endings.values()):
        yield folder, "frames"
        return
    for entry in entries:
        if endings[entry.name] in VIDEOS | IMAGES:
            yield Path(entry.path), "video" if endings[entry.name] in VIDEOS else "still"
        elif entry.is_dir():
            yield from _found(Path(entry.path))
