"""What each file below a folder of one's own is: a clip, a frame of one, or left out for a reason."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

from harness.trees import IMAGES, VIDEOS, is_directory, is_image, is_mask, masks_beside, places, without_mask
from harness.types import FAKE, REAL, HarnessError
from harness.words import folder_says, frame_folders, is_numbered, named_frame, perhaps_frames, split_of

UNNAMED = "unnamed"
"""Manipulation of a fake that lies directly in the folder of fakes."""
SHOWN = 8
"""Names of folders that an error lists."""
TRIED = 100
"""Folders below a root without clips that are looked into for one that fits."""


@dataclass(frozen=True, slots=True)
class Place:
    """What the folders above a file say of it."""

    label: int | None
    """None where no folder says real or fake."""
    split: str
    depth: int
    """Folders that said so, of the first ones."""
    below: tuple[str, ...]
    """The folders between those and the file, without one that says the split."""

    @property
    def manipulation(self) -> str | None:
        """The method that the folders name, None for a real clip."""
        return None if self.label == REAL else self.below[0] if self.below else UNNAMED


class Tree:
    """The files under a root, and what each of them is."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.unread: list[Path] = []
        names: dict[str, list[str]] = defaultdict(list)
        for path in _files(root):
            if path.name[0] != "." and path.suffix.lower() in VIDEOS | IMAGES:
                names[path.parent.relative_to(root).as_posix()].append(path.name)
            else:
                self.unread.append(path)
        self.placed = {folder: (_place(folder), found) for folder, found in names.items()}
        """Folder below the root -> what it says, and the names of the videos and images directly in it."""
        self._fitting: dict[PurePosixPath, str] = {}

    @cached_property
    def masks(self) -> set[str]:
        """Images below the root that are masks of others: beside them, or in a folder `masks` near them."""
        found: set[str] = set()
        stems: dict[str, set[str]] = defaultdict(set)
        for folder, (_, names) in self.placed.items():
            found |= {f"{folder}/{name}" for name in masks_beside(filter(_is_image, names))}
            if _of_masks(folder) is None:
                for above in PurePosixPath(folder, "_").parents:
                    stems[str(above)] |= {PurePosixPath(name).stem for name in names}
        for folder, (_, names) in self.placed.items():
            if (top := _of_masks(folder)) is not None:
                of = [
                    name for name in names if without_mask(PurePosixPath(name).stem) in stems[str(top.parent)]
                ]
                found |= {f"{folder}/{name}" for name in names} if 2 * len(of) >= len(names) else set()
        return found

    @cached_property
    def may_be_frames(self) -> dict[str, list[str]]:
        """Folder below that of its class (of a fake, of its method) -> the images in it, without masks."""
        return {folder: names for folder, names in self._images.items() if not self._may_be_method(folder)}

    @cached_property
    def _images(self) -> dict[str, list[str]]:
        return {
            folder: [n for n in names if _is_image(n) and f"{folder}/{n}" not in self.masks]
            for folder, (place, names) in sorted(self.placed.items())
            if place.label is not None and place.below
        }

    def _may_be_method(self, folder: str) -> bool:
        place = self.placed[folder][0]
        return place.label == FAKE and len(place.below) == 1

    @cached_property
    def frames(self) -> dict[str, list[str]]:
        """Folder below the root -> the names of the images in it, where those are the frames of one clip."""
        found = frame_folders(self._images, set(filter(self._may_be_method, self._images)))
        return {folder: self._images[folder] for folder in sorted(found)}

    def clips(self) -> Iterator[tuple[Path, Place]]:
        """Every clip and what is said of it, sorted by path."""
        found: list[tuple[Path, Place]] = []
        for folder, (place, names) in self.placed.items():
            if place.label is None:
                continue
            if folder in self.frames:
                clip = place if len(place.below) > 1 else Place(place.label, place.split, place.depth, ())
                found.append((self.root / folder, clip))
            rest = set(names) - set(self.frames.get(folder, ()))
            found += [(self.root / folder / n, place) for n in rest if f"{folder}/{n}" not in self.masks]
        return iter(sorted(found, key=lambda clip: clip[0]))

    def refuse_scattered_frames(self) -> None:
        """An error where images say that they are frames, and lie in no folder of one clip."""
        for folder, (place, names) in self.placed.items():
            if place.label is None or folder in self.frames:
                continue
            clips: dict[str, list[str]] = defaultdict(list)
            for name in filter(_is_image, names):
                if said := named_frame(name):
                    clips[said[0]].append(name)
            several = {clip: found for clip, found in clips.items() if len(found) > 1}
            if several:
                clip, found = min(several.items())
                count = sum(map(len, several.values()))
                raise HarnessError(
                    f"dataset folder: {count} images in {self.root / folder} are named as frames of"
                    f" {len(several)} clip(s) ({min(found)}), so they are no clips of their own: put the"
                    f" frames of each clip in a folder, {folder}/{clip or 'NAME'}/, or give them other names"
                )

    def remarks(self) -> Iterator[str]:
        """What of folders of numbered images was decided by their names."""
        if self.frames:
            number = sum(map(len, self.frames.values()))
            yield (
                f"{number:,} numbered images are taken as the frames of {len(self.frames):,}"
                f" {'clip' if len(self.frames) == 1 else 'clips'}, one a folder ({next(iter(self.frames))})"
            )
        doubtful = [
            f for f in self.may_be_frames if f not in self.frames and is_numbered(self.may_be_frames[f])
        ]
        if doubtful:
            number = sum(len(self.may_be_frames[folder]) for folder in doubtful)
            yield (
                f"{number:,} numbered images in {len(doubtful):,} folders ({doubtful[0]}) are taken as"
                " pictures of their own; frames of a clip are recognised by names such as frame_001"
            )
        for folder, (place, names) in self.placed.items():
            frames = place.label is None or folder in self.frames
            if maybe := {} if frames else perhaps_frames(filter(_is_image, names)):
                yield (
                    f"{len(maybe):,} images in {folder} may be frames of {len(set(maybe.values())):,} clips"
                    f" ({min(maybe)}) and are taken as pictures of their own; give each clip's a folder"
                )

    def left_out(self) -> Iterator[tuple[Path, str]]:
        """Every file that is no clip and no frame, with the reason."""
        for path in self.unread:
            ending = path.suffix.lower()
            yield (
                path,
                "hidden" if path.name[0] == "." else f"{ending} is not read" if ending else "no ending",
            )
        for folder, (place, names) in self.placed.items():
            why = self._why_unplaced(folder, place) if place.label is None else "masks of other images"
            for name in names:
                if place.label is None or f"{folder}/{name}" in self.masks:
                    yield self.root / folder / name, why

    def _why_unplaced(self, folder: str, place: Place) -> str:
        """Why files of a folder that says neither real nor fake are no clips."""
        rest = PurePosixPath(folder).parts[place.depth :]
        if not rest:
            return "in no folder of real or of fake"
        top = PurePosixPath(*PurePosixPath(folder).parts[: place.depth + 1])
        if top not in self._fitting:
            self._fitting[top] = f" (--root .../{top} fits)" if _fits(self.root / top) else ""
        return f"in {rest[0]}/, which says neither real nor fake{self._fitting[top]}"

    def top(self) -> list[str]:
        """What lies directly under the root, of what was seen; folders with a slash."""
        tops = {path.relative_to(self.root).parts for path in self.unread}
        tops |= {
            PurePosixPath(folder, name).parts for folder, (_, names) in self.placed.items() for name in names
        }
        listed = sorted({f"{parts[0]}/" if len(parts) > 1 else parts[0] for parts in tops})
        return [*listed[:SHOWN], *([f"{len(listed) - SHOWN} more"] if len(listed) > SHOWN else [])]

    def hint(self) -> str:
        """The root that would fit, a folder above this one or below it; empty where none is seen."""
        above = next((each for each in self.root.absolute().parents[:2] if _fits(each)), None)
        inside = any(folder_says(each.name) for each in (self.root.absolute(), self.root.absolute().parent))
        fits = above if inside and above else next(filter(_fits, _folders(self.root)), None)
        return f"; --root {fits} fits" if fits else ""


def _is_image(name: str) -> bool:
    return is_image(Path(name))


def _of_masks(folder: str) -> PurePosixPath | None:
    """The folder of masks that a path is in or is."""
    each = PurePosixPath(folder)
    return next((place for place in (each, *each.parents) if is_mask(place.name)), None)


def _fits(root: Path) -> bool:
    """Whether folders directly in this one, or in a split, say real and fake."""
    try:
        says = {each: folder_says(each.name) for each in _subfolders(root)}
        inner = [each for each, said in says.items() if said and said[0] is None]
        below = [folder_says(each.name) for split in inner for each in _subfolders(split)]
    except OSError:
        return False
    return {REAL, FAKE} <= {said[0] for said in (*says.values(), *below) if said}


def _folders(root: Path) -> Iterator[Path]:
    """Some folders below the root, nearest first."""
    level = [root]
    for _ in range(3):
        try:
            level = [each for folder in level for each in _subfolders(folder)][:TRIED]
        except OSError:
            return
        yield from level


def _subfolders(folder: Path) -> list[Path]:
    return sorted(each for each in folder.iterdir() if each.is_dir() and not each.name.startswith("."))


def _files(folder: Path) -> Iterator[Path]:
    """The files in a folder and below it (`places`)."""
    for _, entries in places(folder):
        yield from (Path(entry.path) for entry in entries if not is_directory(entry))


def _place(folder: str) -> Place:
    """What the folders of a path say: class and split by the first ones, in either order."""
    parts = [] if folder == "." else folder.split("/")
    label, split, depth = None, None, 0
    for part in parts:
        said = folder_says(part)
        if said is None or (said[0] is not None and label is not None) or (said[1] and split):
            break
        label = said[0] if said[0] is not None else label
        split = said[1] or split
        depth += 1
    below = parts[depth:]
    if label is not None and split is None:  # fake/swap/train
        at = next((k for k, part in enumerate(below[:2]) if split_of(part)), None)
        if at is not None:
            split = split_of(below.pop(at))
    return Place(label, split or "test", depth, tuple(below))
