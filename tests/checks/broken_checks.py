"""What the findings on a plug-in say is broken."""

from __future__ import annotations

from harness.checks.conformance import Finding


def broken(findings: list[Finding]) -> dict[str, str]:
    """Check name -> how it is broken."""
    return {finding.check: finding.detail for finding in findings if not finding.passed}
