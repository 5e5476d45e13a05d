"""What is wrong with the list of a dataset or beside its files is told, and no more than that."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from harness import registry
from harness.data.check.inspection import inspect
from harness.data.problems import extra
from harness.registry import dataset
from harness.types import REAL, Clip
from tests.data.spoilt_dataset import Tree, checked, finding


def test_an_id_given_twice_is_named(tree: Tree) -> None:
    clips = list(tree.clips())
    dataset("twice", about="one id twice")(lambda root: iter([*clips, clips[3]]))
    found = finding(inspect(registry.datasets.get("twice"), tree.root), "ids given twice")
    assert found.severity == "error" and found.names == (clips[3].id,)


def test_a_dataset_without_a_clip_is_an_error_and_no_crash(tree: Tree) -> None:
    tree.lines.clear()
    tree.write()
    assert "list" in [each.what for each in tree.inspected().of("error")]
    assert checked("spoilt", root=tree.root) == 1


def test_a_list_that_stops_where_a_folder_may_not_be_opened_is_an_error_and_no_crash(tree: Tree) -> None:
    def forbidden(root: Path) -> Iterator[Clip]:
        yield from list(tree.clips())[:3]
        raise PermissionError(13, "Permission denied", str(root / "test"))

    dataset("forbidden", about="a folder is locked")(forbidden)
    inspection = inspect(registry.datasets.get("forbidden"), tree.root)
    assert inspection.clips == 3
    assert "Permission denied" in finding(inspection, "list").text


def test_files_of_another_dataset_under_the_same_root_are_only_noted(tree: Tree) -> None:
    source = tree.path(tree.names("val", "real")[0])
    for number in range(30):
        folder = tree.root / "elsewhere" / f"part{number:02d}"
        folder.mkdir(parents=True)
        shutil.copyfile(source, folder / "clip.mp4")
    (tree.root / "train" / "real" / "notes.txt").write_text("no clip")
    (tree.root / "train" / "real" / ".hidden.mp4").touch()
    found = finding(tree.inspected(), "extra files")
    assert (found.severity, len(found.names)) == ("note", 1)
    assert found.names[0].startswith("elsewhere: 30 files: part00/clip.mp4, ")
    clips = [Clip(f"other/{k}", path, REAL, "test") for k, path in enumerate(tree.root.glob("elsewhere/*/*"))]
    assert list(extra(list(tree.clips()), tree.root, clips)) == []


def test_a_link_that_leads_back_up_is_walked_once(tree: Tree) -> None:
    (tree.root / "test" / "again").symlink_to(tree.root, target_is_directory=True)
    assert tree.inspected().findings == ()
