"""Sealing a run: what it rests on and what it leaves is noted when it counts, and kept if it ends well."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness import registry
from harness.cli.seal import FORMAT, Seal, basis_of, clips_here, file_stamp, seal_file, seen, stored_digest
from harness.data.audit.findings import check_file
from harness.data.audit.record import audit_file
from harness.files import digest, digest_of, file_name, home, plain, read_json, write_whole
from harness.gate.accepted import accepted_file
from harness.gate.reproduction import published_files
from harness.progress import say
from harness.records import Board, Entry
from harness.report.leaderboard import result_names
from harness.report.published_figures import LEDGER
from harness.results.predictions import record_path
from harness.tracking.mlflow_run import experiment_of
from harness.types import HarnessError, parts_of
from harness.weights import find_imported

ACCEPTED = (".csv", ".parquet", "-cost.csv")


class SealWriter:
    """Notes of one run of a matrix. What changes after it was noted breaks the seal that is made of it."""

    def __init__(self, options: Namespace) -> None:
        self.options = options
        self.basis = basis_of(options)
        self.data: dict[str, str] = {}
        self.files: tuple[dict[str, str | None], dict[str, list[int] | None]] = {}, {}
        self.board: Board | None = None
        self.roots: dict[str, str] = {}
        self.printed = ""

    def planned(self, plan: Any) -> None:
        """Note the clips of a plan (`plan.Plan`) before any of them is looked at."""
        self.roots = dict(plan.matrix.data)
        self.data = _clips_of(plan)

    def reported(self, plan: Any, board: Board, printed: str) -> None:
        """Note what was written and printed, before anyone else can change it."""
        self.data = {**_clips_of(plan), **self.data}  # with what was made on the way
        self.board, self.printed = board, printed
        digests = {str(path.absolute()): digest_of(path) for path in _small(board, self.options.results)}
        stamps = {str(path.absolute()): file_stamp(path) for path in (*_large(board), *_face_model(plan))}
        self.files = digests, stamps

    def ended(self) -> None:
        """Keep the seal. None is made of a run whose store cannot be asked whether the run is in it."""
        if self.board is None:
            return
        told = "", "", ""
        if not self.options.no_publish:
            uri, experiment = self.options.tracking_uri, experiment_of(self.board.matrix)
            told = uri, experiment, stored_digest(uri, experiment) or ""
            if not told[-1]:
                return
        seal = plain(Seal(self.basis, self.data, self.roots, *self.files, told, self.printed))
        try:
            text = json.dumps({"format": FORMAT, "sha256": digest(seal), "seal": seal})
            write_whole(seal_file(self.options), text)
        except HarnessError as error:  # the results are safe, and the next run only takes longer
            say(f"the finished run is not sealed: {error}")


def _clips_of(plan: Any) -> dict[str, str]:
    """Dataset -> digest of its clips, or why it is not here; what is still to be made is left out."""
    parts = {
        name
        for name in plan.absent
        if registry.datasets.knows(parts_of(name)[0]) and parts_of(name)[1:] != (None, None)
    }
    found = {name: why for name, why in plan.absent.items() if name not in parts}
    for name in plan.known:
        if name in plan.clips:
            found[name] = seen(registry.datasets.get(name), plan.clips[name], plan.listing.get(name, ""))
        elif not registry.datasets.knows(name) or not registry.datasets.get(name).embedded:
            found.setdefault(name, clips_here(name, plan.matrix.data))
    return found


def _small(board: Board, results: Path) -> Iterator[Path]:
    """What was written, may be written beside it, or was read for it, and is small enough to be digested."""
    record = record_path(board.matrix)
    yield record
    yield home() / "matrices" / f"{board.matrix}.toml"  # a matrix made of a folder
    yield from (results / name for name in result_names(board.matrix))
    yield from (accepted_file(results, board.matrix, kind) for kind in ACCEPTED)
    yield from published_files(board.matrix, results)
    yield results / LEDGER
    for name, said in read_json(record).get("tested", {}).items():
        yield audit_file(name, said["clips_sha256"])
        yield check_file(name, said["content_sha256"])


def _large(board: Board) -> Iterator[Path]:
    """The stored files of a board, of which size and time are looked at."""
    yield from board.predictions.values()
    for entry in board.entries:
        if entry.validation is not None:
            yield entry.validation
        if entry.weights is not None:
            yield from _with_record(entry.weights.path)
        yield from _brought(entry)
        yield from (home() / "costs").glob(f"{file_name(entry.detector)}-*.json")


def _brought(entry: Entry) -> Iterator[Path]:
    """The files of weights that came from outside: imported, or named by the detector itself."""
    shelved = find_imported(entry.detector)
    if shelved is not None:
        yield from _with_record(shelved.path.with_suffix(".safetensors"))
        return
    named = entry.detector.partition(":")[2]
    if named and entry.weights is None:
        yield from (Path(named), Path(f"{named}.json"))


def _with_record(weights: Path) -> tuple[Path, Path]:
    return weights, weights.with_suffix(".json")


def _face_model(plan: Any) -> Iterator[Path]:
    if any(plan.crop(name) == "face" for name in plan.datasets):
        from harness.video.face_tracks import finder

        yield finder().model.path
