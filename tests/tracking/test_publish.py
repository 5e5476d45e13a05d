"""What is published is there exactly once, whatever goes wrong meanwhile."""

from __future__ import annotations

import multiprocessing
import os
import re
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from harness.records import Board
from harness.results.ranking import standings_of
from harness.tracking import publish as tracking
from harness.tracking.mlflow_run import campaign_of, points_of, track_entry
from harness.tracking.row_tags import LEADING
from harness.tracking.saved_views import links_in, views_of
from harness.types import HarnessError
from tests.tracking.published_boards import (
    LAB,
    PROVENANCE,
    WILD,
    assert_one_complete_run_an_entry,
    board,
    publish,
    runs,
)


class Killed(BaseException):
    """Ends a publish as kill -9 would: no `except Exception` sees it."""


class Mortal:
    """A client that dies right before or right after its nth call."""

    def __init__(self, client: Any, nth: int, after: bool) -> None:
        self.client, self.left, self.after = client, nth, after

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.client, name)

        def call(*arguments: Any, **named: Any) -> Any:
            self.left -= 1
            if self.left == 0 and not self.after:
                raise Killed
            answer = method(*arguments, **named)
            if self.left == 0:
                raise Killed
            return answer

        return call


def test_a_run_holds_what_was_measured(tmp_path: Path, store: tuple[str, str]) -> None:
    made = board(tmp_path, "holds")
    (tmp_path / "holds.md").write_text("# holds")
    (tmp_path / "holds-heatmap.png").write_bytes(b"png")
    (tmp_path / "holds-more-heatmap.png").write_bytes(b"of another matrix")
    links = publish(made, store, tmp_path)
    (run,) = runs(made, store)
    assert links[0].endswith("/runs?workflowType=machine_learning&viewStateShareKey=leaderboard")
    assert run.info.run_name == f"xception@{LAB}"
    assert (
        run.data.metrics["auc_unseen_worst" if "auc_unseen_worst" in run.data.metrics else "fps"] is not None
    )
    assert run.data.metrics[f"auc/{LAB}"] == 0.9
    assert run.data.params["seed"] == "0"
    assert run.data.params["frames"] == "4"
    assert run.data.tags["campaign"] == "holds-ffffffff-p1"
    assert run.data.tags["gate"] == "nothing accepted"
    assert run.data.tags["rank"] == "-" and set(LEADING) <= set(run.data.tags)
    inputs = {(i.dataset.name, i.dataset.digest, i.tags[0].value) for i in run.inputs.dataset_inputs}
    assert (LAB, "e" * 36, "train") in inputs
    assert (f"{WILD}:gan", "b" * 36, "test") in inputs
    folder = Path(run.info.artifact_uri.removeprefix("file://"))
    files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert {"cells.csv", "cells.parquet", "summary.html", "matrix.toml", "environment.json"} <= files
    assert {name for name in files if name.startswith("leaderboard")} == {
        "leaderboard/holds.md",
        "leaderboard/holds-heatmap.png",
    }
    assert len([name for name in files if name.startswith("predictions/")]) == 5
    assert len(pd.read_parquet(folder / "cells.parquet")) == 5
    assert "About &lt;this&gt;." in (folder / "summary.html").read_text()


def test_a_run_of_another_seed_is_published_with_its_predictions(
    tmp_path: Path, store: tuple[str, str]
) -> None:
    made = board(tmp_path, "seeded")
    (entry,) = made.entries
    rows = tuple(replace(row, cell=replace(row.cell, seed=1)) for row in entry.rows)
    files = {
        str(new.cell): made.predictions[str(old.cell)] for new, old in zip(rows, entry.rows, strict=True)
    }
    made = replace(made, entries=(replace(entry, seed=1, rows=rows),), predictions=files)
    publish(made, store, tmp_path)
    assert_one_complete_run_an_entry(made, store)
    client = tracking.connect(store[0])
    (run,) = runs(made, store)
    folder = f"predictions/xception@{LAB}-s1"
    listed = [file.path for file in client.list_artifacts(run.info.run_id, folder)]
    assert listed == [f"{folder}/{test}" for test in (LAB, WILD, f"{WILD}+gan")]


def test_publishing_again_changes_nothing(tmp_path: Path, store: tuple[str, str]) -> None:
    made = board(tmp_path, "again", ("xception", "airl"))
    assert publish(made, store, tmp_path) == publish(made, store, tmp_path)
    before = runs(made, store)
    publish(made, store, tmp_path)
    assert [run.info.run_id for run in runs(made, store)] == [run.info.run_id for run in before]
    assert_one_complete_run_an_entry(made, store)


def test_a_corrected_lower_value_replaces_the_run(tmp_path: Path, store: tuple[str, str]) -> None:
    publish(board(tmp_path, "corrected", auc=0.9), store, tmp_path)
    made = board(tmp_path, "corrected", auc=0.8)
    publish(made, store, tmp_path)
    assert_one_complete_run_an_entry(made, store)
    assert runs(made, store)[0].data.metrics[f"auc/{LAB}"] == 0.8


def test_changed_predictions_replace_the_run_even_if_no_number_moves(
    tmp_path: Path, store: tuple[str, str]
) -> None:
    made = board(tmp_path, "predictions")
    publish(made, store, tmp_path)
    (first,) = runs(made, store)
    pd.DataFrame({"clip_id": ["c"]}).to_parquet(next(iter(made.predictions.values())))
    publish(made, store, tmp_path)
    (second,) = runs(made, store)
    assert first.info.run_id != second.info.run_id


def test_another_commit_is_another_run_and_only_the_last_is_current(
    tmp_path: Path, store: tuple[str, str]
) -> None:
    made = board(tmp_path, "commits")
    publish(made, store, tmp_path)
    entry = made.entries[0]
    rows = tuple(replace(row, provenance={**PROVENANCE, "commit": "beef"}) for row in entry.rows)
    publish(replace(made, entries=(replace(entry, rows=rows),)), store, tmp_path)
    assert {run.data.tags["commit"]: run.data.tags["current"] for run in runs(made, store)} == {
        "c0ffee": "no",
        "beef": "yes",
    }


def test_a_verdict_reached_later_is_told_to_the_run_that_is_there(
    tmp_path: Path, store: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = board(tmp_path, "judged", ("xception", "airl"))
    publish(made, store, tmp_path)
    before = {run.info.run_id for run in runs(made, store)}
    reached = {f"xception@{LAB}": "same", f"airl@{LAB}": "worse"}
    monkeypatch.setattr(tracking, "_verdicts", lambda board, results: reached)
    publish(made, store, tmp_path)
    after = runs(made, store)
    assert {run.info.run_id for run in after} == before
    assert {run.info.run_name: run.data.tags["gate"] for run in after} == reached


def test_a_publish_killed_anywhere_and_run_again_leaves_one_complete_run(
    tmp_path: Path, store: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    connect = tracking.connect
    client = connect(store[0])
    nth, died = 0, True
    while died:
        nth += 1
        for after in (False, True):
            made = board(tmp_path, f"killed-{nth}-{after:d}")
            monkeypatch.setattr(tracking, "connect", lambda uri, n=nth, a=after: Mortal(client, n, a))
            try:
                publish(made, store, tmp_path)
                died = False
            except Killed:
                died = True
            monkeypatch.setattr(tracking, "connect", lambda uri: client)
            publish(made, store, tmp_path)
            assert_one_complete_run_an_entry(made, store)
    assert nth > 12


def test_a_correction_killed_anywhere_and_run_again_leaves_the_corrected_run(
    tmp_path: Path, store: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    client = tracking.connect(store[0])
    first, second = board(tmp_path, "torn", auc=0.9), board(tmp_path, "torn", auc=0.8)
    nth, died = 0, True
    while died:
        nth += 1
        monkeypatch.setattr(tracking, "connect", lambda uri: client)
        publish(first, store, tmp_path)
        monkeypatch.setattr(tracking, "connect", lambda uri, n=nth: Mortal(client, n, after=True))
        try:
            publish(second, store, tmp_path)
            died = False
        except Killed:
            monkeypatch.setattr(tracking, "connect", lambda uri: client)
            publish(second, store, tmp_path)
        assert_one_complete_run_an_entry(second, store)
        assert runs(second, store)[0].data.metrics[f"auc/{LAB}"] == 0.8
    assert nth > 8


def _race(made: Board, store: tuple[str, str], results: Path, start: Any) -> None:
    start.wait()
    publish(made, store, results)


def test_six_publishers_racing_on_a_fresh_database_leave_one_complete_run(tmp_path: Path) -> None:
    import mlflow  # noqa: F401  # the children inherit the import instead of paying for it six times

    made = board(tmp_path, "race")
    store = (f"sqlite:///{tmp_path}/fresh.db", str(tmp_path / "files"))
    context = multiprocessing.get_context("fork")
    start = context.Event()
    racers = [context.Process(target=_race, args=(made, store, tmp_path, start)) for _ in range(6)]
    for racer in racers:
        racer.start()
    start.set()
    for racer in racers:
        racer.join(60)
    assert [racer.exitcode for racer in racers] == [0] * 6
    assert_one_complete_run_an_entry(made, store)


def test_a_run_overtaken_by_another_publisher_is_no_error(
    tmp_path: Path, store: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = board(tmp_path, "overtaken")
    client = tracking.connect(store[0])
    monkeypatch.setattr(tracking, "connect", lambda uri: client)

    class Overtaken(Mortal):
        def log_artifacts(self, *arguments: Any) -> None:
            publish(made, store, tmp_path)
            client.log_artifacts(*arguments)

    slow = Overtaken(client, 1000, after=False)
    monkeypatch.setattr(tracking, "connect", lambda uri: slow if uri == "slow" else client)
    entry = made.entries[0]
    publish(made, store, tmp_path)
    experiment = client.get_experiment_by_name("gapbench-overtaken").experiment_id
    client.delete_run(runs(made, store)[0].info.run_id)
    run = track_entry(entry, made, standings_of(made))
    tracking.Publisher(slow, experiment, run, "same").publish(lambda folder: (folder / "x").write_text("x"))
    assert_one_complete_run_an_entry(made, store)


def test_an_abandoned_partial_run_above_the_kept_one_goes_away(
    tmp_path: Path, store: tuple[str, str]
) -> None:
    made = board(tmp_path, "abandoned")
    publish(made, store, tmp_path)
    client = tracking.connect(store[0])
    (kept,) = runs(made, store)
    tags = {**kept.data.tags, "published": "partial"}
    now = int(time.time() * 1000)
    for age in (0, 2 * tracking.ABANDONED_MS):
        client.create_run(
            kept.info.experiment_id, start_time=now + 1000 - age, tags={**tags, "key": f"other-{age}"}
        )
    publish(made, store, tmp_path)
    assert sorted(run.data.tags["key"] for run in runs(made, store)) == sorted(
        [kept.data.tags["key"], "other-0"]
    )


def test_predictions_that_are_gone_are_named(tmp_path: Path, store: tuple[str, str]) -> None:
    made = board(tmp_path, "gone")
    made.predictions[str(made.rows[0].cell)].unlink()
    with pytest.raises(HarnessError, match=re.escape(str(made.rows[0].cell))):
        publish(made, store, tmp_path)


def test_saved_views_show_metrics_and_are_found_again(tmp_path: Path, store: tuple[str, str]) -> None:
    made = board(tmp_path, "views")
    links = publish(made, store, tmp_path)
    assert links[0] in tracking.leaderboard_links(store[0])
    assert tracking.leaderboard_links(f"sqlite:///{tmp_path}/none.db") == []
    metrics = {name for name, _, _ in points_of(made.entries[0])}
    leaderboard, tests, *_ = views_of(metrics)
    state = leaderboard.state(campaign_of(made))
    leading = [f"tags.`{name}`" for name in LEADING]
    for columns in (state["selectedColumns"], state["columnOrder"][1:]):
        assert columns[: len(leading) + 1] == [*leading, state["orderByKey"]]
    assert state["orderByKey"] == f"metrics.`{leaderboard.metrics[0]}`"
    assert "metrics.`vram_peak_mib`" not in state["selectedColumns"]
    assert f"auc/{WILD}" in tests.metrics


def test_views_that_cannot_be_stored_cost_nothing(
    tmp_path: Path, store: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    def refuse(*_: Any, **__: Any) -> None:
        raise MlflowException("no such tag")

    monkeypatch.setattr(MlflowClient, "set_experiment_tag", refuse)
    made = board(tmp_path, "viewless")
    assert publish(made, store, tmp_path) == []
    assert_one_complete_run_an_entry(made, store)
    assert not [link for link in links_in(tracking.connect(store[0])) if "viewless" in link]


def test_importing_the_module_does_not_import_mlflow() -> None:
    code = "import harness.tracking.publish, sys; sys.exit('mlflow' in sys.modules or 'torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, env=os.environ)
