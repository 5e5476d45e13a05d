"""A manifest says everything of its clips, and a line that cannot be understood is told by its number."""

from __future__ import annotations

import datetime
import decimal
import gzip
import math
import shutil
import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow
import pyarrow as pa
import pyarrow.parquet
import pytest

from harness.checks.conformance import check_dataset
from harness.files import digest
from harness.registry import datasets
from harness.types import FAKE, REAL, HarnessError
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


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("m.csv", "path,label,split\nreal/a.png,0.0,valid\nfake/b.png,1.0,Testing\n"),
        ("m.csv", "\ufeffpath,label,split\r\nreal\\a.png,REAL,valid\r\nfake\\b.png,Manipulated,test\r\n"),
        ("m.csv", "# made by hand\npath;label;split\nreal/a.png;original;VAL\nfake/b.png;fake;test\n"),
        ("m.csv", "sep=;\npath;label;split\nreal/a.png;False;dev\nfake/b.png;True;test\n"),
        ("m.tsv", "path\tlabel\tsplit\nreal/a.png\tgenuine\tvalidation\nfake/b.png\tforged\t\n"),
    ],
)
@pytest.mark.parametrize("written", ["utf-8", "utf-16", "gzip"])
def test_a_list_says_the_same_however_programs_write_it(
    name: str, text: str, written: str, tmp_path: Path
) -> None:
    data = text.encode("utf-16" if written == "utf-16" else "utf-8")
    (tmp_path / name).write_bytes(gzip.compress(data) if written == "gzip" else data)
    found = [(clip.id, clip.label, clip.split) for clip in listed("manifest", tmp_path / name).values()]
    assert found == [("manifest/real/a.png", REAL, "val"), ("manifest/fake/b.png", FAKE, "test")]


def test_a_file_is_found_in_another_spelling_of_its_name(tmp_path: Path) -> None:
    decomposed = unicodedata.normalize("NFD", "é")
    for name in (f"{decomposed}.mp4", "b.MP4", f"{decomposed}/c.JPG", "back\\slash.mp4"):
        write(tmp_path / name, "")
    write(tmp_path / "m.csv", "path,label\né.mp4,0\nb.mp4,1\né/c.jpg,1\nback\\slash.mp4,1\ngone.mp4,1\n")
    clips = listed("manifest", tmp_path / "m.csv")
    assert list(clips) == ["é.mp4", "b.mp4", "é/c.jpg", "back\\slash.mp4", "gone.mp4"]
    assert [clip.path.exists() for clip in clips.values()] == [True, True, True, True, False]


def test_images_that_may_be_frames_are_pictures_and_said(tmp_path: Path) -> None:
    lines = [f"v{clip}_{number:02d}.png,{clip % 2}" for clip in range(3) for number in range(4)]
    write(tmp_path / "m.csv", "\n".join(["path,label", *lines, ""]))
    assert len(listed("manifest", tmp_path / "m.csv")) == 12
    (remark,) = datasets.get("manifest").remarks(tmp_path / "m.csv")
    assert remark.startswith(
        "12 images may be frames of 3 clips (v0_00.png, of v0) and are taken as pictures"
    )


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
        ("name;label\na.mp4;1\n", "no column 'path' (found: name, label)"),
        ("", "no column 'path' (found: none)"),
        ("Path,Label\na.mp4,1\n", "eval and train take another name: --map path=Path"),
        ("path,label,label\n", "two columns 'label'"),
        ("path,label\na.mp4,1\nb.mp4,swap\n", "line 3: the label 'swap' is not 0, 1, real or fake"),
        ("# mine\n\npath,label\na.mp4,swap\n", "line 4: the label 'swap' is not 0, 1, real or fake"),
        ("path,label\nC:\\clips\\a.mp4,1\n", "line 2: the path C:\\clips\\a.mp4 is one of Windows"),
        (
            "path,label\nv/001/0.png,1\nv/001/1.png,1\nv/002/0.png,0\nv/002/1.png,0\n",
            "4 lines list frames of 2 clips (v/001/0.png, of v/001), which are no clips of their own",
        ),
        (
            "path,label\na_frame_1.png,1\na_frame_2.png,1\n",
            "2 lines list frames of 1 clips (a_frame_1.png, of a)",
        ),
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
        (f"path,label,box\na.mp4,1,{'[' * 3000}{']' * 3000}\n", "line 2: the box has 3,000 levels"),
        (f'path,label,box\na.mp4,1,"[0,0,1,{"9" * 5000}]"\n', "line 2: the box '[0,0,1,999"),
    ],
)
def test_a_line_that_cannot_be_understood_is_an_error_with_its_number(
    text: str, said: str, tmp_path: Path
) -> None:
    write(tmp_path / "manifest.csv", text)
    refused("manifest", tmp_path, "manifest.csv", said)


def test_cells_that_say_nothing_or_real_once_more_are_no_method_of_a_real_clip(tmp_path: Path) -> None:
    lines = "a.mp4,0,original,NaN\nb.mp4,real,None,\nc.mp4,fake,swap,None\nd.mp4,1,n/a,x"
    write(tmp_path / "manifest.csv", f"path,label,manipulation,source\n{lines}\n")
    clips = listed("manifest", tmp_path)
    assert [clip.manipulation for clip in clips.values()] == [None, None, "swap", "unnamed"]
    assert [clip.source for clip in clips.values()] == [None, None, None, "x"]


def test_a_manifest_that_is_no_table_is_an_error(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", "no parquet")
    refused("manifest", tmp_path / "a.parquet", "not a Parquet file")
    (tmp_path / "b.csv").write_bytes(b"path,label\n\xff\xfe,1\n")
    refused("manifest", tmp_path / "b.csv", "neither UTF-8 nor UTF-16 text")
    write(tmp_path / "c.txt", "path,label\n")
    refused("manifest", tmp_path / "c.txt", "ends in none of .csv, .csv.gz, .tsv, .tsv.gz, .parquet")
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


DAY = datetime.datetime(2020, 1, 2)
FURTHER = {
    "time": (pa.array([DAY] * 2), "2020-01-02 00:00:00.000000"),
    "zone": (pa.array([0, 1], pa.timestamp("us", "UTC")), "1970-01-01 00:00:00.000000Z"),
    "date": (pa.array([DAY.date()] * 2), "2020-01-02"),
    "clock": (pa.array([datetime.time(1)] * 2), "01:00:00.000000"),
    "duration": (pa.array([5, 6], pa.duration("ms")), "5"),
    "bytes": (pa.array([b"a", b"b"]), "a"),
    "decimal": (pa.array([decimal.Decimal("1.50")] * 2), "1.50"),
    "wide-decimal": (pa.array([decimal.Decimal("1.50")] * 2, pa.decimal256(60, 2)), "1.50"),
    "categories": (pa.array(["x", "y"]).dictionary_encode(), "x"),
    "dates-in-categories": (pa.array([DAY.date()] * 2).dictionary_encode(), "2020-01-02"),
    "nothing": (pa.nulls(2), None),
    "half": (pa.array([np.float16(0.5)] * 2), 0.5),
    "huge": (pa.array([2**64 - 1] * 2, pa.uint64()), 2**64 - 1),
    "list": (pa.array([[1], [2, 3]]), [1]),
    "mapping": (pa.array([{"a": 1}] * 2), {"a": 1}),
    "truth": (pa.array([True, False]), True),
    "bad-bytes": (pa.array([b"\xff", b"b"]), HarnessError),
    "dates-in-lists": (pa.array([[DAY.date()]] * 2), HarnessError),
}
"""Kind of a column -> its cells, and what the attribute of the first clip is."""


@pytest.mark.parametrize("kind", FURTHER)
def test_a_further_column_of_any_type_becomes_what_json_has_or_is_refused_by_name(
    kind: str, tmp_path: Path
) -> None:
    cells, wanted = FURTHER[kind]
    table = pa.table({"path": ["a.mp4", "b.mp4"], "label": [0, 1], "more": cells})
    pyarrow.parquet.write_table(table, tmp_path / "m.parquet")
    if wanted is HarnessError:
        refused("manifest", tmp_path / "m.parquet", "the column 'more' holds", "leave it out")
        return
    clips = list(listed("manifest", tmp_path / "m.parquet").values())
    assert clips[0].attributes == ({} if wanted is None else {"more": wanted})
    assert digest([dict(clip.attributes) for clip in clips])


def test_paths_that_no_file_can_have_are_refused_by_their_line(tmp_path: Path) -> None:
    for path in ("a\0b.mp4", "a" * 5000, f"{'a' * 300}.mp4"):
        pyarrow.parquet.write_table(
            pa.table({"path": ["a.mp4", path], "label": [0, 1]}), tmp_path / "m.parquet"
        )
        refused("manifest", tmp_path / "m.parquet", "row 2: the path a", "no file can have")
    write(tmp_path / "m.csv", "path,label\nhttps://example.org/a.mp4,1\n")
    (clip,) = listed("manifest", tmp_path / "m.csv").values()
    assert not clip.path.exists()


def test_a_column_of_faces_is_not_taken_for_those_that_are_found(tmp_path: Path) -> None:
    write(tmp_path / "m.csv", "path,label,faces\na.mp4,1,2\n")
    assert [clip.attributes for clip in listed("manifest", tmp_path / "m.csv").values()] == [{}]


def test_a_manifest_of_more_clips_or_cells_than_the_limit_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "m.csv", "path,label\na.mp4,1\nb.mp4,0\nc.mp4,0\n")
    for name in ("CLIPS", "MANIFEST_CELLS"):
        monkeypatch.setenv(f"GAPBENCH_ALLOW_{name}", "2")
        refused("manifest", tmp_path / "m.csv", "more than 2 (--allow")
        monkeypatch.delenv(f"GAPBENCH_ALLOW_{name}")
    assert len(listed("manifest", tmp_path / "m.csv")) == 3
