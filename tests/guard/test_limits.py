"""One table of limits, each of which can be set for a run."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from harness.cli.entry import main
from harness.guard.limits import LIMITS, VARIABLES, limit, raised, set_limits
from harness.types import HarnessError


@pytest.fixture(autouse=True)
def _as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    for one in LIMITS.values():
        monkeypatch.setenv(VARIABLES[one.name], "")
        monkeypatch.delenv(VARIABLES[one.name])


def test_a_limit_is_its_default_until_it_is_set() -> None:
    assert raised() == {}
    set_limits(["clip-pixels=1_000_000"])
    assert (limit("clip-pixels"), raised()) == (1e6, {"clip-pixels": 1e6})
    assert os.environ["GAPBENCH_ALLOW_CLIP_PIXELS"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("clip-pixls=3", "did you mean 'clip-pixels'"),
        ("clip-pixels", "needs a number"),
        ("clip-pixels=", "must be a number above 0"),
        ("clip-pixels=-1", "must be a number above 0"),
        ("clip-pixels=nan", "must be a number above 0"),
        ("clip-pixels=many", "must be a number above 0"),
    ],
)
def test_what_is_no_limit_is_one_line(text: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(HarnessError, match=said):
        set_limits([text])
    assert main(["ls", "--allow", text]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_limit_in_the_environment_that_is_none_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAPBENCH_ALLOW_CLIP_PIXELS", "a lot")
    with pytest.raises(HarnessError, match="GAPBENCH_ALLOW_CLIP_PIXELS must be a number above 0"):
        limit("clip-pixels")


def test_options_for_all_commands_may_stand_after_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ls", "--patience", "77", "--allow", "clip-bytes=5"]) == 0
    assert raised() == {"patience": 77, "clip-bytes": 5}
    assert main(["--patience"]) == 2


def test_the_table_that_people_read_is_the_table_of_limits() -> None:
    text = (Path(__file__).resolve().parents[2] / "SECURITY.md").read_text()
    told = re.findall(r"^\| `([a-z-]+)` \| ([\d,]+) \| ([a-z ]+) \| (.*) \|$", text, flags=re.MULTILINE)
    assert told == [(one.name, f"{one.default:,.0f}", one.unit, one.what) for one in LIMITS.values()]
