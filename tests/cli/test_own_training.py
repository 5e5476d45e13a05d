"""Training on clips of one's own, and judging with what came out."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from harness import registry
from harness.cli.entry import main
from harness.data.clips import list_clips
from harness.files import home as home_folder
from harness.records import Weights
from harness.results.rows import load_board
from harness.types import FAKE, REAL
from harness.weights import stored_weights
from tests.datasets.trees.planting import plant
from tests.training.small_detector import ENTRY

Run = Callable[..., str]
CENTER = ("--crop", "center", "--no-publish")


@pytest.fixture
def clips(home: Path, tmp_path: Path, tiny_root: Path) -> Path:
    """A folder of twelve real and twelve forged clips, whose names hold those of the real ones."""
    registry.detectors.add(ENTRY)
    listed = list(registry.datasets.get("procedural_tiny").clips(tiny_root))
    for label, folder in ((REAL, "real"), (FAKE, "fake/swap")):
        (tmp_path / "mine" / folder).mkdir(parents=True)
        for place, clip in enumerate([clip for clip in listed if clip.label == label][:12]):
            name = f"{place:03}.mp4" if label == REAL else f"{place:03}_{place ^ 1:03}.mp4"
            shutil.copyfile(clip.path, tmp_path / "mine" / folder / name)
    return tmp_path / "mine"


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command that must end with a code (0 unless another is given); all that it said, in one line."""

    def running(*words: str, code: int = 0) -> str:
        ended = main([*words, "--device", "cpu"])
        told = capsys.readouterr()
        said = " ".join(f"{told.out} {told.err}".split())
        assert ended == code, said
        return said

    return running


def train(run: Run, *more: str, code: int = 0) -> str:
    return run("train", "small", "--on", *(more or ("mine",)), "--crop", "center", code=code)


def newest() -> Weights:
    return stored_weights(home_folder() / "weights")[0]


def test_a_folder_is_split_and_trained_on_under_its_name(clips: Path, run: Run) -> None:
    said = train(run)
    assert "recipe tiny: 16 px, 2 frames of a clip, 4 epochs, 4 clips a step" in said
    assert "splits nobody states splits: split by looks (" in said and "test clips are kept" in said
    assert "--people-from names counts them as one recording" in said
    assert "estimate for training small on mine: " in said and "of frames at most" in said
    assert "use it gapbench predict small@mine~tiny FILE" in said
    assert "judge it gapbench eval mine --detector small@mine~tiny --crop center" in said
    weights = newest()
    assert (weights.trained_on, weights.provenance["recipe_name"]) == ("mine", "tiny")
    assert str(clips) not in json.dumps(weights.provenance)


def test_tests_that_may_have_been_trained_on_are_not_ranked(clips: Path, run: Run) -> None:
    train(run)
    run("eval", "mine", "-d", "small@mine", *CENTER)
    (row,) = load_board("own-mine").rows
    assert not row.shares_footage
    for path in [*(clips / "real").glob("00[0-5].mp4"), *(clips / "fake").rglob("00[0-5]_*.mp4")]:
        path.unlink()
    run("eval", "mine", "-d", "small@mine", *CENTER)
    (row,) = load_board("own-mine").rows
    assert "the clips of mine have changed since" in str(row.provenance["shared_footage"])


def test_what_is_changed_of_the_recipe_is_in_its_name_and_in_the_weights(clips: Path, run: Run) -> None:
    train(run)
    plain = newest().key
    said = train(run, "mine", "--epochs", "1", "--batch", "8", "--learning-rate", "0.0005", "--limit", "6")
    assert "recipe tiny+epochs1+batch8+lr0.0005+limit6" in said
    assert "6 train (3 real, 3 fake)" in said
    assert newest().key != plain
    assert (newest().recipe.epochs, newest().recipe.limit) == (1, 6)
    assert len(newest().curve) == 1


def test_weights_survive_that_the_folder_moves(clips: Path, run: Run, tmp_path: Path) -> None:
    train(run)
    trained = newest().path.stat().st_mtime_ns
    clips.rename(tmp_path / "elsewhere")
    assert "training small" not in train(run, "elsewhere")
    assert newest().path.stat().st_mtime_ns == trained


def test_names_keep_fakes_together_with_what_they_were_made_of(clips: Path, run: Run) -> None:
    said = train(run, "mine", "--people-from", "names")
    assert "split by people and footage and looks (" in said and "--people-from" not in said
    listed = list_clips(registry.datasets.get("mine"), clips)
    assert {clip.target for clip in listed if clip.split == "test"}.isdisjoint(
        {person for clip in listed if clip.split == "train" for person in (clip.target, clip.source)}
    )


def test_training_goes_on_from_weights_that_are_here(clips: Path, run: Run) -> None:
    train(run)
    first = newest()
    said = train(run, "mine", "--start-from", "small@mine", "--epochs", "1")
    assert f"from weights {first.sha256[:10]}" in said
    assert newest().recipe.start == first.sha256[:10]
    said = train(run, "mine", "--start-from", "Meso4_DF.h5", code=2)
    assert "bring a file first: gapbench weights import Meso4_DF.h5 --detector small" in said


def test_what_cannot_be_trained_on_is_said(clips: Path, run: Run) -> None:
    assert "nor is there a folder, .csv or .parquet file nowhere" in train(run, "nowhere", code=2)
    assert "unknown recipe of small 'published'" in train(run, "mine", "--recipe", "published", code=2)
    assert "--size: 0 is below 1" in train(run, "mine", "--size", "0", code=2)


def test_clips_without_a_face_are_left_out_and_counted(
    clips: Path, run: Run, monkeypatch: pytest.MonkeyPatch, reference: Path
) -> None:
    monkeypatch.setenv("GAPBENCH_YUNET", str(reference / "weights" / "yunet" / "yunet_n_640_640.onnx"))
    for place in range(6):
        cv2.imwrite(str(clips / "real" / f"wall{place}.png"), np.full((90, 120, 3), 20 * place, np.uint8))
    said = run("train", "small", "--on", "mine", "--epochs", "1")
    assert "real train clips show no face and are left out" in said
    assert newest().provenance["faceless"]["real"] >= 4
    shutil.rmtree(clips / "real")
    (clips / "real").mkdir()
    for place, noise in enumerate(
        np.random.default_rng(0).integers(0, 255, (12, 90, 120, 3), dtype=np.uint8)
    ):
        cv2.imwrite(str(clips / "real" / f"noise{place}.png"), noise)
    said = run("train", "small", "--on", "mine", "--epochs", "1", code=2)
    assert "clips to train with: no face was found in" in said


def test_three_folders_stand_on_one_board_under_their_names(clips: Path, run: Run, tmp_path: Path) -> None:
    train(run)
    for name in ("street", "studio"):
        shutil.copytree(clips, tmp_path / name / "clips")
    more = ("--test", "street=street/clips", "--test", "studio=studio/clips")
    said = run(
        "eval", "mine", *more, "-d", "small@mine", "-d", "constant", "--crop", "center", "--no-publish"
    )
    assert "mine: its 4 test clips are judged; the other 20 are for training" in said
    board = load_board("own-mine-street-studio")
    assert {(row.cell.detector, row.cell.tested_on, row.clips) for row in board.rows} == {
        (detector, name, number)
        for detector in ("small", "constant")
        for name, number in (("mine", 4), ("street", 24), ("studio", 24))
    }
    shared = {row.cell.tested_on: row.shares_footage for row in board.rows if row.cell.detector == "small"}
    assert shared == {"mine": False, "street": True, "studio": True}
    published = (*Path("results").rglob("own-*.*"), *(home_folder() / "runs").glob("*.json"))
    for file in [file for file in published if file.suffix in (".md", ".csv", ".json")]:
        assert str(tmp_path) not in file.read_text().replace(str(home_folder()), ""), file


def test_part_of_a_known_dataset_is_trained_on_and_judged(
    home: Path, run: Run, tmp_path: Path, tiny_root: Path
) -> None:
    registry.detectors.add(ENTRY)
    rows = (Path(registry.datasets.get("ffpp_c23").file).with_name("ffpp_pairs.csv")).read_text().splitlines()
    pairs = [next(row.split(",")[1:] for row in rows if row.startswith(split)) for split in ("train", "test")]
    orders = [
        order for one, other in [*pairs, rows[2].split(",")[1:]] for order in ((one, other), (other, one))
    ]
    names = [f"original_sequences/youtube/c23/videos/{target}.mp4" for target, _ in orders]
    names += [f"manipulated_sequences/FaceSwap/c23/videos/{one}_{other}.mp4" for one, other in orders]
    plant(tmp_path / "ff", names, sorted(tiny_root.rglob("*.mp4"))[:12])
    assert main(["data", "set", "ffpp_c23", "ff"]) == 0
    assert "cannot be read" in train(run, "ffpp_c23", code=2)
    said = train(run, "ffpp_c23", "--present")
    assert "recipe tiny+present" in said and "the validation clips are taken from the training clips" in said
    said = run("eval", "ffpp_c23", "-d", "small@ffpp_c23", "--present", *CENTER)
    (row,) = load_board("own-ffpp-c23").rows
    assert (row.clips, row.failed) == (4, 0)
    assert "Not the whole set" in said
    run("eval", "ffpp_c23", "-d", "constant", "--crop", "none", "--present", "--limit", "2", "--no-publish")
    (row,) = load_board("own-ffpp-c23").rows
    assert (row.clips, row.failed) == (2, 0)


def test_weights_are_used_where_their_clips_are_unknown(clips: Path, run: Run, tmp_path: Path) -> None:
    train(run)
    shutil.copytree(clips, tmp_path / "other")
    shutil.rmtree(home_folder() / "own")  # as where weights were copied to another machine
    said = run("eval", "other", "-d", "small@mine", *CENTER)
    assert "small is said to be trained on mine: that is not here" in said.replace("~tiny", "")
    said = run("eval", "other", "-d", "small@yours", *CENTER, code=2)
    assert "unknown weights 'small@yours'; did you mean 'small@mine~tiny'?" in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["-d", "constant", "--name", "x"], "--name is for one folder or file"),
        ([], "say what is evaluated: a matrix, a folder or file of clips, or --test NAME=PATH"),
        (["--test", "a=nowhere", "-d", "constant"], "nowhere is neither a folder nor a table"),
        (["--test", "a=mine", "--test", "a=mine", "-d", "constant"], "a is tested twice"),
        (["--test", "nobody", "-d", "constant"], "unknown dataset 'nobody'"),
        (["mine", "--map", "path=file", "-d", "constant"], "mine is a folder: --map and --labels are for"),
        (["smoke", "--limit", "3"], "smoke is no folder, manifest or dataset, which --limit is for"),
        (["mine", "--test", "b=mine"], "say which detector judges mine"),
    ],
)
def test_what_cannot_be_put_on_a_board_is_said(clips: Path, run: Run, words: list[str], said: str) -> None:
    assert said in run("eval", *words, code=2)


def test_stated_splits_are_used_as_they_are_and_nothing_is_read_for_them(clips: Path, run: Run) -> None:
    for place, path in enumerate(sorted(clips.rglob("*.mp4"))):
        split = ("train", "train", "val", "test")[place % 12 // 3]
        kept = clips / split / path.relative_to(clips)
        kept.parent.mkdir(parents=True, exist_ok=True)
        path.rename(kept)
    said = train(run)
    assert "splits as stated; its 6 test clips are kept" in said and "fingerprints" not in said
    assert "12 train (6 real, 6 fake), 6 val (3 real, 3 fake)" in said
