"""What tests of the gate share: the home of a finished run."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.gate.simulated_runs import BLURRED, SEEN, TOML, UNSEEN, finish, scored, without


@pytest.fixture
def gated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with the finished run of the matrix `gated.toml`, in the working directory."""
    monkeypatch.setenv("GAPBENCH_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "gated.toml").write_text(TOML)
    finish({SEEN: scored(3.0), UNSEEN: scored(), BLURRED: without(scored(0.7), scored().index == 3)})
    return tmp_path
