"""A detector in an ONNX file: `onnx:<file>`, e.g. `onnx:models/ours.onnx`, run by onnxruntime on the CPU."""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from harness.detectors.onnx_facts import LAYOUTS, Facts, Graph, facts_of

from harness.files import digest
from harness.registry import DetectorEntry, detector_family
from harness.types import HarnessError

NOWHERE = str(Path(__file__) / "nowhere")
"""A folder that cannot exist: what a graph keeps in other files is not part of its identity."""


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
    sha256 = hashlib.sha256(_read(name)).hexdigest()
    facts = facts_of(Path(name), _graph(name, sha256))
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

    def score(self, clips: np.ndarray) -> np.ndarray:
        """P(fake) of uint8 clips `[B, T, S, S, 3]`: `[B, T]`, or `[B, 1]` where the layout has a T."""
        items = clips if "T" in self.facts.layout else clips.reshape(-1, *clips.shape[2:])
        fixed = self._input.shape[0]
        step = fixed if isinstance(fixed, int) else len(items)
        found = [self._fake(items[start : start + step], step) for start in range(0, len(items), step)]
        return np.concatenate(found).reshape(len(clips), -1).astype(np.float32)

    def _fake(self, items: np.ndarray, step: int) -> np.ndarray:
        """One number an item; where the batch is fixed, the last item fills it up."""
        many = len(items)
        items = np.concatenate([items, items[-1:].repeat(step - many, 0)])
        shown = items[..., ::-1] if self.facts.channels == "BGR" else items
        mean, std = (np.asarray(each, np.float32) for each in (self.facts.mean, self.facts.std))
        scaled = (shown.astype(np.float32) / 255 - mean) / std
        given = np.ascontiguousarray(scaled.transpose(LAYOUTS[self.facts.layout]))
        try:
            said = self._session.run([self.facts.output_name], {self._input.name: given})[0]
        except Exception as error:  # whatever the library objects to is the user's to read, in one line
            raise HarnessError(f"onnx:{self.name} failed: {_line(error)}") from error
        return self._probability(np.asarray(said, dtype=np.float64), step)[:many]

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
    """What the graph says of itself; the digest of its file makes a changed one be read again."""
    session = _session(name, sha256)
    outputs = tuple(output.name for output in session.get_outputs())
    metadata = dict(session.get_modelmeta().custom_metadata_map)
    return Graph(tuple(session.get_inputs()[0].shape), outputs, metadata)


def _session(name: str, sha256: str) -> Any:
    """The graph of that file, which must have that digest, from its bytes alone."""
    try:
        import onnxruntime
    except ImportError as error:
        raise HarnessError("detectors onnx:... need onnxruntime: pip install onnxruntime") from error
    stored = _read(name)
    if hashlib.sha256(stored).hexdigest() != sha256:
        raise HarnessError(f"onnx:{name} changed while it was being used; run again")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.use_deterministic_compute = True
    options.log_severity_level = 4
    options.add_session_config_entry("session.model_external_initializers_file_folder_path", NOWHERE)
    try:
        session = onnxruntime.InferenceSession(stored, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # whatever the library objects to is the user's to read, in one line
        raise HarnessError(f"onnx:{name} cannot be loaded: {_line(error)}") from error
    inputs = session.get_inputs()
    if len(inputs) != 1 or inputs[0].type != "tensor(float)" or len(inputs[0].shape) not in (4, 5):
        told = ", ".join(f"{given.name} {given.type} {given.shape}" for given in inputs)
        raise HarnessError(f"onnx:{name} must have one float input of 4 or 5 axes; it has {told or 'none'}")
    return session


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]


def _read(name: str) -> bytes:
    try:
        return Path(name).read_bytes()
    except OSError as error:
        raise HarnessError(f"onnx:{name}: cannot read {Path(name).absolute()}: {error.strerror}") from error
