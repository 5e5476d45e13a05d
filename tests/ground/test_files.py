"""What files.py promises: whole writes, digests and seeds that are the same everywhere."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.files import (
    clips_digest,
    digest,
    file_digest,
    home,
    is_parquet,
    read_json,
    seed_of,
    sheet_of,
    swept,
    text_of,
    write_whole,
    writing,
)
from harness.types import Clip, HarnessError, Recipe, Runtime


def clip(name: str, **changes: object) -> Clip:
    said = {"label": 0, "split": "test", **changes}
    return Clip(id=f"d/{name}", path=Path(f"/somewhere/{name}.mp4"), **said)


def test_a_digest_is_the_sha256_of_sorted_json() -> None:
    assert digest({"b": 1, "a": [2, None]}) == hashlib.sha256(b'{"a": [2, null], "b": 1}').hexdigest()


def test_a_digest_ignores_the_order_of_keys_but_not_of_lists() -> None:
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
    assert digest([1, 2]) != digest([2, 1])


def test_a_digest_says_records_by_their_fields() -> None:
    assert digest(Runtime()) == digest({"device": "cpu", "precision": "fp32", "batch": 16, "compile": False})
    assert digest(Runtime()) != digest(Runtime(batch=8))
    recipe = Recipe(size=64, frames=2, epochs=1, batch=1, learning_rate=0.1)
    assert digest({"recipe": recipe}) == digest({"recipe": recipe})


def test_a_digest_takes_tuples_for_lists_and_paths_for_text() -> None:
    assert digest((1, Path("a/b"))) == digest([1, "a/b"])


def test_a_digest_of_what_json_cannot_say_is_refused() -> None:
    with pytest.raises(TypeError):
        digest(object())


def test_a_file_digest_is_the_sha256_of_its_bytes(tmp_path: Path) -> None:
    file = tmp_path / "bytes"
    file.write_bytes(b"abc")
    assert file_digest(file) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_a_clip_list_digest_knows_labels_and_version_but_not_order_or_paths() -> None:
    one, two = clip("one"), clip("two", label=1, manipulation="swap")
    moved = Clip(id=one.id, path=Path("/elsewhere/one.mp4"), label=0, split="test")
    assert clips_digest([one, two], "1") == clips_digest([two, moved], "1")
    assert clips_digest([one, two], "1") != clips_digest([one, two], "2")
    assert clips_digest([one, two], "1") != clips_digest([one], "1")
    assert clips_digest([one], "1") != clips_digest([clip("one", label=1)], "1")
    assert clips_digest([one], "1") != clips_digest([clip("one", split="train")], "1")
    assert clips_digest([two], "1") != clips_digest([clip("two", label=1, manipulation="gan")], "1")


def test_a_seed_is_the_same_on_every_machine() -> None:
    assert seed_of() == 0xE3B0C44298FC1C14
    assert seed_of("abc") == 0xBA7816BF8F01CFEA
    assert seed_of("d/one", "blur", 3, 1) == int(
        hashlib.sha256(b"d/one\x1fblur\x1f3\x1f1").hexdigest()[:16], 16
    )


def test_a_seed_does_not_depend_on_the_hash_seed_of_the_process() -> None:
    code = "from harness.files import seed_of; print(seed_of('d/one', 'blur', 3))"
    said = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": salt},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for salt in ("1", "2")
    }
    assert said == {f"{seed_of('d/one', 'blur', 3)}\n"}


def test_the_parts_of_a_seed_do_not_run_together() -> None:
    assert seed_of("a", "bc") != seed_of("ab", "c")
    assert seed_of("blur", 1, 11) != seed_of("blur", 11, 1)


@pytest.mark.parametrize("data", ["text with ä", b"\x00\xff"])
def test_a_file_is_written_with_its_folders(data: str | bytes, tmp_path: Path) -> None:
    file = tmp_path / "a" / "b" / "file.txt"
    write_whole(file, data)
    assert file.read_bytes() == (data.encode() if isinstance(data, str) else data)
    assert [path.name for path in file.parent.iterdir()] == ["file.txt"]
    assert file.stat().st_mode & 0o777 == 0o644


def test_a_write_that_fails_leaves_the_old_content_and_no_litter(tmp_path: Path) -> None:
    file = tmp_path / "file.txt"
    write_whole(file, "old")

    def fail() -> None:
        with writing(file) as temporary:
            temporary.write_text("half")
            assert file.read_text() == "old"
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert file.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["file.txt"]


def test_readers_see_the_old_content_until_the_new_is_whole(tmp_path: Path) -> None:
    file = tmp_path / "file.parquet"
    write_whole(file, "old")
    with writing(file) as temporary:
        assert temporary.suffix == ".parquet"
        assert temporary.parent == file.parent
        temporary.write_text("new")
        assert file.read_text() == "old"
    assert file.read_text() == "new"


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("I am no folder")
    with pytest.raises(HarnessError, match="cannot write"):
        write_whole(tmp_path / "file" / "inside.txt", "x")
    (tmp_path / "folder").mkdir()
    with pytest.raises(HarnessError, match=r"cannot write .*folder: Is a directory"):
        write_whole(tmp_path / "folder", "x")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]


def test_json_is_read_and_a_missing_or_damaged_file_is_named(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.json", tmp_path / "bad.json"
    write_whole(good, '{"a": 1}')
    bad.write_bytes(b'{"a": ')
    assert read_json(good) == {"a": 1}
    good.write_bytes(b"\xef\xbb\xbf" + good.read_bytes())
    assert read_json(good) == {"a": 1}
    with pytest.raises(HarnessError, match=r"bad\.json is not valid JSON"):
        read_json(bad)
    with pytest.raises(HarnessError, match=r"no file .*missing\.json"):
        read_json(tmp_path / "missing.json")
    bad.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(HarnessError, match="is not valid JSON"):
        read_json(bad)


@pytest.mark.parametrize(
    ("text", "delimiter", "skipped", "first"),
    [
        ("a,b\n1,2\n", ",", 0, "a,b"),
        ("a;b\n1,5;2\n", ";", 0, "a;b"),
        ("a\tb\n", "\t", 0, "a\tb"),
        ("\n# made by hand, twice\n\na|b\n", "|", 3, "a|b"),
        ("sep=;\na;b\n", ";", 1, "a;b"),
        ("# a,b\n1,2\n", ",", 0, "a,b"),
        ("alone\n", ",", 0, "alone"),
        ("", ",", 0, ""),
    ],
)
def test_a_sheet_begins_at_its_names_and_is_parted_as_they_are(
    text: str, delimiter: str, skipped: int, first: str, tmp_path: Path
) -> None:
    (tmp_path / "t.csv").write_text(text)
    sheet = sheet_of(tmp_path / "t.csv", ("a", "b"))
    assert (sheet.delimiter, sheet.skipped) == (delimiter, skipped)
    assert (sheet.text.splitlines() or [""])[0] == first


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("#\n" * 200_000 + "a,b\n", "no line of column names in its first 10,000 lines"),
        ("\n" * 200_000, "no line of column names"),
        ("a,b\n" + "1,2\n" * 7, "has 7 rows, more than 6"),
        ("a,b\r" + "1,2\r" * 7, "has 7 rows, more than 6"),
        ("a,b\r\n" + "\r\n" * 6 + "1,2", "has 7 rows, more than 6"),
    ],
)
def test_a_table_of_too_many_lines_is_refused_before_they_are_parted(
    text: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GAPBENCH_ALLOW_TABLE_ROWS", "6")
    (tmp_path / "t.csv").write_bytes(text.encode())
    with pytest.raises(HarnessError, match=said):
        sheet_of(tmp_path / "t.csv", ("a", "b"))
    (tmp_path / "t.csv").write_text("#\n" * 9000 + "a,b\n" + "1,2\n" * 6)
    assert sheet_of(tmp_path / "t.csv").skipped == 9000


def test_what_is_no_text_is_refused_by_what_it_is(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "latin.csv").write_bytes("é,b\n".encode("latin-1"))
    (tmp_path / "book.csv").write_bytes(b"PK\x03\x04 and so on")
    for name, said in (
        *(("pipe.csv", "no regular file"), ("latin.csv", "neither UTF-8 nor UTF-16 text")),
        *(("book.csv", "a spreadsheet or a zip archive"), ("gone.csv", "no file .*gone.csv")),
    ):
        assert not is_parquet(tmp_path / name)
        with pytest.raises(HarnessError, match=said):
            text_of(tmp_path / name)


def test_home_is_named_by_the_environment_or_lies_in_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GAPBENCH_HOME", str(tmp_path / "elsewhere"))
    assert home() == tmp_path / "elsewhere"
    monkeypatch.delenv("GAPBENCH_HOME")
    monkeypatch.chdir(tmp_path)
    assert home() == tmp_path / ".gapbench"


def test_what_a_killed_process_left_of_a_file_is_removed_once_it_is_old(tmp_path: Path) -> None:
    old, young = (tmp_path / f".a[1].bin.{name}.bin" for name in ("old", "young"))
    others = [tmp_path / name for name in ("a[1].bin", ".a1.bin.x.bin", ".b.bin.x.bin")]
    for path in (old, young, *others):
        path.write_text("")
        os.utime(path, (0, 0))
    os.utime(young)
    swept(tmp_path / "a[1].bin")
    swept(tmp_path / "gone" / "a.bin")
    assert set(tmp_path.iterdir()) == {young, *others}
