"""Public conformance checks: every promise a plug-in makes, tried on the plug-in itself.

A plug-in that breaks a promise, or crashes while it is being tried, is a failed `Finding` with one line.
"""

from __future__ import annotations

from pathlib import Path

from harness.checks import dataset, detector, perturbation
from harness.checks.finding import Finding, run_checks
from harness.contracts import DatasetEntry, DetectorEntry, PerturbationEntry

__all__ = ["Finding", "check_dataset", "check_detector", "check_perturbation"]


def check_detector(entry: DetectorEntry) -> list[Finding]:
    """Try every promise of a detector on made-up clips, with its smallest recipe; seconds on a CPU.

    A detector that cannot be built gets that one finding.
    """
    trial = detector.DetectorTrial(entry)
    found = run_checks([detector.is_built_from_every_recipe], trial, entry.name)
    if not found[0].passed:
        return found
    if entry.trainable:
        found += run_checks(detector.TRAINABLE_CHECKS, trial, entry.name)
    return found + run_checks(detector.DETECTOR_CHECKS, trial, entry.name)


def check_dataset(entry: DatasetEntry, root: Path) -> list[Finding]:
    """Try every promise of a dataset on the files under `root`; an embedded one is made there first.

    A dataset that lists no clips gets that one finding.
    """
    trial = dataset.DatasetTrial(entry, root)
    found = run_checks([dataset.lists_clips_lazily], trial)
    if not found[0].passed:
        return found
    if entry.prepare is not None:
        found += run_checks([dataset.making_it_again_changes_nothing], trial)
    return found + run_checks(dataset.DATASET_CHECKS, trial)


def check_perturbation(entry: PerturbationEntry) -> list[Finding]:
    """Try every promise of a perturbation, at each of its severities, on made-up frames.

    A perturbation without usable parameters gets that one finding.
    """
    found = run_checks([perturbation.parameters_can_be_written_down], entry, entry.name)
    if not found[0].passed:
        return found
    return found + run_checks(perturbation.PERTURBATION_CHECKS, entry, entry.name)
