"""A finding states the promise that was kept, and an interruption is none."""

from __future__ import annotations

import numpy as np
import pytest

from harness.checks import perturbation
from harness.checks.conformance import Finding, check_perturbation
from tests.checks.lying_perturbations import darken, perturbed


def test_a_passed_finding_states_the_promise() -> None:
    finding = check_perturbation(perturbed(darken))[-1]
    assert finding == Finding(
        "colours_keep_their_channels", True, perturbation.colours_keep_their_channels.__doc__ or ""
    )


def test_an_interruption_is_not_taken_for_a_finding() -> None:
    def interrupted(frames: np.ndarray, amount: float, rng: np.random.Generator) -> np.ndarray:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        check_perturbation(perturbed(interrupted))
