"""DF40: forty recent forgery methods, most of them applied to FaceForensics++ and Celeb-DF."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from harness.datasets._df40_found import NO_CLIPS, PARTS, STORED_AS, STRUCTURE, Found, below, clips_of, named
from harness.datasets._ffpp_footage import videos_of

from harness.files import read_json
from harness.registry import dataset
from harness.trees import files_below, places, read_lines
from harness.types import FAKE, REAL, Clip, HarnessError

NO_METHODS = {
    "faceforensics++",
    "celeb-df-v1",
    "celeb-df-v2",
    "df40_train",
    "dataset_json",
    *STRUCTURE,
    *NO_CLIPS,
}
"""Folders beside those of the methods."""
FF_REALS = "FaceForensics++/original_sequences/youtube/c23"
CDF_REALS = "Celeb-DF-v2"
CDF_LIST = "List_of_testing_videos.txt"


def faults(root: Path) -> Iterator[str]:
    """Folders of methods, and those in them that say what their clips are, in which no clip was found."""
    for method in _methods(_home(root)):
        full: set[Path] = set()
        for found in clips_of(method):
            full |= {found.path, *found.path.parents}
        empty: list[Path] = []
        for folder, _ in places(method):
            sorts = folder == method or folder.name.lower() in STRUCTURE - {*STORED_AS}
            if sorts and folder not in full and not NO_CLIPS & below(method, folder):
                empty += [] if any(above in empty for above in folder.parents) else [folder]
        for folder in empty:
            packed = next((file for file in files_below(folder) if file.suffix.lower() == ".zip"), None)
            hint = f": unpack {packed.relative_to(root).as_posix()}" if packed else ""
            yield f"no clip was found in {folder.relative_to(root).as_posix()}/{hint}"


def remarks(root: Path) -> Iterator[str]:
    """Of which reals none is here, although there are fakes to be judged against them."""
    reals = {"ff": (FF_REALS, "FaceForensics++/test.json"), "cdf": (CDF_REALS, f"{CDF_REALS}/{CDF_LIST}")}
    missing = {domain: said for domain, said in reals.items() if not _beside(root, said[0])}
    if not missing:
        return
    kinds = {(found.branch, found.label) for method in _methods(_home(root)) for found in clips_of(method)}
    for domain, (place, listing) in missing.items():
        if (domain, FAKE) in kinds and (domain, REAL) not in kinds:
            yield f"the reals of the fakes of {domain} are not here: put {place} with {listing} there"


@dataset(
    "df40",
    about="DF40: forty forgery methods on FF++, Celeb-DF and more; test only (its authors' val is its test)",
    crop="face",
    version="2",
    parts=PARTS,
    faults=faults,
    remarks=remarks,
)
def df40(root: Path) -> Iterator[Clip]:
    """All of it is test: the authors choose checkpoints on the clips they test on (val = test), so nobody
    should train on it. `DF40_train` is not listed.

    The root holds the methods, or a folder `DF40` with them: `<method>/{ff,cdf}` or `<method>/{fake,real}`,
    at any depth, with videos, folders of frames, or single images. Beside them lie the reals, which come
    apart: `FaceForensics++/original_sequences/youtube/c23` with the official `test.json`, and `Celeb-DF-v2`
    with its list of testing videos; only the videos on these lists are used.

    Each clip has a `domain`, and a fake is judged against reals of its own: `ff` (FaceForensics++), `cdf`
    (Celeb-DF), or the method where it brings its own reals. Manipulations are named as in the authors'
    lists (`simswap_ff`, `simswap_cdf`, `heygen`), and so are the families of their protocols
    (`df40:FSAll_ff`). Footage and people are named as in the datasets they are from: by the folder or name
    of a clip on a branch `ff` or `cdf`, by the names of its frames where they say of which video each is
    made; where those are of several, each frame is a picture of its own. Faces made of a seed are nobody's.
    (Yan et al., NeurIPS 2024)
    """
    if not root.is_dir():
        raise HarnessError(f"dataset df40: {root} is not a folder")
    seen: set[str] = set()
    labels = {REAL: 0, FAKE: 0}
    for clip in _all(root):
        if clip.id not in seen:
            seen.add(clip.id)
            labels[clip.label] += 1
            yield clip
    if not labels[FAKE]:
        raise HarnessError(f"dataset df40: {root} has no <method>/ff, cdf, fake or real with clips in it")
    if not labels[REAL]:
        raise HarnessError(
            f"dataset df40: {root} has fakes only; its reals come apart: put {FF_REALS} with "
            f"FaceForensics++/test.json and {CDF_REALS} with {CDF_LIST} there"
        )


def _all(root: Path) -> Iterator[Clip]:
    for place in _beside(root, FF_REALS):
        yield from _ff_reals(place)
    for place in _beside(root, CDF_REALS):
        yield from _cdf_reals(place / CDF_REALS)
    for method in _methods(_home(root)):
        yield from map(_clip, clips_of(method))


def _home(root: Path) -> Path:
    """The folder of the methods."""
    return next((root / name for name in ("DF40", "test") if (root / name).is_dir()), root)


def _beside(root: Path, reals: str) -> list[Path]:
    """The folders in which such reals lie."""
    around = dict.fromkeys((root, _home(root), root / "real", _home(root) / "real"))
    return [place for place in around if (place / reals).is_dir()]


def _methods(home: Path) -> list[Path]:
    with os.scandir(home) as entries:
        folders = sorted(Path(entry.path) for entry in entries if entry.is_dir() and entry.name[0] != ".")
    return [folder for folder in folders if folder.name.lower() not in NO_METHODS]


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
        yield _real(_stored(place / FF_REALS, name), "ff", f"ffpp/{name}", f"ffpp/{name}")


def _cdf_reals(folder: Path) -> Iterator[Clip]:
    for line in read_lines(folder / CDF_LIST):
        kind, _, video = line.partition(" ")[2].strip().partition("/")
        if kind not in ("Celeb-real", "YouTube-real"):
            continue
        stem = PurePosixPath(video).stem
        target, _, footage = named(stem)
        if footage is None or footage.startswith("ffpp/"):
            raise HarnessError(f"{folder / CDF_LIST}: {line!r} names no video of Celeb-DF")
        yield _real(_stored(folder / kind, stem), "cdf", target, footage)


def _stored(folder: Path, name: str) -> Path:
    """Where a listed video lies: as a folder of frames, in `frames` or not, else as a video."""
    videos = (folder / place / f"{name}{end}" for place in ("videos", "") for end in (".mp4", ".MP4"))
    stored = (folder / "frames" / name, folder / name, *videos)
    return next((place for place in stored if place.exists()), folder / f"{name}.mp4")


def _real(path: Path, domain: str, target: str | None, footage: str | None) -> Clip:
    """A real of another dataset: known by its footage, wherever it lies."""
    person, _, shown = videos_of(target, None, footage)
    said = {"domain": domain, **shown}
    return Clip(f"df40/real/{footage}", path, REAL, "test", None, person, attributes=said)


def _clip(found: Found) -> Clip:
    target, source, footage = found.shown
    domain = found.branch or found.name
    if found.label == REAL and footage:
        return _real(found.path, domain, target, footage)
    person, face, shown = videos_of(target, source, footage)
    parts = [part for part in found.above if part.lower() not in STORED_AS]
    name = found.path.name if found.still else found.stem
    return Clip(
        id="/".join(("df40", found.method.name, *parts, name)),
        path=found.path,
        label=REAL if found.label == REAL else FAKE,
        split="test",
        manipulation=None if found.label == REAL else found.manipulation,
        target=person,
        source=face,
        attributes={"domain": domain, **shown},
    )
