"""The built wheel is one package, holds the whole tree, and runs from an empty folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("harness", "detectors", "datasets", "perturbations")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy of the tree."""
    source = tmp_path_factory.mktemp("source")
    for folder in FOLDERS:
        shutil.copytree(ROOT / folder, source / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copyfile(ROOT / name, source / name)
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(source)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout[-2000:] + run.stderr[-2000:]
    (built,) = out.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def names(wheel: Path) -> set[str]:
    """The files of the wheel, without its metadata."""
    with zipfile.ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if ".dist-info/" not in name}


def installed_name(path: Path) -> str:
    """Where a file of the tree lies in the wheel."""
    inside = path.relative_to(ROOT).as_posix()
    return inside if inside.startswith("harness/") else f"harness/{inside}"


def test_the_wheel_has_one_top_level_name(wheel: Path, names: set[str]) -> None:
    assert {name.partition("/")[0] for name in names} == {"harness"}
    with zipfile.ZipFile(wheel) as archive:
        (listed,) = [name for name in archive.namelist() if name.endswith(".dist-info/top_level.txt")]
        assert archive.read(listed).decode().split() == ["harness"]


def test_the_wheel_holds_every_module_of_the_tree_and_nothing_else(names: set[str]) -> None:
    modules = {installed_name(path) for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")}
    assert {name for name in names if name.endswith(".py")} == modules


def test_the_wheel_holds_every_matrix(names: set[str]) -> None:
    matrices = {installed_name(path) for path in (ROOT / "harness" / "matrices").glob("*.toml")}
    assert "harness/matrices/smoke.toml" in matrices
    assert matrices <= names


def test_the_wheel_names_its_command_and_carries_its_licence(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        listed = archive.namelist()
        (commands,) = [name for name in listed if name.endswith(".dist-info/entry_points.txt")]
        assert "gapbench = harness.cli:main" in archive.read(commands).decode()
        assert any(name.endswith("/LICENSE") for name in listed)


def test_the_unpacked_wheel_plans_smoke_from_an_empty_folder(wheel: Path, tmp_path: Path) -> None:
    site, empty = tmp_path / "site", tmp_path / "empty"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    empty.mkdir()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GAPBENCH_")} | {
        "PYTHONPATH": str(site),
        "PYTHONSAFEPATH": "1",
    }

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=empty,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    where = run(
        "-c", "import harness, harness.detectors, harness.datasets as d; print(harness.__file__, d.__file__)"
    )
    assert where.stdout.split() == [
        str(site / "harness" / "__init__.py"),
        str(site / "harness" / "datasets" / "__init__.py"),
    ]
    plan = run("-m", "harness.cli", "eval", "smoke", "--dry-run")
    assert plan.returncode == 0, plan.stdout + plan.stderr
    assert "Traceback" not in plan.stderr
    assert "constant" in plan.stdout + plan.stderr
