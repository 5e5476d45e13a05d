"""What names say: real or fake, which split, which frame of which clip; for folders and files alike."""

from __future__ import annotations

import os
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import pairwise

from harness.trees import IMAGES, VIDEOS, WORD
from harness.types import FAKE, REAL, SPLITS

LABELS: Mapping[str, int] = {
    **dict.fromkeys(("0", "false", "real", "reals", "original", "originals", "pristine"), REAL),
    **dict.fromkeys(("genuine", "authentic", "bonafide", "unaltered", "nature", "live"), REAL),
    **dict.fromkeys(("1", "true", "fake", "fakes", "manipulated", "forged", "synthetic"), FAKE),
    **dict.fromkeys(("tampered", "altered", "generated", "synthesized", "deepfake", "deepfakes"), FAKE),
    **dict.fromkeys(("spoof", "ai"), FAKE),
}
"""What says that a clip is real or fake, in small letters; of numbers and truths, 1 and true are fake."""
SPLIT_WORDS: Mapping[str, str] = {
    **{name: name for name in SPLITS},
    **{"training": "train", "valid": "val", "validation": "val", "dev": "val", "testing": "test"},
}
"""What names a split, in small letters."""
MISSING = ("", "na", "n/a", "nan", "none", "null", "<na>")
"""What programs write where they have nothing to say, in small letters."""

WHOLE = re.compile(r"([+-]?\d+)[.,]0*")
TRUTH = ("false", "true")
SAYS_NOTHING = frozenset(
    {
        "images",
        "image",
        "imgs",
        "img",
        "pictures",
        "photos",
        "videos",
        "video",
        "vids",
        "vid",
        "clips",
        "clip",
        "faces",
        "face",
    }
    | {"frames", "frame", "crops", "cropped", "samples", "data", "set", "dataset", "class", "sequences"}
)
"""Words of a folder's name that add nothing to class or split: `real_images`, `FakeVideos`, `test_set`."""


def label_of(said: object) -> int | None:
    """REAL or FAKE, from a number, a truth value or a word in any case; None where it says neither."""
    text = str(said).strip().lower()
    whole = WHOLE.fullmatch(text)
    return LABELS.get(whole[1] if whole else text)


def split_of(said: object) -> str | None:
    """`train`, `val` or `test`, from any usual word for it in any case; None where it is none."""
    return SPLIT_WORDS.get(str(said).strip().lower())


def folder_says(name: str) -> tuple[int | None, str | None] | None:
    """The class and the split that a folder's name states, either None; None for a name that says neither.

    `0_real`, `FAKE`, `training_fake`, `real_images`, `Validation`. A name with any further word states
    nothing, and so does a bare number or truth value: of folders, `1` and `true` do not always mean fake.
    """
    words = [word.lower() for word in WORD.findall(name)]
    words = [word for word in words if not (word.isdigit() or word in SAYS_NOTHING)]
    labels = {LABELS[word] for word in words if word in LABELS and word not in TRUTH}
    splits = {SPLIT_WORDS[word] for word in words if word in SPLIT_WORDS}
    known = all((word in LABELS and word not in TRUTH) or word in SPLIT_WORDS for word in words)
    if not words or not known or len(labels) > 1 or len(splits) > 1:
        return None
    return next(iter(labels), None), next(iter(splits), None)


FRAME_WORD = re.compile(
    r"(?P<clip>.*?)[\W_]*(?<![a-z])(?:frame|frames|frm)(?:[\W_]*(?:no|nr|num|number|idx|index|id))?[\W_]*"
    r"(?P<frame>\d+)(?:[\W_]+(?:face|f|crop)?[\W_]*\d+)?",
    re.IGNORECASE,
)
"""The stem of a file that says it is a frame: `vid_0001_frame_003`, `000_003_frame12`, `frame_12_face_0`."""
IN_VIDEO = re.compile(
    rf"(?P<clip>.+(?:{'|'.join(re.escape(ending) for ending in sorted(VIDEOS))}))[\W_]+(?P<frame>\d+)",
    re.IGNORECASE,
)
"""A frame named after the file it was taken from: `vid.mp4_12`, `vid.mp4#12`."""


def stem_of(name: str) -> str:
    """A file's name without the ending of an image."""
    ending = ending_of(name)
    return name[: -len(ending)] if ending in IMAGES else name


def ending_of(name: str) -> str:
    """The ending of a file's name with its dot, in small letters; empty where there is none."""
    return os.path.splitext(name)[1].lower()


def named_frame(name: str) -> tuple[str, int] | None:
    """The clip and the number that a file's name says it is a frame of; None where it does not say so.

    The clip is empty where the name holds nothing but the frame (`frame_003.png`).
    """
    stem = stem_of(name)
    if "fr" not in stem.lower() and "." not in stem:
        return None
    said = IN_VIDEO.fullmatch(stem) or FRAME_WORD.fullmatch(stem)
    return (said["clip"], int(said["frame"])) if said else None


FLAT = re.compile(r"(?P<clip>.*?[^\W_].*?)[\W_]+f?(?P<frame>\d+)\)?", re.IGNORECASE)
"""The stem of a name that may be that of a frame of what stands before its last number, or not:
`vid_0001_003`, `vid#3`, `vid (3)`, `vid_f3`."""


def before_number(names: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Names that end in a number -> what stands before it, and the number.

    Of `vid_12_0.png` the last number is that of a face, and the one before it counts, where so few of the
    names share what stands before the last that they are no frames by it.
    """
    cut = {name: (said["clip"], said["frame"]) for name in names if (said := FLAT.fullmatch(stem_of(name)))}
    counted = Counter(clip for clip, _ in cut.values())
    alone = sum(count == 1 for count in counted.values())
    if 2 * alone > len(counted) and all(len(number) == 1 for _, number in cut.values()):
        faces = {name: (FLAT.fullmatch(clip), number) for name, (clip, number) in cut.items()}
        if all(said for said, _ in faces.values()):
            return {n: (said["clip"], f"{said['frame']}_{face}") for n, (said, face) in faces.items() if said}
    return cut


def perhaps_frames(names: Iterable[str]) -> dict[str, str]:
    """Names of one folder that may be frames of several clips -> what clip each is of; none where not.

    They are alike in what stands before their number, and that is no class, nor beside one.
    """
    clips: dict[str, dict[str, str]] = defaultdict(dict)
    for name, (clip, number) in before_number(names).items():
        clips[clip][f"{number}.png"] = name
    if any(folder_says(clip) for clip in clips):
        return {}
    found = frame_folders({clip: list(frames) for clip, frames in clips.items()})
    return {name: clip for clip in sorted(found) for name in clips[clip].values()} if len(found) > 1 else {}


NEARLY_ALL = 0.8
"""Share of the images in a folder that must be numbered alike for it to hold a row of numbered images."""
MOST_A_FOLDER = 10
"""Images a folder, for each folder, above which folders that are named by words and count alike are taken for
sets of pictures: three sources of a thousand pictures each are no three clips."""


def frame_folders(folders: Mapping[str, Sequence[str]], methods: Collection[str] = ()) -> set[str]:
    """The folders whose images are the frames of one clip each.

    `folders`: path of a folder that may hold frames, with `/` -> the names of the images in it. `methods`:
    those that may as well be a method and hold its pictures (`fake/stylegan2`).

    A folder of numbered images holds frames if they are called frames, if the folder is a numbered item
    (`vid_003`, `000_003`, `7`), or if three or more folders beside each other count alike. Numbers that go
    on from folder to folder are those of one set of pictures. A single image is a picture.
    """
    numbered = {folder: names for folder, names in folders.items() if is_numbered(names)}
    beside: dict[str, list[str]] = defaultdict(list)
    for folder in numbered:
        beside[_item(folder).rpartition("/")[0]].append(folder)
    found: set[str] = set()
    for siblings in beside.values():
        whole = {folder: numbered[folder] for folder in siblings}
        found |= {folder for folder in siblings if _of_one_clip(numbered[folder])}
        if not _go_on(whole.values()):
            sure = {folder for folder in siblings if folder not in methods}
            found |= {folder for folder in siblings if is_item(folder)}
            found |= _in_company(sure) | (sure if _count_alike([whole[folder] for folder in sure]) else set())
    if sure_ones := found - set(methods):  # where reals are folders of frames, so are fakes
        shapes = {_shape(folder) for folder in sure_ones}
        maybe = [folder for folder in methods if folder in numbered]
        found |= {folder for folder in maybe if "#" in _shape(folder) and _shape(folder) in shapes}
        found |= set(maybe) if _count_alike([numbered[folder] for folder in maybe]) else set()
    return found


def is_item(folder: str) -> bool:
    """Whether a folder's name is a number, or a word with a padded one: `3`, `000_003`, `vid_003`."""
    name = _item(folder).rpartition("/")[2]
    return bool(re.fullmatch(r"[\d_\-]*\d[\d_\-]*", name) or re.search(r"(?<![\d.])0\d+", name))


def _item(folder: str) -> str:
    """The folder without those at its end that say nothing: `vid_003/frames` is `vid_003`."""
    parts = folder.split("/")
    while len(parts) > 1 and parts[-1].lower() in SAYS_NOTHING:
        parts.pop()
    return "/".join(parts)


def _shape(folder: str) -> str:
    """A folder's name with `#` for each number."""
    return re.sub(r"\d+", "#", _item(folder).rpartition("/")[2])


def _in_company(folders: Collection[str]) -> set[str]:
    """Those of the folders whose names differ from that of another in numbers alone: `clip7`, `clip12`."""
    shapes = Counter(map(_shape, folders))
    return {folder for folder in folders if "#" in _shape(folder) and shapes[_shape(folder)] > 1}


def is_numbered(names: Sequence[str]) -> bool:
    """Whether several names differ in numbers alone, all but a few: `000.png`, `001.png`, `cover.png`."""
    return len(_in_a_row(names)) > 1


def _in_a_row(names: Sequence[str]) -> list[str]:
    """The stems of the names that differ in numbers alone; empty where those are not nearly all."""
    alike: dict[str, list[str]] = defaultdict(list)
    for stem in sorted({stem_of(name) for name in names}):
        alike[re.sub(r"\d+", "#", stem)].append(stem)
    shape, most = max(alike.items(), key=lambda each: len(each[1]), default=("", []))
    return most if "#" in shape and len(most) >= NEARLY_ALL * len(names) else []


def _of_one_clip(names: Sequence[str]) -> bool:
    """Whether all names say that they are frames, and of the same clip."""
    said = [named_frame(name) for name in names]
    return None not in said and len({frame[0] for frame in said if frame}) == 1


def _numbers(names: Sequence[str]) -> list[int]:
    """The numbers that images are told apart by: the first one that differs, ascending, each once."""
    every = [[int(number) for number in re.findall(r"\d+", stem)] for stem in _in_a_row(names)]
    column = next((k for k in range(len(every[0])) if len({numbers[k] for numbers in every}) > 1), 0)
    return sorted({numbers[column] for numbers in every})


def _count_alike(folders: Sequence[Sequence[str]]) -> bool:
    """Whether three or more folders, of few images, count from one number on or hold the same names."""
    if len(folders) < 3 or sorted(map(len, folders))[len(folders) // 2] > MOST_A_FOLDER * len(folders):
        return False
    if len({frozenset(names) for names in folders}) == 1:
        return True
    counted = [_numbers(names) for names in folders]
    whole = all(numbers[-1] - numbers[0] + 1 == len(numbers) for numbers in counted)
    return whole and len({numbers[0] for numbers in counted}) == 1


def _go_on(folders: Iterable[Sequence[str]]) -> bool:
    """Whether the numbers of several folders are parts of one long row: 0 to 999, 1000 to 1999."""
    spans = sorted((numbers[0], numbers[-1]) for numbers in map(_numbers, folders))
    return len(spans) > 1 and all(one[1] < other[0] for one, other in pairwise(spans))


def parted(clip_id: str) -> tuple[str, str]:
    """The folder of an id, empty where it has none, and the rest."""
    folder, _, name = clip_id.replace("\\", "/").rpartition("/")
    return folder, name


def says_class(folder: str) -> bool:
    """Whether the last part of a path says class or split: such a folder is no clip."""
    return folder_says(parted(folder)[1]) is not None


def frame_told(clip_id: str) -> str | None:
    """The clip of an id that says that it is a frame of one; None for any other."""
    folder, name = parted(clip_id)
    said = named_frame(name)
    if said is None or not (said[0] or folder) or (not said[0] and says_class(folder)):
        return None
    return "/".join(filter(None, (folder, said[0])))


def frames_in_folders(labelled: Iterable[tuple[str, int]]) -> tuple[dict[str, str], dict[str, str]]:
    """Ids that are numbered items of one folder with one label -> that folder: surely frames, and perhaps.

    `labelled`: ids or paths, with `/` or `\\`, and their labels.
    """
    listed: dict[str, dict[str, str]] = defaultdict(dict)
    said: dict[str, dict[str, int]] = defaultdict(dict)
    for clip_id, label in labelled:
        folder, name = parted(clip_id)
        listed[folder][name] = clip_id
        said[folder][name] = label
    labels = {folder: set(each.values()) for folder, each in said.items()}
    media = IMAGES | VIDEOS
    images = {each: [n for n in names if ending_of(n) in IMAGES] for each, names in listed.items()}
    bare = {each: [n for n in names if ending_of(n) not in media] for each, names in listed.items()}
    places = {each for each in listed if each and len(labels[each]) == 1 and not says_class(each)}
    methods = _methods(labels)
    sure = frame_folders({each: images[each] for each in places}, methods & places)
    unsure = {each for each in places - sure - methods if is_numbered(images[each])}
    # without an ending a number may be that of a clip: of a person, of a part of a dataset
    numbers = {each: bare[each] for each in places}
    found = {listed[each][name]: each for each in sorted(sure) for name in images[each]}
    doubtful = {listed[each][name]: each for each in sorted(unsure) for name in images[each]}
    doubtful |= {
        listed[each][name]: each for each in sorted(frame_folders(numbers, places)) for name in numbers[each]
    }
    for folder in sorted(listed.keys() - sure - unsure):
        maybe = perhaps_frames(images[folder]) | _unnamed(images[folder])
        maybe |= _of_one_label(perhaps_frames(bare[folder]), said[folder])
        doubtful |= {
            listed[folder][name]: "/".join(filter(None, (folder, clip))) for name, clip in maybe.items()
        }
    return found, doubtful


def _of_one_label(clips: Mapping[str, str], labels: Mapping[str, int]) -> Mapping[str, str]:
    """The names that may be frames, if those of each clip have one label; none otherwise."""
    return (
        clips if len({(clip, labels[name]) for name, clip in clips.items()}) == len({*clips.values()}) else {}
    )


def _unnamed(names: list[str]) -> dict[str, str]:
    """Images that say that they are frames, of no clip that is named."""
    found = [name for name in names if (said := named_frame(name)) and not said[0]]
    return dict.fromkeys(found, "") if len(found) > 1 else {}


def _methods(labels: Mapping[str, set[int]]) -> set[str]:
    """Folders of fakes that may be a method with its pictures: below a folder `fake`, or beside `real`."""
    beside = {parted(each)[0] for each in labels if says_class(each)}

    def below_fake(folder: str) -> bool:
        said = folder_says(parted(parted(folder)[0])[1])
        return said is not None and said[0] == FAKE

    fakes = {each for each, said in labels.items() if said == {FAKE}}
    return {each for each in fakes if parted(each)[0] in beside or below_fake(each)}
