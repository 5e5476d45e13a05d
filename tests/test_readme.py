"""What the README and the pages of `docs/` show works as it stands there."""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import registry
from harness.checks import conformance
from harness.cli.entry import COMMANDS, _parsed, parser
from harness.evaluation.matrix import parse_matrix
from harness.types import HarnessError, Runtime

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
PAGES = (README, *sorted((ROOT / "docs").glob("*.md")))
PLUGINS = ROOT / "docs" / "plugins.md"
LONGEST = 150
"""Lines of the README, at most."""
PLAIN = ("", "bash", "sh", "console")
"""Languages of blocks that hold commands."""
FENCED = re.compile(r"^ *```(\w*)\n(.*?)^ *```$", flags=re.DOTALL | re.MULTILINE)
UNFINISHED = "the following arguments are required"

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def blocks(language: str, page: Path = PLUGINS) -> list[str]:
    """The code blocks of a page in one language."""
    return [code for said, code in FENCED.findall(page.read_text()) if said == language]


def prose(page: Path) -> str:
    """A page without its code blocks."""
    return FENCED.sub("", page.read_text())


def in_backticks(page: Path) -> list[str]:
    """What stands in backticks in a page's text, each in one line."""
    return [" ".join(said.split()) for said in re.findall(r"`([^`]+)`", prose(page))]


def command_lines(page: Path, program: str) -> list[str]:
    """The lines of a page's blocks that call a program, without comments; one that goes on is one line."""
    lines = "\n".join(code for language in PLAIN for code in blocks(language, page))
    bare = [re.sub(r"(^|\s)#.*", "", line).strip() for line in lines.replace("\\\n", " ").splitlines()]
    return [line for line in bare if re.match(rf"(\.venv/bin/)?{program}\b", line)]


def mentions(page: Path) -> list[str]:
    """The commands of GapBench in the text of a page."""
    return [said for said in in_backticks(page) if re.match(r"(\.venv/bin/)?gapbench ", said)]


def parse(line: str, mentioned: bool = False) -> None:
    """Give a command line to the real parser; what is only mentioned may leave out what is required.

    What stands in square brackets is given, and `FILE...` is one file.
    """
    words = shlex.split(re.sub(r"[][]", "", line).replace("...", ""))[1:]
    for option in (word.partition("=")[0] for word in words if word.startswith("--")):
        assert option in options_of(words), f"{line}: there is no {option}"
    try:
        _parsed(words)
    except HarnessError as error:
        if not (mentioned and UNFINISHED in str(error)):
            pytest.fail(f"{line}: {error}")


def options_of(words: list[str]) -> set[str]:
    """The options that the commands among some words take, those of the whole command line too."""
    now, found = parser(), set()
    for word in [*words, ""]:
        found |= set(now._option_string_actions)
        now = next((choices[word] for choices in subcommands(now) if word in choices), now)
    return found | set(now._option_string_actions)


def options_of_all(command: argparse.ArgumentParser) -> set[str]:
    """The options of a command and of all commands below it."""
    below = [each for choices in subcommands(command) for each in choices.values()]
    return set(command._option_string_actions).union(*map(options_of_all, below))


def subcommands(command: argparse.ArgumentParser) -> Iterator[dict[str, argparse.ArgumentParser]]:
    for action in command._actions:
        if isinstance(action, argparse._SubParsersAction):
            yield dict(action.choices)


def links(page: Path) -> list[str]:
    """Where the links and pictures of a page lead inside the repository."""
    targets = re.findall(r"\]\(([^)\s]+)\)", prose(page))
    return [target for target in targets if "://" not in target]


def anchors(page: Path) -> set[str]:
    """The names by which links find the headings of a page."""
    headings = re.findall(r"^#+ +(.+)$", prose(page), flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.fixture
def plugins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_root: Path) -> Path:
    """The plug-ins of the pages, registered for the length of one test, and data for their dataset."""
    for kind in (registry.detectors, registry.datasets, registry.perturbations):
        kind.names()
        monkeypatch.setattr(kind, "_entries", dict(kind._entries))
    for number, code in enumerate(blocks("python")):
        file = tmp_path / f"readme_{number}.py"
        file.write_text(code)
        registry.load_file(file)
    for label, folder in enumerate(("real", "swap")):
        (tmp_path / "mine" / folder).mkdir(parents=True)
        tiny = registry.datasets.get("procedural_tiny").clips(tiny_root)
        chosen = [clip for clip in tiny if clip.label == label][:3]
        for number, clip in enumerate(chosen):
            (tmp_path / "mine" / folder / f"person{number}_1.mp4").symlink_to(clip.path)
    return tmp_path / "mine"


def test_the_plug_ins_of_the_readme_pass_the_checks(plugins: Path) -> None:
    findings = [
        *conformance.check_perturbation(registry.perturbations.get("grayscale")),
        *conformance.check_dataset(registry.datasets.get("mine"), plugins),
        *conformance.check_detector(registry.detectors.get("sharpness")),
    ]
    assert len(findings) > 10
    assert [finding for finding in findings if not finding.passed] == []


def test_the_matrix_of_the_readme_is_valid(plugins: Path) -> None:
    (text,) = blocks("toml")
    assert len(parse_matrix(text, "mine").cells(Runtime())) == 3 * 2 * 7


def test_no_plug_in_and_no_matrix_stands_on_a_page_that_is_not_tried() -> None:
    for page in PAGES:
        assert page == PLUGINS or not blocks("python", page) + blocks("toml", page)
        assert {said for said, _ in FENCED.findall(page.read_text())} <= {*PLAIN, "python", "toml"}


@every_page
def test_the_commands_of_the_readme_exist(page: Path) -> None:
    named = {name for said in mentions(page) for name in re.findall(r"gapbench ([a-z]+)", said)}
    assert len(named) > 8 or page != README
    for command in named:
        with pytest.raises(SystemExit) as left:
            _parsed([command, "--help"])
        assert left.value.code == 0


@every_page
def test_every_command_that_a_page_shows_is_understood_as_it_stands_there(page: Path) -> None:
    for line in command_lines(page, "gapbench"):
        parse(line)
    for said in mentions(page):
        parse(said, mentioned=True)


def test_commands_that_nobody_understands_are_found() -> None:
    parse("gapbench data set", mentioned=True)
    parse("gapbench eval MATRIX [--dry-run]")
    for wrong in ("gapbench evaluate MATRIX", "gapbench eval MATRIX --dry", "gapbench gate --oracle"):
        with pytest.raises((HarnessError, AssertionError, pytest.fail.Exception)):
            parse(wrong, mentioned=True)
    with pytest.raises(pytest.fail.Exception):
        parse("gapbench train xception")


@every_page
def test_every_option_that_a_page_names_exists(page: Path) -> None:
    named = {said.split()[0] for said in in_backticks(page) if said.startswith("--")}
    assert named <= options_of_all(parser()) | {"--help"}


def test_every_command_is_shown_on_a_page() -> None:
    shown = [line for page in PAGES for line in (*mentions(page), *command_lines(page, "gapbench"))]
    assert set(COMMANDS) == {name for line in shown for name in re.findall(r"gapbench ([a-z]+)", line)}


@every_page
def test_the_targets_of_make_that_a_page_shows_exist(page: Path) -> None:
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    shown = [line for line in (*in_backticks(page), *command_lines(page, "make")) if line.startswith("make ")]
    assert {line.split()[1] for line in shown} <= set(targets)


def test_every_page_is_linked_from_the_readme() -> None:
    linked = {target.partition("#")[0] for target in links(README)}
    assert {f"docs/{page.name}" for page in PAGES if page != README} <= linked
    assert len(PAGES) > 7


@every_page
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    for target in links(page):
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists() and file.is_relative_to(ROOT), f"{page.name}: {target}"
        assert not anchor or anchor in anchors(file), f"{page.name}: {target}"


def test_the_readme_fits_on_150_lines() -> None:
    assert len(README.read_text().splitlines()) <= LONGEST


@every_page
def test_the_readme_has_no_figure_left_to_fill_in(page: Path) -> None:
    assert "@@" not in page.read_text()
