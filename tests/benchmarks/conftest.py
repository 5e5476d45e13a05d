"""What the benchmarks share: the table of their figures at the end, and measuring side by side."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, fields
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from harness.environment import revision
from harness.files import read_json, write_whole
from tests.benchmarks import machine
from tests.benchmarks.figures import Figure, as_markdown, as_text
from tests.benchmarks.gate import PUBLISHED
from tests.benchmarks.pairs import small

FIGURES = pytest.StashKey[list[Figure]]()
ABOUT = """\
Ratios of two things measured in one run on one machine. The seconds and rates they are made of are in the
JSON of the same name; they say nothing about another machine. What the columns mean is explained in
[README.md](../README.md)."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--record", type=Path, metavar="FOLDER", help="write the figures and the machine there")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[FIGURES] = []


@pytest.fixture
def told(request: pytest.FixtureRequest) -> Callable[[Figure], Figure]:
    """`told(figure)`: print it, and put it into the table at the end."""

    def tell(figure: Figure) -> Figure:
        request.config.stash[FIGURES].append(figure)
        print(f"\n{figure.told}")
        return figure

    return tell


def pytest_benchmark_update_json(config: pytest.Config, benchmarks: list[Any]) -> None:
    """Ratios that a benchmark left in its `extra_info` (`a / b`) join the table; nothing is asked of them."""
    for each in benchmarks:
        for what, value in each.extra_info.items():
            if " / " in what:
                config.stash[FIGURES].append(Figure(each.name.removeprefix("test_"), what, float(value)))


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    figures = config.stash[FIGURES]
    if not figures:
        return
    terminalreporter.section("ratios")
    terminalreporter.write_line(as_text(figures))
    folder = config.getoption("--record")
    if folder and small():
        terminalreporter.write_line("tiny inputs: nothing is written")
    elif folder:
        terminalreporter.write_line(f"written: {_write(folder, figures)}")


def _write(folder: Path, figures: list[Figure]) -> Path:
    """The figures and the machine, as JSON and as a page of the same name.

    A part of the benchmarks renews its own figures; those of the others on this machine stay.
    """
    here, (commit, dirty) = machine.describe(), revision()
    path = folder / f"{machine.slug(here)}.json"
    code = f"{commit[:10]}{' with changes' if dirty else ''}"
    earlier = path if path.is_file() else PUBLISHED / path.name
    kept = {(each["name"], each["what"]): each for each in _earlier(earlier, here)}
    kept |= {(each.name, each.what): {**asdict(each), "ok": each.ok, "code": code} for each in figures}
    facts = {"machine": here, "date": date.today().isoformat(), "figures": list(kept.values())}
    write_whole(path, json.dumps(facts, indent=1) + "\n")
    said = ", ".join(
        f"{name} {' '.join(value) if isinstance(value, list) else value}" for name, value in here.items()
    )
    codes = ", ".join(dict.fromkeys(str(each["code"]) for each in kept.values()))
    names = {one.name for one in fields(Figure)}
    all_of_them = [Figure(**{name: each[name] for name in each if name in names}) for each in kept.values()]
    about = f"{facts['date']}, code {codes}. {said}."
    parts = (f"# Benchmarks on {here['cpu']}, {here['cores']} cores", about, ABOUT, as_markdown(all_of_them))
    write_whole(path.with_suffix(".md"), "\n\n".join(parts) + "\n")
    return path


def _earlier(path: Path, here: dict[str, Any]) -> list[dict[str, Any]]:
    """The figures that were measured before on the same machine with the same libraries."""
    if not path.is_file():
        return []
    said = read_json(path)
    same = json.loads(json.dumps(here)) == said["machine"]
    return [{"code": said.get("commit", "")[:10], **each} for each in said["figures"]] if same else []


@pytest.fixture
def side_by_side() -> Callable[..., tuple[float, float]]:
    """`side_by_side(one, other)`: least seconds of each, called in turn so that both meet the same load."""

    def measure(
        one: Callable[[], object], other: Callable[[], object], rounds: int = 4
    ) -> tuple[float, float]:
        least = [float("inf"), float("inf")]
        for counted in range(-1, rounds):  # the first round warms up
            for which, work in enumerate((one, other)):
                started = time.perf_counter()
                work()
                spent = time.perf_counter() - started
                if counted >= 0:
                    least[which] = min(least[which], spent)
        return least[0], least[1]

    return measure
