"""The records of GapBench, its one exception, and the words for its results.

Every record is frozen. Functions turn one record into the next: clips into predictions, predictions
into rows, rows into the leaderboard and into verdicts.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.guard.names import stored

REAL = 0
FAKE = 1
SPLITS = ("train", "val", "test")

PROTOCOL = 1
"""Raised whenever numbers stop being comparable with those of earlier versions."""
TRAINING = 1
"""Raised whenever the same request for a training would give other weights; those stored are made anew."""
SCORING = 1
"""Raised whenever the same weights would give the same clips other scores; those stored are made anew."""
READING = 2
"""Raised whenever files of some kind come to give other frames: what was made of clips that users brought is
made anew. The embedded datasets have no such files."""


class HarnessError(Exception):
    """What a user can mend, said in one line: what is wrong, what is known, what is nearest."""

    entry: str = ""
    """The one detector whose fault it is, as `Cell.entry` calls it; empty where it is no detector's."""


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
NO_FACE = "no face was found"
"""Begins what is noted of a clip that was scored so."""
NO_FACE_POLICY = "as-chance"
"""The one in force where a matrix names none."""
FACE_POLICIES = ("largest", "each", "max")
"""Who of several people is judged: at each moment the largest face; everybody, and the clip's score is the
mean over all their frames; everybody, and the clip's score is the highest of theirs."""
FACE_POLICY = FACE_POLICIES[0]
"""The one in force where a matrix names none."""


PREVALENCE = 0.01
"""Share of fakes among the clips a user meets, unless another is stated."""

GATE_MARGIN = 0.01
"""AUC that may be lost unless the matrix says otherwise."""

GATE_RULES: Mapping[str, float | None] = {
    "auc": GATE_MARGIN,
    "accuracy": None,
    "gap": GATE_MARGIN,
    "unseen_worst": GATE_MARGIN,
    "robust_worst": GATE_MARGIN,
    "fps": None,
    "vram": None,
    "fps_min": None,
    "vram_max_mib": None,
}
"""Rules a matrix may name in `[gate]`, and their margins where it names none; None: only judged where
named. `auc`, `accuracy`: of each cell. `gap`, `unseen_worst`, `robust_worst`: AUC, of each line of the
leaderboard. `fps`, `vram`: share of the accepted cost. `fps_min`, `vram_max_mib`: absolute budgets."""
BUDGETS = ("fps_min", "vram_max_mib")
"""Rules of the gate that are absolute budgets, not margins."""


LISTED = 200
"""Names that an error lists, and letters of one, at most."""


def unknown(kind: str, name: str, known: Iterable[str]) -> HarnessError:
    """The error for a name nobody knows: names it, the nearest known one, and the known ones."""
    names = sorted(known)
    many, names = len(names), names[:LISTED]
    meant = {text.partition(BY)[0]: text for text in names} | {text: text for text in names}
    near = difflib.get_close_matches(name[:LISTED], meant, n=1, cutoff=0.5)  # a recipe may be left out
    hint = f"; did you mean {meant[near[0]]!r}?" if near else ""
    listed = ", ".join(names) + f" and {many - LISTED:,} more" * (many > LISTED) if names else "none"
    said = name if len(name) <= LISTED else f"{name[: LISTED - 3]}..."
    return HarnessError(f"unknown {kind} {said!r}{hint} (known: {listed})")


COMPRESSION = re.compile(r"_(raw|c23|c40)$")
BENCH = "deepfakebench_"
"""Begins the names of datasets as DeepfakeBench lists and cuts them, and of its detectors."""


def world_of(dataset: str) -> str:
    """A dataset, whoever cut and compressed it: `deepfakebench_ffpp` and `ffpp_c40` are both `ffpp`."""
    return COMPRESSION.sub("", parts_of(dataset)[0].removeprefix(BENCH))


BY = "~"
"""Stands between what a detector was trained on and by which recipe, where that is not the default."""


def set_and_recipe(trained_on: str) -> tuple[str, str]:
    """(`dataset` or `dataset-left_out`, name of the recipe or nothing) of `mine` or `mine~procedural`."""
    name, _, recipe = trained_on.partition(BY)
    return name, recipe


def entry_parts(name: str) -> tuple[str, str | None, int]:
    """(detector, trained on with its recipe, seed) of `detector@trained_on~recipe#seed`; see `Cell.entry`."""
    detector, sign, trained_on = name.partition("@")
    match = re.fullmatch(r"(.*?)(?:#([0-9]{1,18}))?", trained_on)
    return detector, (match[1] if sign and match else None), int(match[2] or 0) if match else 0


def parts_of(text: str) -> tuple[str, str | None, str | None]:
    """(dataset, manipulation left out, only manipulation) of `name`, `name-left_out` or `name:only`.

    What follows `BY` is no part of them.
    """
    text, _ = set_and_recipe(text)
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
    """Further facts. `box`: [x, y, w, h] of the face in pixels, used by the crop `boxes`; `faces`: who was
    found in the frames that are scored, used by the crop `face`; `footage`: clips that name the same one show
    the same recording: training puts them side by side, no test clip may share one with a training clip."""

    def __post_init__(self) -> None:
        """Names that UTF-8 cannot hold, as those of files may be, are shown: all is stored in it."""
        for name in ("id", "split", "manipulation", "target", "source"):
            text = getattr(self, name)
            if isinstance(text, str) and not text.isascii():
                object.__setattr__(self, name, stored(text))


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
    present: bool = False
    """Whether listed clips that have no file are left out, where they would count as unreadable."""
    limit: int | None = None
    """Clips of each split used at most (balanced, evenly spread over the listing); None uses all."""
    start: str = ""
    """First ten hex digits of the sha256 of the weights it starts from; empty: as `pretrained` says."""


@dataclass(frozen=True, slots=True)
class Runtime:
    """Where and how scores were computed; on one machine a CPU gives the same scores bit by bit."""

    device: str = "cpu"
    """`cpu`, `cuda` or `cuda:N`."""
    precision: str = "fp32"
    """One of `PRECISIONS`, as really used."""
    batch: int = 16
    """Clips in one forward pass, at most; large clips are fewer (`device.clips_a_pass`)."""
    compile: bool = False
    """Whether `torch.compile` compiles the detector before it scores."""

    def __str__(self) -> str:
        """Such as `cuda-bf16-b16`, or `cuda-bf16-b16-compiled`; not which of several GPUs it is."""
        return self._named(f"-b{self.batch}")

    @property
    def kind(self) -> str:
        """Such as `cuda-bf16`: what is part of a cell's name, where it is not the default."""
        return self._named()

    def _named(self, batch: str = "") -> str:
        compiled = "-compiled" if self.compile else ""
        return f"{self.device.partition(':')[0]}-{self.precision}{batch}{compiled}"


@dataclass(frozen=True, slots=True)
class Cell:
    """One measurement: a detector, what it was trained on, what it is tested on, under what."""

    detector: str
    """Registered name."""
    trained_on: str | None
    """Dataset, or `dataset-manipulation` when that manipulation was left out, and `~recipe` where weights are
    named by another than the default recipe; None if not trained."""
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
    seen: int | None = None
    """In how many of the frames to score the face was seen; None where no face was looked for."""
    looked: int | None = None
    """How many frames were to be scored, each counted once; None where no face was looked for."""
    people: int | None = None
    """How many people were seen; None where no face was looked for."""
    boxes: tuple[tuple[float, ...], ...] = ()
    """[x, y, w, h] of the face in each of `frame_indices`, where one was cut out; not stored."""

    def __post_init__(self) -> None:
        """What was said of a file may hold its name, in no encoding."""
        for name in ("clip_id", "error", "note"):
            text = getattr(self, name)
            if isinstance(text, str) and not text.isascii():
                object.__setattr__(self, name, stored(text))
