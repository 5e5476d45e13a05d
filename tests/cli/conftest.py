"""What tests of commands share with tests of the wings they call: a folder of their own, a finished run."""

from __future__ import annotations

from tests.gate.conftest import gated
from tests.results.conftest import here

__all__ = ["gated", "here"]
