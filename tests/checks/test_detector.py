"""An honest detector passes every check, and every liar is caught with what is wrong."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from harness.checks import detector
from harness.checks.conformance import check_detector
from harness.contracts import DetectorEntry
from tests.checks.broken_checks import broken
from tests.checks.lying_detectors import (
    BAD_DETECTORS,
    BAD_FIXED,
    RECIPE,
    CannotBeBuilt,
    EndsTheProgram,
    FlatScores,
    ForgottenPart,
    GroupsLeaveOut,
    HalfFloats,
    Honest,
    LossIsDetached,
    LossIsFloat,
    LossPerClip,
    NanOnBlack,
    NumpyFromAModule,
    OriginUnknown,
    WrongSize,
)

HONEST = Honest(16, 3)


def test_an_honest_detector_passes_every_check() -> None:
    recipes = {"only": RECIPE, "big": replace(RECIPE, size=32, frames=5, pretrained=True)}
    findings = check_detector(DetectorEntry("honest", Honest, recipes))
    assert broken(findings) == {}
    assert [finding.check for finding in findings] == [
        "is_built_from_every_recipe",
        *(check.__name__ for check in detector.TRAINABLE_CHECKS),
        *(check.__name__ for check in detector.DETECTOR_CHECKS),
    ]


@pytest.mark.parametrize(("bad", "check"), BAD_DETECTORS)
def test_a_bad_detector_is_caught(bad: type, check: str) -> None:
    found = broken(check_detector(DetectorEntry("bad", bad, {"only": RECIPE})))
    assert check in found
    assert all(detail and "\n" not in detail for detail in found.values())


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (CannotBeBuilt, "FileNotFoundError: weights.bin is not there"),
        (EndsTheProgram, "it ended the program: SystemExit: goodbye"),
        (WrongSize, "recipe 'only' asks for size and frames (16, 3), it has (224, 3)"),
        (LossIsFloat, "the loss is a float, not a tensor"),
        (LossPerClip, "the loss has shape [4]; expected one number"),
        (LossIsDetached, "the loss is detached from the parameters"),
        (ForgottenPart, "no gradient reaches 'forgotten'"),
        (GroupsLeaveOut, "parameter_groups leaves 4 parameters out"),
        (FlatScores, "scores of 1 clips of 3 frames have shape [1]; expected [1, 3] or [1, 1]"),
        (NumpyFromAModule, "an nn.Module gave a ndarray, not a tensor"),
        (NanOnBlack, "a score is NaN or infinite"),
    ],
)
def test_a_finding_says_what_is_wrong(bad: type, said: str) -> None:
    assert said in broken(check_detector(DetectorEntry("bad", bad, {"only": RECIPE}))).values()


@pytest.mark.parametrize(
    ("build", "caught"),
    [(HalfFloats, set()), (OriginUnknown, set()), *((build, {check}) for build, check in BAD_FIXED)],
)
def test_a_fixed_detector_is_checked_in_numpy(build: type, caught: set[str]) -> None:
    findings = check_detector(DetectorEntry("fixed", build))
    assert caught <= set(broken(findings))
    assert bool(caught) == bool(broken(findings))
    assert "loss_falls_in_training" not in {finding.check for finding in findings}


def test_checking_a_detector_leaves_the_random_numbers_of_the_caller_alone() -> None:
    torch.manual_seed(3)
    wanted = torch.rand(3)
    torch.manual_seed(3)
    trial = detector.DetectorTrial(DetectorEntry("honest", lambda **given: HONEST, {"only": RECIPE}))
    detector.is_built_from_every_recipe(trial)
    detector.loss_falls_in_training(trial)
    assert torch.equal(torch.rand(3), wanted)
