"""A manifest says everything of its clips, and a line that cannot be understood is told by its number."""

from __future__ import annotations

import math
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow
import pyarrow.parquet
import pytest

from harness.checks.conformance import check_dataset
from harness.registry import datasets
from harness.types import FAKE, REAL
from tests.datasets.listings import listed, people, refused
from tests.datasets.trees.planting import write


def test_a_manifest_says_everything_of_its_clips(built: Any) -> None:
    root = built("manifest")
    clips = listed("manifest", root)
    assert list(clips) == [f"clips/{letter}.mp4" for letter in "abcdef"]
    a, b, c, d, e, f = clips.values()
    assert [clip.label for clip in (a, b, c, d, e, f)] == [REAL, FAKE, REAL, FAKE, FAKE, REAL]
    assert [clip.split for clip in (a, b, c, d, e, f)] == ["test", "test", "test", "test", "train", "val"]
    assert (b.manipulation, b.target, b.source) == ("swap", "anna", "bert")
    assert (d.manipulation, d.target, d.source) == ("unnamed", None, None)
    assert a.attributes == {"camera": "phone"}
    assert b.attributes == {"box": [1, 2, 30, 40]}
    assert c.attributes == {"box": [1, 2, 30, 40], "camera": "phone"}
    assert c.path == root / "clips" / "c.mp4"


def test_a_manifest_may_be_a_file_of_any_name_csv_or_parquet(built: Any, tmp_path: Path) -> None:
    whole = listed("manifest", built("manifest"))
    shutil.copy(built("manifest") / "manifest.csv", tmp_path / "mine.csv")
    assert list(listed("manifest", tmp_path / "mine.csv")) == list(whole)
    table = pd.read_csv(tmp_path / "mine.csv")
    table.to_parquet(tmp_path / "mine.parquet")
    assert [
        (c.id, c.label, c.split, people(c)) for c in listed("manifest", tmp_path / "mine.parquet").values()
    ] == [(c.id, c.label, c.split, people(c)) for c in whole.values()]
    columns = {"path": ["a.mp4", "b.mp4", "c.mp4"], "label": [1.0, 0.0, 1.0], "noise": [1.5, math.nan, None]}
    pyarrow.parquet.write_table(pyarrow.table(columns), tmp_path / "numbers.parquet")
    clips = listed("manifest", tmp_path / "numbers.parquet")
    assert [clip.label for clip in clips.values()] == [FAKE, REAL, FAKE]
    assert [clip.attributes for clip in clips.values()] == [{"noise": 1.5}, {}, {}]


def test_a_relative_path_that_leaves_the_folder_is_refused_and_an_absolute_one_is_not(tmp_path: Path) -> None:
    file = tmp_path / "set" / "manifest.csv"
    write(file, "path,label\na.mp4,1\nb/../../c.mp4,0\n")
    refused("manifest", file, "line 3", "b/../../c.mp4 leaves the manifest's folder")
    write(file, f"path,label\n{tmp_path}/c.mp4,1\n{tmp_path}/set/d.mp4,0\n..e.mp4,0\n")
    clips = listed("manifest", file)
    assert list(clips) == [f"{tmp_path}/c.mp4", "d.mp4", "..e.mp4"]
    assert [clip.path for clip in clips.values()] == [
        tmp_path / "c.mp4",
        *(file.parent / n for n in ("d.mp4", "..e.mp4")),
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("path,split\na.mp4,test\n", "no column 'label' (found: path, split)"),
        ("path;label\na.mp4;1\n", "no column 'path' (found: path;label)"),
        ("", "no column 'path' (found: none)"),
        ("path,label,label\n", "two columns 'label'"),
        ("path,label\na.mp4,1\nb.mp4,false\n", "line 3: the label 'false' is not 0, 1, real or fake"),
        ("path,label\na.mp4,1\nb.mp4,\n", "line 3: it has no label"),
        ("path,label\n,1\n", "line 2: it has no path"),
        ("path,label\n\n\na.mp4,1\nx/../a.mp4,1\n", "line 5: x/../a.mp4 is listed twice, before on line 4"),
        ("path,label\na.mp4,1,2\n", "line 2: more cells than columns"),
        ("path,label,split\na.mp4,1,tset\n", "line 2: unknown split 'tset'; did you mean 'test'"),
        ("path,label,manipulation\na.mp4,0,swap\n", "line 2: a real clip names the manipulation 'swap'"),
        ("path,label,source\na.mp4,real,bert\n", "line 2: a real clip names the source 'bert'"),
        ("path,label,box\na.mp4,1,1;2;3\n", "line 2: the box '1;2;3'"),
        ("path,label,box\na.mp4,1,1;2;0;4\n", "line 2: the box '1;2;0;4'"),
        ("path,label,box\na.mp4,1,left\n", "line 2: the box 'left'"),
    ],
)
def test_a_line_that_cannot_be_understood_is_an_error_with_its_number(
    text: str, said: str, tmp_path: Path
) -> None:
    write(tmp_path / "manifest.csv", text)
    refused("manifest", tmp_path, "manifest.csv", said)


def test_a_manifest_that_is_no_table_is_an_error(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", "no parquet")
    refused("manifest", tmp_path / "a.parquet", "not a Parquet file")
    (tmp_path / "b.csv").write_bytes(b"path,label\n\xff\xfe,1\n")
    refused("manifest", tmp_path / "b.csv", "not a CSV file in UTF-8")
    write(tmp_path / "c.txt", "path,label\n")
    refused("manifest", tmp_path / "c.txt", "ends neither in .csv nor in .parquet")
    pd.DataFrame({"path": ["a.mp4", "b.mp4"], "label": [1, 7]}).to_parquet(tmp_path / "d.parquet")
    refused("manifest", tmp_path / "d.parquet", "row 2: the label 7")
    for name in ("manifest.csv", "manifest.parquet"):
        shutil.copy(tmp_path / "a.parquet", tmp_path / name)
    refused("manifest", tmp_path, "both")


def test_a_manifest_of_any_name_and_absolute_paths_keeps_every_promise_of_a_dataset(
    built: Any, tmp_path: Path
) -> None:
    root = shutil.copytree(built("manifest"), tmp_path / "mine")
    lines = (root / "manifest.csv").read_text().replace("clips/a.mp4", str(root / "clips" / "a.mp4"))
    (root / "clips" / "back").symlink_to("..")
    (root / "manifest.csv").unlink()
    write(root / "list.csv", lines)
    for place in (root / "list.csv", root):
        findings = check_dataset(datasets.get("manifest"), place)
        assert len(findings) > 5
        assert [f"{each.check}: {each.detail}" for each in findings if not each.passed] == []
        (root / "list.csv").rename(root / "manifest.csv")
        write(root / "list.csv", "not looked into")
