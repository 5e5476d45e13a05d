"""Every conformance check has a liar it catches, and states its promise in one sentence."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from harness.checks import dataset, detector, perturbation
from tests.checks.lying_datasets import BAD_DATASETS
from tests.checks.lying_detectors import BAD_DETECTORS, BAD_FIXED
from tests.checks.lying_perturbations import BAD_PERTURBATIONS


def all_checks() -> list[Callable[..., Any]]:
    """Every check there is."""
    return [
        detector.is_built_from_every_recipe,
        *detector.TRAINABLE_CHECKS,
        *detector.DETECTOR_CHECKS,
        dataset.lists_clips_lazily,
        dataset.making_it_again_changes_nothing,
        *dataset.DATASET_CHECKS,
        perturbation.parameters_can_be_written_down,
        *perturbation.PERTURBATION_CHECKS,
    ]


BAD_TABLES = (BAD_DETECTORS, BAD_FIXED, BAD_DATASETS, BAD_PERTURBATIONS)


def test_every_check_has_a_liar_it_catches() -> None:
    caught = {check for table in BAD_TABLES for _, check in table}
    assert caught == {check.__name__ for check in all_checks()}


def test_every_check_states_its_promise_in_one_sentence() -> None:
    for check in all_checks():
        promise = (check.__doc__ or "").splitlines()
        assert len(promise) == 1, check.__name__
        assert promise[0].endswith("."), check.__name__
