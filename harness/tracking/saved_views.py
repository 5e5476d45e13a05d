"""How MLflow shows the leaderboard: saved views with metric columns, their links, and the server's command.

A saved view is an experiment tag `mlflow.sharedViewState.<key>` that the web page reads. MLflow does
not document it, so a view that cannot be stored is said and never an error; the numbers are there
without it.
"""

from __future__ import annotations

import base64
import json
import os
import sys
import time
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from harness.progress import say
from harness.tracking.row_tags import LEADING
from harness.tracking.store import is_server, shown
from harness.types import HarnessError

PREFIX = "mlflow.sharedViewState."
MATRIX_TAG = "gapbench.matrix"
"""Marks the experiments made here; its value is the matrix."""
LEADERBOARD = "leaderboard"
RUN_NAME = "attributes.`Run Name`"
MEANS = ("auc_unseen_mean", "auc_tested_mean")
"""What the runs are sorted by: the mean over unseen test sets, or over those of which nobody knows that."""
COLUMNS = {
    LEADERBOARD: (
        *MEANS,
        "auc_unseen_worst",
        "auc_tested_worst",
        "auc_in_dataset",
        "auc_gap",
        "auc_robust_mean",
        "fps",
        "latency_p50_ms",
        "vram_peak_mib",
        "cells_ok",
        "cells_failed",
    ),
    "cost": ("fps", "latency_p50_ms", "latency_p90_ms", "vram_peak_mib", *MEANS),
}
PARAMETERS = {
    LEADERBOARD: ("size", "frames"),
    "cost": ("gpu", "device", "precision", "batch", "size", "frames"),
}


@dataclass(frozen=True, slots=True)
class View:
    """A saved view: which runs, which columns, in which order."""

    key: str
    """Last part of the link."""
    name: str
    metrics: tuple[str, ...]
    """Metric columns from left to right; the runs are sorted by the first, best first."""
    params: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    leading: tuple[str, ...] = ()
    """Tags that stand before the metrics."""

    def state(self, campaign: str) -> dict[str, Any]:
        """What the runs page restores: its own field names and column ids."""
        columns = [f"tags.`{name}`" for name in self.leading]
        columns += [f"metrics.`{name}`" for name in self.metrics]
        columns += [f"params.`{name}`" for name in self.params] + [f"tags.`{name}`" for name in self.tags]
        named = (*self.leading, *self.metrics, *self.params, *self.tags)
        widths = {column: 50 + 7 * len(name) for column, name in zip(columns, named, strict=True)}
        shown = {"campaign": campaign, "published": "complete", "current": "yes"}
        return {
            "searchFilter": " and ".join(f"tags.{tag} = '{value}'" for tag, value in shown.items()),
            "orderByKey": f"metrics.`{self.metrics[0]}`",
            "orderByAsc": False,
            "startTime": "ALL",
            "lifecycleFilter": "Active",
            "datasetsFilter": [],
            "selectedColumns": columns,
            "columnOrder": [RUN_NAME, *columns],
            "columnWidths": {RUN_NAME: 280, **widths},
            "runsHiddenMode": "FIRST_20_RUNS",
            "groupBy": None,
        }


def views_of(metrics: Iterable[str]) -> list[View]:
    """The views worth having for the metrics that were published; the leaderboard comes first."""
    known = sorted(set(metrics))
    kinds = ("auc/", "bal_acc/", "acc/", "base_rate/", "eer/")
    tests = [name for prefix in kinds for name in known if name.startswith(prefix)]
    curves = [name for prefix in ("curve.", "curve_bal_acc.") for name in known if name.startswith(prefix)]

    def present(*names: str) -> tuple[str, ...]:
        return tuple(name for name in names if name in known)

    wanted = [
        View(
            LEADERBOARD,
            "Leaderboard",
            present(*COLUMNS[LEADERBOARD]),
            PARAMETERS[LEADERBOARD],
            ("gate", "commit"),
            LEADING,
        ),
        View("tests", "Every test set", present(*MEANS, *tests), leading=("rank", "clips")),
        View("robustness", "Robustness (strongest severity)", present("auc_robust_mean", *curves)),
        View("cost", "Speed and memory", present(*COLUMNS["cost"]), PARAMETERS["cost"]),
    ]
    return [view for view in wanted if view.metrics]


def envelope(view: View, campaign: str, now: int) -> str:
    """The tag's value: a JSON envelope around the compressed state; `now` in milliseconds."""
    packed = zlib.compress(json.dumps(view.state(campaign)).encode(), 9)
    state = "deflate;" + base64.b64encode(packed).decode()
    return json.dumps({"name": view.name, "createdAt": now, "updatedAt": now, "state": state})


def provide_views(client: Any, experiment_id: str, campaign: str, metrics: Iterable[str]) -> list[str]:
    """Store the views on the experiment where they changed; returns the links of those that are there."""
    from mlflow.exceptions import MlflowException

    links = []
    try:
        tags = client.get_experiment(experiment_id).tags
        for view in views_of(metrics):
            value = envelope(view, campaign, int(time.time() * 1000))
            if _said(tags.get(PREFIX + view.key)) != _said(value):
                client.set_experiment_tag(experiment_id, PREFIX + view.key, value)
            links.append(link(experiment_id, view.key))
    except MlflowException as error:
        say(f"MLflow did not take the saved views: {str(error).splitlines()[0]}")
    return links


def _said(value: str | None) -> tuple[str, str] | None:
    """Name and state of a stored view, whenever it was stored; None for what is not a view."""
    try:
        stored = json.loads(value or "")
        return stored["name"], stored["state"]
    except (ValueError, KeyError, TypeError):
        return None


def link(experiment_id: str, key: str) -> str:
    """The part of a view's address after the server's name."""
    return f"#/experiments/{experiment_id}/runs?workflowType=machine_learning&viewStateShareKey={key}"


def links_in(client: Any) -> list[str]:
    """The leaderboard link of every experiment made here, by name."""
    found = client.search_experiments(filter_string=f"tags.`{MATRIX_TAG}` LIKE '%'")
    made = sorted(found, key=lambda experiment: str(experiment.name))
    return [link(e.experiment_id, LEADERBOARD) for e in made if PREFIX + LEADERBOARD in e.tags]


def ui_command(uri: str, artifacts: str, port: int) -> tuple[list[str], dict[str, str]]:
    """The command and environment of MLflow's web page, for this machine only."""
    if is_server(uri):
        raise HarnessError(f"{shown(uri)} is a server already: open it in a browser")
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", uri]
    command += [
        "--artifacts-destination",
        artifacts,
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        "--workers",
        "1",
    ]
    # Safe path: started in a checkout, Python would take its folder `datasets` for the library of that name.
    settings = {
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "PYTHONSAFEPATH": "1",
    }
    return command, {**os.environ, **settings}
