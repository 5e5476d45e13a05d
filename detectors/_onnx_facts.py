"""What must be known of an ONNX graph before it can judge a frame, and where that is written down.

No detector: what `onnx_file.py` reads.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from harness.files import read_json
from harness.guard.parsed import json_of, shortened
from harness.registry import NAME
from harness.types import HarnessError, unknown

PREFIX = "gapbench."
"""Before the name of a fact in the metadata of a graph."""
LAYOUTS = {
    **{"NCHW": (0, 3, 1, 2), "NHWC": (0, 1, 2, 3)},
    **{"NTCHW": (0, 1, 4, 2, 3), "NTHWC": (0, 1, 2, 3, 4), "NCTHW": (0, 4, 1, 2, 3)},
}
"""Order of the axes -> how they come from frames `[N, S, S, 3]` or, with a T, clips `[N, T, S, S, 3]`."""
PIXELS = "uint8"
"""The kind of input that is shown pixels as they are, 0 to 255."""
AS_THEY_ARE: Mapping[str, list[int]] = {"mean": [0, 0, 0], "std": [1, 1, 1]}
"""What mean and std of such an input are, stated or not."""
OUTPUT = re.compile(r"(probability|logit|softmax)(?::(\d{1,9}))?", re.ASCII)
REQUIRED: Mapping[str, Any] = {
    "size": 224,
    "frames": 8,
    "mean": [0.485, 0.456, 0.406],
    "std": [0.229, 0.224, 0.225],
    "layout": "NCHW",
    "output": "softmax:1",
}
"""The facts that must be stated, each with an example."""


@dataclass(frozen=True)
class Graph:
    """What a graph says of itself."""

    shape: tuple[Any, ...]
    """Of its input: a number where an axis is fixed, else a name or None."""
    outputs: tuple[str, ...]
    metadata: Mapping[str, str]
    kind: str = "float"
    """Of the numbers of its input: `float`, `float16`, `double` or `uint8`."""


@dataclass(frozen=True)
class Facts:
    """What the graph alone does not say."""

    size: int
    """Side of the input in pixels."""
    frames: int
    """Frames of a clip that are scored."""
    mean: tuple[float, ...]
    std: tuple[float, ...]
    """Of the three channels, for pixels in [0, 1]: the input is (pixel / 255 - mean) / std; 0 and 1 where the
    graph takes bytes, which are shown as they are."""
    layout: str
    """`NCHW` or `NHWC` (a frame is judged by itself), `NTCHW`, `NTHWC` or `NCTHW` (a clip as a whole)."""
    output: str
    """`probability` or `logit`: one number, P(fake) or its logit. `probability:K`, `logit:K` or
    `softmax:K` (of the logits of classes): number K of several, counted from 0."""
    output_name: str
    """Which output of the graph; needs to be stated where there are several."""
    channels: str = "RGB"
    """`RGB` or `BGR`."""
    threshold: float | None = None
    """Decision threshold published with it; None where nobody states one."""
    selected: str = "unknown"
    """`fixed` where its weights were chosen before any test, else `unknown`."""
    trained_on: str | None = None
    """Dataset it was trained on, as whoever wrote the facts says."""


def facts_of(path: Path, graph: Graph) -> Facts:
    """The facts of the graph in the file `path`: from its metadata, its shape, and `<file>.json` beside it.

    What is missing, contradicts itself or makes no sense is a `HarnessError`; nothing is guessed.
    """
    inside = {k.removeprefix(PREFIX): _value(v) for k, v in graph.metadata.items() if k.startswith(PREFIX)}
    stated = _joined(path, inside, _beside(path))
    known = [field.name for field in fields(Facts)]
    for name in stated:
        if name not in known:
            raise unknown(f"fact of onnx:{path}", name, known)
    stated = _joined(path, stated, _from_shape(path, graph.shape, stated.get("layout")))
    if graph.kind == PIXELS:
        stated = _as_they_are(path, stated)
    if len(graph.outputs) == 1:
        stated.setdefault("output_name", graph.outputs[0])
    needed = [*REQUIRED, "output_name"]
    missing = [name for name in needed if name not in stated]
    if missing:
        example = {**REQUIRED, **_likely(graph), "output_name": graph.outputs[-1]}
        shown = {name: stated.get(name, example[name]) for name in needed}
        raise HarnessError(
            f"onnx:{path} does not say its {', '.join(missing)}; write it to {path.name}.json beside it, "
            f"with your values: {json.dumps(shown)}"
        )
    return _checked(path, stated, graph.outputs)


def _as_they_are(path: Path, stated: Mapping[str, Any]) -> dict[str, Any]:
    for name, value in AS_THEY_ARE.items():
        if stated.get(name, value) != value:
            raise HarnessError(
                f"onnx:{path} takes {PIXELS}, so pixels are shown as they are, 0 to 255: "
                f"its {name} cannot be {shortened(stated[name])}; leave it out"
            )
    return {**stated, **AS_THEY_ARE}


def _likely(graph: Graph) -> dict[str, Any]:
    """An example of the layout and size that such a shape has."""
    shape = list(graph.shape)
    found = [layout for layout in LAYOUTS if len(layout) == len(shape) and shape[layout.index("C")] == 3]
    if len(found) != 1:
        return {}
    side = shape[found[0].index("H")]
    return {"layout": found[0], **({"size": side} if isinstance(side, int) else {})}


def _value(text: str) -> Any:
    """A fact of the metadata, which holds text only: what JSON makes of it, else the text."""
    try:
        return json_of(text, "it")
    except (ValueError, HarnessError, RecursionError):
        return text


def _beside(path: Path) -> Mapping[str, Any]:
    place = path.with_name(path.name + ".json")
    found = read_json(place) if os.path.lexists(place) else {}
    if not isinstance(found, dict):
        raise HarnessError(f"{place} must hold an object such as {json.dumps(REQUIRED)}")
    return found


def _joined(path: Path, one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    for name in sorted(set(one) & set(other)):
        if one[name] != other[name]:
            both = f"{shortened(one[name])} and {shortened(other[name])}"
            raise HarnessError(f"onnx:{path} states its {name} twice: {both}")
    return {**one, **other}


def _from_shape(path: Path, shape: Sequence[Any], layout: Any) -> Mapping[str, Any]:
    """The size, and the frames of a clip-based graph, where its input has them fixed."""
    if layout not in list(LAYOUTS):  # which a list, say, can be looked for in
        return {}
    if len(layout) != len(shape):
        raise HarnessError(f"onnx:{path} takes {len(shape)} axes {list(shape)}, its layout is {layout}")
    axes = dict(zip(layout, shape, strict=True))
    fixed = {axis: number for axis, number in axes.items() if isinstance(number, int)}
    if fixed.get("C", 3) != 3 or fixed.get("H", fixed.get("W")) != fixed.get("W", fixed.get("H")):
        raise HarnessError(f"onnx:{path} takes {list(shape)} as {layout}: no square image of three channels")
    found = {"size": fixed.get("H", fixed.get("W")), "frames": fixed.get("T")}
    return {name: number for name, number in found.items() if number is not None}


def _checked(path: Path, stated: Mapping[str, Any], outputs: Sequence[str]) -> Facts:
    threshold, trained_on = stated.get("threshold"), stated.get("trained_on")
    promises = {
        "size": _whole(stated["size"]),
        "frames": _whole(stated["frames"]),
        "mean": _three(stated["mean"]) and all(abs(value) <= 1 for value in stated["mean"]),
        "std": _three(stated["std"]) and all(value > 0 for value in stated["std"]),
        "layout": stated["layout"] in list(LAYOUTS),
        "output": OUTPUT.fullmatch(str(stated["output"])) is not None and stated["output"] != "softmax",
        "output_name": stated["output_name"] in outputs,
        "channels": stated.get("channels", "RGB") in ("RGB", "BGR"),
        "threshold": threshold is None or (_number(threshold) and 0 <= threshold <= 1),
        "selected": stated.get("selected", "unknown") in ("fixed", "unknown"),
        "trained_on": trained_on is None or _subset(trained_on),
    }
    for name, kept in promises.items():
        if not kept:
            allowed = ALLOWED.get(name) or ", ".join(outputs)
            raise HarnessError(
                f"onnx:{path}: its {name} cannot be {shortened(stated[name])}; known: {allowed}"
            )
    return Facts(**{**stated, "mean": tuple(stated["mean"]), "std": tuple(stated["std"])})


ALLOWED = {
    "size": "a whole number above 0",
    "frames": "a whole number above 0",
    "mean": "three numbers, for pixels from 0 to 1 (divide what is meant for 0 to 255 by 255)",
    "std": "three numbers above 0, for pixels from 0 to 1",
    "layout": ", ".join(LAYOUTS),
    "output": "probability, logit, probability:K, logit:K, softmax:K with K counted from 0",
    "channels": "RGB, BGR",
    "threshold": "a number from 0 to 1",
    "selected": "fixed, unknown",
    "trained_on": "a dataset, or dataset-manipulation",
}


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e300


def _subset(value: Any) -> bool:
    return isinstance(value, str) and NAME.fullmatch(value.partition("-")[0]) is not None


def _whole(value: Any) -> bool:
    return type(value) is int and value > 0


def _three(values: Any) -> bool:
    return isinstance(values, list) and len(values) == 3 and all(_number(value) for value in values)
