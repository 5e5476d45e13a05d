"""What DeepfakeBench made of ten datasets: face crops as folders of frames, listed in one JSON file each."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TextIO

from harness.datasets._ffpp_footage import videos_of
from harness.datasets._reenacted import REENACTED

from harness.guard.parsed import json_of, sized
from harness.registry import dataset
from harness.types import FAKE, REAL, Clip, HarnessError, unknown

PLACES = ("", "dataset_json", "preprocessing/dataset_json")
"""Folders under the root where the JSON files may lie."""
BASES = ("", "rgb", "datasets", "datasets/rgb")
"""Folders under the root where the frames may lie."""
FOLDERS = ("FaceForensics++", "Celeb-DF-v1", "Celeb-DF-v2", "DFDC", "DFDCP", "DeeperForensics-1.0", "UADFV")
"""Where a path in a JSON file begins to mean something; what stands before is somebody's disk."""
FILES = {
    "ffpp": ("FaceForensics++", "FF-DF", "FF-F2F", "FF-FS", "FF-NT"),
    "faceshifter": ("FaceShifter",),
    "celeb_df_v1": ("Celeb-DF-v1",),
    "celeb_df_v2": ("Celeb-DF-v2",),
    "dfd": ("DeepFakeDetection",),
    "dfdc": ("DFDC",),
    "dfdc_preview": ("DFDCP",),
    "deeperforensics": ("DeeperForensics-1.0",),
    "uadfv": ("UADFV",),
}
"""Dataset -> its JSON file; where that is missing, those that together say the same."""
LIST = re.compile(r'"(frames|masks)"\s*:\s*\[')
LONGEST_KEY = 64
"""Characters that are kept for the next piece, so that no `"frames": [` is cut in two."""
READ_AT_ONCE = 1 << 22
LONGEST_LIST = 1 << 25
"""Characters: of a piece, and of the frames of one video."""
COMPRESSIONS = {"raw", "c23", "c40"}
COMPRESSION = "c23"
"""The one that is listed."""
SPLITS = ("test", "train", "val")
"""A video that is put in several splits is in the first of these: never trained on and tested."""
LABELS: dict[str, tuple[str, str | None]] = {
    "FF-real": ("ffpp", None),
    "FF-DF": ("ffpp", "Deepfakes"),
    "FF-F2F": ("ffpp", "Face2Face"),
    "FF-FS": ("ffpp", "FaceSwap"),
    "FF-NT": ("ffpp", "NeuralTextures"),
    "FF-FH": ("ffpp", "FaceShifter"),
    "CelebDFv1_real": ("celeb_df", None),
    "CelebDFv1_fake": ("celeb_df", "Celeb-synthesis"),
    "CelebDFv2_real": ("celeb_df", None),
    "CelebDFv2_fake": ("celeb_df", "Celeb-synthesis"),
    "DFD_real": ("dfd", None),
    "DFD_fake": ("dfd", "DeepFakeDetection"),
    "DFDC_Real": ("dfdc", None),
    "DFDC_Fake": ("", "unnamed"),
    "DFDCP_Real": ("dfdc_preview", None),
    "DFDCP_FakeA": ("dfdc_preview", "method_A"),
    "DFDCP_FakeB": ("dfdc_preview", "method_B"),
    "DF_real": ("deeperforensics", None),
    "DF_fake": ("deeperforensics", "end_to_end"),
    "UADFV_Real": ("uadfv", None),
    "UADFV_Fake": ("uadfv", "FakeApp"),
}
"""Their label -> the dataset whose names its videos bear (none: nobody is named), and the manipulation."""
PEOPLE: dict[str, tuple[tuple[str, str, str, str], ...]] = {
    "ffpp": ((r"(?P<t>\d{3})(_(?P<s>\d{3}))?", "ffpp/{t}", "ffpp/{s}", "ffpp/{t}"),),
    "celeb_df": (
        (r"(?P<t>id\d+)(_(?P<s>id\d+))?_(?P<n>\d{4})", "celeb_df/{t}", "celeb_df/{s}", "celeb_df/{t}_{n}"),
        (r"(?P<n>\d{5})", "celeb_df/youtube_{n}", "", "celeb_df/youtube_{n}"),
    ),
    "dfd": ((r"(?P<t>\d+)(_(?P<s>\d+))?__(?P<n>.+?)(__[A-Z0-9]{8})?", "dfd/{t}", "dfd/{s}", "dfd/{t}__{n}"),),
    "dfdc": ((r"(?P<n>[^/]+)", "dfdc/{n}", "", "dfdc/{n}"),),
    "dfdc_preview": (
        (
            r"(?P<s>\d+)_(?P<t>\d+)_(?P<n>[^/_]+_[^/]+)",
            *("dfdc_preview/{t}", "dfdc_preview/{s}", "dfdc_preview/{t}_{n}"),
        ),
        (r"(?P<t>\d+)_(?P<n>[^/]+)", "dfdc_preview/{t}", "", "dfdc_preview/{t}_{n}"),
    ),
    "deeperforensics": (
        (r"source_videos/(?P<t>[^/]+)/(.+/)?(?P<n>[^/]+)", "deeperforensics/{t}", "", "deeperforensics/{n}"),
        (r"(?P<t>\d{3})(_(?P<s>[MW]\d+))?", "ffpp/{t}", "deeperforensics/{s}", "ffpp/{t}"),
    ),
    "uadfv": ((r"(?P<t>\d{4})(_fake)?", "uadfv/{t}", "", "uadfv/{t}"),),
}
"""How the folders of a dataset are named, and the target, source and footage that such a name means."""


class Video(NamedTuple):
    """A video as a JSON file lists it, without its frames."""

    label: str
    folder: str
    """Path of the folder of its frames, as written; empty where no frame is listed."""
    frames: int


class Found(NamedTuple):
    """A video, and where it is listed."""

    video: Video
    split: str
    name: str


def _register(name: str, stems: tuple[str, ...]) -> None:
    about = f"{stems[0]}.json of DeepfakeBench: face crops, as it splits them"

    @dataset(f"deepfakebench_{name}", about=about, crop="none", shares="deepfakebench")
    def one(root: Path) -> Iterator[Clip]:
        """The videos of one JSON file; what is listed and how is said by `_clips`."""
        there = {file.stem: file for file in _json_files(root, f"deepfakebench_{name}")}
        files = [there[stem] for stem in stems if stem in there]
        if not files:
            known = ", ".join(sorted(there))
            raise HarnessError(f"deepfakebench_{name}: {root} has no {stems[0]}.json (found: {known})")
        files = files[:1] if stems[0] in there else files
        yield from _clips(f"deepfakebench_{name}", root, [(file, _videos(file)) for file in files])


for _name, _stems in FILES.items():
    _register(_name, _stems)


class UnknownLabel(HarnessError):
    """A label that no list of DeepfakeBench had: of a method that somebody added."""


_passed_over: dict[Path, list[str]] = {}
"""Root -> why some of its files were passed over when it was last listed."""


def _remarks(root: Path) -> list[str]:
    """Which files are passed over, for their labels are not known."""
    if root not in _passed_over:
        for _ in deepfakebench(root):
            pass
    return [f"none of its videos is listed: {reason}" for reason in _passed_over[root]]


@dataset(
    "deepfakebench",
    about="every JSON file of DeepfakeBench that is there: face crops",
    crop="none",
    remarks=_remarks,
)
def deepfakebench(root: Path) -> Iterator[Clip]:
    """The videos of all JSON files at once, each once; what is listed and how is said by `_clips`.

    A file of which a label is not known is passed over, and that is said, unless there is no other.
    """
    files, unknown_ones = [], list[UnknownLabel]()
    for file in _json_files(root, "deepfakebench"):
        if file.stem.endswith(("_c40", "_raw")):
            continue
        try:
            files.append((file, [*_videos(file)]))
        except UnknownLabel as error:
            unknown_ones.append(error)
    if unknown_ones and not files:
        raise unknown_ones[0]
    _passed_over[root] = list(map(str, unknown_ones))
    yield from _clips("deepfakebench", root, files)


def _json_files(root: Path, name: str) -> list[Path]:
    found = [file for place in PLACES for file in sorted((root / place).glob("*.json"))]
    if not found:
        raise HarnessError(f"{name}: no JSON file in {root}, {root / PLACES[1]} or {root / PLACES[2]}")
    return found


def _clips(name: str, root: Path, files: Iterable[tuple[Path, Iterable[Found]]]) -> Iterator[Clip]:
    """The videos of some JSON files with what each lists: FaceForensics++ and DFD at c23, others as they are.

    A clip is a folder of frames, known by its full path from the dataset's folder on: folder names alone
    repeat. Paths may be written with backslashes, under `./datasets/` or `datasets/rgb/`, or absolute;
    all of them are looked for under the root. A video that a file puts in several splits (its val is
    often its test, and UADFV and DFD are in all three) is test if it is in test at all. The reals of
    DeeperForensics are those of the file, even where they are `source_videos`. A label that is not
    known is a `HarnessError`. (Yan et al., NeurIPS 2023)
    """
    found: dict[str, Found] = {}
    for file, listed in files:
        for new in listed:
            place = _place(file, new)
            old = found.setdefault(place, new)
            if (_made_by(old), old.name) != (_made_by(new), new.name):
                said = f"{old.name} ({old.video.label}) and {new.name} ({new.video.label})"
                raise HarnessError(f"{file}: {said} are the same frames, {place}")
            if SPLITS.index(new.split) < SPLITS.index(old.split):
                found[place] = new
    bases = {folder: _base(root, folder) for folder in {place.partition("/")[0] for place in found}}
    for place, (video, split, _) in found.items():
        owner, manipulation = LABELS[video.label]
        target, source, shown = videos_of(*_people(owner, place))
        yield Clip(
            id=f"{name}/{place}",
            path=bases[place.partition("/")[0]] / place,
            label=REAL if manipulation is None else FAKE,
            split=split,
            manipulation=_variant(place) or manipulation if manipulation == "end_to_end" else manipulation,
            target=target,
            source=None if manipulation in REENACTED else source,
            attributes={"listed_frames": video.frames, **shown},
        )


def _made_by(found: Found) -> str | None:
    return LABELS[found.video.label][1]


def _base(root: Path, folder: str) -> Path:
    """Where a folder of frames lies: under the root, or beside the folder of lists that is the root."""
    tops = (root, *root.absolute().parents[:2])
    return next((top / base for top in tops for base in BASES if (top / base / folder).is_dir()), root)


def _videos(file: Path) -> Iterator[Found]:
    """Every video of a JSON file, as often as it is listed there."""
    for kinds in _mapping(file, "the file", _read(file)).values():
        for kind, splits in _mapping(file, "a dataset", kinds).items():
            for split, group in _mapping(file, kind, splits).items():
                if split not in SPLITS:
                    raise HarnessError(f"{file}: {kind}: {unknown('split', split, SPLITS)}")
                listed = {"": group} if isinstance(group, Video) else _mapping(file, f"{kind} {split}", group)
                if COMPRESSIONS & listed.keys():
                    if COMPRESSION not in listed:
                        raise HarnessError(f"{file}: {kind} {split} has no c23 (found: {', '.join(listed)})")
                    listed = _mapping(file, f"{kind} {split}", listed[COMPRESSION])
                for name, video in listed.items():
                    yield _checked(file, kind, split, name, video)


def _checked(file: Path, kind: str, split: str, name: str, video: Any) -> Found:
    if not isinstance(video, Video):
        raise HarnessError(f"{file}: {kind} {split}: {name} lists no frames")
    video = video if video.label else video._replace(label=kind)
    if video.label not in LABELS:
        raise UnknownLabel(f"{file}: {name}: {unknown('label', video.label, LABELS)}")
    return Found(video, split, name or re.split(r"[/\\]", video.folder)[-1])


def _mapping(file: Path, what: str, thing: Any) -> Mapping[str, Any]:
    if not isinstance(thing, dict):
        raise HarnessError(f"{file} is not a list of DeepfakeBench: {what} is not a mapping")
    return thing


def _read(file: Path) -> Any:
    """The content of a JSON file, what lists frames as a `Video`."""

    def video(facts: dict[str, Any]) -> Any:
        frames = facts.get("frames")
        return Video(str(facts.get("label", "")), *frames) if isinstance(frames, list) else facts

    try:
        sized(file, "list-bytes", "list")
        with file.open(encoding="utf-8-sig") as text:
            return json_of("".join(_without_frames(text, file)), str(file), object_hook=video)
    except OSError as error:
        raise HarnessError(f"cannot read {file}: {error.strerror}") from error
    except (ValueError, TypeError, RecursionError) as error:
        raise HarnessError(f"{file} is not a JSON file of DeepfakeBench: {error}") from error


def _without_frames(text: TextIO, file: Path) -> Iterator[str]:
    """The text in pieces, with `[folder, number]` for a list of frames or masks: in full they fill memory."""
    rest = ""
    while piece := text.read(READ_AT_ONCE):
        rest, start = rest + piece, 0
        while opened := LIST.search(rest, start):
            try:
                paths, end = json.JSONDecoder().raw_decode(rest, opened.end() - 1)
            except ValueError:  # the list goes on in the next piece
                if len(rest) - opened.start() > LONGEST_LIST:
                    raise
                break
            yield rest[start : opened.end() - 1] + json.dumps(_summary(paths, file))
            start = end
        cut = opened.start() if opened else max(start, len(rest) - LONGEST_KEY)
        yield rest[start:cut]
        rest = rest[cut:]
    yield rest


def _summary(paths: list[str], file: Path) -> list[Any]:
    """The one folder all frames are in, and their number."""
    if not paths:
        return ["", 0]
    # between the first and the last in order of letters, all begin as these two do
    folders = {re.split(r"[/\\][^/\\]*$", path)[0] for path in (min(paths), max(paths))}
    if len(folders) > 1:
        raise HarnessError(f"{file}: frames of one video lie in {' and '.join(sorted(folders))}")
    return [folders.pop(), len(paths)]


def _place(file: Path, found: Found) -> str:
    """The folder of frames from its dataset's folder on, with forward slashes."""
    video = found.video
    if not video.frames:
        return f"{file.stem}/{video.label}/{found.name}"
    parts = [part for part in re.split(r"[/\\]", video.folder) if part not in ("", ".")]
    starts = [index for index, part in enumerate(parts) if part in FOLDERS]
    if not starts or ".." in parts[starts[-1] :]:
        raise HarnessError(f"{file}: {video.folder} is in none of the folders {', '.join(FOLDERS)}")
    return "/".join(parts[starts[-1] :])


def _variant(place: str) -> str | None:
    """The variant of a DeeperForensics fake, which is the folder it is in."""
    named = re.search(r"/manipulated_videos/([^/]+)/", place)
    return named[1] if named else None


def _people(owner: str, place: str) -> tuple[str | None, str | None, str | None]:
    """Target, source and footage of a video, as far as its name says them."""
    for pattern, *meanings in PEOPLE.get(owner, ()):
        if named := re.search(f"/{pattern}$", place):
            parts = {key: part for key, part in named.groupdict().items() if part}
            target, source, footage = (
                meaning.format(**parts) if set(re.findall(r"{(\w)}", meaning)) <= parts.keys() else ""
                for meaning in meanings
            )
            return target or None, source or None, footage or None
    return None, None, None
