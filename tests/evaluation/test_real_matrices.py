"""The matrices of real datasets: what they ask for, and what they say is missing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness import registry
from harness.data.clips import Subset
from harness.evaluation.matrix import Matrix, load_matrix
from harness.evaluation.plan import plan_matrix
from harness.evaluation.plan_table import describe_plan
from harness.gate.judge import margins_of
from harness.types import Runtime

ON_OUR_CROPS = ("ffpp_c23", "celeb_df_v2", "dfdc_preview", "deeperforensics")
ON_THEIR_CROPS = tuple(
    f"deepfakebench_{name}" for name in ("ffpp", "celeb_df_v1", "celeb_df_v2", "dfd", "dfdc", "dfdc_preview")
)
PROTOCOLS = tuple(f"df40-protocol-{number}" for number in (1, 2, 3))
NAMES = ("ffpp-celebdf", "deepfakebench", *PROTOCOLS)


@pytest.fixture(params=NAMES)
def matrix(request: pytest.FixtureRequest) -> Matrix:
    """Each of the matrices for data that users bring."""
    return load_matrix(request.param)


def test_a_real_matrix_names_registered_plug_ins_and_recipes_that_exist(matrix: Matrix) -> None:
    cells = matrix.cells(Runtime())
    assert len(cells) == len(matrix.detectors) * len(matrix.test) * len(matrix.conditions())
    for name in matrix.detectors:
        entry = registry.detectors.get(name)
        assert not entry.trainable or entry.recipe(matrix.recipe).pretrained
    for name in (*matrix.train, *matrix.test):
        assert not registry.datasets.get(Subset.parse(name).dataset).embedded


def test_a_real_matrix_is_judged_by_the_default_margins(matrix: Matrix) -> None:
    assert margins_of(matrix.gate) == margins_of({})


def test_the_protocol_of_the_claim_is_trained_on_one_set_and_tested_on_four() -> None:
    matrix = load_matrix("ffpp-celebdf")
    assert matrix.train == ("ffpp_c23-FaceShifter",)
    assert matrix.test == (*matrix.train, *ON_OUR_CROPS[1:3], "deeperforensics:end_to_end")
    assert matrix.detectors == ("constant", "xception", "efficientnet_bilstm", "airl")
    regimes = {cell.tested_on: cell.regime for cell in matrix.cells(Runtime()) if cell.trained_on}
    assert regimes.pop("ffpp_c23-FaceShifter") == "in-dataset"
    assert set(regimes.values()) == {"cross-dataset"}


def test_its_blur_and_jpeg_are_those_nearest_to_the_claims_own() -> None:
    ((name, severity),) = load_matrix("ffpp-celebdf").conditions()[1:]
    level = registry.perturbations.get(name).parameter(severity)
    assert (name, level) == ("blur_jpeg", {"kernel": 13, "quality": 50})
    assert 2 <= level["kernel"] / 6 <= 3, "the claim blurs with sigma 2 and 3"
    assert 50 <= level["quality"] <= 70, "the claim encodes at quality 70 and 50"


def test_deepfakebench_is_trained_and_tested_on_its_own_lists() -> None:
    matrix = load_matrix("deepfakebench")
    assert (matrix.train, matrix.test) == (("deepfakebench_ffpp",), ON_THEIR_CROPS)
    assert matrix.conditions() == [("clean", 0)]


def test_the_protocols_of_df40_test_the_families_and_the_unknown_methods_of_its_authors() -> None:
    families = [("FSAll_ff", "FRAll_ff", "EFSAll_ff"), ("FSAll_cdf", "FRAll_cdf", "EFSAll_cdf")]
    # as the authors' README gives the lines for its tables 3, 4 and 5; e4e comes as two lists
    unknown = (
        "deepfacelab heygen whichisreal MidJourney stargan starganv2 styleclip e4e_ff e4e_cdf CollabDiff"
    )
    for name, parts in zip(PROTOCOLS, (*families, tuple(unknown.split())), strict=True):
        matrix = load_matrix(name)
        assert matrix.test == tuple(f"df40:{part}" for part in parts)
        assert set(parts) <= registry.datasets.get("df40").parts.keys()
        assert {cell.regime for cell in matrix.cells(Runtime())} == {"cross-dataset"}


def missing_of(text: str, name: str) -> str:
    """What a dry run says of a dataset that is absent."""
    said = " ".join(text.split())
    return said.split(f"absent: {name}: ")[1].split("absent: ")[0]


@pytest.mark.parametrize(("name", "tests"), [(NAMES[0], ON_OUR_CROPS), (NAMES[1], ON_THEIR_CROPS)])
def test_a_plan_says_of_each_dataset_what_brings_it(
    name: str, tests: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GAPBENCH_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    for dataset in (*tests, "deepfakebench"):
        monkeypatch.delenv(f"GAPBENCH_DATA_{dataset.upper()}", raising=False)
    plan = plan_matrix(load_matrix(name), "cpu")
    assert (set(plan.absent), plan.cells) == (set(tests), [])
    told = describe_plan(plan)
    for dataset in tests:
        brings = (dataset, registry.datasets.get(dataset).shares)
        assert any(f"gapbench data set {one} FOLDER" in missing_of(told, dataset) for one in brings if one)


def test_a_dry_run_on_an_empty_machine_says_what_is_missing_and_makes_nothing(tmp_path: Path) -> None:
    settings = {name: value for name, value in os.environ.items() if not name.startswith("GAPBENCH_")}
    settings |= {"GAPBENCH_HOME": str(tmp_path / "home"), "PYTHONSAFEPATH": "1", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "harness.cli", "eval", "ffpp-celebdf", "--dry-run", "--device", "cpu"]
    run = subprocess.run(command, cwd=tmp_path, env=settings, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    for dataset in ON_OUR_CROPS:
        said = missing_of(run.stdout, dataset)
        assert f"gapbench data set {dataset} FOLDER" in said
        assert f"GAPBENCH_DATA_{dataset.upper()}=FOLDER" in said
    assert not any(file.is_file() for file in tmp_path.rglob("*"))
