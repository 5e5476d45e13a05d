"""The exit code of the gate says what it found, and its reports are written where asked."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from harness.cli.gate import run_accept, run_gate
from harness.gate.accepted import accepted_file, lacking
from harness.results.rows import load_board
from harness.tracking import publish
from tests.gate.simulated_runs import BLURRED, LAB, SEEN, TOML, UNSEEN, finish, options, scored, without


def test_the_gate_says_4_then_0_then_1_and_writes_what_it_was_asked_for(
    gated: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = options(junit=Path("ci/gate.xml"), summary=Path("ci/summary.md"))
    assert run_gate(asked) == 4
    assert "to accept: gapbench accept gated.toml" in capsys.readouterr().out
    assert "nothing is accepted" in Path("ci/summary.md").read_text()
    assert ElementTree.parse("ci/gate.xml").getroot().get("errors") == "1"
    assert run_accept(options()) == 0
    assert run_gate(asked) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("10 verdicts: 10 same")
    finish({SEEN: scored(3.0), UNSEEN: scored(0.0), BLURRED: without(scored(0.7), scored().index == 3)})
    assert run_gate(asked) == 1
    headings = [line for line in Path("ci/summary.md").read_text().splitlines() if line.startswith("## ")]
    assert headings == [
        "## Gate gated: incomparable, failed",
        "## Gate gated: same, passed",
        "## Gate gated: worse, failed",
    ]


def test_what_too_few_clips_cannot_decide_is_3_unless_it_is_allowed(gated: Path) -> None:
    run_accept(options())
    finish(
        {SEEN: scored(3.0), UNSEEN: scored(1.5, seed=5), BLURRED: without(scored(0.7), scored().index == 3)}
    )
    assert run_gate(options()) == 3
    assert run_gate(options(allow_inconclusive=True)) == 0


def test_accepted_rows_without_accepted_predictions_are_nothing_accepted(
    gated: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_accept(options())
    accepted_file(Path("results"), "gated", ".parquet").unlink()
    assert lacking(Path("results"), "gated") == Path("results/accepted/gated.parquet")
    assert run_gate(options()) == 4
    assert "results/accepted/gated.parquet is missing; to accept:" in capsys.readouterr().out
    assert publish._verdicts(load_board("gated"), Path("results")) == {f"eye@{LAB}": "nothing accepted"}


def test_accepted_costs_are_asked_for_only_where_they_are_judged(gated: Path) -> None:
    run_accept(options())
    accepted_file(Path("results"), "gated", "-cost.csv").unlink()
    assert run_gate(options()) == 0
    (gated / "gated.toml").write_text(TOML + "fps = 0.2\n")
    assert run_gate(options()) == 4
    (gated / "gated.toml").write_text(TOML + "fps_min = 101\n")
    assert run_gate(options()) == 1
