"""Publish a finished board to MLflow: one experiment a matrix, one run an entry, as often as one likes.

Publishing again changes nothing; a publish that was killed, or that raced another, leaves exactly one
complete run of each entry once some publish has ended. How: a run carries a key (what it is about)
and a content hash (what it says) from its first moment, and the tag `published = complete` last.
Runs of a key are totally ordered by start time and id; the highest complete one is kept, and only
runs below it are deleted, so no two publishers can delete each other's.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from harness.files import scratch_folder
from harness.gate.accepted import lacking
from harness.gate.judge import judge_board
from harness.guard.names import markdown_page
from harness.progress import Progress
from harness.records import Board, Entry
from harness.results.ranking import standings_of
from harness.tracking.mlflow_run import EntryRun, campaign_of, experiment_of, track_entry, write_files
from harness.tracking.saved_views import MATRIX_TAG, links_in, provide_views, ui_command
from harness.tracking.store import alone, ask, check_location, location, made_whole, shown, sqlite_file
from harness.tracking.strange_server import Bounded, bounded_answers
from harness.types import HarnessError

__all__ = ["connect", "leaderboard_links", "publish", "ui_command"]

CHUNK = 900
"""Metric points in one call; MLflow takes 1,000 values, parameters included."""
ABANDONED_MS = 3_600_000
"""A partial run that started longer ago has no publisher any more."""
SETTINGS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}
"""With the defaults one call to a dead server takes minutes. What the user has set stays."""
OUTCOMES = ("worse", "incomparable", "inconclusive", "better", "same")
"""Verdicts, the one that speaks for an entry first."""


def publish(board: Board, results: Path, uri: str, artifacts: str) -> list[str]:
    """Send a board and its finished files in `results` to the store `uri`; returns the links of the views.

    `artifacts` is a folder or address for the files of a new experiment; a tracking server keeps files
    where it was told to. Whatever the store cannot do is a `HarnessError` in one line.
    """
    if not board.entries:
        raise HarnessError(f"matrix {board.matrix} has no row to publish")
    standings = standings_of(board)
    tracked = [track_entry(entry, board, standings) for entry in board.entries]
    verdicts = _verdicts(board, results)
    metrics = {name for run in tracked for name, _, _ in run.points}
    with _one_line(uri), Progress("publish", len(tracked), "run") as progress:
        client = connect(uri)
        experiment = _experiment(client, board, uri, artifacts)
        for entry, run in zip(board.entries, tracked, strict=True):
            publisher = Publisher(client, experiment, run, verdicts[entry.name])
            publisher.publish(_writer(entry, board, results))
            progress.advance()
        return provide_views(client, experiment, campaign_of(board), metrics)


def leaderboard_links(uri: str) -> list[str]:
    """The leaderboard view of every matrix in a store, as the part of the address after the server's name."""
    database = sqlite_file(uri)
    if database is not None and not database.exists():
        return []
    with _one_line(uri):
        return links_in(connect(uri))


def connect(uri: str) -> Any:
    """A client of the store; a local database is made first, by one process at a time."""
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    ask(uri)
    from mlflow import MlflowClient

    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    database = sqlite_file(uri)
    with alone(database):
        if database is not None:
            made_whole(database, lambda address: MlflowClient(tracking_uri=address).search_experiments())
        client: Any = MlflowClient(tracking_uri=uri)
        client = Bounded(client) if "://" in uri and database is None else client
        client.search_experiments(max_results=1)
    return client


class Publisher:
    """Brings one entry into an experiment: finds, sends, settles."""

    def __init__(self, client: Any, experiment: str, run: EntryRun, verdict: str) -> None:
        self.client, self.experiment, self.run, self.verdict = client, experiment, run, verdict
        self.key, self.content = run.key, run.content

    def publish(self, write: Callable[[Path], None]) -> None:
        """Leave exactly one complete run of the entry, and let it say what the entry says."""
        runs = self._runs()
        kept = self._kept(runs)
        if kept is None or kept.data.tags.get("content") != self.content:
            self._send(runs, write)
            runs = self._runs()
        self._settle(runs)

    def _runs(self) -> list[Any]:
        """The live runs of this entry in this campaign, whatever their key."""
        where = f"tags.campaign = '{self.run.campaign}' and tags.entry = '{self.run.name}'"
        return list(self.client.search_runs([self.experiment], filter_string=where, max_results=1000))

    def _kept(self, runs: Sequence[Any]) -> Any:
        complete = [run for run in runs if self._same(run) and _complete(run)]
        return max(complete, key=_order, default=None)

    def _same(self, run: Any) -> bool:
        return bool(run.data.tags.get("key") == self.key)

    def _send(self, runs: Sequence[Any], write: Callable[[Path], None]) -> None:
        from mlflow.exceptions import MlflowException

        started = max([int(time.time() * 1000), *(run.info.start_time + 1 for run in runs)])
        run_id = self.client.create_run(
            self.experiment, start_time=started, run_name=self.run.name, tags=self._tags()
        ).info.run_id
        try:
            self._fill(run_id, started, write)
            self.client.set_terminated(run_id, "FINISHED")
            self.client.set_tag(run_id, "published", "complete")
        except MlflowException:
            # Another publisher of the same entry finished a newer run meanwhile and deleted this one.
            if not self._deleted(run_id):
                raise

    def _tags(self) -> dict[str, str]:
        return {
            "campaign": self.run.campaign,
            "entry": self.run.name,
            "commit": self.run.commit,
            "key": self.key,
            "content": self.content,
            "gate": self.verdict,
            **self.run.tags,
            "current": "yes",
            "published": "partial",
        }

    def _fill(self, run_id: str, started: int, write: Callable[[Path], None]) -> None:
        from mlflow.entities import Metric, Param

        metrics = [Metric(name, value, started, step) for name, step, value in self.run.points]
        params = [Param(name, value) for name, value in self.run.params.items()]
        for start in range(0, max(len(metrics), 1), CHUNK):
            self.client.log_batch(run_id, metrics[start : start + CHUNK], params if start == 0 else [])
        if self.run.inputs:
            self.client.log_inputs(run_id, _dataset_inputs(self.run.inputs))
        with scratch_folder() as folder:
            write(Path(folder))
            self.client.log_artifacts(run_id, folder)

    def _settle(self, runs: Sequence[Any]) -> None:
        """Delete what the kept run replaces and mark it as the one that the views show."""
        kept = self._kept(runs)
        if (
            kept is None
        ):  # a newer one of another publisher was deleted by a still newer one: theirs to settle
            return
        abandoned = int(time.time() * 1000) - ABANDONED_MS
        for run in runs:
            if run is kept:
                self._mark(run, "current", "yes")
                for name, value in {"gate": self.verdict, **self.run.tags}.items():
                    self._mark(run, name, value)
                continue
            replaced = self._same(run) and _order(run) < _order(kept)
            if replaced or (not _complete(run) and run.info.start_time < abandoned):
                self.client.delete_run(run.info.run_id)
            elif not self._same(run) and _complete(run):
                self._mark(run, "current", "no")

    def _mark(self, run: Any, name: str, value: str) -> None:
        from mlflow.exceptions import MlflowException

        if run.data.tags.get(name) == value:
            return
        try:
            self.client.set_tag(run.info.run_id, name, value)
        except MlflowException:
            if not self._deleted(run.info.run_id):
                raise

    def _deleted(self, run_id: str) -> bool:
        return bool(self.client.get_run(run_id).info.lifecycle_stage == "deleted")


def _complete(run: Any) -> bool:
    return bool(run.data.tags.get("published") == "complete")


def _order(run: Any) -> tuple[int, str]:
    return run.info.start_time, run.info.run_id


def _writer(entry: Entry, board: Board, results: Path) -> Callable[[Path], None]:
    return lambda folder: write_files(entry, board, results, folder)


def _dataset_inputs(inputs: Sequence[tuple[str, str, str]]) -> list[Any]:
    from mlflow.entities import Dataset, DatasetInput, InputTag

    return [
        DatasetInput(
            Dataset(name=name, digest=digest, source_type="gapbench", source=f'{{"clips": "{digest}"}}'),
            [InputTag("mlflow.data.context", context)],
        )
        for name, digest, context in inputs
    ]


def _verdicts(board: Board, results: Path) -> dict[str, str]:
    """Entry -> its worst verdict, those of its leaderboard line included, or `nothing accepted`."""
    if lacking(results, board.matrix) is not None:
        return {entry.name: "nothing accepted" for entry in board.entries}
    verdicts = judge_board(board, results, board.margins)
    found: dict[str, str] = {}
    for entry in board.entries:
        line = entry.name.partition("#")[0]
        mine = (one for one in verdicts if one.row == line or one.row.startswith(f"{entry.name}/"))
        said = {verdict.outcome for verdict in mine}
        found[entry.name] = next(outcome for outcome in OUTCOMES if outcome in said)
    return found


def _experiment(client: Any, board: Board, uri: str, artifacts: str) -> str:
    """Id of the matrix's experiment, made if need be; one whose files are elsewhere is a `HarnessError`."""
    from mlflow.exceptions import MlflowException

    name = experiment_of(board.matrix)
    wanted = location(uri, artifacts, board.matrix)
    found = client.get_experiment_by_name(name)
    if found is None:
        tags = {MATRIX_TAG: board.matrix, "mlflow.note.content": markdown_page(board.about)}
        tags["mlflow.experimentKind"] = "custom_model_development"
        try:
            client.create_experiment(name, artifact_location=wanted, tags=tags)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        found = client.get_experiment_by_name(name)
    if found.lifecycle_stage == "deleted":
        raise HarnessError(
            f"experiment {name!r} was deleted in MLflow; "
            f"run: mlflow experiments restore -x {found.experiment_id}"
        )
    check_location(name, found.artifact_location, wanted, uri)
    return str(found.experiment_id)


@contextmanager
def _one_line(uri: str) -> Iterator[None]:
    try:
        with bounded_answers():
            yield
    except HarnessError:
        raise
    except (
        Exception
    ) as error:  # every store raises errors of its own kind, and none of them may cost the results
        reason = shown((str(error).splitlines() or [""])[0], uri)
        raise HarnessError(f"MLflow at {shown(uri)} failed: {type(error).__name__}: {reason}") from error
