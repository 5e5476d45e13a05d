"""A detector in an ONNX file: `onnx:<file>`, e.g. `onnx:models/ours.onnx`, run by onnxruntime on the CPU."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache, partial
from pathlib import Path
from threading import Timer
from typing import Any

import numpy as np
from harness.detectors._onnx_facts import LAYOUTS, PIXELS, Facts, Graph, facts_of
from harness.detectors._onnx_size import nodes_of

from harness.files import digest, failed_download, file_digest
from harness.guard.limits import limit
from harness.guard.parsed import fit_to_show, memory, read, within
from harness.guard.regular import regular
from harness.progress import say
from harness.registry import DetectorEntry, detector_family
from harness.types import HarnessError

NOWHERE = str(Path(__file__) / "nowhere")
"""A folder that cannot exist: no file but those that are part of its identity is read for a graph."""
SHOWN_BYTES = 256
"""Bytes for each pixel that a graph is shown at first."""
INPUTS: Mapping[str, Any] = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    f"tensor({PIXELS})": np.uint8,
}
"""Kinds of input that can be fed."""


@detector_family("onnx")
def open_file(name: str) -> DetectorEntry:
    """The detector in the ONNX file of that path, relative to the working directory.

    What the graph does not say of itself stands in its metadata (`gapbench.size` ...) or in
    `<file>.json` beside it. The path is part of the detector's name in tables: it may be neither
    absolute nor lead upwards, and consists of letters, digits and `._-/`.
    """
    if not re.fullmatch(r"\w[\w.-]*(/\w[\w.-]*)*", name, re.ASCII):
        raise HarnessError(
            f"onnx:{name}: give a path below the working directory, of letters, digits and ._-/ "
            "(it becomes part of the detector's name)"
        )
    sha256 = _content(name)
    facts = facts_of(Path(name), _graph(name, sha256))
    fit_to_show(f"onnx:{name}", facts.size, facts.frames, facts.frames if "T" in facts.layout else 1)
    _try(name, facts, sha256)
    build = partial(OnnxDetector, name, facts, sha256)
    identity = digest([sha256, facts])
    return DetectorEntry(f"onnx:{name}", build, file=__file__, trained_on=facts.trained_on, identity=identity)


class OnnxDetector:
    """P(fake) from a graph, computed on one thread: the same clips get the same scores bit by bit."""

    def __init__(self, name: str, facts: Facts, sha256: str) -> None:
        self.name, self.facts, self.size, self.frames = name, facts, facts.size, facts.frames
        self.threshold, self.checkpoint_source = facts.threshold, facts.selected
        self._session = _session(name, sha256)
        self._input = self._session.get_inputs()[0]
        self._kind = INPUTS[self._input.type]

    def score(self, clips: np.ndarray, run: Any = None) -> np.ndarray:
        """P(fake) of uint8 clips `[B, T, S, S, 3]`: `[B, T]`, or `[B, 1]` where the layout has a T.

        `run`: options of onnxruntime, by which another thread can end it.
        """
        items = clips if "T" in self.facts.layout else clips.reshape(-1, *clips.shape[2:])
        fixed = self._input.shape[0]
        step = fixed if isinstance(fixed, int) else len(items)
        found = [self._fake(items[start : start + step], step, run) for start in range(0, len(items), step)]
        return np.concatenate(found).reshape(len(clips), -1).astype(np.float32)

    def _fake(self, items: np.ndarray, step: int, run: Any) -> np.ndarray:
        """One number an item; where the batch is fixed, the last item fills it up."""
        many = len(items)
        items = np.concatenate([items, items[-1:].repeat(step - many, 0)])
        shown = items[..., ::-1] if self.facts.channels == "BGR" else items
        if self._kind != np.uint8:
            mean, std = (np.asarray(each, np.float32) for each in (self.facts.mean, self.facts.std))
            shown = ((shown.astype(np.float32) / 255 - mean) / std).astype(self._kind)
        given = np.ascontiguousarray(shown.transpose(LAYOUTS[self.facts.layout]))
        try:
            said = self._session.run([self.facts.output_name], {self._input.name: given}, run)[0]
            numbers = np.asarray(said, dtype=np.float64)
        except Exception as error:  # whatever the library objects to is the user's to read, in one line
            raise HarnessError(f"onnx:{self.name} failed: {_line(error)}") from error
        return self._probability(numbers, step)[:many]

    def _probability(self, said: np.ndarray, step: int) -> np.ndarray:
        """P(fake) `[N]` of what the graph said, `[N]` or `[N, K]`."""
        kind, _, index = self.facts.output.partition(":")
        many = said.size // step
        if said.shape[:1] != (step,) or (many > 1 and not index) or int(index or 0) >= many:
            raise HarnessError(
                f"onnx:{self.name} gives {list(said.shape)} for {step} items, no {self.facts.output!r}"
            )
        said = said.reshape(step, many)
        if kind == "softmax":
            odds = np.exp(said - said.max(1, keepdims=True))
            said = odds / odds.sum(1, keepdims=True)
        chosen: np.ndarray = said[:, int(index or 0)]
        return (1 + np.tanh(chosen / 2)) / 2 if kind == "logit" else chosen  # a sigmoid without overflow


@lru_cache(maxsize=16)
def _graph(name: str, sha256: str) -> Graph:
    """What the graph says of itself; the digest of its content makes a changed one be read again."""
    session = _session(name, sha256)
    taken = session.get_inputs()[0]
    kind = taken.type.removeprefix("tensor(").removesuffix(")")
    if kind == PIXELS:
        say(f"onnx:{name} takes {PIXELS}: pixels are shown as they are, 0 to 255, without mean and std")
    outputs = tuple(output.name for output in session.get_outputs())
    metadata = dict(session.get_modelmeta().custom_metadata_map)
    return Graph(tuple(taken.shape), outputs, metadata, kind)


@lru_cache(maxsize=16)
def _try(name: str, facts: Facts, sha256: str) -> None:
    """Show the graph one black item: facts that do not fit it are an error now, not after hours of work.

    So is a graph that comes to no end, or takes far more memory than its file does.
    """
    import onnxruntime

    frames = facts.frames if "T" in facts.layout else 1
    item = np.zeros((1, frames, facts.size, facts.size, 3), np.uint8)
    seconds, run = limit("graph-seconds"), onnxruntime.RunOptions()
    over = Timer(seconds, setattr, (run, "terminate", True))
    over.daemon = True
    over.start()
    try:
        with memory(_memory(name) + SHOWN_BYTES * frames * facts.size**2):
            OnnxDetector(name, facts, sha256).score(item, run)
    except (HarnessError, MemoryError) as error:
        if not run.terminate and isinstance(error, HarnessError):
            raise
        if not run.terminate:
            raise HarnessError(f"onnx:{name} failed: {_line(error)}") from error
        raise HarnessError(
            f"onnx:{name} did not end within {seconds:g} s of being shown one black item"
            " (--allow graph-seconds=NUMBER)"
        ) from error
    finally:
        over.cancel()


def _memory(name: str) -> float:
    """Bytes that a graph may take at first: what its weights are moved about in, and some."""
    files = [name, *(str(Path(name).parent / place) for place in _others(name, *_stamp(Path(name), name)))]
    return 4 * sum(_stamp(Path(file), name)[0] for file in files) + limit("graph-memory")


@lru_cache(maxsize=1)  # who looks at a graph, tries it and uses it has one, and not the one of another
def _session(name: str, sha256: str) -> Any:
    """The graph of that file, whose content must have that digest, from that content alone."""
    try:
        import onnxruntime
    except ImportError as error:
        raise HarnessError("detectors onnx:... need onnxruntime: pip install onnxruntime") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.use_deterministic_compute = True
    options.log_severity_level = 4
    folder = str(Path(name).absolute().parent) if _others(name, *_stamp(Path(name), name)) else NOWHERE
    options.add_session_config_entry("session.model_external_initializers_file_folder_path", folder)
    try:
        stored, providers = _read(name), ["CPUExecutionProvider"]
        within(f"onnx:{name}", nodes_of(stored, limit("graph-nodes")), "graph-nodes", " or more")
        with memory(_memory(name)):
            session = onnxruntime.InferenceSession(stored, options, providers=providers)
    except HarnessError:
        raise
    except Exception as error:  # whatever the library objects to is the user's to read, in one line
        raise HarnessError(f"onnx:{name} cannot be loaded: {_line(error)}") from error
    if _content(name) != sha256:
        raise HarnessError(f"onnx:{name} changed while it was being used; run again")
    inputs = session.get_inputs()
    fits = len(inputs) == 1 and inputs[0].type in INPUTS and len(inputs[0].shape) in (4, 5)
    if not fits or any(isinstance(side, int) and side < 1 for side in inputs[0].shape):
        told = ", ".join(f"{given.name} {given.type} {given.shape}" for given in inputs)
        known = ", ".join(INPUTS)
        raise HarnessError(
            f"onnx:{name} must have one input of 4 or 5 axes, none of length 0, of a kind of {known};"
            f" it has {told or 'none'}"
        )
    return session


def _content(name: str) -> str:
    """sha256 (hex) of the graph's file, and of the files in which it keeps weights where there are any."""
    graph = Path(name)
    stamp = _stamp(graph, name)
    failed = failed_download(graph)
    if failed:
        raise HarnessError(f"onnx:{name} {failed}")
    own = _digest(graph, *stamp)
    others = {}
    for place in _others(name, *stamp):
        beside = graph.parent / place
        if Path(place).is_absolute() or ".." in Path(place).parts:
            raise HarnessError(
                f"onnx:{name} keeps weights in {place!r}, outside its folder: that is not read"
            )
        if not os.path.isfile(beside):
            raise HarnessError(
                f"onnx:{name} keeps its weights in {place}, which is not beside it: put it into "
                f"{beside.absolute().parent}, or export one file: torch.onnx.export(..., external_data=False)"
            )
        if not beside.resolve().is_relative_to(graph.parent.resolve()):
            raise HarnessError(
                f"onnx:{name}: {place} is a link to another folder, which onnxruntime does not follow: "
                "copy both files into one folder (cp -L)"
            )
        others[place] = _digest(beside, *_stamp(beside, name))
    return digest([own, others]) if others else own


@lru_cache(maxsize=16)
def _others(name: str, size: int, changed: int) -> tuple[str, ...]:
    """The files in which the graph keeps weights; its stamp makes a changed one be read again."""
    stored = _read(name)
    if b"location" not in stored:  # under which word every such file is named
        return ()
    try:
        import onnx
        from google.protobuf.message import DecodeError
    except ImportError as error:
        raise HarnessError(f"onnx:{name} may keep weights in other files: pip install onnx") from error
    try:
        return tuple(sorted(set(_places(onnx.load_model_from_string(stored)))))
    except DecodeError:
        return ()  # no graph, as onnxruntime will say


def _places(message: Any) -> Iterator[str]:
    """Where the tensors in a part of a graph lie that are not in it."""
    for field, value in message.ListFields():
        if field.name == "external_data":
            yield from (entry.value for entry in value if entry.key == "location")
        elif field.message_type is not None:
            parts = [value] if hasattr(value, "ListFields") else value
            yield from (place for part in parts for place in _places(part))


@lru_cache(maxsize=64)
def _digest(path: Path, size: int, changed: int) -> str:
    """sha256 (hex) of a file of that size and time of change: large files are read once."""
    return file_digest(path)


def _stamp(path: Path, name: str) -> tuple[int, int]:
    try:
        found = regular(path).stat()
    except (HarnessError, OSError) as error:
        raise HarnessError(f"onnx:{name}: {error}") from error
    within(f"onnx:{name}", found.st_size, "weights-bytes")
    return found.st_size, found.st_mtime_ns


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]


def _read(name: str) -> bytes:
    try:
        return read(Path(name), "weights-bytes")
    except (HarnessError, OSError) as error:
        raise HarnessError(f"onnx:{name}: {error}") from error
