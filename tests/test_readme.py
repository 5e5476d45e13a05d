"""What the README shows works as it stands there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from harness import registry
from harness.checks import conformance
from harness.cli.entry import _parsed
from harness.evaluation.matrix import parse_matrix
from harness.types import Runtime

README = (Path(__file__).resolve().parents[1] / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


@pytest.fixture
def plugins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_root: Path) -> Path:
    """The README's plug-ins, registered for the length of one test, and data for its dataset."""
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


def test_the_commands_of_the_readme_exist() -> None:
    named = re.findall(r"`gapbench ([a-z]+)", README)
    assert len(set(named)) > 8
    for command in set(named):
        with pytest.raises(SystemExit) as left:
            _parsed([command, "--help"])
        assert left.value.code == 0


def test_the_readme_has_no_figure_left_to_fill_in() -> None:
    assert "@@" not in README
