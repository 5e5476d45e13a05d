"""Rows: what they rest on, and that a threshold of unknown origin is not used."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from harness.metrics.measure import Terms
from harness.metrics.scored import COLUMNS
from harness.records import Row
from harness.results.rows import made_row, rows_table, terms_from
from harness.types import SELECTIONS, Cell

PROVENANCE: dict[str, Any] = {
    "threshold": 0.6,
    "threshold_source": "source-val",
    "checkpoint_source": "source-val",
    "protocol": 1,
}


def predictions(reals: int = 40, fakes: int = 40, seed: int = 0) -> pd.DataFrame:
    """Scored clips whose fakes are a little higher."""
    rng = np.random.default_rng(seed)
    label = np.repeat([0, 1], [reals, fakes])
    table = pd.DataFrame(index=range(len(label)), columns=list(COLUMNS), dtype=object)
    return table.assign(
        clip_id=[f"lab/{k}" for k in range(len(label))],
        label=label,
        manipulation=["swap" if fake else None for fake in label],
        target=[f"p{k % 10}" for k in range(len(label))],
        score=rng.beta(2 + label, 3),
        frame_scores=[[] for _ in label],
        frame_indices=[[] for _ in label],
    )


def row(said: dict[str, Any] | None = None, tested_on: str = "lab", terms: Terms | None = None) -> Row:
    cell = Cell("net", "lab", tested_on)
    return made_row(cell, predictions(), PROVENANCE | (said or {}), terms or Terms())


@pytest.mark.parametrize("which", ["threshold_source", "checkpoint_source"])
@pytest.mark.parametrize("source", SELECTIONS)
def test_a_row_is_as_trustworthy_as_the_worse_of_checkpoint_and_threshold(which: str, source: str) -> None:
    assert row({which: source}).selection == source
    assert row({which: "best epoch on the test set"}).selection == "unknown"


@pytest.mark.parametrize("source", ["unknown", "oracle"])
def test_a_threshold_that_was_not_fixed_before_the_test_is_not_used(source: str) -> None:
    trusted, doubtful = row(), row({"checkpoint_source": source})
    assert doubtful.metrics["auc"] == trusted.metrics["auc"]
    for name in ("accuracy", "balanced_accuracy", "tpr", "fpr", "ppv"):
        assert trusted.metrics[name] is not None
        assert doubtful.metrics[name] is None
        assert doubtful.reasons[name] == f"checkpoint or threshold: {source}"


def test_provenance_that_says_nothing_is_unknown() -> None:
    assert Row(Cell("net", None, "lab"), 0, 0, {}).selection == "unknown"


def test_a_part_of_a_dataset_is_weighed_by_the_same_draws_as_the_whole() -> None:
    assert np.array_equal(row().draws["auc"], row(tested_on="lab:swap").draws["auc"])
    assert not np.array_equal(row().draws["auc"], row(tested_on="wild").draws["auc"])


def test_operating_points_come_from_validation_predictions() -> None:
    validation = predictions(reals=40, seed=1)
    terms = terms_from(validation, 0.01)
    reals = validation.loc[validation["label"] == 0, "score"]
    assert (reals >= terms.limits["5pct"]).mean() == 0.05
    assert "needs 100" in terms.no_limits["1pct"]
    found = row(terms=terms)
    told = predictions()
    expected = (told.loc[told["label"] == 0, "score"] >= terms.limits["5pct"]).mean()
    assert found.metrics["fpr_at_val_5pct"] == pytest.approx(expected)
    assert found.reasons["fpr_at_val_1pct"] == terms.no_limits["1pct"]


def test_validation_clips_that_failed_set_no_operating_point() -> None:
    validation = predictions(reals=40, seed=1)
    validation.loc[validation.index[:30], ["score", "error"]] = [None, "unreadable"]
    assert "10 scored reals" in terms_from(validation, 0.01).no_limits["5pct"]


def test_the_table_of_rows_names_method_identities_and_origin() -> None:
    line = rows_table([row()]).iloc[0]
    assert (line["interval_method"], line["identities"], line["clips"]) == ("cluster", 10, 80)
    assert (line["checkpoint_source"], line["threshold_source"]) == ("source-val", "source-val")
    assert line["auc_lo"] < line["auc"] < line["auc_hi"]
    assert line["auc_delong_lo"] < line["auc"] < line["auc_delong_hi"]
    assert line["accuracy_lo"] <= line["accuracy"] <= line["accuracy_hi"]
