"""How much of anything a stranger's file may ask for: one table of limits, each with its default.

`gapbench COMMAND --allow NAME=NUMBER` sets one for a run; the environment variable `GAPBENCH_ALLOW_<NAME>`
does the same, and is how child processes know. SECURITY.md has the same table (a test compares them).
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable
from dataclasses import dataclass

from harness.types import HarnessError, unknown


@dataclass(frozen=True, slots=True)
class Limit:
    """The most of one thing that is accepted."""

    name: str
    """What `--allow` and SECURITY.md call it."""
    default: float
    unit: str
    what: str
    """What is limited, and what happens beyond it."""


LIMITS = {
    limit.name: limit
    for limit in (
        Limit("clip-pixels", 2**26, "pixels", "one frame or image of a clip; the clip fails"),
        Limit("clip-bytes", 2**36, "bytes", "the file of a clip; the clip fails"),
        Limit("clip-frames", 2**19, "frames", "packets of a video, or pictures in a folder; the clip fails"),
        Limit("clip-memory", 2**30, "bytes", "decoded frames of one clip held at once; the clip fails"),
        Limit("clip-seconds", 600, "seconds", "reading, cropping and perturbing one clip; the clip fails"),
        Limit("clip-wait", 5, "seconds", "looking for one frame in a file over 1 GiB; the clip fails"),
        Limit("patience", 600, "seconds", "one step of a plug-in, as a batch; the run ends and says whose"),
        Limit("clips", 1_000_000, "clips", "a dataset or a manifest; it is refused"),
        Limit("manifest-cells", 30_000_000, "cells", "a manifest; it is refused"),
        Limit("table-bytes", 2**30, "bytes", "a table (CSV, Parquet), unpacked; it is refused"),
        Limit("table-rows", 10_000_000, "rows", "a table; it is refused"),
        Limit("table-columns", 10_000, "columns", "a table; it is refused"),
        Limit("text-bytes", 2**26, "bytes", "a JSON file or any other text; it is refused"),
        Limit("text-values", 4_000_000, "values", "a JSON file; it is refused"),
        Limit("list-bytes", 2**32, "bytes", "a list of DeepfakeBench, read in pieces; it is refused"),
        Limit("settings-bytes", 2**20, "bytes", "a TOML file; it is refused"),
        Limit("depth", 100, "levels", "what lies within what in JSON, TOML and HDF5; it is refused"),
        Limit("unpacked", 50, "times", "how much longer a packed file may become than it is; it is refused"),
        Limit("weights-bytes", 2**34, "bytes", "a file of weights, unpacked; it is refused"),
        Limit("weights-tensors", 50_000, "tensors", "a file of weights; it is refused"),
        Limit("input-side", 2048, "pixels", "the side of what a brought detector is shown; it is refused"),
        Limit("input-frames", 10_000, "frames", "what a brought detector is shown of a clip; it is refused"),
        Limit("input-pixels", 2**24, "pixels", "all frames that a detector is shown at once; it is refused"),
        Limit("graph-seconds", 30, "seconds", "one black item shown to an ONNX graph first; it is refused"),
        Limit("graph-nodes", 30_000, "nodes", "an ONNX graph, its functions written out; it is refused"),
        Limit("graph-memory", 2**30, "bytes", "what an ONNX graph takes beside its weights; it is refused"),
        Limit("cells", 50_000, "cells", "a matrix; it is refused"),
        Limit("entries", 2_000, "detectors", "a matrix, one for each training set and seed; it is refused"),
        Limit("test-sets", 500, "test sets", "a matrix; it is refused"),
        Limit("score-cells", 5_000, "cells", "a file of scores; it is refused"),
        Limit("score-detectors", 200, "detectors", "a file of scores, each seed one; it is refused"),
        Limit("score-sets", 100, "test sets", "a file of scores; it is refused"),
        Limit(
            "score-pairs", 20_000, "pairs of test sets", "a file of scores, each detector's; it is refused"
        ),
        Limit("score-manipulations", 500, "manipulations", "a file of scores; it is refused"),
        Limit("server-seconds", 30, "seconds", "one call of a tracking server; exit code 5"),
        Limit("server-bytes", 2**26, "bytes", "one answer of a tracking server; exit code 5"),
    )
}
"""Name -> limit, in the order of the table in SECURITY.md."""
VARIABLES = {name: f"GAPBENCH_ALLOW_{name.upper().replace('-', '_')}" for name in LIMITS}
"""Name -> the environment variable that sets the limit."""


def limit(name: str) -> float:
    """The limit in force: what its environment variable says, else its default."""
    said = os.environ.get(VARIABLES[name])
    return LIMITS[name].default if said is None else _number(said, VARIABLES[name])


def within(where: str, found: float, name: str, of: str = "") -> None:
    """Refuse what is more than the limit of that name: a `HarnessError` that says how to allow it."""
    if found > limit(name):
        raise too_much(where, found, name, of)


def too_much(where: str, found: float, name: str, of: str = "") -> HarnessError:
    """The error for more than a limit: how much there is, how much may be, and the option for more."""
    said = f"{where} has {found:,.0f} {LIMITS[name].unit}{of}, more than {limit(name):,.0f}"
    return HarnessError(f"{said} (--allow {name}={math.ceil(found)} if they are meant)")


def raised() -> dict[str, float]:
    """The limits that differ from their defaults."""
    return {name: limit(name) for name, one in LIMITS.items() if limit(name) != one.default}


def set_limits(given: Iterable[str]) -> None:
    """Set the limits in `NAME=NUMBER` for this process and its children; `HarnessError` for what is none."""
    for text in given:
        name, equals, number = text.partition("=")
        if name not in LIMITS:
            raise unknown("limit", name, LIMITS)
        if not equals:
            raise HarnessError(f"--allow {name} needs a number: --allow {name}={LIMITS[name].default:g}")
        _number(number, f"--allow {name}")
        os.environ[VARIABLES[name]] = number


def _number(text: str, what: str) -> float:
    try:
        value = float(text.replace("_", ""))
    except ValueError:
        value = float("nan")
    if not value > 0:
        raise HarnessError(f"{what} must be a number above 0, not {text!r}")
    return value
