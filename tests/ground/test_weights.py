"""Imported weights are a fixed detector, say only what was stated, and are never scored when changed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from harness import registry, weights
from harness.cli.entry import main
from harness.training.importing import ImportRequest, import_weights
from harness.types import HarnessError
from tests.training.weight_files import clips_of, found, meso, saved, scores_of

pytestmark = pytest.mark.usefixtures("home")


def test_imported_weights_are_a_fixed_detector_that_scores_like_the_original(tmp_path: Path) -> None:
    file = saved(tmp_path / "My Net-v2.safetensors", meso())
    claims = {"trained_on": "procedural_tiny", "threshold": 0.25, "selected": "fixed"}
    record = import_weights(ImportRequest(file, "meso4", size=32, frames=2, **claims))  # type: ignore[arg-type]
    entry = registry.detectors.get("meso4:my_net_v2")
    assert weights.imported_names() == [record.full_name] == [entry.name] == ["meso4:my_net_v2"]
    assert (entry.trainable, entry.trained_on, entry.identity) == (False, "procedural_tiny", record.sha256)
    assert entry.file == registry.detectors.get("meso4").file
    detector, original = entry.make(), registry.detectors.get("meso4").build(size=32, frames=2)
    original.load_state_dict(meso())
    assert torch.equal(scores_of(detector, clips_of(32)), scores_of(original, clips_of(32)))
    assert (detector.size, detector.frames, detector.training) == (32, 2, False)
    stated = registry.stated_selection(detector, entry.name)
    assert stated == {"threshold": 0.25, "threshold_source": "fixed", "checkpoint_source": "fixed"}


def test_what_nobody_stated_is_unknown_not_assumed(tmp_path: Path) -> None:
    import_weights(ImportRequest(saved(tmp_path / "a.safetensors", meso()), "meso4", size=32))
    detector = found("meso4:a").make()
    stated = registry.stated_selection(detector, "meso4:a")
    assert stated == {"threshold": None, "threshold_source": "unknown", "checkpoint_source": "unknown"}
    assert found("meso4:a").trained_on is None
    assert detector.frames == registry.detectors.get("meso4").recipe("published").frames


def test_the_record_names_the_file_but_no_folder(tmp_path: Path) -> None:
    record = import_weights(ImportRequest(saved(tmp_path / "a.safetensors", meso()), "meso4", size=32))
    text = record.path.read_text()
    assert json.loads(text)["source"] == "a.safetensors"
    assert str(tmp_path) not in text
    assert str(Path.home()) not in text


def test_weights_that_changed_after_the_import_are_never_scored(tmp_path: Path) -> None:
    record = import_weights(ImportRequest(saved(tmp_path / "a.safetensors", meso()), "meso4", size=32))
    saved(record.path.with_suffix(".safetensors"), meso(seed=1))
    with pytest.raises(HarnessError, match="are damaged"):
        found("meso4:a").make()


def test_a_damaged_record_is_one_line_and_hides_no_other(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a", "b"):
        import_weights(ImportRequest(saved(tmp_path / f"{name}.safetensors", meso()), "meso4", size=32))
    weights.imported_path("meso4", "a").write_text('{"detector": "meso4"}')
    with pytest.raises(HarnessError, match="does not describe imported weights"):
        registry.detectors.get("meso4:a")
    assert main(["weights", "ls"]) == 0
    listed = capsys.readouterr().out
    assert "meso4:a" in listed and "damaged" in listed
    assert "b.safetensors" in listed
