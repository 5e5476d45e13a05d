"""The gate of speed: planted ratios get the verdicts they deserve, and noise gets none."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from harness.types import HarnessError
from tests.benchmarks import gate, machine
from tests.benchmarks.figures import Figure, as_markdown, as_text, median, median_interval
from tests.benchmarks.gate import Verdict, accept, exit_code, judge, run_gate
from tests.benchmarks.pairs import CASES, PAIRS, Case

FLAGS = ["avx2", "fma", "avx512f", "avx512_bf16"]
WORK = {"detector": "xception", "size": 256}


def figure(ratios: Sequence[float], precision: str = "fp32") -> Figure:
    bounds = median_interval(ratios)
    facts = {"pairs": tuple(ratios), "precision": precision, "workload": WORK}
    return Figure("xception", "harness over plain", median(ratios), bounds, **facts)


def verdict(ratios: Sequence[float], was: float = 3.0, **other: Figure) -> str:
    accepted = asdict(figure([was] * PAIRS))
    return judge(figure(ratios), accepted, FLAGS, FLAGS).word


def noisy(ratio: float, spread: float, seed: int) -> list[float]:
    return (ratio * np.exp(np.random.default_rng(seed).normal(0, spread, PAIRS))).tolist()


def test_a_loss_of_30_percent_is_worse_and_as_large_a_gain_better() -> None:
    assert {verdict(noisy(0.7 * 3.0, 0.03, seed)) for seed in range(50)} == {"worse"}
    assert {verdict(noisy(1.3 * 3.0, 0.03, seed)) for seed in range(50)} == {"better"}


def test_noise_is_not_worse() -> None:
    said = [verdict(noisy(3.0, spread, seed)) for seed in range(200) for spread in (0.02, 0.1, 0.3)]
    assert set(said) == {"same", "inconclusive"}
    assert {verdict(noisy(3.0, 0.02, seed)) for seed in range(200)} == {"same"}


def test_a_loss_within_the_margin_is_not_worse() -> None:
    assert {verdict(noisy(0.9 * 3.0, 0.01, seed)) for seed in range(50)} == {"same"}
    assert verdict([2.0] * 6 + [2.6]) == "inconclusive", "not all of the interval lies below 2.55"
    assert verdict([2.0] * 6 + [2.5]) == "worse"


def test_the_interval_holds_the_median_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    for number in (7, 9, 15):
        drawn = np.exp(rng.normal(size=(4000, number)))  # skewed; its median is 1
        bounds = [median_interval(each.tolist()) for each in drawn]
        share = np.mean([each is not None and each[0] <= 1 <= each[1] for each in bounds])
        assert 0.945 <= share <= 0.995
    assert median_interval([3.0, 1, 2, 4, 5, 6, 7]) == (1, 7)
    assert median_interval([9.0, 1, 2, 4, 5, 6, 7, 8, 3]) == (2, 8)
    assert median_interval([1.0] * 5) is None


def test_bf16_is_not_judged_where_the_processor_lacks_it() -> None:
    measured, accepted = figure([1.0] * PAIRS, "bf16"), asdict(figure([4.0] * PAIRS, "bf16"))
    without = FLAGS[:-1]
    assert judge(measured, accepted, FLAGS, FLAGS).word == "worse"
    here = judge(measured, accepted, FLAGS, without)
    there = judge(measured, accepted, without, FLAGS)
    assert (here.word, there.word) == ("not judged", "not judged")
    assert "this processor has neither avx512_bf16 nor amx_bf16" in here.why
    assert "the accepted one had neither" in there.why
    other = judge(measured, accepted, [*without, "amx_bf16"], FLAGS)
    assert other.word == "not judged" and "differs in avx512_bf16, amx_bf16" in other.why


def test_fp32_is_judged_across_bf16_flags_but_not_across_vector_widths() -> None:
    measured, accepted = figure([3.0] * PAIRS), asdict(figure([3.0] * PAIRS))
    assert judge(measured, accepted, FLAGS, FLAGS[:-1]).word == "same"
    narrow = judge(measured, accepted, FLAGS, FLAGS[:2])
    assert narrow.word == "not judged" and "differs in avx512f" in narrow.why


def test_what_cannot_be_compared_says_why() -> None:
    measured = figure([1.0] * PAIRS)
    assert "no ratio was accepted" in judge(measured, None, FLAGS, FLAGS).why
    other = {**asdict(measured), "workload": {**WORK, "size": 64}}
    assert "another workload" in judge(measured, other, FLAGS, FLAGS).why
    few = judge(figure([1.0] * (PAIRS - 1)), asdict(measured), FLAGS, FLAGS)
    assert few == Verdict("xception", "not judged", f"{PAIRS - 1} pairs, and {PAIRS} are needed")
    absent = replace(measured, value=None, why="it has no such thing")
    assert judge(absent, asdict(measured), FLAGS, FLAGS).why == "it has no such thing"


def test_only_worse_fails_and_nothing_judged_is_incomparable() -> None:
    def code(*words: str) -> int:
        return exit_code([Verdict("", word, "") for word in words])

    assert code("same", "worse", "not judged") == 1
    assert code("same", "inconclusive", "better", "not judged") == 0
    assert code("not judged", "not judged") == 4


@pytest.fixture
def measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the figures of all cases at 3.0, on this machine as if it had all flags."""
    monkeypatch.setattr(machine, "flags", lambda: FLAGS)
    figures = [{**asdict(planted(case, 3.0)), "ok": None} for case in CASES]
    unpaired = {**asdict(Figure("memory", "more over less", 1.0)), "ok": None}
    here = machine.describe()
    said = {
        "machine": here,
        "date": "2026-01-01",
        "commit": "0",
        "dirty": False,
        "figures": [*figures, unpaired],
    }
    folder = tmp_path / "measured"
    folder.mkdir()
    (folder / f"{machine.slug(here)}.json").write_text(json.dumps(said))
    (folder / f"{machine.slug(here)}.md").write_text("a page")
    return folder


def planted(case: Case, ratio: float) -> Figure:
    ratios = noisy(ratio, 0.02, 0)
    facts = {"precision": case.precision, "workload": {"size": case.size}, "pairs": tuple(ratios)}
    return Figure(case.name, "harness over plain", median(ratios), median_interval(ratios), **facts)


def test_accepted_ratios_are_judged_from_end_to_end(
    measured: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    published = tmp_path / "published"
    assert run_gate(published, PAIRS) == 4, "nothing is accepted yet"
    written = sorted(path.name for path in measured.iterdir())
    assert accept(measured, published) == 0
    names = [each["name"] for each in json.loads((published / "accepted.json").read_text())["figures"]]
    assert names == [case.name for case in CASES]
    assert sorted(path.name for path in published.iterdir()) == ["accepted.json", *written]
    assert sorted(path.name for path in measured.iterdir()) == written

    monkeypatch.setattr(gate, "measure", lambda case, pairs: planted(case, 3.0))
    assert run_gate(published, PAIRS) == 0
    slow = CASES[1].name
    monkeypatch.setattr(gate, "measure", lambda case, pairs: planted(case, 2.0 if case.name == slow else 3.0))
    capsys.readouterr()
    assert run_gate(published, PAIRS) == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line.startswith(slow) for line in lines if " worse " in line] == [True]

    monkeypatch.setattr(machine, "flags", lambda: [])
    assert run_gate(published, PAIRS) == 4


def test_too_few_pairs_are_not_accepted(measured: Path, tmp_path: Path) -> None:
    path = next(measured.glob("*.json"))
    said = json.loads(path.read_text())
    said["figures"][0]["pairs"] = said["figures"][0]["pairs"][:3]
    path.write_text(json.dumps(said))
    with pytest.raises(HarnessError, match="fewer than 7 pairs"):
        accept(measured, tmp_path)
    path.unlink()
    with pytest.raises(HarnessError, match="nothing was measured on this machine"):
        accept(measured, tmp_path)


def test_figures_are_told_as_a_table() -> None:
    figures = [
        Figure("fast", "a over b", 2.7, (2.5, 2.9), at_least=2.6),
        Figure("slow", "a over b", 2.5, at_least=2.6),
        Figure("once", "calls over clips", 1.0, at_least=1.0, at_most=1.0),
        Figure("start", "seconds", 0.61, unit="s", at_most=0.5),
        Figure("bf16", "a over b", None, at_least=4.0, why="no such processor"),
        Figure("free", "a over b", 3.0),
    ]
    assert [each.ok for each in figures] == [True, False, True, False, None, None]
    text = as_text(figures)
    assert "2.70x" in text and "2.50 to 2.90" in text and "no such processor" in text and "0.61 s" in text
    page = as_markdown(figures).splitlines()
    assert page[2] == "| fast | a over b | 2.70x | 2.50 to 2.90 | at least 2.6 | yes |"
    assert {line.count("|") for line in page} == {7}


def test_a_machine_is_named_by_processor_and_cores() -> None:
    named = {"cpu": "Intel(R) Xeon(R) Platinum 8480+ CPU @ 2.00GHz", "cores": 8}
    assert machine.slug(named) == "intel-xeon-platinum-8480-8-cores"
    assert machine.native_bf16(["avx2", "amx_bf16"]) and not machine.native_bf16(["avx2", "amx_tile"])
