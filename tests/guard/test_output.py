"""Where a command promises JSON on standard output, nothing else gets there."""

from __future__ import annotations

import subprocess
import sys

import pytest

from harness.guard.memory import memory_ran_out
from harness.guard.output import json_to, kept_for_json

SCRIPT = """
import os, subprocess, sys
from harness.guard.output import json_to, kept_for_json
with kept_for_json(True):
    print("by print")
    os.write(1, b"by a C library\\n")
    sys.__stdout__.write("past sys.stdout\\n")
    subprocess.run(["echo", "by a child"])
    print('{"a": 1}', file=json_to(), flush=True)
print("after it")
"""


def test_all_that_is_printed_goes_to_standard_error_but_the_json() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    assert done.stdout == '{"a": 1}\nafter it\n'
    for said in ("by print", "by a C library", "past sys.stdout", "by a child"):
        assert said in done.stderr


def test_it_holds_where_standard_output_is_no_file(capsys: pytest.CaptureFixture[str]) -> None:
    with kept_for_json(True):
        print("by print")
        print("{}", file=json_to())
    with kept_for_json(False):
        print("as ever")
    said = capsys.readouterr()
    assert (said.out, said.err) == ("{}\nas ever\n", "by print\n")


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        OSError(12, "Cannot allocate memory"),
        ImportError("libtorch.so: failed to map segment from shared object"),
        RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory"),
        RuntimeError("can't start new thread"),
    ],
)
def test_a_lack_of_memory_is_known_whoever_says_so(error: Exception) -> None:
    assert memory_ran_out(error)
    later = ValueError("wrong")
    later.__cause__ = error
    assert memory_ran_out(later)
    assert not memory_ran_out(ValueError("wrong"))
