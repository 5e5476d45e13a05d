"""What the README and the page on own data show is run as it stands there, on clips under those names."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path

import pytest

from harness import registry
from harness.cli.entry import main
from harness.types import FAKE, REAL
from tests.datasets.trees.planting import plant
from tests.test_readme import README, ROOT, command_lines

PAGE = ROOT / "docs" / "own-data.md"
PAIRS = (("001", "870"), ("002", "006"), ("953", "974"))
"""Two training pairs and a test pair of FaceForensics++."""


@pytest.fixture
def brought(
    home: Path, tmp_path: Path, tiny_root: Path, reference: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clips that the pages name: `my_clips`, three folders in `clips`, a list, and part of FF++."""
    monkeypatch.setenv("GAPBENCH_YUNET", str(reference / "weights" / "yunet" / "yunet_n_640_640.onnx"))
    listed = list(registry.datasets.get("procedural_tiny").clips(tiny_root))
    films = {label: [clip.path for clip in listed if clip.label == label] for label in (REAL, FAKE)}
    folders = {
        "my_clips": (0, 12),
        "clips/street": (12, 15),
        "clips/studio": (15, 18),
        "clips/fair": (18, 21),
    }
    for folder, (start, end) in folders.items():
        reals = [f"real/{place:03}.mp4" for place in range(end - start)]
        fakes = [f"fake/swap/{place:03}_{place ^ 1:03}.mp4" for place in range(end - start)]
        plant(tmp_path / folder, reals, films[REAL][start:end])
        plant(tmp_path / folder, fakes, films[FAKE][start:end])
    files = sorted(path.relative_to(tmp_path) for path in (tmp_path / "my_clips").rglob("*.mp4"))
    lines = [f"{file},{'forged' if 'fake' in file.parts else 'pristine'}" for file in files]
    (tmp_path / "clips.csv").write_text("file,kind\n" + "\n".join(lines) + "\n")
    orders = [order for one, other in PAIRS for order in ((one, other), (other, one))]
    names = [f"original_sequences/youtube/c23/videos/{target}.mp4" for target, _ in orders]
    plant(tmp_path / "FaceForensics++", names, films[REAL])
    forged = [f"manipulated_sequences/FaceSwap/c23/videos/{one}_{other}.mp4" for one, other in orders]
    plant(tmp_path / "FaceForensics++", forged, films[FAKE])


def run(line: str, capsys: pytest.CaptureFixture[str]) -> str:
    """Run a command as it stands there, but for MLflow; all that it said, in one line."""
    words = shlex.split(line)[1:]
    code = main([*words, *(["--no-publish"] if words[0] == "eval" else [])])
    told = capsys.readouterr()
    said = " ".join(f"{told.out} {told.err}".split())
    assert code == 0, f"{line}: {said}"
    return said


def test_training_on_own_clips_runs_as_the_readme_shows_it(
    brought: None, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [
        line for line in command_lines(README, "gapbench") if "my_clips" in line and "@procedural" not in line
    ]
    trained, judged, together = [line for line in lines if "meso4:meso4_df" not in line]
    assert "4 test (2 real, 2 fake)" in run(trained, capsys)
    assert "my_clips: its 4 test clips are judged; the other 20 are for training" in run(judged, capsys)
    assert {"street", "studio", "my_clips"} <= set(run(together, capsys).split())


def test_the_page_on_own_data_runs_as_it_stands(brought: None, capsys: pytest.CaptureFixture[str]) -> None:
    said = {line: run(line, capsys) for line in command_lines(PAGE, "gapbench")}
    told = list(said.values())
    assert len(told) >= 9
    assert any("split by people and footage and looks (" in each for each in told)
    assert any("from weights" in each for each in told)
    assert any("Not the whole set" in each for each in told)
    shutil.rmtree("results")
