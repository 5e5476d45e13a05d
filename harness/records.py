"""What a run leaves: costs, weights, rows, entries, and the board that is printed, gated and published."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from harness.guard.names import Renaming
from harness.guard.parsed import toml_of
from harness.guard.stored import fault_of, shape_of
from harness.types import PREVALENCE, SELECTIONS, Cell, HarnessError, Recipe, parts_of

BADGE = "[!]"
"""Marks a test set whose audit found a shortcut."""
DOUBT = "? "
"""Begins what `Board.shortcuts` says of an audit that showed neither a shortcut nor that there is none."""


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
        if "latency_ms_p90" not in found:
            why = "measured by an earlier version"
            found |= {"latency_ms_p90": None, "throughput_invalid": why, "latency_invalid": why}
        fault = fault_of(found, shape_of(cls))
        pairs = [] if fault else found.get("throughput", [])
        if any(len(pair) != 2 or fault_of(pair[0], int) or fault_of(pair[1], float) for pair in pairs):
            fault = "has no batch and rate for one of throughput"
        if fault:
            raise HarnessError(f"no record of a cost: it {fault}; measure it with: gapbench cost")
        pairs = tuple((int(batch), float(rate)) for batch, rate in found.pop("throughput", ()))
        return cls(**found, throughput=pairs)


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
    """`auc` and accuracies under each draw of the bootstrap, as arrays: draw k of any two rows weighs the
    identities of a dataset alike, so differences of rows have draws too."""
    counts: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """(real, fake) clips of the row: `clips` in all, those that `failed`, those that are `faceless` (scored
    by a policy), and scored ones that `auc` is over; the same of each `<name>:<manipulation>`."""

    @property
    def shares_footage(self) -> bool:
        """Whether test clips show recordings that the weights were trained on; such a row is never ranked."""
        return bool(self.provenance.get("shared_footage"))

    @property
    def unjudged(self) -> str:
        """Why missing faces or failed clips keep the row from a rank; empty where they do not."""
        return str(self.provenance.get("unjudged") or "")

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


@dataclass(frozen=True, slots=True)
class Known:
    """What a reader of numbers on the clips of a dataset has to know of them."""

    present: int
    """Test files that are here."""
    listed: int
    """Test files that there should be: those that are listed, or that the complete set has; 0: not known."""
    lines: tuple[str, ...] = ()
    """What check, audit and run found, a sentence each."""
    unasked: tuple[str, ...] = ()
    """The commands that would find out more."""
    facts: Mapping[str, float | int | str] = field(default_factory=dict)
    """The same as single values."""


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
    known: Mapping[str, Known] = field(default_factory=dict)
    """Dataset that was tested on -> what has to be known of its clips."""
    partial: Mapping[str, str] = field(default_factory=dict)
    """Dataset -> how many of its official test clips are listed, where it is fewer than there are."""
    listing: Mapping[str, str] = field(default_factory=dict)
    """Dataset -> which files under its root are no clips, and what was taken for frames, if any."""
    wrong: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """`str(cell)` -> ids of its failed clips that others scored: in its numbers they are judged wrong."""

    @property
    def stated(self) -> Mapping[str, Any]:
        """What the matrix file says, by its names; empty where there is none."""
        return toml_of(self.matrix_toml, f"the stored matrix {self.matrix}")

    @property
    def margins(self) -> Mapping[str, float]:
        """Rule of the gate -> its margin or budget, of those that the matrix names."""
        return dict(self.stated.get("gate", {}))

    @property
    def prevalence(self) -> float:
        """Share of fakes that the positive predictive value is stated for."""
        return float(self.stated.get("prevalence", PREVALENCE))

    @property
    def folders(self) -> Mapping[str, str]:
        """Dataset -> where it lies, of those that the matrix says it of."""
        return dict(self.stated.get("data", {}))

    def marked(self, on: str) -> str:
        """A test set, with a badge where real and fake are told apart there without a look at the face."""
        said = self.shortcuts.get(parts_of(on)[0])
        return f"{on} {BADGE}" if said and not said.startswith(DOUBT) else on

    @property
    def rows(self) -> tuple[Row, ...]:
        """The rows of all entries, in order."""
        return tuple(row for entry in self.entries for row in entry.rows)


def told_as(board: Board, how: Callable[[str], str]) -> Board:
    """The board with its names of detectors, sets, perturbations and devices as `how` writes them.

    Different names stay different. Where none changes, it is the same board.
    """
    name = Renaming(how)
    cells = {
        row.cell: replace(
            row.cell,
            detector=name(row.cell.detector),
            trained_on=name(row.cell.trained_on) if row.cell.trained_on else None,
            tested_on=name(row.cell.tested_on),
            perturbation=name(row.cell.perturbation),
        )
        for row in board.rows
    }
    costs = {
        cost: replace(cost, detector=name(cost.detector), device=name(cost.device))
        for cost in (entry.cost for entry in board.entries)
        if cost
    }
    if all(one == other for told in (cells, costs) for one, other in told.items()):
        return board
    entries = []
    for entry in board.entries:
        rows = tuple(replace(row, cell=cells[row.cell]) for row in entry.rows)
        first = rows[0].cell
        cost = costs[entry.cost] if entry.cost else None
        entries.append(
            replace(entry, detector=first.detector, trained_on=first.trained_on, rows=rows, cost=cost)
        )
    files = {str(cells[row.cell]): board.predictions.get(str(row.cell)) for row in board.rows}
    return replace(
        board,
        entries=tuple(entries),
        predictions={cell: file for cell, file in files.items() if file is not None},
        shortcuts={
            parts_of(cell.tested_on)[0]: board.shortcuts[set_]
            for old, cell in cells.items()
            if (set_ := parts_of(old.tested_on)[0]) in board.shortcuts
        },
    )
