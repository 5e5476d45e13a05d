"""How verdicts are told: exit codes, the table, JUnit XML, Markdown."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from harness.gate.verdicts import OUTCOMES, Verdict, exit_code, junit, markdown_summary, verdict_table

LONG = "a_data_set_with_a_name_that_is_as_long_as_anybody_would_ever_make_it_and_longer_than_that"
NUMBERS = "0.634 -> 0.612: -0.022 [-0.035, -0.009], margin 0.01"
ALL = [
    Verdict("eye@lab/lab/clean", "auc", "worse", "0.90 -> 0.50 & &lt;that> | is far"),
    Verdict("eye@lab/wild/clean", "auc", "same", NUMBERS),
    Verdict(f"eye@lab/{LONG}/clean", "accuracy", "inconclusive", f"{NUMBERS}; about 2,400 clips settle it"),
    Verdict("ear@lab/wild/clean", "auc", "incomparable", "not accepted yet"),
    Verdict("eye@lab", "unseen_worst", "better", NUMBERS),
]


@pytest.mark.parametrize(
    ("found", "code", "allowed"),
    [
        ("", 4, 4),
        ("same better", 0, 0),
        ("same inconclusive", 3, 0),
        ("inconclusive incomparable", 4, 4),
        ("worse incomparable inconclusive", 1, 1),
    ],
)
def test_the_exit_code_is_that_of_the_verdict_that_matters_most(found: str, code: int, allowed: int) -> None:
    verdicts = [Verdict("eye", "auc", outcome, "") for outcome in found.split()]
    assert (exit_code(verdicts), exit_code(verdicts, allow_inconclusive=True)) == (code, allowed)


def test_the_verdicts_are_a_table_of_a_hundred_columns_with_the_worst_last() -> None:
    lines = verdict_table(ALL).splitlines()
    assert max(map(len, lines)) <= 100
    firsts = [line.split()[0] for line in lines if line.split()[0] in OUTCOMES]
    assert firsts == list(OUTCOMES)
    assert lines[-1] == "5 verdicts: 1 same, 1 better, 1 inconclusive, 1 incomparable, 1 worse"
    assert lines[0].split()[:3] == ["same", "auc", "eye@lab/wild/clean"]


def test_what_numbers_mean_is_said_under_the_table() -> None:
    assert "accepted -> now: change [its one-sided 95 % bounds]" in verdict_table(ALL)


@pytest.mark.parametrize(("allowed", "errors", "skipped"), [(False, 2, 0), (True, 1, 1)])
def test_junit_has_a_case_a_verdict_and_counts_them(allowed: bool, errors: int, skipped: int) -> None:
    suites = ElementTree.fromstring(junit("small", ALL, allowed))
    suite = suites.find("testsuite")
    assert suite is not None
    counts = {"tests": 5, "failures": 1, "errors": errors, "skipped": skipped}
    for element in (suites, suite):
        assert {name: int(element.get(name, "")) for name in counts} == counts
    assert [len(list(suite.iter(kind))) for kind in ("testcase", "failure", "error", "skipped")] == [
        *(5, 1, errors, skipped)
    ]


def test_junit_names_rule_and_row_and_tells_the_reason_whatever_its_signs() -> None:
    cases = ElementTree.fromstring(junit("small", ALL)).findall("testsuite/testcase")
    assert (cases[0].get("classname"), cases[0].get("name")) == ("gate.small.auc", "eye@lab/lab/clean")
    failure = cases[0].find("failure")
    assert failure is not None
    assert failure.attrib == {"type": "worse", "message": "worse: 0.90 -> 0.50 & &lt;that> | is far"}
    assert cases[1].findtext("system-out") == f"same: {NUMBERS}"


def test_junit_of_nothing_is_still_a_report() -> None:
    assert ElementTree.fromstring(junit("small", [])).get("tests") == "0"


def test_the_markdown_summary_names_everything_but_what_is_the_same() -> None:
    text = markdown_summary("small", ALL)
    assert text.startswith("## Gate small: worse, failed\n")
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    assert [line.split(" | ")[0] for line in lines[2:]] == [
        *("| worse", "| incomparable", "| inconclusive", "| better"),
    ]
    assert "`eye@lab/lab/clean` | 0.90 -> 0.50 & &lt;that> \\| is far |" in text
    assert "5 verdicts: 1 same" in text


@pytest.mark.parametrize(
    ("found", "allowed", "heading"),
    [
        ("same", False, "same, passed"),
        ("same inconclusive", False, "inconclusive, failed"),
        ("same inconclusive", True, "inconclusive (allowed here), passed"),
        ("", False, "nothing to compare, failed"),
    ],
)
def test_the_markdown_heading_says_whether_the_gate_is_open(found: str, allowed: bool, heading: str) -> None:
    verdicts = [Verdict("eye", "auc", outcome, "") for outcome in found.split()]
    text = markdown_summary("small", verdicts, allowed)
    assert text.splitlines()[0] == f"## Gate small: {heading}"
    assert ("| verdict |" in text) == ("inconclusive" in found)
