"""An honest perturbation passes every check, and every liar is caught."""

from __future__ import annotations

import numpy as np
import pytest

from harness.checks import perturbation
from harness.checks.conformance import check_perturbation
from harness.contracts import PerturbationEntry
from tests.checks.broken_checks import broken
from tests.checks.lying_perturbations import BAD_PERTURBATIONS, darken, keeps_its_parameter, perturbed


@pytest.mark.parametrize(
    "entry",
    [
        perturbed(darken),
        perturbed(keeps_its_parameter, ({"amount": 0.1}, {"amount": 0.5})),
        perturbed(
            lambda frames, keep, rng: (
                (frames * keep + frames.mean(-1, keepdims=True) * (1 - keep)).round().astype(np.uint8)
            ),
            (0.4, 0.0),
        ),
    ],
    ids=["darken", "mapping", "grey"],
)
def test_an_honest_perturbation_passes_every_check(entry: PerturbationEntry) -> None:
    findings = check_perturbation(entry)
    assert broken(findings) == {}
    assert [finding.check for finding in findings] == [
        "parameters_can_be_written_down",
        *(check.__name__ for check in perturbation.PERTURBATION_CHECKS),
    ]


@pytest.mark.parametrize(("entry", "check"), BAD_PERTURBATIONS)
def test_a_bad_perturbation_is_caught(entry: PerturbationEntry, check: str) -> None:
    found = broken(check_perturbation(entry))
    assert check in found
    assert all(detail and "\n" not in detail for detail in found.values())
