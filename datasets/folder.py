"""Any folder of your own: `real/**` and `fake/<manipulation>/**`, videos, images or folders of frames."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from harness.datasets._folder_tree import Tree

from harness.registry import dataset
from harness.types import FAKE, REAL, SPLITS, Clip, HarnessError

LAYOUT = f"real/** and fake/<manipulation>/**, optionally under {', '.join(SPLITS)}"


def left_out(root: Path) -> Iterator[tuple[Path, str]]:
    """Every file under the root that is no clip and no frame of one, with the reason in a few words."""
    return Tree(root).left_out()


def remarks(root: Path) -> Iterator[str]:
    """How folders of numbered images under the root were taken."""
    return Tree(root).remarks()


@dataset(
    "folder",
    about="a folder of your own: real/** and fake/<manipulation>/**, optionally under train, val or test",
    crop="face",
    left_out=left_out,
    remarks=remarks,
)
def folder(root: Path) -> Iterator[Clip]:
    """Every video, image or folder of frames under `root`, sorted by path.

    The first folders of a path say class and split, in any usual words and case (`harness/words.py`): `Fake`,
    `0_real`, `training_real`, `valid/real`, `real/valid`; a clip of no split is `test`. A folder of numbered
    images below that of its class is one clip of frames where the numbers say so (`words.frame_folders`);
    images directly in the folder of their class or method are clips of their own.

    Links to folders are followed. Raises `HarnessError` when `root` is not a folder or has no clip in that
    layout, for a folder that cannot be opened, and where names say that frames of several clips share a
    folder. A file's ending says that it is a clip; whether it can be read is found out later, and counted.
    """
    if not root.is_dir():
        raise HarnessError(f"dataset folder: {root} is not a folder")
    tree = Tree(root)
    tree.refuse_scattered_frames()
    found = False
    for path, where in tree.clips():
        found = True
        relative = path.relative_to(root).as_posix()
        frames = {"listed_frames": len(tree.frames[relative])} if relative in tree.frames else {}
        facts = (where.split, where.manipulation, None, None, frames)
        yield Clip(f"folder/{relative}", path, REAL if where.label == REAL else FAKE, *facts)
    if not found:
        names = ", ".join(tree.top()) or "nothing"
        raise HarnessError(
            f"dataset folder: no clips in {root}, in which are {names}; expected {LAYOUT}{tree.hint()}"
        )
