"""`gapbench data audit` warns of a shortcut, names the facts, and is silent about a clean dataset."""

from __future__ import annotations

import json
from argparse import Namespace
from dataclasses import replace
from pathlib import Path

import cv2
import pytest

from harness import registry
from harness.cli.data import run_data_audit
from harness.contracts import DatasetEntry
from harness.data.audit.record import Audit, Counterfactual, Estimate, audit_file, read_audit
from harness.data.audit.summary import described
from harness.types import Clip, HarnessError
from tests.data.audit.pictures import noise

BLUR = '''
import numpy as np
from harness.registry import detector

@detector("smoothness")
class Smoothness:
    """P(fake) is high where neighbouring pixels differ little: it lives on how files were encoded."""
    size, frames = 112, 2

    def score(self, clips):
        steps = np.diff(clips.astype(float), 2, axis=3)
        return np.exp(-np.median(np.abs(steps), axis=(2, 3, 4)) / 8)
'''


@pytest.fixture
def detector(tmp_path: Path, home: Path) -> str:
    (tmp_path / "smooth.py").write_text(BLUR)
    registry.load_file(tmp_path / "smooth.py")
    return "smoothness"


def options(**said: object) -> Namespace:
    usual = {"dataset": "procedural_planted", "root": None, "counterfactual": None, "clips": 1000, "seed": 0}
    return Namespace(**{**usual, **said})


def test_the_command_warns_names_facts_and_judges_again_after_the_same_treatment(
    planted: Path, home: Path, detector: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / "data" / planted.name).symlink_to(planted, target_is_directory=True)
    assert run_data_audit(options(counterfactual=detector, clips=30)) == 1
    said = capsys.readouterr().out
    assert "shortcut" in said and "bit rate" in said and "procedural_planted" in said
    assert max(len(line) for line in said.splitlines() if not line.startswith("wrote ")) <= 100
    audit = read_audit("procedural_planted")
    assert audit is not None and audit.counterfactual is not None
    judged = audit.counterfactual
    assert (judged.reals, judged.fakes, judged.failed) == (16, 16, 0)
    assert judged.before.value > 0.9  # it sees the second encoding
    assert judged.difference.high < 0  # and sees less of it where both classes were encoded once more
    assert judged.difference.value == pytest.approx(judged.after.value - judged.before.value)
    assert judged.difference.low <= judged.difference.value <= judged.difference.high


@pytest.mark.parametrize(
    ("apart", "said"),
    [
        ((-0.3, -0.4, -0.2), "loses 0.300 of its AUC of 0.900"),
        ((-0.05, -0.15, 0.05), "does not lose AUC beyond chance"),
        ((0.05, 0.01, 0.09), "gains 0.050 AUC"),
    ],
)
def test_what_the_fall_means_is_said_in_a_sentence(
    found: tuple[DatasetEntry, tuple[Clip, ...], Audit], apart: tuple[float, float, float], said: str
) -> None:
    estimates = Estimate(0.9, 0.8, 0.95), Estimate(0.9 + apart[0], 0.5, 0.95), Estimate(*apart)
    judged = Counterfactual("meso4", "JPEG", "test split", 50, 60, 1, *estimates)
    text = " ".join(described(replace(found[2], counterfactual=judged)).split())
    assert f"meso4 {said}" in text
    assert "--counterfactual" not in text  # what was asked is not recommended again


def test_the_counterfactual_is_recommended_with_the_root(
    found: tuple[DatasetEntry, tuple[Clip, ...], Audit],
) -> None:
    text = " ".join(described(found[2], Path("my clips")).split())
    assert "gapbench data audit procedural_planted --root 'my clips' --counterfactual DETECTOR" in text
    assert "--root" not in described(found[2])


@pytest.mark.parametrize(
    ("estimate", "known", "said"),
    [
        ((0.63, 0.47, 0.79), {}, "reaches down to 0.5, where chance is"),
        ((0.61, 0.55, 0.67), {"wobble": 0.01}, "other folds may bring it below"),
        ((0.75, 0.65, 0.85), {"unboxed": 40}, "faces may be seen"),
        ((0.5, 0.42, 0.58), {"loose": 52}, "nobody says which real clip 52 of 52 fakes were made from"),
        ((0.5, 0.3, 0.7), {}, "the interval is not wholly below 0.6"),
    ],
)
def test_why_a_part_is_neither_clear_nor_a_shortcut_is_said(
    found: tuple[DatasetEntry, tuple[Clip, ...], Audit],
    estimate: tuple[float, float, float],
    known: dict[str, float],
    said: str,
) -> None:
    part = replace(found[2].background, auc=Estimate(*estimate), **{"wobble": 0.0, **known})  # type: ignore[arg-type]
    text = described(replace(found[2], background=part))
    assert max(map(len, text.splitlines())) <= 100
    assert said in " ".join(text.split()) and "background: not shown either way" in text


def test_the_command_exits_0_on_the_clean_set(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_data_audit(options(dataset="procedural_tiny")) == 0
    assert "shortcut" not in capsys.readouterr().out
    assert json.loads(audit_file("procedural_tiny").read_text())["container"]["auc"]["value"] < 0.6


def test_that_fakes_are_png_is_a_shortcut_even_where_no_face_can_be_found(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GAPBENCH_YUNET", str(tmp_path / "no-model.onnx"))
    root = tmp_path / "mine"
    for number in range(40):
        place = root / ("fake/swap" if number % 2 else "real") / f"{number}.{'png' if number % 2 else 'jpg'}"
        place.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(place), noise(number, 10), [cv2.IMWRITE_JPEG_QUALITY, 98])
    assert run_data_audit(options(dataset="folder", root=root)) == 1
    said = capsys.readouterr()
    audit = read_audit("folder")
    assert audit is not None and audit.container.auc is not None and audit.container.auc.value > 0.95
    assert "format" in {lead.fact for lead in audit.container.leads}
    assert audit.background.unboxed == 40 and "a central square" in said.out
    assert "no face can be found" in said.err and "nobody is named" in audit.groups


def test_a_wrong_option_is_told_before_anything_is_looked_at(home: Path, tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match="unknown detector 'smoothnes'"):
        run_data_audit(options(counterfactual="smoothnes"))
    with pytest.raises(HarnessError, match="--root is for datasets that you bring"):
        run_data_audit(options(root=tmp_path))
    with pytest.raises(HarnessError, match="at least 1"):
        run_data_audit(options(clips=0))
