"""Every promise of a plug-in, tried on it; public: `from harness.checks import check_detector`."""

from harness.checks.conformance import Finding, check_dataset, check_detector, check_perturbation

__all__ = ["Finding", "check_dataset", "check_detector", "check_perturbation"]
