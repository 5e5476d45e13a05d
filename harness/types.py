"""The records of GapBench, its one exception, and the words for its results.

Every record is frozen. Functions turn one record into the next: clips into predictions, predictions
into rows, rows into the leaderboard and into verdicts.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

REAL = 0
FAKE = 1
SPLITS = ("train", "val", "test")

PROTOCOL = 1
"""Raised whenever numbers stop being comparable with those of earlier versions."""
TRAINING = 1
"""Raised whenever the same request for a training would give other weights; those stored are made anew."""
SCORING = 1
"""Raised whenever the same weights would give the same clips other scores; those stored are made anew."""


class HarnessError(Exception):
    """What a user can mend, said in one line: what is wrong, what is known, what is nearest."""


SELECTIONS = ("source-val", "fixed", "oracle", "unknown")
"""Where a checkpoint or a threshold came from: the validation split of the training dataset; given with the
detector, before any test; chosen on the test clips; nobody says."""
RANKED = SELECTIONS[:2]
"""Those that are ranked."""


PRECISIONS = ("fp32", "bf16", "fp16")
"""What scores are computed in; bf16 and fp16 are mixed (autocast), fp16 on GPUs only."""

CROPS = ("none", "center", "boxes", "face")
"""What of a frame is shown: all, the largest centred square, a square around the face box that came with the
clip, a square around the face that is found."""
FACE_CROPS = CROPS[2:]
"""Those around a face."""
NO_FACE_POLICIES: Mapping[str, float | None] = {
    "exclude": None,
    "as-real": 0.0,
    "as-fake": 1.0,
    "as-chance": 0.5,
}
"""What is said of a clip in which no face is found: a score, or None, and then it counts as failed."""
NO_FACE_POLICY = "as-chance"
"""The one in force where a matrix names none."""


def unknown(kind: str, name: str, known: Iterable[str]) -> HarnessError:
    """The error for a name nobody knows: names it, the nearest known one, and the known ones."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    listed = ", ".join(names) if names else "none"
    return HarnessError(f"unknown {kind} {name!r}{hint} (known: {listed})")


COMPRESSION = re.compile(r"_(raw|c23|c40)$")
BENCH = "deepfakebench_"
"""Begins the names of datasets as DeepfakeBench lists and cuts them, and of its detectors."""


def world_of(dataset: str) -> str:
    """A dataset, whoever cut and compressed it: `deepfakebench_ffpp` and `ffpp_c40` are both `ffpp`."""
    return COMPRESSION.sub("", parts_of(dataset)[0].removeprefix(BENCH))


def parts_of(text: str) -> tuple[str, str | None, str | None]:
    """(dataset, manipulation left out, only manipulation) of `name`, `name-left_out` or `name:only`."""
    name, sign, manipulation = (*re.split("([-:])", text, maxsplit=1), "", "")[:3]
    return name, manipulation if sign == "-" else None, manipulation if sign == ":" else None


@dataclass(frozen=True, slots=True)
class Clip:
    """One labelled video; a still image is a clip of one frame."""

    id: str
    """Unique across datasets, e.g. `ffpp_c23/Deepfakes/000_003`; never a file stem alone."""
    path: Path
    """The file. It need not exist: reading it may fail, and failing is counted."""
    label: int
    """REAL (0) or FAKE (1)."""
    split: str
    """`train`, `val` or `test`, as the dataset's authors split it."""
    manipulation: str | None = None
    """The method that made the fake; None for a real clip."""
    target: str | None = None
    """Identity or footage whose body is seen; None when unknown."""
    source: str | None = None
    """Identity or footage whose face was put on it; None when unknown or real."""
    attributes: Mapping[str, Any] = field(default_factory=dict)
    """Further facts. `box`: [x, y, w, h] of the face in pixels, used by the crop `boxes`; `track`: where the
    face was found, used by the crop `face`; `footage`: clips that name the same one show the same
    recording: training puts them side by side, and no test clip may share one with a training clip."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a detector is trained. Stored beside the weights it made, and part of their name.

    A field at its default is left out of their key, so that a new field changes no key; to change a default
    is to raise `TRAINING`.
    """

    size: int
    """Side of the square input, in pixels."""
    frames: int
    """Evenly spaced frames of a clip that are scored."""
    epochs: int
    """Passes over the training clips, at most."""
    batch: int
    """Clips in one optimizer step; each contributes `train_frames` frames."""
    learning_rate: float
    """Peak learning rate of the newly initialised layers."""
    train_frames: int = 1
    """Frames of a clip seen in one step (a clip-based detector sees all `frames`)."""
    passes: int = 1
    """Forward and backward passes that an optimizer step is made of, each over `batch / passes` clips whose
    gradients are averaged: the same step in less memory, except that BatchNorm and a loss that compares clips
    see only those of one pass."""
    backbone_rate: float = 1.0
    """Learning rate of the backbone, as a fraction of `learning_rate`."""
    weight_decay: float = 0.0
    """L2 penalty of the optimizer."""
    schedule: str = "constant"
    """`constant`, `cosine` (one cycle to zero, short warm-up) or `cosine-restarts` (every 10 epochs)."""
    clip_norm: float | None = None
    """Largest gradient norm; None leaves gradients alone."""
    patience: int | None = None
    """Epochs without a better validation AUC before training stops; None never stops early."""
    precision: str = "fp32"
    """`fp32`, `bf16`, or `auto` (bf16 where the device computes it natively, else fp32)."""
    pretrained: bool = False
    """Start from published ImageNet weights; their absence is an error, never a random start."""
    augment: tuple[str, ...] = ("flip",)
    """Names of training augmentations: `flip`, `light`, `noise`, `jpeg`, `shift`."""
    clips: int | None = None
    """Training clips used at most (balanced, evenly spread over the listing); None uses all."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Keyword arguments for the detector's constructor, e.g. `{"pooling": "mean"}`."""


@dataclass(frozen=True, slots=True)
class Runtime:
    """Where and how scores were computed; on one machine a CPU gives the same scores bit by bit."""

    device: str = "cpu"
    """`cpu`, `cuda` or `cuda:N`."""
    precision: str = "fp32"
    """One of `PRECISIONS`, as really used."""
    batch: int = 16
    """Clips in one forward pass, at most; large clips are fewer (`scoring.clips_a_pass`)."""
    compile: bool = False
    """Whether `torch.compile` compiles the detector before it scores."""

    def __str__(self) -> str:
        """Such as `cuda-bf16-b16`: what is part of a key; which of several GPUs it is is not."""
        return f"{self.kind}-b{self.batch}"

    @property
    def kind(self) -> str:
        """Such as `cuda-bf16`: what is part of a name, where it is not the default."""
        compiled = "-compiled" if self.compile else ""
        return f"{self.device.partition(':')[0]}-{self.precision}{compiled}"


@dataclass(frozen=True, slots=True)
class Cell:
    """One measurement: a detector, what it was trained on, what it is tested on, under what."""

    detector: str
    """Registered name."""
    trained_on: str | None
    """Dataset, or `dataset-manipulation` when that manipulation was left out; None if not trained."""
    tested_on: str
    """Dataset, or `dataset:manipulation` for that manipulation and all reals."""
    perturbation: str = "clean"
    """Registered name, or `clean`."""
    severity: int = 0
    """0 clean, 1 mild ... 5 strong."""
    seed: int = 0
    """Seed of the training."""
    runtime: Runtime = Runtime()
    """Device, precision and batch of the scoring."""

    @property
    def entry(self) -> str:
        """`detector@trained_on`, the name of a leaderboard row (the seed is named when not 0)."""
        trained = f"@{self.trained_on}" if self.trained_on else ""
        return f"{self.detector}{trained}" + (f"#{self.seed}" if self.seed else "")

    @property
    def condition(self) -> str:
        """`clean`, or `perturbation-severity`."""
        return self.perturbation if self.severity == 0 else f"{self.perturbation}-{self.severity}"

    @property
    def regime(self) -> str:
        """`in-dataset`, `cross-dataset`, `cross-manipulation` (what was left out is tested) or `fixed`."""
        if self.trained_on is None:
            return "fixed"
        _, unseen, _ = parts_of(self.trained_on)
        _, left_out, only = parts_of(self.tested_on)
        if world_of(self.trained_on) != world_of(self.tested_on):
            return "cross-dataset"
        meets_unseen = unseen is not None and unseen != left_out and only in (None, unseen)
        return "cross-manipulation" if meets_unseen else "in-dataset"

    @property
    def measured(self) -> str:
        """`detector@trained_on/tested_on/condition`: what is measured, whatever computed it."""
        return f"{self.entry}/{self.tested_on}/{self.condition}"

    def __str__(self) -> str:
        """What is measured, and the kind of runtime where it is not the default: two kinds are two cells."""
        return self.measured + self.runtime_suffix("/")

    def runtime_suffix(self, sign: str) -> str:
        """The sign and the kind of runtime; empty for the default, and for one that nobody knows."""
        known = self.runtime.precision in PRECISIONS
        return f"{sign}{self.runtime.kind}" if known and self.runtime.kind != Runtime().kind else ""


@dataclass(frozen=True, slots=True)
class Prediction:
    """What one detector said of one clip."""

    clip_id: str
    label: int
    """REAL (0) or FAKE (1)."""
    score: float | None
    """P(fake) in [0, 1]: the mean of the frame scores; None when the clip could not be scored."""
    frame_scores: tuple[float, ...] = ()
    """P(fake) of each scored frame; one value for a clip-based detector."""
    frame_indices: tuple[int, ...] = ()
    """Which frames of the file were shown to the detector, 0-based."""
    error: str | None = None
    """Why there is no score."""
    note: str | None = None
    """What a score rests on that is not the detector's: a clip without a face, scored by the policy."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What one detector costs on one device, measured apart from any dataset in a process of its own."""

    detector: str
    device: str
    """Name of the processor or GPU, as the machine gives it."""
    precision: str
    size: int
    """Input side in pixels."""
    frames: int
    """Frames in one clip."""
    batch: int
    """Clips a forward pass at the best throughput found."""
    frames_per_second: float
    """Frames scored a second at that batch size, by the clock on the wall."""
    latency_ms_p50: float
    """Milliseconds for one clip alone by the clock on the wall, median."""
    latency_ms_p90: float | None
    """None with fewer than 64 samples."""
    latency_ms_p99: float | None
    """None with fewer than 662 samples."""
    parameters: int
    """Trainable and fixed parameters of the network; 0 if it has none."""
    peak_vram_allocated_mib: float | None
    peak_vram_reserved_mib: float | None
    """What torch used and held at most at the best batch, weights included; None without a GPU."""
    vram_process_mib: float | None = None
    """What the driver says the process held at the best batch; None where it does not say."""
    peak_ram_mib: float | None = None
    """Main memory of the process at most, Python and libraries included; None where nobody says."""
    latency_samples: int = 0
    throughput: tuple[tuple[int, float], ...] = ()
    """(clips a pass, frames/s) of every batch size that was tried, from 1 upwards."""
    event_frames_per_second: float | None = None
    event_ms_p50: float | None = None
    """The same throughput and median latency between two CUDA events; None without a GPU."""
    threads: int | None = None
    """Threads of torch on the processor; None in a record of an earlier version."""
    driver: str | None = None
    """Version of the GPU's driver; None without a GPU, or where nobody says."""
    clocks: str | None = None
    """Clocks under load; None where the machine does not say."""
    flags: str = ""
    """Instructions of the processor that matter, with spaces between."""
    torch: str = ""
    """Version of torch."""
    others_cores: float | None = None
    """Cores that other processes kept busy meanwhile, on average; None where the machine does not say."""
    throughput_invalid: str = ""
    latency_invalid: str = ""
    """Why the speed, or the latency, is INVALID: not what the device gives when left alone; else empty."""

    @classmethod
    def read(cls, said: Mapping[str, Any]) -> Cost:
        """The record in stored JSON; one of an earlier version keeps its numbers and is INVALID."""
        known = {one.name for one in fields(cls)}
        found = {name: value for name, value in said.items() if name in known}
        if "throughput" in found:
            found["throughput"] = tuple((int(batch), float(rate)) for batch, rate in found["throughput"])
        if "latency_ms_p90" not in found:
            why = "measured by an earlier version"
            found |= {"latency_ms_p90": None, "throughput_invalid": why, "latency_invalid": why}
        try:
            return cls(**found)
        except TypeError as error:
            raise HarnessError(f"no record of a cost: {error}; measure it with: gapbench cost") from error


@dataclass(frozen=True, slots=True)
class Weights:
    """Trained weights on disk, with where they came from."""

    detector: str
    trained_on: str
    seed: int
    key: str
    """sha256 (hex) over all that would change the weights; the file name carries its first 10."""
    path: Path
    """The safetensors file; the JSON with the same stem holds the provenance."""
    sha256: str
    """Digest of the safetensors file."""
    recipe: Recipe
    threshold: float
    """Decision threshold on P(fake): a clip at or above it is called fake."""
    threshold_source: str
    """`source-val` (validation split of the training dataset) or `fixed`."""
    curve: tuple[Mapping[str, float], ...] = ()
    """One mapping an epoch: `epoch`, `train_loss`, `val_auc`, `seconds`."""
    provenance: Mapping[str, Any] = field(default_factory=dict)
    """commit, dirty, clips_sha256, torch, device, precision, best_epoch ..."""


@dataclass(frozen=True, slots=True)
class Row:
    """The numbers of one cell."""

    cell: Cell
    clips: int
    """Clips in the test split."""
    failed: int
    """Clips that could not be scored; they are in `clips`, not in the metrics."""
    metrics: Mapping[str, float | None]
    """Metric name to value; None is undefined, and `reasons` says why."""
    intervals: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """Metric name to the bounds of its 95 % interval."""
    reasons: Mapping[str, str] = field(default_factory=dict)
    """Why a metric is None."""
    provenance: Mapping[str, Any] = field(default_factory=dict)
    """commit, dirty, weights_sha256, clips_sha256, recipe_sha256, threshold, threshold_source ..."""
    draws: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)
    """`auc` and `accuracy` under each draw of the bootstrap, as arrays: draw k of any two rows weighs the
    identities of a dataset alike, so differences of rows have draws too."""

    @property
    def shares_footage(self) -> bool:
        """Whether test clips show recordings that the weights were trained on; such a row is never ranked."""
        return bool(self.provenance.get("shared_footage"))

    @property
    def selection(self) -> str:
        """Where checkpoint and threshold came from, the less trustworthy of the two; one of `SELECTIONS`."""
        said = [self.provenance.get(name) for name in ("checkpoint_source", "threshold_source")]
        known = [source if source in SELECTIONS else "unknown" for source in said]
        return str(max(known, key=SELECTIONS.index))


@dataclass(frozen=True, slots=True)
class Entry:
    """The cells of one detector, trained on one set from one seed."""

    detector: str
    trained_on: str | None
    seed: int
    rows: tuple[Row, ...]
    cost: Cost | None = None
    weights: Weights | None = None
    validation: Path | None = None
    """Stored predictions for the validation split of what it was trained on; None for a fixed detector."""

    @property
    def name(self) -> str:
        """`detector@trained_on`, with `#seed` when the seed is not 0."""
        return self.rows[0].cell.entry


DOUBT = "? "
"""Begins what `Board.shortcuts` says of an audit that showed neither a shortcut nor that there is none."""


@dataclass(frozen=True, slots=True)
class Board:
    """A finished matrix: what is printed, written to `results/`, and published."""

    matrix: str
    """Name of the matrix, e.g. `cross-dataset`."""
    matrix_sha256: str
    """Digest of the matrix file's meaning."""
    matrix_toml: str
    """The matrix file as text."""
    about: str
    """What was measured, and what these numbers do not say; heads every table."""
    entries: tuple[Entry, ...]
    absent: Mapping[str, str] = field(default_factory=dict)
    """Test or training set that is not on this machine -> the line that would make it present."""
    predictions: Mapping[str, Path] = field(default_factory=dict)
    """`str(cell)` -> its Parquet file."""
    environment: Mapping[str, Any] = field(default_factory=dict)
    """Versions, device, cores."""
    shortcuts: Mapping[str, str | None] = field(default_factory=dict)
    """Dataset -> how well its classes are told apart without a look at the face; empty where an audit found
    no shortcut, `DOUBT` and why where it could not tell, None where a brought dataset was never audited."""
    partial: Mapping[str, str] = field(default_factory=dict)
    """Dataset -> how many of its official test clips are listed, where it is fewer than there are."""

    @property
    def rows(self) -> tuple[Row, ...]:
        """The rows of all entries, in order."""
        return tuple(row for entry in self.entries for row in entry.rows)
