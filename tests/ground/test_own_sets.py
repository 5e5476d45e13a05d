"""Clips of one's own under a name: it stays when the folder moves, and never takes another's."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from harness import registry
from harness.data.clips import content_of, list_clips
from harness.data.location import root_of, set_root, why_no_folder
from harness.own_sets import OwnSet, bring, find_own, known_as, own_names
from harness.types import HarnessError


def make(folder: Path, names: tuple[str, ...] = ("real/a.mp4", "fake/swap/b.mp4")) -> Path:
    """A folder of files that end like videos; each holds its name."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    return folder


def brought(path: Path, name: str | None = None, **said: Any) -> OwnSet:
    return bring(path, name, said, registry.datasets.get)


def content(name: str) -> str:
    entry = registry.datasets.get(name)
    return content_of(list_clips(entry, root_of(entry)), entry)


def test_a_folder_is_a_dataset_under_its_own_name(home: Path, tmp_path: Path) -> None:
    assert brought(make(tmp_path / "My Clips-2")).name == "my_clips_2"
    entry = registry.datasets.get("my_clips_2")
    assert [clip.id for clip in list_clips(entry, root_of(entry))] == [
        "my_clips_2/fake/swap/b.mp4",
        "my_clips_2/real/a.mp4",
    ]
    assert entry.crop == "face" and not entry.embedded
    assert registry.datasets.knows("my_clips_2") and own_names() == ["my_clips_2"]
    assert "my_clips_2" not in registry.datasets.names()


def test_a_folder_that_moved_is_the_same_set(home: Path, tmp_path: Path) -> None:
    brought(make(tmp_path / "mine"), people_from="parent", splits=False)
    before = content("mine")
    shutil.copytree(tmp_path / "mine", tmp_path / "far" / "renamed")
    shutil.rmtree(tmp_path / "mine")
    again = brought(tmp_path / "far" / "renamed")
    assert (again.name, again.people_from) == ("mine", "parent")
    assert content("mine") == before
    assert root_of(registry.datasets.get("mine")) == tmp_path / "far" / "renamed"


def test_a_set_whose_folder_is_gone_is_said_to_be_that(home: Path, tmp_path: Path) -> None:
    make(tmp_path / "mine")
    brought(tmp_path / "mine")
    (tmp_path / "mine").rename(tmp_path / "other")
    why = why_no_folder(registry.datasets.get("mine"))
    assert why is not None and "not where they were (mine)" in why and str(tmp_path) not in why
    with pytest.raises(HarnessError, match="mine are clips of your own"):
        set_root("mine", tmp_path / "other")


def test_other_files_are_other_content(home: Path, tmp_path: Path) -> None:
    brought(make(tmp_path / "mine"))
    before = content("mine")
    (tmp_path / "mine" / "real" / "a.mp4").write_text("real/c.mp4")
    assert content("mine") != before
    assert known_as(tmp_path / "mine", registry.datasets.get) is not None


def test_a_name_of_other_clips_is_not_taken(home: Path, tmp_path: Path) -> None:
    brought(make(tmp_path / "one" / "clips"))
    make(tmp_path / "two" / "clips", ("real/x.mp4", "fake/y.mp4"))
    with pytest.raises(HarnessError, match=r"the name clips belongs to the clips in .*, e\.g\. clips_2"):
        brought(tmp_path / "two" / "clips")
    assert brought(tmp_path / "two" / "clips", "clips_2").name == "clips_2"
    assert brought(tmp_path / "two" / "clips").name == "clips_2"
    assert brought(tmp_path / "one" / "clips").name == "clips"


def test_what_was_trained_on_keeps_its_name(home: Path, tmp_path: Path) -> None:
    make(tmp_path / "mine")
    assert brought(tmp_path / "mine", "alias").name == "alias"
    assert brought(tmp_path / "mine", "mine", splits=True).name == "mine"
    with pytest.raises(HarnessError, match="mine was trained on as mine; it keeps that name, not other"):
        brought(tmp_path / "mine", "other")
    assert brought(tmp_path / "mine").name == "mine"


def test_other_clips_under_a_name_that_is_free_again_are_read_as_they_are(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    brought(make(tmp_path / "one" / "clips"), splits=True, people_from="names")
    shutil.rmtree(tmp_path / "one")
    found = brought(make(tmp_path / "two" / "clips", ("real/x.mp4", "fake/y.mp4")))
    assert (found.name, found.splits, found.people_from) == ("clips", False, "")
    assert "the clips that had it are gone" in capsys.readouterr().err


def test_a_dataset_keeps_its_name(home: Path, tmp_path: Path) -> None:
    assert brought(make(tmp_path / "dfdc")).name == "own_dfdc"
    assert brought(make(tmp_path / "клипы")).name == "own_clips"
    with pytest.raises(HarnessError, match="dfdc is the name of a dataset"):
        brought(tmp_path / "dfdc", "dfdc")
    with pytest.raises(HarnessError, match="must be lower-case words"):
        brought(tmp_path / "dfdc", "My-Clips")


def test_what_was_said_before_stays_until_something_else_is_said(home: Path, tmp_path: Path) -> None:
    make(tmp_path / "mine")
    brought(tmp_path / "mine", splits=True, people_from="names")
    assert brought(tmp_path / "mine", people_from=None).people_from == "names"
    changed = brought(tmp_path / "mine", people_from="parent")
    assert (changed.people_from, changed.splits) == ("parent", True)


def test_columns_and_labels_of_a_manifest_may_have_other_names(home: Path, tmp_path: Path) -> None:
    make(tmp_path, ("a.mp4", "b.mp4"))
    (tmp_path / "list.csv").write_text("file,class\na.mp4,pristine\nb.mp4,swapped\n")
    brought(tmp_path / "list.csv", columns={"path": "file", "label": "class"}, labels=("pristine", "swapped"))
    entry = registry.datasets.get("list")
    assert [(clip.id, clip.label) for clip in list_clips(entry, root_of(entry))] == [
        ("list/a.mp4", 0),
        ("list/b.mp4", 1),
    ]
    with pytest.raises(HarnessError, match="no column 'nowhere' \\(found: file, class\\)"):
        brought(tmp_path / "list.csv", columns={"path": "nowhere"})


def test_clips_listed_by_absolute_paths_show_no_folder_in_their_ids(home: Path, tmp_path: Path) -> None:
    far = make(tmp_path / "secret", ("one/a.mp4", "two/b.mp4"))
    (tmp_path / "here").mkdir()
    lines = [f"{far}/one/a.mp4,0", f"{far}/two/b.mp4,1"]
    (tmp_path / "here" / "list.csv").write_text("path,label\n" + "\n".join(lines) + "\n")
    brought(tmp_path / "here" / "list.csv")
    entry = registry.datasets.get("list")
    assert [clip.id for clip in list_clips(entry, root_of(entry))] == ["list/one/a.mp4", "list/two/b.mp4"]


def test_a_damaged_record_is_said(home: Path, tmp_path: Path) -> None:
    record = brought(make(tmp_path / "mine"))
    record.path.write_text(json.dumps({"name": "mine"}))
    with pytest.raises(HarnessError, match="does not describe clips of one's own"):
        find_own("mine")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("root", value) for value in ("a\0b", "n" * 5000, "mine", "")),
        *(("kind", value) for value in ("ffpp", "")),
        *(("labels", value) for value in (["real"], ["a", "b", "c"], [1, 2])),
        *(("people_from", "anything"), ("columns", {"path": 3}), ("alike", {"a": []}), ("name", "other")),
    ],
)
def test_a_record_that_says_what_nobody_said_is_refused(
    field: str, value: Any, home: Path, tmp_path: Path
) -> None:
    record = brought(make(tmp_path / "mine"))
    said = {**json.loads(record.path.read_text()), field: value}
    for told in (said, {name: part for name, part in said.items() if name != "stored"}):
        record.path.write_text(json.dumps(told))
        with pytest.raises(HarnessError, match="does not describe") as error:
            find_own("mine")
        assert str(error.value).isprintable()
