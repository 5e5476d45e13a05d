"""What is too much is refused in one short line before it is expanded, whatever it is written in."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from harness.detectors._checkpoints import read_checkpoint

from harness.evaluation.matrix import load_matrix
from harness.files import read_json, read_toml, sheet_of, text_of
from harness.guard.parsed import json_of, memory, parquet, shortened, toml_of, unzipped
from harness.results.score_file import read_scores
from harness.training.importing import ImportRequest, import_weights
from harness.types import HarnessError

Make = Callable[[Path], Path]


def written(path: Path, data: str | bytes) -> Path:
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


def zipped(path: Path, data: str, times: int) -> Path:
    with gzip.open(path, "wb", 9) as file:
        for _ in range(times):
            file.write(data.encode())
    return path


def torch_file(path: Path, member: int) -> Path:
    """A file of torch whose one storage is `member` packed bytes of zero."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("a/data.pkl", "w") as file:
        for _ in range(member // 2**20):
            file.write(bytes(2**20))
    return path


def hdf5(path: Path, fill: Callable[[Any], Any]) -> Path:
    with h5py.File(path, "w") as file:
        fill(file)
    return path


def nest(file: Any) -> None:
    for _ in range(500):
        file = file.create_group("g")


def equal_rows(path: Path) -> Path:
    """A Parquet file of 20 million equal rows, in a few kilobytes."""
    many = 20_000_000
    ids = pa.DictionaryArray.from_arrays(pa.array(np.zeros(many, np.int8)), ["a"])
    numbers = pa.array(np.zeros(many, np.int8))
    pq.write_table(pa.table({"clip_id": ids, "label": numbers, "score": numbers}), path)
    return path


def columns(path: Path) -> Path:
    return written(path, ",".join(["clip_id", "label", "score", *map(str, range(20_000))]) + "\n")


def wide(path: Path) -> Path:
    pq.write_table(pa.table({str(number): [1] for number in range(10_001)}), path)
    return path


def keras(path: Path) -> Any:
    return import_weights(ImportRequest(path, "meso4"))


def checkpoint(path: Path) -> Any:
    return read_checkpoint(path, ["a"])


def matrix(path: Path) -> Any:
    return load_matrix(str(path))


MATRIX = 'about = "x"\ntest = ["procedural_tiny"]\ndetectors = '
TOO_MUCH: dict[str, tuple[Callable[[Path], Any], str, Make, str]] = {
    "json-deep": (read_json, "a.json", lambda p: written(p, "[" * 1_000_000), "1,000,000 levels"),
    "json-deep-in-strings": (read_json, "a.json", lambda p: written(p, '["]",' * 300), "300 levels"),
    "json-many": (read_json, "a.json", lambda p: written(p, "[" + "0," * 5_000_000 + "0]"), "values"),
    "json-digits": (read_json, "a.json", lambda p: written(p, "9" * 5000), "5,000 digits"),
    "json-large": (read_json, "a.json", lambda p: written(p, " " * (2**26 + 1)), "bytes, more than"),
    "toml-deep": (read_toml, "a.toml", lambda p: written(p, "a = " + "[" * 100_000), "levels"),
    "toml-inline": (read_toml, "a.toml", lambda p: written(p, "a = " + "{a = " * 50_000), "levels"),
    "toml-dotted": (read_toml, "a.toml", lambda p: written(p, ".".join(["a"] * 100_000) + " = 1"), "levels"),
    "toml-header": (read_toml, "a.toml", lambda p: written(p, f"[{'.'.join(['a'] * 100_000)}]"), "levels"),
    "toml-digits": (read_toml, "a.toml", lambda p: written(p, "a = " + "9" * 5000), "not valid TOML"),
    "toml-hexadecimal": (read_toml, "a.toml", lambda p: written(p, "a = 0x" + "f" * 5000), "64 bits"),
    "toml-large": (read_toml, "a.toml", lambda p: written(p, "#" * (2**20 + 1)), "bytes, more than"),
    "matrix-detectors": (
        matrix,
        "a.toml",
        lambda p: written(p, f"{MATRIX}{[*map(str, range(9**5))]}"),
        "det",
    ),
    "matrix-seeds": (
        matrix,
        "a.toml",
        lambda p: written(p, f'{MATRIX}["a"]\nseeds={[*range(9**5)]}'),
        "seed",
    ),
    "matrix-batch": (matrix, "a.toml", lambda p: written(p, f'{MATRIX}["a"]\nbatch={10**12}'), "at most"),
    "gzip": (text_of, "a.csv.gz", lambda p: zipped(p, "0" * 2**20, 70), "50 times as"),
    "csv-columns": (sheet_of, "a.csv", columns, "20,003 columns"),
    "scores-columns": (read_scores, "a.csv", columns, "20,003 columns"),
    "parquet-rows": (read_scores, "a.parquet", equal_rows, "20,000,000 rows"),
    "parquet-columns": (read_scores, "a.parquet", wide, "10,001 columns"),
    "torch-zip": (checkpoint, "a.pth", lambda p: torch_file(p, 2**27), "50 times as"),
    "torch-memo": (checkpoint, "a.pth", lambda p: written(p, b"\x80\x02]r\xff\xff\xff\x7f."), "is refused"),
    "safetensors-names": (
        checkpoint,
        "a.safetensors",
        lambda p: written(p, (2**24 + 1).to_bytes(8, "little") + b" " * (2**24 + 1)),
        "bytes of names",
    ),
    "hdf5-deep": (keras, "a.h5", lambda p: hdf5(p, nest), "101 levels"),
    "hdf5-unwritten": (
        keras,
        "a.h5",
        lambda p: hdf5(p, lambda file: file.create_dataset("m/conv2d/kernel:0", (2**30,), "f4")),
        "50 times as",
    ),
    "hdf5-text": (
        keras,
        "a.h5",
        lambda p: hdf5(p, lambda file: file.create_dataset("m/conv2d/kernel:0", data=["a"])),
        "cannot be read in the format keras",
    ),
}


@pytest.mark.parametrize("kind", TOO_MUCH)
def test_what_is_too_much_is_refused_in_one_short_line(kind: str, tmp_path: Path) -> None:
    read, name, make, said = TOO_MUCH[kind]
    path = make(tmp_path / name)
    with pytest.raises(HarnessError) as raised:
        read(path)
    line = str(raised.value)
    assert said in line and line.isprintable() and len(line) < 600


def test_refusing_takes_little_memory(tmp_path: Path) -> None:
    """A packed text of 6 GB is one line under a limit of 3 GB of addresses, and takes under 1 GB."""
    bomb = written(tmp_path / "a.csv.gz", gzip.compress(b"0" * 2**24) * 400)
    code = (
        "import resource, sys\nfrom pathlib import Path\n"
        "from harness.files import text_of\nfrom harness.types import HarnessError\n"
        "resource.setrlimit(resource.RLIMIT_AS, (3 * 2**30, 3 * 2**30))\n"
        "try: text_of(Path(sys.argv[1]))\n"
        "except HarnessError: print(Path('/proc/self/status').read_text().split('VmHWM:')[1].split()[0])\n"
    )
    run = subprocess.run([sys.executable, "-c", code, bomb], capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stderr
    assert int(run.stdout) < 2**20  # KiB


def test_tensors_that_repeat_one_number_are_no_larger_than_their_file_allows(tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(1).expand(10**6, 10**6)}, tmp_path / "one.pth")
    torch.save({f"a{n}": torch.zeros(1).expand(6 * 10**7) for n in range(20)}, tmp_path / "many.pth")
    for name in ("one.pth", "many.pth"):
        with pytest.raises(HarnessError, match="is refused"):
            checkpoint(tmp_path / name)


@pytest.mark.parametrize("value", [{"a": [1, "]]", {"b": None}]}, [], "x", [[['\\"[']]], 2**64 - 1, 1.5])
def test_sound_json_is_read_as_ever(value: Any) -> None:
    assert json_of(json.dumps(value), "it") == value


def test_a_hundred_levels_are_read_and_one_more_is_not() -> None:
    assert json_of("[" * 100 + "]" * 100, "it")
    assert toml_of(f"a = {'[' * 98}{']' * 98}", "it")
    for reader, text in ((json_of, "[" * 101 + "]" * 101), (toml_of, f"a = {'[' * 101}{']' * 101}")):
        with pytest.raises(HarnessError, match="it has 101 levels, more than 100"):
            reader(text, "it")


def test_a_limit_that_is_raised_lets_more_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAPBENCH_ALLOW_DEPTH", "300")
    assert json_of("[" * 200 + "]" * 200, "it")


def test_names_with_many_dots_are_no_deep_table() -> None:
    names = [f"onnx:models/v{n}.{n}.onnx" for n in range(300)]
    assert toml_of(f"detectors = {json.dumps(names)}", "it") == {"detectors": names}


def test_gzip_of_several_parts_is_whole() -> None:
    assert unzipped(gzip.compress(b"a") + gzip.compress(b"b"), "it") == b"ab"


def test_a_sound_parquet_file_is_opened(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": [1, 2]}), tmp_path / "a.parquet")
    with parquet(tmp_path / "a.parquet") as opened:
        assert opened.read().to_pydict() == {"a": [1, 2]}


def test_memory_is_limited_within_the_block_and_not_after_it() -> None:
    with pytest.raises(MemoryError), memory(2**28):
        bytearray(2**31)
    assert len(bytearray(2**29)) == 2**29


def test_a_value_in_an_error_is_short() -> None:
    assert shortened("a") == "'a'"
    assert len(shortened(["a" * 1000] * 10**6)) == 120
